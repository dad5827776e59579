"""One view of every kind of image data that users hold."""

import math
import numbers
import sys

import numpy as np


class ImageBatches:
    """Iterates over `(images, labels)` NumPy batches of any data.

    The first batch is looked at on construction, so that wrong data is
    refused before any long work; one-shot iterators lose nothing by it.

    Args:
        data: `tf.data.Dataset`, `keras.utils.PyDataset` or another iterable
            of batches (or of single images), a pair `(images, labels)` of
            arrays, or an array of images. Elements are `(images, labels)`
            or `images` alone. Weights behind the labels are passed over.
        input_shape: Shape of one image, as the model takes it.
        num_classes: Number of model outputs, to check labels against; `None`
            leaves labels unchecked against it.
        name: Name of the argument, for error messages.
        batch_size: Size of the batches made from arrays and single images.

    Raises:
        TypeError: If the data is of a kind that cannot be iterated over.
        ValueError: If there are no images, or their shape, dtype, values or
            labels do not fit the model.

    Example:

    ```python
    batches = ImageBatches((images, labels), (96, 96, 3), 10, "evaluation")
    for images, labels in batches:
        ...
    ```
    """

    def __init__(self, data, input_shape, num_classes, name, batch_size=32):
        self.input_shape = tuple(input_shape)
        # One output is a yes or no: two classes.
        self.num_classes = None if num_classes is None else max(num_classes, 2)
        self.name = name
        self.batch_size = batch_size
        self.infinite = _is_infinite(data)
        self._dtype = None
        self._data = data
        # What the first look at the data has begun.
        self._begun = self._normalize(data)
        self._first = next(self._begun, None)
        if self._first is None:
            raise ValueError(
                f"`{name}` holds no images. Expected at least one image of "
                f"shape {self.input_shape}."
            )
        self.has_labels = self._first[1] is not None
        #: What the images were before they became float32: the dtype of bytes
        #: says what no range of values can.
        self.dtype = self._dtype

    @property
    def first(self):
        """The first `(images, labels)`."""
        return self._first

    def __iter__(self):
        # Again from the start each time; an iterator's batches come once.
        if self._begun is None:
            yield from self._normalize(self._data)
            return
        yield self._first
        begun, self._begun = self._begun, None
        yield from begun or ()

    def _normalize(self, data):
        singles = []
        for element in self._elements(data):
            images, labels = _split(element)
            images = np.asarray(images)
            if not images.ndim:
                # Paths, the keys of a dict.
                raise self._no_data(element)
            self._dtype = self._dtype or images.dtype
            if images.ndim == len(self.input_shape):
                singles.append((images, labels))
                if len(singles) == self.batch_size:
                    yield self._check(*_stack(singles))
                    singles = []
                continue
            if len(images):
                yield self._check(images, labels)
        if singles:
            yield self._check(*_stack(singles))

    def _elements(self, data):
        name = self.name
        if isinstance(data, dict):
            data = _images_of(data)
        elif isinstance(data, (tuple, list)) and len(data) in (2, 3):
            data = (_images_of(data[0]), *data[1:])
        if _is_keras_dataset(data):
            return (data[index] for index in range(len(data)))
        if _are_arrays(data):
            images = np.asarray(data[0])
            labels = None if data[1] is None else np.asarray(data[1])
            if labels is not None and len(images) != len(labels):
                raise ValueError(
                    f"`{name}` must hold one label for each image. Received: "
                    f"{len(images)} images and {len(labels)} labels"
                )
            return self._cut(images, labels)
        if hasattr(data, "ndim") and hasattr(data, "shape"):
            images = np.asarray(data)
            return self._cut(images, None)
        if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
            raise self._no_data(data)
        return iter(data)

    def _no_data(self, received):
        return TypeError(
            f"`{self.name}` must be a dataset or an iterable of (images, "
            "labels) batches, a pair of arrays (images, labels), or an "
            "array of images, such as `apps.load_image_folder` makes of files. "
            f"Received: {self.name}={received!r:.300}"
        )

    def _cut(self, images, labels):
        if images.ndim == len(self.input_shape):
            images = images[None]
            labels = None if labels is None else labels[None]
        for start in range(0, len(images), self.batch_size):
            part = slice(start, start + self.batch_size)
            if labels is None:
                yield images[part]
            else:
                yield images[part], labels[part]

    def _check(self, images, labels):
        if images.shape[1:] != self.input_shape:
            raise ValueError(
                f"The images in `{self.name}` do not fit the model, which "
                f"takes {self.input_shape}. Resize them first. "
                f"Received: a batch of shape {images.shape}"
            )
        if images.dtype.kind not in "fui":
            raise ValueError(
                f"The images in `{self.name}` must be numbers. "
                f"Received: dtype={images.dtype}"
            )
        images = images.astype("float32")
        if not np.isfinite(images).all():
            raise ValueError(
                f"The images in `{self.name}` hold NaN or infinite values."
            )
        if labels is not None:
            labels = self._class_ids(np.asarray(labels))
            if len(labels) != len(images):
                raise ValueError(
                    f"`{self.name}` must hold one label for each image. "
                    f"Received: a batch of {len(images)} images and "
                    f"{len(labels)} labels"
                )
        return images, labels

    def _class_ids(self, labels):
        name, num_classes = self.name, self.num_classes
        if labels.ndim == 2 and labels.shape[1] > 1:
            if num_classes is not None and labels.shape[1] != num_classes:
                raise ValueError(
                    f"The labels in `{name}` are vectors of another length "
                    f"than the model's {num_classes} classes. "
                    f"Received: labels of shape {labels.shape}"
                )
            one_hot = np.sort(labels, axis=1)
            if (one_hot[:, :-1] != 0).any() or (one_hot[:, -1] != 1).any():
                raise ValueError(
                    f"The labels in `{name}` must be class indices or "
                    "one-hot vectors. Soft labels have no single right "
                    f"class. Received: a first label of {labels[0]}"
                )
            return labels.argmax(axis=1)
        labels = labels.reshape(-1) if labels.ndim == 2 else labels
        if labels.ndim != 1 or labels.dtype.kind not in "fuib":
            raise ValueError(
                f"The labels in `{name}` must be class indices. Received: "
                f"labels of shape {labels.shape} and dtype {labels.dtype}"
            )
        ids = labels.astype("int64")
        if (ids != labels).any():
            raise ValueError(
                f"The labels in `{name}` must be whole numbers. "
                f"Received: labels={labels[:5]}"
            )
        limit = math.inf if num_classes is None else num_classes
        if ids.min() < 0 or ids.max() >= limit:
            raise ValueError(
                f"The labels in `{name}` do not fit the model, which has "
                f"{num_classes} classes (0 to {limit - 1}). Received: labels "
                f"from {ids.min()} to {ids.max()}"
            )
        return ids


