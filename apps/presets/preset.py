"""A pre-trained network, ready to be fine-tuned on RGB images 0..255."""

import inspect
import warnings
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal

import keras

from kerastl.apps.presets.imagenet import PREPROCESSING
from kerastl.apps.presets.imagenet import adapt_weights
from kerastl.apps.presets.imagenet import preprocess
from kerastl.arguments import several
from kerastl.export.keras_files.load_weights_into import assign_source
from kerastl.export.keras_files.load_weights_into import extra_entries
from kerastl.export.keras_files.load_weights_into import match_entries
from kerastl.export.keras_files.load_weights_into import target_entries
from kerastl.export.keras_files.weight_source import open_weight_source
from kerastl.export.quantization.freeze import is_quantization_aware
from kerastl.surgery.blur_like import blur_like
from kerastl.types import PathLike

_OWN_ARGUMENTS = ("weights", "include_top", "input_shape", "classes")
# What the builders take and a preset fixes: the network reads images 0..255
# and gives probabilities, or feature maps.
_FIXED_ARGUMENTS = {
    "input_tensor": None,
    "classifier_activation": "softmax",
    "include_preprocessing": True,
}

_RATE_BY_WIDTH = -1.5


@dataclass(frozen=True)
class Preset:
    """One row of `apps.PRESETS`: how to build a network and what it needs.

    The built model is one flat Functional graph that takes RGB images with
    values 0..255 and gives softmax probabilities. The preprocessing that the
    weights were trained with is part of the graph, and the layers of the
    backbone keep the names they have in `keras.applications`.

    Args:
        name: Name in `apps.PRESETS`.
        title: Name to show.
        builder: Function with the signature of the `keras.applications`
            builders.
        preprocessing: Key of `apps.preprocessing.PREPROCESSING`.
        parameters: Millions of parameters, head included.
        head: Names of the head's layers with weights, in order.
        default_size: Height and width the weights were trained with.
        min_size: Smallest height and width the network accepts.
        learning_rate: Starting point for fine-tuning with Adam and batches
            of 32, at the full width.
        scratch_learning_rate: The same for random weights, with SGD and
            momentum 0.9.
        classes: Classes of a head built without weights.
        downloadable: Whether `weights="imagenet"` exists.
        taps: Names of the layers to compare features at, or `None` for
            `kerastl.surgery.default_taps`.

    Example:

    ```python
    preset = kerastl.apps.PRESETS["mobilenet_v2"]
    model = preset.build(alpha=0.35, weights=None, classes=10)
    ```
    """

    name: str
    title: str
    builder: Callable
    preprocessing: str
    parameters: float
    head: tuple
    default_size: int = 224
    min_size: int = 32
    learning_rate: float = 0.0001
    scratch_learning_rate: float = 0.003
    classes: int = 1000
    downloadable: bool = True
    taps: tuple | None = None

    def __post_init__(self):
        if self.preprocessing not in PREPROCESSING:
            raise ValueError(
                f"`preprocessing` must be one of {sorted(PREPROCESSING)}. "
                f"Received: preprocessing={self.preprocessing!r}"
            )

    def build(
        self,
        weights: PathLike | keras.Model | None = "auto",
        input_shape: Sequence[int] | None = None,
        include_top: bool | Literal["auto"] = "auto",
        classes: int | None = None,
        **arguments: Any,
    ) -> keras.Model:
        """Builds the network.

        Args:
            weights: `None` (random), `"imagenet"` (downloads, through
                `keras.applications`), a Keras model of the same
                architecture, or the path of a file: `.weights.h5`, `.keras`
                or `.h5` (the files of `keras.applications`, and whole models
                saved by tf.keras 2). `"auto"` is `"imagenet"` where such
                weights are published, as in `keras.applications`, and random
                for the networks that have none. Where a model, or a `.keras`
                file, was anti-aliased (`kerastl.antialias`), the network is
                so, too.
            input_shape: `(height, width, 3)`. Defaults to the size the
                weights were trained with.
            include_top: `True`, `False` or `"auto"`. With `"auto"` the
                network has its classifier unless the weights come without.
            classes: Number of classes of the head. Defaults to those of the
                weights. To put a head with other classes on pre-trained
                weights use `kerastl.replace_head`.
            **arguments: Arguments of the family, such as `alpha`. Those
                that a preset fixes (`input_tensor`, `classifier_activation`,
                `include_preprocessing`) may be passed with their defaults.

        Returns:
            A Functional model. Without the head its output is the last
            feature map (or its pooling, with `pooling="avg"`).

        Raises:
            FileNotFoundError: If `weights` is a path that does not exist.
            ValueError: If an argument does not fit, or the weights belong to
                another architecture; nothing is loaded then.
            ConnectionError: If `"imagenet"` cannot be downloaded.
        """
        shape = self._checked_shape(input_shape)
        arguments = self._checked_arguments(arguments)
        if isinstance(weights, str) and weights == "auto":
            weights = "imagenet" if self.downloadable else None
        if include_top not in (True, False, "auto"):
            raise ValueError(
                "`include_top` must be True, False or 'auto'. "
                f"Received: include_top={include_top!r}"
            )
        with_head = include_top is not False
        if weights is None:
            return self._graph(shape, with_head, classes, arguments)
        if isinstance(weights, str) and weights == "imagenet":
            self._check_imagenet(classes)
            # Built before the download, so that automatic layer names do not
            # depend on where the weights come from.
            model = self._graph(shape, with_head, None, arguments)
            weights = self._download(shape, with_head, arguments)
        else:
            model = None
        with open_weight_source(weights) as source:
            whole = source.model
            if whole is not None and is_quantization_aware(whole):
                raise ValueError(
                    "The weights are those of a quantization-aware network, "
                    "whose layers hold ranges beside them. Pass the network "
                    "that it was made of, such as a run's model.keras. "
                    f"Received: weights={source.label}"
                )
            if model is None:
                model = self._graph_for(
                    source, shape, include_top, classes, arguments
                )
            assign_source(
                model,
                source,
                droppable=len(self.head),
                adapt=lambda layer, arrays: adapt_weights(
                    self.preprocessing, source, layer, arrays
                ),
            )
            # Without its blurs it would not answer as its weights did.
            if whole is not None:
                model = blur_like(model, whole)
            elif _names_blurs(source):
                warnings.warn(
                    "The weights are those of an anti-aliased network, and "
                    "a file of weights does not say how it was blurred: "
                    "without its blurs it answers otherwise. Pass the "
                    "`.keras` file, which brings them, or blur the network "
                    "as that one was (`kerastl.antialias`, --antialias). "
                    f"Received: weights={source.label}",
                    stacklevel=2,
                )
        return model

    def usual_rate(
        self, weights: PathLike | keras.Model | None = None, alpha: float = 1.0
    ) -> float:
        """The learning rate to start from, with these weights and this width.

        A step of Adam moves every weight as far as the rate allows, so that
        what a layer computes moves with the number of its inputs: narrow
        networks take higher rates. The power of the width fits what was best
        for MobileNetV2 1.0 and 0.35.

        Args:
            weights: As in `build`; `None` are random ones, for which the rate
                is one of SGD with momentum, at every width.
            alpha: Width of a MobileNet.
        """
        if weights is None:
            return self.scratch_learning_rate
        return self.learning_rate * alpha**_RATE_BY_WIDTH

    def _graph(self, shape, include_top, classes, arguments):
        inputs = keras.Input(shape, name="image")
        if include_top and classes == 1:
            # A softmax of one number is 1: it tells two classes apart.
            arguments = {**arguments, "classifier_activation": "sigmoid"}
        backbone = self.builder(
            input_tensor=preprocess(self.preprocessing, inputs),
            input_shape=shape,
            weights=None,
            include_top=include_top,
            classes=classes or self.classes,
            **arguments,
        )
        return keras.Model(inputs, backbone.output, name=backbone.name)

    def _graph_for(self, source, shape, include_top, classes, arguments):
        """Builds the graph, with the head or without, that the source fits."""
        headless = None
        found = self._head_classes(source.entries)
        if found is None or include_top is False:
            headless = self._graph(shape, False, None, arguments)
        if found is None:
            # Files of early Keras 3 have no layer names: count the layers.
            targets = target_entries(headless, source)
            extra = extra_entries(targets, source)
            if len(extra) == len(self.head):
                found = extra[-1].shapes[-1][-1]
            elif include_top is True or classes is not None:
                match_entries(targets, source)
                raise ValueError(
                    "The weights have no classifier. Build the backbone with "
                    "`include_top=False` and put a new head on it with "
                    "`kerastl.replace_head(model, num_classes)`. Received: "
                    f"weights={source.label}, include_top={include_top!r}, "
                    f"classes={classes}"
                )
        if found is None or include_top is False:
            return headless
        if classes not in (None, found):
            raise ValueError(
                f"The weights have a classifier of {found} classes. Leave "
                "`classes` out and change the head with "
                "`kerastl.replace_head(model, num_classes)`. "
                f"Received: classes={classes}, weights={source.label}"
            )
        return self._graph(shape, True, found, arguments)

    def _head_classes(self, entries):
        """Returns the classes of a head that is there by name, or `None`."""
        by_name = {entry.name: entry for entry in entries}
        if not all(name in by_name for name in self.head):
            return None
        return by_name[self.head[-1]].shapes[0][-1]

    def _check_imagenet(self, classes):
        if not self.downloadable:
            raise ValueError(
                f"There are no ImageNet weights for {self.title}. Pass "
                "`weights=None` (--weights none), a local file or a model. "
                "Received: weights='imagenet'"
            )
        if classes not in (None, self.classes):
            raise ValueError(
                f"The ImageNet weights have {self.classes} classes. Leave "
                "`classes` out and change the head with "
                "`kerastl.replace_head(model, num_classes)`, or start from "
                f"random weights with `weights=None`. Received: "
                f"classes={classes}"
            )

    def _download(self, shape, include_top, arguments):
        try:
            return self.builder(
                weights="imagenet",
                input_shape=shape,
                include_top=include_top,
                **arguments,
            )
        except Exception as error:
            if "URL fetch failure" not in str(error):
                raise
            raise ConnectionError(
                f"The ImageNet weights of {self.title} could not be "
                "downloaded. On a machine without network pass a local file "
                "(`weights='path/to/file.weights.h5'`, or `--weights` on the "
                "command line): the .h5 file from the address below, or what "
                "`save_weights` wrote where the network is. "
                f"Received: {error}"
            ) from error

    def _checked_shape(self, input_shape):
        if input_shape is None:
            return (self.default_size, self.default_size, 3)
        shape = tuple(several(input_shape, ()))
        if len(shape) != 3 or shape[2] != 3:
            raise ValueError(
                "`input_shape` must be (height, width, 3), for RGB images "
                f"with channels last. Received: input_shape={input_shape}"
            )
        if any(side is not None and side < self.min_size for side in shape[:2]):
            raise ValueError(
                f"The images are too small for {self.title}: it needs at "
                f"least {self.min_size}x{self.min_size} pixels. Use larger "
                "images or a smaller network (`resnet8` takes 32x32 and "
                f"less). Received: input_shape={shape}"
            )
        return shape

    def _checked_arguments(self, arguments):
        """The arguments of the builder without those that are fixed."""
        known = [
            name
            for name, parameter in inspect.signature(
                self.builder
            ).parameters.items()
            if name not in _OWN_ARGUMENTS
            and name not in _FIXED_ARGUMENTS
            and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        for name, value in arguments.items():
            if name in _FIXED_ARGUMENTS and value != _FIXED_ARGUMENTS[name]:
                raise ValueError(
                    f"`{name}` is always {_FIXED_ARGUMENTS[name]!r} in a "
                    "preset, which reads RGB images 0..255 and gives "
                    "probabilities. Build other networks with "
                    f"`keras.applications`. Received: {name}={value!r}"
                )
            if name not in known and name not in _FIXED_ARGUMENTS:
                others = [each for each in known if each != "name"]
                expected = f"some of {others}" if others else "none"
                raise ValueError(
                    f"{self.title} has no argument `{name}`. Leave it out, or "
                    f"choose another preset. Expected {expected}. "
                    f"Received: {name}={value!r}"
                )
        return {
            name: value
            for name, value in arguments.items()
            if name not in _FIXED_ARGUMENTS
        }


def _names_blurs(source):
    """Whether layers of a file are called as those of `antialias` are."""
    return any(name.endswith("_blur") for name in source.layer_names) or any(
        "/blurred_" in entry.key for entry in source.entries
    )
