"""How often a small shift leaves the prediction as it is."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import overload

import keras
import numpy as np

from kerastl.arguments import needed_seed
from kerastl.data.batches import predict_batch

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@overload
def shift_consistency(
    model: Callable[..., Any],
    images: np.ndarray,
    crop_size: int | Sequence[int],
    labels: None = None,
    batch_size: int = 32,
    passes: int = 5,
    seed: int = 0,
) -> float: ...


@overload
def shift_consistency(
    model: Callable[..., Any],
    images: np.ndarray,
    crop_size: int | Sequence[int],
    labels: ArrayLike,
    batch_size: int = 32,
    passes: int = 5,
    seed: int = 0,
) -> tuple[float, float]: ...


def shift_consistency(
    model: Callable[..., Any],
    images: np.ndarray,
    crop_size: int | Sequence[int],
    labels: ArrayLike | None = None,
    batch_size: int = 32,
    passes: int = 5,
    seed: int = 0,
) -> float | tuple[float, float]:
    """Fraction of images whose prediction two random shifts leave the same.

        P[ argmax f(crop_1) = argmax f(crop_2) ]

    Both crops are cut from the same larger image, at two offsets that are
    uniform over all places. One pair of offsets is drawn a batch and serves
    all its images, as in the reference, so results depend on `batch_size` as
    well as on `seed`; `passes` over the images even that out.

    Args:
        model: a `keras.Model`, or a function from a batch of images to
            scores `(batch, classes)`.
        images: array `(count, height, width, channels)`, larger than the crop.
        crop_size: size of the crops: an integer, or `(height, width)`.
        labels: integer labels. When given, the accuracy over all crops is
            returned too.
        batch_size: images a batch.
        passes: how many times to go through the images.
        seed: seed of the offsets.

    Returns:
        The consistency as a float, or `(consistency, accuracy)` with labels.

    Raises:
        ValueError: if there are no images, they are no larger than the crop,
            or the labels do not fit.

    Example:

    ```python
    steady = kerastl.metrics.shift_consistency(model, images, crop_size=96)
    print(f"{steady:.1%} of the photos keep their class")
    ```

    Reference:
        Zhang, "Making Convolutional Networks Shift-Invariant Again",
        ICML 2019, section 4.
    """
    images = np.asarray(images)
    height, width = _pair(crop_size)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`images` must be an array of shape (count, height, width, "
            f"channels) with at least one image. Received: shape={images.shape}"
        )
    room = images.shape[1] - height, images.shape[2] - width
    if min(height, width) < 1 or min(room) < 0 or max(room) == 0:
        raise ValueError(
            "The images must be larger than the crops, so that there is room "
            "to shift. Load them larger, or make the crops smaller. Received: "
            f"images of {images.shape[1:3]}, crop_size={(height, width)}"
        )
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != (len(images),):
            raise ValueError(
                "`labels` must be one integer an image. Received: labels of "
                f"shape {labels.shape} for {len(images)} images"
            )
    predict = predict_function(model)
    seed = needed_seed("seed", seed)
    generator = np.random.default_rng(seed)
    same = right = 0
    for _ in range(passes):
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            offsets = generator.integers(0, np.add(room, 1), size=(2, 2))
            first, second = (
                np.argmax(
                    predict(batch[:, top : top + height, left : left + width]),
                    axis=-1,
                )
                for top, left in offsets
            )
            same += np.sum(first == second)
            if labels is not None:
                truth = labels[start : start + batch_size]
                right += np.sum(first == truth) + np.sum(second == truth)
    count = passes * len(images)
    consistency = float(same / count)
    if labels is None:
        return consistency
    return consistency, float(right / (2 * count))


def predict_function(model):
    """A function from a batch of images to scores, for a model or itself."""
    if isinstance(model, keras.Model):
        return lambda images: predict_batch(model, images)
    if callable(model):
        return lambda images: keras.ops.convert_to_numpy(model(images))
    raise ValueError(
        "Expected a `keras.Model` or a function from images to scores. "
        f"Received: model={model!r}"
    )


def _pair(size):
    return (size, size) if np.ndim(size) == 0 else tuple(size)
