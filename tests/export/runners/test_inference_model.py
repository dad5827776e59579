import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export import quantization_aware
from kerastl.export.runners.inference_model import check_shapes
from kerastl.export.runners.inference_model import lower
from kerastl.export.runners.inference_model import walk_layers

pytestmark = pytest.mark.tensorflow_only


def layer_names(model):
    return [layer.name for layer in walk_layers(model)]


def test_augmentation_is_left_out_and_said(cnn):
    before = layer_names(cnn)
    lowered = lower(cnn)
    assert layer_names(lowered.model) == [
        name for name in before if name not in ("flip", "zoom")
    ]
    assert lowered.notes == ["Left out the augmentation layers flip, zoom."]
    assert layer_names(cnn) == before


def test_augmentation_in_a_nested_model_is_left_out(cnn):
    model = keras.Sequential([keras.Input((24, 24, 3)), cnn], name="outer")
    names = layer_names(lower(model).model)
    assert not {"flip", "zoom"} & set(names)
    assert "wide" in names


def test_outputs_and_weights_stay(cnn, evaluation, keras_probabilities):
    lowered = lower(cnn)
    np.testing.assert_allclose(
        lowered.model.predict(evaluation[0], verbose=0),
        keras_probabilities,
        atol=1e-6,
    )
    assert lowered.source is cnn
    assert (lowered.input_shape, lowered.num_classes) == ((24, 24, 3), 4)


def test_a_plain_model_is_used_as_it_is():
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    assert lower(model).model is model


def test_a_random_crop_that_changes_the_size_stays():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.RandomCrop(4, 4, name="crop"),
            layers.RandomCrop(4, 4, name="same"),
            layers.Flatten(),
        ]
    )
    assert layer_names(lower(model).model)[0] == "crop"
    assert "same" not in layer_names(lower(model).model)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_becomes_float32(cnn, cnn_builder, evaluation, policy):
    with_policy = keras.config.set_dtype_policy
    with_policy(policy)
    mixed = cnn_builder()
    with_policy("float32")
    mixed.set_weights(cnn.get_weights())
    lowered = lower(mixed)
    assert {layer.compute_dtype for layer in walk_layers(lowered.model)} == {
        "float32"
    }
    assert policy in lowered.notes[-1]
    np.testing.assert_array_equal(
        lowered.model.predict(evaluation[0], verbose=0),
        lower(cnn).model.predict(evaluation[0], verbose=0),
    )


def test_the_student_of_a_tuner_is_taken(cnn):
    class Tuner(keras.Model):
        student = cnn

    lowered = lower(Tuner())
    assert lowered.source is cnn
    assert "student of the Tuner" in lowered.notes[0]


def test_subclassed_models_are_told_to_wrap():
    class Mine(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match=r"keras.Model\(inputs, model"):
        lower(Mine())


def test_a_wrapped_subclassed_model_is_taken():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, inputs):
            return self.dense(keras.ops.mean(inputs, (1, 2)))

    inputs = keras.Input((8, 8, 3))
    assert lower(keras.Model(inputs, Mine()(inputs))).num_classes == 3


def test_lora_is_merged_and_said(cnn, evaluation):
    model = keras.models.clone_model(cnn)
    for layer in model.layers:
        if type(layer) in (layers.Conv2D, layers.Dense):
            layer.enable_lora(2, lora_alpha=3)
            shape = layer.lora_kernel_b.shape
            layer.lora_kernel_b.assign(np.full(shape, 0.05))
    lowered = lower(model)
    assert any("LoRA merged" in note for note in lowered.notes)
    assert not any(
        getattr(layer, "lora_enabled", False) for layer in lowered.model.layers
    )
    np.testing.assert_allclose(
        lowered.model.predict(evaluation[0], verbose=0),
        model.predict(evaluation[0], verbose=0),
        atol=1e-5,
    )


def test_an_unbuilt_sequential_model_is_told_to_build():
    with pytest.raises(ValueError, match="no input shape yet"):
        lower(keras.Sequential([layers.Dense(3)]))


def test_what_is_no_model():
    with pytest.raises(TypeError, match="Expected a Keras model"):
        lower("model.keras")


def test_an_open_image_size_is_refused():
    inputs = keras.Input((None, None, 3))
    pooled = layers.GlobalAveragePooling2D()(inputs)
    with pytest.raises(ValueError, match="fixed image size"):
        lower(keras.Model(inputs, pooled))


def test_several_inputs_or_outputs_are_refused():
    one, two = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    flat = layers.Flatten()(one + two)
    with pytest.raises(ValueError, match="one input. Received: 2"):
        lower(keras.Model([one, two], flat))
    with pytest.raises(ValueError, match="one output. Received: 2"):
        inputs = keras.Input((4, 4, 1))
        lower(keras.Model(inputs, [layers.Flatten()(inputs)] * 2))


