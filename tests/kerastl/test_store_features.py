import keras
import numpy as np
import pytest
from keras import ops

from kerastl import store_features


def _numpy(values):
    return ops.convert_to_numpy(values)


@pytest.fixture
def student(make_network):
    return make_network()


@pytest.mark.parametrize("layer", [None, "pool", "block1_add", "block2_bn"])
@pytest.mark.parametrize("on_disk", [False, True])
def test_the_top_goes_on_where_the_features_end(
    student, images, labels, tmp_path, layer, on_disk
):
    stored = store_features(
        student,
        layer,
        (images, labels),
        path=tmp_path / "features" if on_disk else None,
        batch_size=7,
    )
    np.testing.assert_array_equal(stored.labels, labels)
    np.testing.assert_allclose(
        _numpy(stored.top(stored.features)), _numpy(student(images)), atol=1e-5
    )
    # Behind the branch of a block its shortcut is stored too.
    assert isinstance(stored.features, list) == (layer == "block2_bn")
    if on_disk:
        files = sorted(tmp_path.glob("features/*"))
        features = keras.tree.flatten(stored.features)
        assert len(files) == len(features)
        for file, each in zip(files, features, strict=True):
            assert isinstance(each, np.memmap)
            np.testing.assert_array_equal(np.load(file), each)


def test_training_the_top_trains_the_student(student, images, labels):
    stored = store_features(student, None, (images, labels))
    assert stored.features.shape == (24, 12)
    head = student.get_layer("predictions")
    assert stored.top.trainable_variables == head.trainable_variables
    before = _numpy(student(images))
    stored.top.compile(
        keras.optimizers.SGD(0.1),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    stored.top.fit(stored.features, stored.labels, verbose=0)
    after = _numpy(student(images))
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(
        after, _numpy(stored.top(stored.features)), atol=1e-6
    )


def test_batches_without_labels_and_errors(student, images):
    batches = (images[i : i + 5] for i in range(0, 24, 5))
    stored = store_features(student, "pool", batches)
    assert stored.labels is None and len(stored.features) == 24
    with pytest.raises(ValueError, match="mean 'pool'.*layer='pol'"):
        store_features(student, "pol", images)
    with pytest.raises(ValueError, match="no batch"):
        store_features(student, None, iter([]))
