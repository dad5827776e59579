"""Where on an image a network sees a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers
from keras import ops

from kerastl.arguments import checked_count
from kerastl.surgery.find_head import find_classifier
from kerastl.surgery.find_head import find_head
from kerastl.surgery.find_head import spatial_size
from kerastl.surgery.flat_graph import FlatGraph
from kerastl.surgery.plain_weights import weights_in_effect
from kerastl.training.gradients import input_gradient

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def grad_cam(
    model: keras.Model,
    images: ArrayLike,
    classes: ArrayLike | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Maps which places of an image speak for a class: Grad-CAM.

        alpha_k = 1/Z sum_ij  d y_c / d A_k(i, j)
        map = ReLU( sum_k alpha_k A_k )

    `A` is the last feature map in front of the classifier, of `Z` places, and
    `y_c` the score of class `c` before the softmax. With nothing but an average
    over space between the two, this is the class activation map: the
    classifier's weights times the features, over `Z`.

    Args:
        model: a functional or built sequential `keras.Model` with one input and
            one output, whose classifier is a `Dense` or 1x1 convolution. It
            runs in inference mode.
        images: array `(count, height, width, channels)`, as the model takes
            them.
        classes: index of the class that is asked about, one an image or one for
            all. Defaults to the one that the model says. Of a single output, 1
            asks what speaks for it and 0 what speaks against it.
        batch_size: images a pass.

    Returns:
        Array `(count, rows, columns)`, float32, in the grid of the feature
        map; 0 where nothing speaks for the class.

    Raises:
        ValueError: if the model has several inputs, no classifier, none of
            that kind, or no feature map in front of it, or if images or
            classes do not fit.

    Example:

    ```python
    maps = kerastl.metrics.grad_cam(model, images, classes=3)
    maps.ndim, len(maps) == len(images)  # (3, True)
    ```

    Reference:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks
        via Gradient-based Localization", ICCV 2017, section 3.
    """
    batch_size = checked_count("batch_size", batch_size)
    images = np.asarray(images, "float32")
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(
            "`images` must be an array of shape (count, height, width, "
            f"channels) with at least one image. Received: shape={images.shape}"
        )
    network = _Network(model)
    wanted = tuple(model.inputs[0].shape[1:])
    if any(
        size is not None and size != found
        for size, found in zip(wanted, images.shape[1:], strict=True)
    ):
        raise ValueError(
            "The model takes images of another size. "
            f"Received: shape={images.shape}, for inputs of {wanted}"
        )
    if classes is not None:
        classes = _checked_classes(classes, len(images), network.num_classes)
    maps = []
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        asked = None if classes is None else classes[rows]
        maps.append(network.map_class(images[rows], asked))
    return np.concatenate(maps)


class _Network:
    """A network in two parts, at its last feature map."""

    def __init__(self, model):
        graph = FlatGraph(model)
        head = _checked_head(model)
        kernel, *bias = weights_in_effect(head)
        self._kernel = kernel.reshape(kernel.shape[-2:])
        self._bias = bias[0] if bias else 0.0
        self.num_classes = max(self._kernel.shape[1], 2)
        self._features = _features(graph, find_classifier(model))
        self._map, needed = _last_map(graph, self._features)
        if self._map is None:
            raise ValueError(
                "The network has no feature map in front of its classifier "
                "that would tell one place of the image from another. Take a "
                "network that ends in convolutions. "
                f"Received: model={model.name!r}"
            )
        changed = {self._map}
        self._front, self._behind = [], []
        for call in graph.calls:
            if not needed.intersection(call.outputs):
                continue
            if changed.intersection(call.inputs):
                changed.update(call.outputs)
                self._behind.append(call)
            else:
                self._front.append(call)

    def map_class(self, images, classes):
        # The model's only input has the first number.
        values = {0: ops.convert_to_tensor(images)}
        for call in self._front:
            call.repeat(values)
        features = values[self._map]
        if classes is None:
            scores = ops.convert_to_numpy(self._scores(features, values))
            classes = scores.argmax(-1)
        chosen = np.eye(self.num_classes, dtype="float32")[classes]
        chosen = ops.convert_to_tensor(chosen)
        gradient = input_gradient(
            lambda each: ops.sum(self._scores(each, values) * chosen), features
        )
        features, gradient = (
            ops.convert_to_numpy(each).astype("float32")
            for each in (features, gradient)
        )
        if keras.config.image_data_format() == "channels_first":
            features, gradient = (
                np.moveaxis(each, 1, -1) for each in (features, gradient)
            )
        weights = gradient.mean((1, 2), keepdims=True)
        return np.maximum((weights * features).sum(-1), 0)

    def _scores(self, features, values):
        """One score a class, before softmax and sigmoid."""
        values = {**values, self._map: features}
        for call in self._behind:
            call.repeat(values)
        read = ops.cast(values[self._features], "float32")
        if len(read.shape) == 4:
            first = keras.config.image_data_format() == "channels_first"
            read = ops.mean(read, axis=(2, 3) if first else (1, 2))
        scores = ops.matmul(read, self._kernel) + self._bias
        if scores.shape[-1] == 1:
            scores = ops.concatenate([-scores, scores], axis=-1)
        return scores


def _checked_head(model):
    head = find_head(model).layer
    if len(model.inputs) != 1:
        raise ValueError(
            "A map can be drawn for a model that reads one image. "
            f"Received: model={model.name!r} with {len(model.inputs)} inputs"
        )
    if head is None:
        raise ValueError(
            "The network has no classifier whose classes could be mapped. "
            "`kerastl.replace_head` puts one on it. "
            f"Received: model={model.name!r}"
        )
    if isinstance(head, layers.Conv2D) and (
        tuple(head.kernel_size) != (1, 1)
        or find_classifier(model).kind.scale is None
    ):
        raise ValueError(
            "The scores of the classes are no averages of a 1x1 convolution, "
            "so nothing says what they were before the softmax. "
            "`kerastl.replace_head` puts a `Dense` layer in its place. "
            f"Received: model={model.name!r}, classifier={head.name!r}"
        )
    return head


def _features(graph, classifier):
    """The number of what the classifier reads."""
    path = [node.key for node in classifier.path]
    return next(
        number
        for number, (way, tensor) in enumerate(graph.places)
        if tensor is classifier.features and [n.key for n in way] == path
    )


def _last_map(graph, features):
    """The number of the last feature map, and those of what leads behind it.

    The number is `None` where there is no map.
    """
    needed = {features}
    last = features if _is_map(graph.tensor(features)) else None
    for call in reversed(graph.calls):
        if not needed.intersection(call.outputs):
            continue
        needed.update(call.inputs)
        if last is None:
            maps = [n for n in call.inputs if _is_map(graph.tensor(n))]
            # An image is no feature map.
            last = next((n for n in maps if graph.maker(n)), None)
    return last, needed


def _is_map(tensor):
    return len(tensor.shape) == 4 and set(spatial_size(tensor.shape)) != {1}


def _checked_classes(classes, count, num_classes):
    found = np.asarray(classes)
    if found.ndim == 0:
        found = np.full(count, found)
    if (
        found.shape != (count,)
        or not np.issubdtype(found.dtype, np.integer)
        or ((found < 0) | (found >= num_classes)).any()
    ):
        raise ValueError(
            "`classes` must be the index of a class, one an image or one for "
            f"all: integers from 0 to {num_classes - 1}. "
            f"Received: classes={classes} for {count} images"
        )
    return found
