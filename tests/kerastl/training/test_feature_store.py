import keras
import numpy as np
import pytest
from keras import ops

from kerastl.data import ArrayBatches
from kerastl.surgery.feature_extractor import frozen_source
from kerastl.training.feature_store import FeatureStore

IMAGES = np.random.default_rng(1).uniform(0, 255, (9, 6, 6, 3)).astype("f")


def _source(scale=1 / 255, kernel=0.1, taps=("conv", "pool")):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Rescaling(scale),
            keras.layers.Conv2D(
                2, 3, kernel_initializer=keras.initializers.Constant(kernel)
            ),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    model.layers[1].name, model.layers[2].name = "conv", "pool"
    return frozen_source(model, taps)


def _batches(images=IMAGES, **kwargs):
    return ArrayBatches((images,), 4, shuffle=False, **kwargs)


@pytest.fixture(params=[False, True])
def store(request, tmp_path):
    path = tmp_path / "store" if request.param else None
    return FeatureStore.compute(_source(), _batches(), path)


def test_rows_are_found_by_their_image(store):
    order = np.array([7, 0, 0, 8])
    found = store.look_up(IMAGES[order])
    expected = _source()(IMAGES[order])
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(
            found[name], ops.convert_to_numpy(expected[name]), atol=1e-6
        )
    changed = IMAGES[order].copy()
    changed[2, 5, 5, 2] += 1e-3
    with pytest.raises(ValueError, match="4 images, 1 of them not among the 9"):
        store.look_up(changed)


def test_join_keeps_the_other_fields(store):
    x, y = store.join(({"images": IMAGES[:2], "index": [5, 6]}, [1, 0]))
    assert list(x) == ["images", "index", "source_features"]
    assert (x["index"], y) == ([5, 6], [1, 0])
    np.testing.assert_array_equal(
        x["source_features"]["pool"], store.look_up(IMAGES[:2])["pool"]
    )


def test_what_is_written_is_opened(tmp_path):
    path = tmp_path / "store"
    first = FeatureStore.compute(_source(), _batches(), path)
    # Of two processes that store the same, the second takes the first's.
    again = FeatureStore.compute(_source(), _batches(), path)
    part = FeatureStore.open(path, _source(), _batches(IMAGES[3:]))
    for store in (again, part):
        for name in first.features:
            assert isinstance(store.features[name], np.memmap)
            np.testing.assert_array_equal(
                store.features[name], first.features[name]
            )
    assert [file.name for file in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    "source, images, why",
    [
        ({}, IMAGES + 1, "9 of 9 images are not in it"),
        ({}, np.concatenate([IMAGES, IMAGES[:1] + 1]), "1 of 10 images"),
        ({"kernel": 0.1001}, IMAGES, "weights of the source"),
        ({"taps": ["pool"]}, IMAGES, "taps, their shapes or dtypes"),
        ({"scale": 1 / 127.5}, IMAGES, "gives other features at 'conv'"),
    ],
)
def test_what_is_stale_is_refused(tmp_path, source, images, why):
    FeatureStore.compute(_source(), _batches(), tmp_path / "store")
    with pytest.raises(ValueError, match=f"other images.*where .*{why}"):
        FeatureStore.open(
            tmp_path / "store", _source(**source), _batches(images)
        )


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="and there are none"):
        FeatureStore.open(tmp_path, _source(), _batches())
    with pytest.raises(ValueError, match="Batch the dataset first.*6, 3"):
        FeatureStore.compute(_source(), _batches(IMAGES[0]), tmp_path / "new")
    assert not list(tmp_path.iterdir())
