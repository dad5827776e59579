"""SpotTune: every example chooses its residual blocks, frozen or tuned."""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Literal

import keras
from keras import layers

from kerastl.arguments import as_names
from kerastl.arguments import checked_seed
from kerastl.arguments import nearest_hint
from kerastl.layers.gates import BinaryGates
from kerastl.surgery.gated_parts import Part
from kerastl.surgery.gated_parts import add_gates
from kerastl.surgery.gated_parts import pooled
from kerastl.surgery.graph import read_graph
from kerastl.surgery.repeat_calls import open_nested
from kerastl.types import Tensor

# What may follow the sum of a block and still belongs to it.
_AFTER_SUM = (layers.Activation, layers.BatchNormalization, layers.ReLU)
_POLICY_FILTERS = (16, 32, 64)


def add_block_routing(
    model: keras.Model,
    blocks: Iterable[str] | None = None,
    policy: Callable[[Tensor], Tensor] | None = None,
    gate: Literal["gumbel", "straight_through"] = "gumbel",
    temperature: float = 5.0,
    seed: int | None = None,
) -> keras.Model:
    """SpotTune: lets every image choose each residual block, frozen or tuned.

    Each block (all between two tensors that every path goes through, with an
    `Add` at its end) gets a frozen twin with the weights and statistics that
    it has now. A small policy network looks at the image and decides for all
    blocks at once:

        output = gate * block(x) + (1 - gate) * frozen block(x)

    The decision is noisy in training and the larger logit in inference. At
    the start both branches are equal, up to the batch statistics of training.
    What is outside of the blocks trains as it is. Other than in the authors'
    code, the frozen twin is frozen with its BatchNormalization, and inference
    draws no noise.

    Both branches are computed, also in inference. `kerastl.fold_gates` makes
    a plain network of it after training. In the authors' code the policy
    network learns at a tenth of the network's rate, see
    `kerastl.optimizers.gate_optimizer`, and has a weight decay of 0.001, which
    is left out here: the penalties of `kerastl.regularizers` take its kernels
    for those of new layers. One logit a block takes the place of the authors'
    two, of which only the difference counts: a step changes it half as much, so
    the policy's effective rate is half of theirs (derived).

    Args:
        model: A functional or built sequential `keras.Model`; nested
            backbones are opened. Its current weights are the frozen ones.
        blocks: Names of the `Add` layers of the blocks to route. Defaults to
            all.
        policy: Function from the image tensor to a feature map or vector that
            the decisions are read from. Defaults to three convolutions of
            stride 2. Assumed: the authors use a residual network with one
            block a stage, of the family of `model`.
        gate: `"gumbel"` or `"straight_through"`, see
            `kerastl.layers.BinaryGates`.
        temperature: That of `"gumbel"`.
        seed: Seed of the policy network and its draws.

    Returns:
        A functional `keras.Model`, a copy with the names of the layers kept.

    Raises:
        ValueError: If there is no residual block, or none of that name.

    Example:

    ```python
    student = kerastl.replace_head(source, num_classes=10)
    routed = kerastl.surgery.add_block_routing(student)
    optimizer = kerastl.optimizers.gate_optimizer(routed, "sgd", factor=0.1)
    routed.compile(optimizer, "sparse_categorical_crossentropy")
    ```

    Reference:
        Guo et al., "SpotTune: Transfer Learning through Adaptive
        Fine-tuning", CVPR 2019.
    """
    flat = open_nested(model)
    parts = _residual_blocks(read_graph(flat))
    if not parts:
        raise ValueError(
            "The model has no residual block: no `Add` layer that ends one. "
            "Gate its convolutions instead, with "
            "`kerastl.surgery.add_gated_filters`. "
            f"Received: model={model.name!r}"
        )
    if blocks is not None:
        blocks = as_names(blocks)
        known = [part.name for part in parts]
        for name in blocks:
            if name not in known:
                raise ValueError(
                    "The model has no residual block of that name."
                    f"{nearest_hint(name, known)} Expected some of {known}. "
                    f"Received: blocks={blocks}, of which {name!r}"
                )
        parts = [part for part in parts if part.name in blocks]
    (image,) = keras.tree.flatten(read_graph(flat).inputs)
    features = []

    seed = checked_seed("seed", seed)

    def seeded(offset):
        # Each layer draws something else.
        return None if seed is None else seed + offset

    def make_gates(part, new):
        if not features:
            looked_at = (policy or _Policy(seeded))(new(image))
            features.append(pooled(looked_at, "policy_pool"))
        place = parts.index(part)
        decide = layers.Dense(
            1,
            kernel_initializer=keras.initializers.GlorotUniform(
                seeded(10 + place)
            ),
            dtype="float32",
            name=f"{part.name}_gate_logits",
        )
        gates = BinaryGates(
            gate, temperature, seeded(100 + place), name=f"{part.name}_gates"
        )
        return gates(decide(features[0]))

    return add_gates(flat, parts, make_gates)


class _Policy:
    """Three convolutions of stride 2 on the standardized image."""

    def __init__(self, seeded):
        self._seeded = seeded

    def __call__(self, image):
        axis = _channel_axis()
        x = layers.BatchNormalization(
            axis=axis, center=False, scale=False, name="policy_input_bn"
        )(image)
        for place, filters in enumerate(_POLICY_FILTERS, start=1):
            x = layers.Conv2D(
                filters,
                3,
                strides=2,
                padding="same",
                use_bias=False,
                kernel_initializer=keras.initializers.HeNormal(
                    self._seeded(place)
                ),
                name=f"policy_{place}_conv",
            )(x)
            x = layers.BatchNormalization(axis=axis, name=f"policy_{place}_bn")(
                x
            )
            x = layers.ReLU(name=f"policy_{place}_relu")(x)
        return x


def _channel_axis():
    first = keras.config.image_data_format() == "channels_first"
    return 1 if first else -1


def _residual_blocks(graph):
    """The parts between two cuts of the graph that end in a sum."""
    last_read = {
        id(tensor): len(graph.nodes)
        for tensor in keras.tree.flatten(graph.outputs)
    }
    for index, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            last_read.setdefault(id(tensor), -1)
            last_read[id(tensor)] = max(last_read[id(tensor)], index)
    start = keras.tree.flatten(graph.inputs)[0]
    reach = last_read.get(id(start), -1)
    parts, between = [], []
    for index, node in enumerate(graph.nodes):
        between.append(node)
        # A cut: nothing made before it is read after it.
        is_cut = reach <= index
        reach = max([reach] + [last_read.get(id(t), -1) for t in node.outputs])
        if not is_cut:
            continue
        follows = (
            parts
            and between == [node]
            and isinstance(node.operation, _AFTER_SUM)
            and parts[-1].end is start
        )
        if follows:
            parts[-1].nodes.append(node)
        elif len(between) > 1 and isinstance(node.operation, layers.Add):
            parts.append(Part(node.operation.name, between, start))
        start, between = node.outputs[0], []
    return parts
