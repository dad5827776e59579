"""Everything that reads images outside of `fit` reads `tf.data` too.

On another backend than TensorFlow its tensors mean nothing to a layer.
"""

import keras
import numpy as np
import pytest

import kerastl
from kerastl import surgery


def _dataset(images, labels):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(7)


def _learning_rate(model, data):
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    found = kerastl.find_learning_rate(
        model, data, lowest=1e-4, highest=1e-2, steps=3, batch_size=7
    )
    return found.losses


def _initialized(model, data):
    student = kerastl.replace_head(model, num_classes=3, seed=1)
    kerastl.initialize_head(student, model, "posterior", data, 3, batch_size=7)
    return student.get_weights()[-2]


def _imprinted(model, data):
    kerastl.imprint_head(model, data, batch_size=7)
    return model.get_weights()[-2]


def _reestimated(model, data):
    kerastl.reestimate_batch_norm(model, data, batch_size=7)
    return model.get_weights()


def _attention(model, data):
    head = kerastl.train_head(model, data, 3, epochs=1, batch_size=7)
    found = kerastl.compute_channel_attention(
        model, head, data, ["stem_conv"], batch_size=7
    )
    return found["stem_conv"]


def _stored(model, data):
    stored = kerastl.store_features(model, "pool", data, batch_size=7)
    return stored.features, stored.labels


def _source_features(model, data):
    tuner = kerastl.FineTuner(surgery.copy_model(model), model)
    tuner.compile(
        keras.optimizers.SGD(0.01),
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(1.0)],
    )
    train = kerastl.store_source_features(tuner, data, batch_size=7)
    history = tuner.fit(train, epochs=1, shuffle=False, verbose=0).history
    return len(history["loss"])


def _folded(model, data):
    gated = surgery.add_gated_filters(model)
    return kerastl.fold_gates(gated, data, batch_size=7).agreement


READERS = {
    "class_means": lambda m, d: surgery.class_means(
        surgery.embed(m), d, batch_size=7
    ),
    "class_relation": lambda m, d: kerastl.losses.class_relation(
        m, d, batch_size=7
    ),
    "compute_channel_attention": _attention,
    "estimate_fisher": lambda m, d: list(
        kerastl.estimate_fisher(m, d, labels="data", limit=2).values()
    ),
    "find_learning_rate": _learning_rate,
    "fit_gaussians": lambda m, d: (
        kerastl.metrics.fit_gaussians(m, d, ["pool"], batch_size=7)["pool"].mean
    ),
    "fold_gates": _folded,
    "imprint_head": _imprinted,
    "initialize_head": _initialized,
    "reestimate_batch_norm": _reestimated,
    "similarity_matrix": lambda m, d: kerastl.similarity_matrix(
        "posterior", m, d, batch_size=7
    ),
    "store_features": _stored,
    "store_source_features": _source_features,
}


@pytest.mark.parametrize("name", READERS)
def test_tensors_read_like_arrays(make_network, images, labels, name):
    images, labels = images[:21], np.arange(21) % 3
    network = make_network()

    def read(data):
        found = READERS[name](surgery.copy_model(network), data)
        return [np.asarray(part) for part in keras.tree.flatten(found)]

    expected = read((images, labels))
    found = read(_dataset(images, labels))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_one_batch_of_tensors_is_read(make_network, images, labels):
    import tensorflow as tf

    model = make_network()
    tensors = tf.constant(images[:4]), tf.constant(labels[:4])
    found, expected = (
        keras.ops.convert_to_numpy(
            kerastl.adversarial_images(model, *pair, steps=2, seed=1)
        )
        for pair in (tensors, (images[:4], labels[:4]))
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - images[:4]).max() > 1
    network = keras.Sequential([keras.layers.Resizing(16, 16), model])
    found, expected = (
        kerastl.metrics.shift_consistency(network, batch, 12, seed=1)
        for batch in (tensors[0], images[:4])
    )
    assert found == expected
