"""Labelled images in parts, from arrays or from a folder."""

from __future__ import annotations

import math
import pathlib
import textwrap
from collections.abc import Iterable
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.apps.data.class_names import check_class_names
from kerastl.apps.data.find_images import HIDDEN
from kerastl.apps.data.find_images import describe_left_out
from kerastl.apps.data.image_pipeline import evaluation_batches
from kerastl.apps.data.image_pipeline import training_batches
from kerastl.arguments import needed_seed

if TYPE_CHECKING:
    import tensorflow as tf
    from numpy.typing import ArrayLike

    from kerastl.apps.data.augmentation import Augmentation
    from kerastl.apps.data.image_part import ImagePart
    from kerastl.data.sample_filter import SampleFilter


class ImageData:
    """Labelled images of a task.

    Args:
        parts: Dict from `"train"` and, where there are any, `"validation"`
            and `"test"` to an `ImagePart`.
        class_names: Names of the classes, in the order of the labels.
        image_size: Height and width of the images that the network takes.
        batch_size: Images in a batch.
        augmentation: `Augmentation` of the training images, or `None`.
        seed: Seed of order and augmentation.
        unlabelled: An `ImagePart` of images without labels (those it has do
            not count), or `None`.

    Raises:
        ValueError: If a class name cannot be written to a line of text, or
            two are the same.

    Attributes:
        train: `tf.data.Dataset` of shuffled, augmented batches
            `(float32 images 0..255, int32 labels)`; where the augmentation
            mixes images, the labels are float32 `(batch, classes)`.
        next_epoch: Number of the epoch that the next pass over `train`
            draws. It counts up by itself; a resumed training sets it.
        calibration: The training images without augmentation, the classes in
            turn.
        validation: Centre crops of the validation images, or `None`.
        test: Centre crops of the test images, or `None`.
        sample_filter: `kerastl.data.SampleFilter` of the training images.
        counts: Dict from part to a dict from class name to number of images.
    """

    def __init__(
        self,
        parts: dict[str, ImagePart],
        class_names: Iterable[str],
        image_size: int,
        batch_size: int = 32,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        unlabelled: ImagePart | None = None,
    ) -> None:
        self.parts = parts
        self.class_names = check_class_names(class_names)
        self.image_size = image_size
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.seed = needed_seed("seed", seed)
        self.unlabelled = unlabelled
        self.next_epoch = 0

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def steps_per_epoch(self) -> int:
        """Batches that the training part is spread over."""
        return math.ceil(len(self.parts["train"]) / self.batch_size)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        return {
            name: dict(
                zip(
                    self.class_names,
                    np.bincount(
                        part.labels, minlength=self.num_classes
                    ).tolist(),
                    strict=True,
                )
            )
            for name, part in self.parts.items()
        }

    @cached_property
    def train(self) -> tf.data.Dataset:
        return self.training()

    @cached_property
    def sample_filter(self) -> SampleFilter:
        from kerastl.data import SampleFilter

        return SampleFilter(len(self.parts["train"]))

    def training(
        self,
        with_index: bool = False,
        with_unlabelled: bool = False,
        filtered: bool = False,
    ) -> tf.data.Dataset:
        """Returns training batches with what a method needs beside images.

        Args:
            with_index: Whether the batches tell each image's place in the
                training part.
            with_unlabelled: Whether every batch has as many unlabelled
                images beside its own.
            filtered: Whether `sample_filter` is asked which images take part.

        Returns:
            A `tf.data.Dataset` as `train` is, with a dict for the images
            where there is more than them.

        Raises:
            ValueError: If there are no unlabelled images.
        """
        if with_unlabelled and self.unlabelled is None:
            raise ValueError(
                "The method needs unlabelled images, and the data has none. "
                "Give a folder of them, `unlabelled=...` (--unlabelled), or "
                "`shots` (--shots) fewer than there are, which leaves images "
                "over. Received: unlabelled=None"
            )
        return training_batches(
            self.parts["train"],
            self.image_size,
            self.batch_size,
            self.augmentation,
            self.seed,
            self._epochs(),
            with_index=with_index,
            unlabelled=self.unlabelled if with_unlabelled else None,
            sample_filter=self.sample_filter if filtered else None,
            num_classes=self.num_classes,
        )

    @cached_property
    def calibration(self) -> tf.data.Dataset:
        part = self.parts["train"]
        return evaluation_batches(
            part, self.image_size, self.batch_size, part.stratified_order()
        )

    @cached_property
    def validation(self) -> tf.data.Dataset | None:
        return self._evaluation("validation")

    @cached_property
    def test(self) -> tf.data.Dataset | None:
        return self._evaluation("test")

    def images(
        self,
        part: str = "train",
        limit: int | None = None,
        places: ArrayLike | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns centre crops as arrays, in memory.

        Args:
            part: `"train"`, `"validation"` or `"test"`.
            limit: At most so many images, the classes in turn. `None` gives
                all, in stored order.
            places: Places of the images in the part, instead of a limit.

        Returns:
            `uint8` images `(n, image_size, image_size, 3)` and `int32`
            labels `(n,)`.
        """
        return self._crops(part, self.image_size, limit, places)

    def crops(self, part: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields centre crops in batches as `images` gives them at once.

        It takes NumPy alone, where `validation` and `test` are `tf.data`.

        Args:
            part: `"train"`, `"validation"` or `"test"`.

        Yields:
            `uint8` images `(n, image_size, image_size, 3)` and `int32`
            labels `(n,)`.
        """
        places = np.arange(len(self._part(part)))
        for start in range(0, len(places), self.batch_size):
            yield self.images(
                part, places=places[start : start + self.batch_size]
            )

    def larger_images(
        self,
        part: str = "test",
        margin: int | None = None,
        limit: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns images with room for shifts, as arrays.

        They are what `kerastl.metrics.shift_consistency` cuts its crops of
        `image_size` from.

        Args:
            part: `"train"`, `"validation"` or `"test"`.
            margin: How many pixels larger than `image_size`. Defaults to all
                that are stored.
            limit: As in `images`.

        Returns:
            `uint8` images and `int32` labels.

        Raises:
            ValueError: If the part is not there or the margin is too large.
        """
        stored = self._part(part).size - self.image_size
        if margin is None:
            margin = stored
        if not 0 <= margin <= stored:
            raise ValueError(
                f"`margin` must be between 0 and {stored}, the pixels that "
                "are stored around an image. Load the data with a larger "
                f"`margin`. Received: margin={margin}"
            )
        return self._crops(part, self.image_size + margin, limit)

    def _epochs(self):
        while True:
            self.next_epoch += 1
            yield self.next_epoch - 1

    def _crops(self, part, size, limit, places=None):
        part = self._part(part)
        if places is not None:
            order = np.asarray(places)
        elif limit is None:
            order = np.arange(len(part))
        else:
            order = part.stratified_order(limit)
        images = part.read(order)
        start = (part.size - size) // 2
        crops = images[:, start : start + size, start : start + size]
        return crops, part.labels[order]

    def _part(self, name):
        if name not in self.parts:
            raise ValueError(
                f"The data has no such part. Expected one of "
                f"{list(self.parts)}. Received: part={name!r}"
            )
        return self.parts[name]

    def _evaluation(self, name):
        if name not in self.parts:
            return None
        return evaluation_batches(
            self.parts[name], self.image_size, self.batch_size
        )


_WIDEST = 40


class ImageFolder(ImageData):
    """Labelled images of a folder; see `load_image_folder`.

    Attributes:
        path: The folder.
        skipped: List of `(file, reason)`: images that could not be used.
        left_out: The same of all files that are not used, the hidden ones and
            those that are no images by their names included.
        notes: List of sentences about what was decided while loading, such
            as the split.
    """

    def __init__(
        self,
        path: pathlib.Path,
        skipped: list[tuple[str, str]],
        left_out: list[tuple[str, str]],
        notes: list[str],
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.path = path
        self.skipped = skipped
        self.left_out = left_out
        self.notes = notes

    @property
    def ignored(self) -> list[str]:
        """Files that are not used and are neither images nor hidden."""
        images = set(self.skipped)
        return [
            item[0]
            for item in self.left_out
            if item not in images and item[1] != HIDDEN
        ]

    def summary(self) -> str:
        """Returns a text of what was loaded, at most 80 columns wide."""
        widest = min(max(map(len, self.class_names)), _WIDEST)
        widest = max(widest, len("all"))
        counts = self.counts
        lines = [
            "class".ljust(widest) + "".join(part.rjust(12) for part in counts)
        ]
        for name in self.class_names:
            # A long name stands in lines of its own: cut, it could be another.
            *above, name = textwrap.wrap(name, widest, break_on_hyphens=False)
            lines += above
            lines.append(
                name.ljust(widest)
                + "".join(f"{part[name]:12d}" for part in counts.values())
            )
        lines.append(
            "all".ljust(widest)
            + "".join(f"{sum(part.values()):12d}" for part in counts.values())
        )
        for note in self.notes:
            lines += _wrap(note, "")
        if self.skipped:
            lines.append(f"Images that could not be used: {len(self.skipped)}")
            for file, reason in self.skipped:
                lines += _wrap(f"{file}: {reason}", "  ")
        images = set(self.skipped)
        others = [item for item in self.left_out if item not in images]
        for line in describe_left_out(others):
            lines += _wrap(line, "")
        return "\n".join(lines)


def _wrap(text, indent):
    return textwrap.wrap(
        text,
        width=80,
        initial_indent=indent,
        subsequent_indent=2 * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
