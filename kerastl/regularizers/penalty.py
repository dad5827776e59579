"""A penalty on weights: what it is, and to which weights and how it is put."""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras
from keras import ops
from keras.src.saving.keras_saveable import KerasSaveable

from kerastl.arguments import as_names
from kerastl.arguments import nearest_hint
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import walk
from kerastl.surgery.layer_paths import layer_paths
from kerastl.surgery.layer_paths import layers_named
from kerastl.types import Tensor

# Attribute of the weight, attribute of its regularizer.
_KERNELS = (
    ("kernel", "kernel_regularizer"),
    ("kernel", "depthwise_regularizer"),
    ("depthwise_kernel", "depthwise_regularizer"),
    ("pointwise_kernel", "pointwise_regularizer"),
)
_BATCH_NORM = (
    ("gamma", "gamma_regularizer"),
    ("beta", "beta_regularizer"),
)


@keras.saving.register_keras_serializable(package="kerastl")
class AnchoredL2(keras.Regularizer, KerasSaveable):
    """Penalty on the squared distance of one weight from its anchor.

        strength / 2 * sum(importance * (weight - anchor)**2)

    `L2SP.attach` and `L2.attach` put one on each weight. The anchor is a
    variable of the regularizer: it travels in `.keras` and `.weights.h5` files
    and through `kerastl.surgery.copy_model`, but is no weight of the model.

    Args:
        strength: non-negative float.
        shape: shape of the weight, or `None` for an anchor of zeros (plain
            L2).
        weighted: whether every element has an importance of its own.

    Raises:
        ValueError: if it is called before its anchor is known, which happens
            in a model made with `keras.models.clone_model`.

    Example:

    >>> layer = keras.layers.Dense(
    ...     2, kernel_regularizer=kerastl.regularizers.AnchoredL2(0.1)
    ... )
    """

    def __init__(
        self,
        strength: float,
        shape: Sequence[int] | None = None,
        weighted: bool = False,
    ) -> None:
        self.strength = float(strength)
        self.shape = None if shape is None else tuple(shape)
        self.weighted = weighted
        self.anchor = self.importance = None
        self._is_set = shape is None
        if shape is not None:
            self.anchor = _fixed(self.shape, "anchor")
        if weighted:
            self.importance = _fixed(self.shape, "importance")

    @property
    def variables(self) -> list[keras.Variable]:
        """The anchor and the importance, as far as there are any."""
        return [v for v in (self.anchor, self.importance) if v is not None]

    def assign(self, values: Iterable[Tensor]) -> None:
        """Sets the variables, in their order."""
        for variable, value in zip(self.variables, values, strict=True):
            # The copy, because JAX may share the buffer of what is assigned
            # and delete it when the weight that it came from is trained.
            variable.assign(ops.copy(ops.convert_to_tensor(value, "float32")))
        self._is_set = True

    def __call__(self, x: Tensor) -> Tensor:
        if not self._is_set:
            raise ValueError(
                "The starting values of an L2-SP penalty are not known in "
                "this copy of the model. Copy it with "
                "`kerastl.surgery.copy_model`, or attach the penalty again "
                "with `kerastl.regularizers.L2SP(...).attach(model)`. "
                f"Received: a weight of shape {tuple(x.shape)}"
            )
        x = ops.cast(x, "float32")
        if self.anchor is not None:
            x = x - self.anchor
        squares = ops.square(x)
        if self.importance is not None:
            squares = squares * self.importance
        return 0.5 * self.strength * ops.sum(squares)

    def save_own_variables(self, store: Any) -> None:
        for variable in self.variables:
            store[variable.name] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        # A file of the plain model has no anchors: those in place stay.
        if "anchor" in store:
            self.assign([store[variable.name] for variable in self.variables])

    def _obj_type(self):
        # Keras looks up by type which attributes not to save; it has no type
        # for regularizers, and a loss is the nearest.
        return "Loss"

    def get_config(self) -> dict[str, Any]:
        return {
            "strength": self.strength,
            "shape": None if self.shape is None else list(self.shape),
            "weighted": self.weighted,
        }