def _is_keras_dataset(data):
    # There can be none where Keras has not been imported.
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(data, keras.utils.PyDataset)


def _is_infinite(data):
    cardinality = getattr(data, "cardinality", None)
    return cardinality is not None and int(cardinality()) == -1


def _are_arrays(data):
    """Whether it is images, labels and perhaps weights, as `fit` takes them."""
    return (
        isinstance(data, (tuple, list))
        and len(data) in (2, 3)
        and hasattr(data[0], "shape")
        and all(map(_may_be_labels, data[1:]))
    )


def _may_be_labels(values):
    if isinstance(values, (tuple, list)):
        return all(isinstance(each, numbers.Number) for each in values)
    return values is None or len(getattr(values, "shape", (0,) * 3)) <= 2


def _images_of(inputs):
    """Of the inputs that `kerastl.data` makes for training, the images."""
    if isinstance(inputs, dict) and "images" in inputs:
        return inputs["images"]
    return inputs


def _split(element):
    """Returns the images and the labels of one element of a dataset."""
    element = _images_of(element)
    if isinstance(element, dict):
        raise ValueError(
            "Elements must be `(images, labels)` or `images`, not "
            "dictionaries. Map the dataset first, such as "
            "`data.map(lambda e: (e['image'], e['label']))`. "
            f"Received: keys={tuple(element)}"
        )
    if isinstance(element, (tuple, list)):
        labels = element[1] if len(element) > 1 else None
        return _images_of(element[0]), labels
    return element, None


def _stack(singles):
    images, labels = zip(*singles, strict=True)
    if labels[0] is None:
        return np.stack(images), None
    return np.stack(images), np.stack([np.asarray(each) for each in labels])