@pytest.mark.parametrize("use", [lower, load, quantization_aware])
def test_what_there_is_several_of_is_named(use):
    inputs = keras.Input((4, 4, 1), name="rgb")
    flat = layers.Flatten(name="flat")(inputs)
    outputs = {"a": flat, "b": layers.Dense(2, name="second")(flat)}
    with pytest.raises(ValueError, match="'flat', 'second'.*outputs"):
        use(keras.Model(inputs, outputs))
    other = keras.Input((4, 4, 1), name="infrared")
    outputs = layers.Flatten()(layers.Add()([inputs, other]))
    with pytest.raises(ValueError, match="'rgb', 'infrared'.*one image"):
        use(keras.Model([inputs, other], outputs))


def structured():
    inputs = keras.Input((4, 4, 1), name="picture")
    outputs = layers.Dense(2)(layers.Flatten()(inputs))
    return keras.Model({"picture": inputs}, {"scores": (outputs,)})


def test_dictionaries_and_lists_of_one_are_taken_off():
    model = structured()
    images = np.random.default_rng(0).normal(size=(3, 4, 4, 1))
    expected = model({"picture": images})["scores"][0]
    lowered = lower(model)
    assert lowered.source is model
    np.testing.assert_array_equal(lowered.model(images), expected)
    np.testing.assert_allclose(load(model).predict(images), expected, rtol=1e-6)


def test_bytes_become_floats_in_nested_models_too():
    def of_bytes(name):
        inputs = keras.Input((4, 4, 1), dtype="uint8", name=name)
        return inputs, layers.Rescaling(1 / 255, name="scale")(inputs)

    inner = keras.Model(*of_bytes("inner"), name="block")
    inputs, _ = of_bytes("outer")
    outputs = layers.Dense(2)(layers.Flatten()(inner(inputs)))
    model = keras.Model(inputs, outputs)
    lowered = lower(model)
    assert lowered.model.inputs[0].dtype == "float32"
    assert any("takes uint8" in note for note in lowered.notes)
    halves = np.full((1, 4, 4, 1), 7.5, "float32")
    expected = (model(halves - 0.5) + model(halves + 0.5)) / 2
    np.testing.assert_allclose(lowered.model(halves), expected, rtol=1e-5)


def test_a_feature_map_is_no_classifier():
    inputs = keras.Input((4, 4, 1))
    with pytest.raises(ValueError, match="Expected a classifier"):
        lower(keras.Model(inputs, layers.ReLU()(inputs)))


def test_constants_of_numpy_become_float32():
    inputs = keras.Input((4, 4, 1))
    x = keras.ops.multiply(inputs, np.array([0.1]))
    x = layers.Rescaling(np.array([2.0]))(x)
    model = keras.Model(inputs, layers.Flatten()(x))
    lowered = lower(model)
    assert {each.dtype for each in lowered.model.outputs} == {"float32"}
    assert lowered.notes == []
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 1))
    images = images.astype("float32")
    found = np.asarray(lowered.model(images))
    np.testing.assert_allclose(found, 0.2 * images.reshape(2, 16), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [None, 1, 5])
def test_a_file_has_readable_names(batch_size):
    inputs = keras.Input((4, 6, 3), name="anything")
    model = keras.Model(inputs, layers.Flatten()(inputs), name="mine")
    network, [signature] = lower(model).to_write("scores", batch_size)
    assert network.name == "network"
    assert list(network.output) == ["scores"]
    assert signature.shape == (batch_size, 4, 6, 3)
    assert (signature.dtype, signature.name) == ("float32", "image")


@pytest.mark.parametrize(
    "shape, outputs, message",
    [
        ((4, 4), None, "fixed image size"),
        ((4, None, 3), None, "fixed image size"),
        ((4, 4, 3, 3), None, "fixed image size"),
        ((4, 4, None), None, "fixed image size"),
        ((4, 4, 3), (None,), r"output shape \(None, None\)"),
        ((4, 4, 3), (2, 3), r"output shape \(None, 2, 3\)"),
    ],
)
def test_shapes_that_no_file_has(shape, outputs, message):
    class Shaped(layers.Layer):
        def call(self, x):
            return x

        def compute_output_spec(self, x):
            return keras.KerasTensor((None, *(outputs or (3,))))

    inputs = keras.Input(shape)
    with pytest.raises(ValueError, match=message):
        check_shapes(keras.Model(inputs, Shaped()(inputs)))