def _fixed(shape, name):
    return keras.Variable(
        ops.zeros(shape, "float32"),
        dtype="float32",
        trainable=False,
        name=name,
    )


class Penalised(NamedTuple):
    """A weight with the layer attribute that holds its regularizer.

    `path` is that of the layer, which no two layers of the model share.
    """

    layer: keras.layers.Layer
    variable: keras.Variable
    attribute: str
    path: str


def penalised_weights(model, batch_norm=False) -> list:
    """The kernels of `model`, and with `batch_norm` scales and offsets."""
    if not model.built:
        raise ValueError(
            "The model has no weights yet. Build it first, with "
            "`keras.Input` or by calling it on a batch. "
            f"Received: model={model.name!r}"
        )
    found = []
    paths = layer_paths(model)
    for layer in hidden_layers(model):
        if id(layer) not in paths:
            continue
        path = paths.pop(id(layer))  # one may be reached on several ways
        pairs = _KERNELS
        if isinstance(layer, keras.layers.BatchNormalization):
            pairs = _BATCH_NORM if batch_norm else ()
        for weight, attribute in pairs:
            variable = getattr(layer, weight, None)
            if hasattr(layer, attribute) and isinstance(
                variable, keras.Variable
            ):
                found.append(Penalised(layer, variable, attribute, path))
    if not found:
        raise ValueError(
            "The model has no kernel of a Keras convolution or Dense layer to "
            f"penalise. Received: model={model.name!r}"
        )
    return found


def head_layers(model, weights, head) -> set:
    """Ids of the layers that make the head.

    `head` is a layer name or path, a list of them, or `None` for the last
    layer with a kernel. A name means every layer that has it.
    """
    if head is None:
        layers = [entry.layer for entry in weights]
        if is_graph(model):
            order = {
                id(node.operation): index
                for index, (_, node) in enumerate(walk(model))
            }
            layers.sort(key=lambda layer: order.get(id(layer), -1))
        return {id(layers[-1])}
    with_kernel = {id(entry.layer): entry.layer.name for entry in weights}
    chosen = set()
    for name in as_names(head):
        found = {id(layer) for layer in layers_named(model, name)}
        found &= with_kernel.keys()
        if not found:
            raise ValueError(
                "The model has no layer of that name with a kernel."
                f"{nearest_hint(name, with_kernel.values())} "
                f"Received: head={name!r}"
            )
        chosen |= found
    return chosen


def attach(model, weights, penalties):
    """Puts a penalty on each weight, in place of an earlier one of its kind.

    All or nothing: the weights are checked before the first is touched.
    """
    for entry in weights:
        before = getattr(entry.layer, entry.attribute)
        if before is not None and not isinstance(before, AnchoredL2):
            raise ValueError(
                f"The layer {entry.layer.name!r} has a regularizer already, "
                "and two penalties on one weight are rarely meant. Set "
                f"`layer.{entry.attribute}` and the `regularizer` of its "
                "variable to None first. "
                f"Received: {entry.attribute}={before}"
            )
    detach(model)
    for entry, penalty in zip(weights, penalties, strict=True):
        setattr(entry.layer, entry.attribute, penalty)
        entry.variable.regularizer = penalty


def detach(model: keras.Model) -> keras.Model:
    """Takes every penalty off that `attach` has put on `model`.

    The model can then be loaded without kerastl, and its file is smaller by
    the starting values.

    Args:
        model: a `keras.Model`.

    Returns:
        `model`, for chaining.
    """
    for entry in penalised_weights(model, batch_norm=True):
        if isinstance(getattr(entry.layer, entry.attribute), AnchoredL2):
            setattr(entry.layer, entry.attribute, None)
            entry.variable.regularizer = None
    # A step that is traced already would go on with the old penalties.
    for name in ("train_function", "test_function"):
        if getattr(model, name, None) is not None:
            setattr(model, name, None)
    return model
