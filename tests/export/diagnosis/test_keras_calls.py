import keras
import numpy as np
from keras import layers

from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.keras_calls import keras_calls


def run(model, images):
    calls, output = keras_calls(model)
    values = {0: images}
    for call in calls:
        values.update(call.run(values))
    return calls, values[output]


def test_the_calls_compute_what_the_model_does(net, images):
    calls, output = run(lower(net).model, images)
    np.testing.assert_allclose(output, net(images, training=False), atol=1e-6)
    assert "backbone/stem_relu" in [call.path for call in calls]


def test_shared_models_and_several_outputs():
    keras.utils.set_random_seed(0)
    shared = keras.Sequential(
        [keras.Input((4, 4, 2)), layers.Conv2D(2, 3, padding="same")],
        name="shared",
    )
    inputs = keras.Input((4, 4, 2))
    left, right = keras.ops.split(shared(shared(inputs)), 2, axis=-1)
    outputs = layers.Flatten()(layers.Subtract()([right, left]))
    model = keras.Model(inputs, outputs)
    images = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("f4")
    calls, output = run(model, images)
    np.testing.assert_allclose(output, model(images), atol=1e-6)
    paths = [call.path for call in calls]
    assert sum(path.startswith("shared/") for path in paths) == 2
