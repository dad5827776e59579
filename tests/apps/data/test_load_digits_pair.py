import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerastl import apps


def test_the_target_has_its_shots_and_tests_the_rest():
    pair = apps.load_digits_pair(shots=25)
    counts = pair.target.counts
    assert set(counts["train"].values()) == {25}
    assert set(counts["validation"].values()) == {20}
    total = sum(sum(part.values()) for part in counts.values())
    digits = load_digits().target
    assert total == (digits >= 5).sum()
    assert pair.target.class_names == ["5", "6", "7", "8", "9"]
    assert sum(pair.source.counts["train"].values()) == pytest.approx(
        0.8 * (digits < 5).sum(), abs=3
    )


def test_parts_do_not_overlap():
    target = apps.load_digits_pair().target
    rows = [
        image.tobytes()
        for part in target.parts
        for image in target.images(part)[0]
    ]
    assert len(set(rows)) == len(rows)


def test_images_are_the_digits():
    source = apps.load_digits_pair(image_size=32).source
    images, labels = source.images("train")
    assert images.dtype == np.uint8 and images.max() == 255
    # Averaging each 3 x 3 block of the enlarged digit gives it back, blurred.
    small = images[:, 4:28, 4:28, 0].reshape(-1, 8, 3, 8, 3).mean((2, 4))
    bundle = load_digits()
    real = bundle.images[bundle.target < 5] * 255 / 16
    distance = ((small[:50, None] - real[None]) ** 2).mean((2, 3))
    nearest = bundle.target[bundle.target < 5][distance.argmin(1)]
    np.testing.assert_array_equal(nearest, labels[:50])


def test_every_shift_has_the_whole_digit():
    larger, _ = apps.load_digits_pair().target.larger_images("test")
    assert larger.shape[1:] == (40, 40, 3)
    inside = larger[:, 8:32, 8:32].sum()
    assert inside == larger.sum()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"shots": 170}, "shots=170"),
        ({"shots": 0}, "shots=0"),
        ({"shots": 2.5}, "shots=2.5"),
        ({"image_size": 8}, "image_size=8"),
        ({"image_size": 32.0}, "image_size=32.0"),
        ({"batch_size": True}, "batch_size=True"),
        ({"seed": 1.5}, "seed=1.5"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        apps.load_digits_pair(**arguments)
