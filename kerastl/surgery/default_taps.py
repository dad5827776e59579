"""Where a student is compared with its source."""

import dataclasses

import keras
from keras import layers

from kerastl.layers import BlurPooling2D
from kerastl.layers.kernel_blur import KernelBlur
from kerastl.surgery.graph import is_graph
from kerastl.surgery.graph import read_graph

# A new stage begins where the map shrinks to two thirds or less.
_SHRINKS = 2 / 3
# Stands for an unknown height or width: large enough for every network.
_UNKNOWN_SIZE = 256

_HEAD = (
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.Flatten,
    layers.Dense,
)
_MERGES = (layers.Add, layers.Concatenate)
_PADDING = (layers.ZeroPadding2D, layers.Cropping2D)
_POINTWISE = (
    layers.Activation,
    layers.BatchNormalization,
    layers.Dropout,
    layers.ELU,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ReLU,
)


def default_taps(
    model: keras.Model, student: keras.Model | None = None
) -> list[str]:
    """Chooses the layers at which a student is compared with its source.

    One tap a stage: for every resolution after the first down-sampling, the
    last tensor through which every path from input to output goes (the output
    of the last block). So that the tap has the same shape in the source and in
    its anti-aliased copy, layers that are computed densely there are passed
    over: the down-sampling layer itself with the normalization and activation
    behind it, and paddings. Where a depthwise convolution goes down and a
    1x1 convolution expands a linear block output for it, the tap is that block
    output. Behind the last down-sampling it is the final feature map, before
    the global pooling. In networks without such tensors (NASNet), it is the
    deepest `Concatenate` or `Add` of the resolution. In a plain chain of
    strided layers, where nothing is left but those, it is the end of each
    stage: such taps fit a student without blurs only.

    Stages before the first down-sampling have no tap: nothing is blurred
    there. With an anti-aliased `student`, stages before its first blur have
    none either (the first stage, where the stem was left as it was): student
    and source start out equal there, so a tap would only freeze.

    Args:
        model: the source, a functional or built sequential `keras.Model`,
            nested backbones included.
        student: the model to compare it with. Only taps that it has too, with
            features of the same shape, are returned.

    Returns:
        A list of layer names, from early to late.

    Raises:
        ValueError: if the model is subclassed or has no such layer, or the
            student has none of its taps.

    Example:

    >>> model = keras.applications.MobileNetV2(weights=None)
    >>> kerastl.surgery.default_taps(model)[-2:]
    ['block_12_add', 'out_relu']
    """
    stages = _stages(_Flattener().flatten(model))
    taps = [
        tap
        for stage in stages
        if (tap := _last_cut(stage) or _last_merge(stage))
    ]
    # A stage of one strided layer has nothing behind what a blur would change:
    # a student without blurs is compared there.
    taps = taps or [
        tap for stage in stages if (tap := _last_cut(stage, passed=()))
    ]
    if not taps:
        reason = (
            "No layer of the model ends a stage with every path leading "
            "through it, as where several inputs stay apart"
            if stages
            else "No feature map that the whole model goes through becomes "
            "smaller"
        )
        raise ValueError(
            f"{reason}, so no taps can be chosen. Name the layers to compare "
            f"with `taps=[...]`. Received: model={model.name!r}"
        )
    names = [tap.operation.name for tap in taps]
    if student is None:
        return names
    steps = _Flattener().flatten(student)
    blurs = [
        s.index
        for s in steps
        if isinstance(s.operation, (BlurPooling2D, KernelBlur))
    ]
    first_blur = min(blurs, default=-1)
    features = {
        step.operation.name: (step.size, step.channels)
        for step in steps
        if step.index > first_blur
    }
    common = [
        tap.operation.name
        for tap in taps
        if features.get(tap.operation.name) == (tap.size, tap.channels)
    ]
    if not common:
        raise ValueError(
            "The student has none of the source's taps, or none behind its "
            "first blur with features of the same shape. Name layers that "
            "both have with `taps=[...]`. "
            f"Received: student={student.name!r}, taps of the source={names}"
        )
    return common


@dataclasses.dataclass
class _Step:
    """One call in the graph with the nested models opened.

    Tensors are numbers here, because those of a nested model stand for those
    that it is called on.
    """

    operation: keras.Operation
    inputs: list
    outputs: list
    size: int | None
    input_size: int | None
    channels: int | None
    input_channels: int | None
    index: int = 0
    # Length of the longest path from the input.
    depth: int = 0
    is_cut: bool = False
    producers: list = dataclasses.field(default_factory=list)
    readers: list = dataclasses.field(default_factory=list)

    @property
    def goes_down(self):
        return (
            self.size is not None
            and self.input_size is not None
            and self.size <= self.input_size * _SHRINKS
        )


class _Flattener:
    """Opens nested models and finds every tensor's size."""

    def __init__(self):
        self._steps = []
        self._specs = []

    def flatten(self, model):
        graph = read_graph(model)
        numbers = {}
        for tensor in keras.tree.flatten(graph.inputs):
            shape = [tensor.shape[0]] + [
                _UNKNOWN_SIZE if size is None else size
                for size in tensor.shape[1:]
            ]
            numbers[id(tensor)] = self._number(
                keras.KerasTensor(shape, tensor.dtype)
            )
        sources = list(numbers.values())
        self._run(graph, numbers)
        outputs = [
            numbers[id(tensor)] for tensor in keras.tree.flatten(graph.outputs)
        ]
        _connect(self._steps, sources, outputs)
        return self._steps

    def _number(self, spec):
        self._specs.append(spec)
        return len(self._specs) - 1

    def _run(self, graph, numbers):
        for node in graph.nodes:
            inputs = [numbers[id(tensor)] for tensor in node.inputs]
            if is_graph(node.operation):
                inner = read_graph(node.operation)
                inner_numbers = {
                    id(tensor): number
                    for tensor, number in zip(
                        keras.tree.flatten(inner.inputs), inputs, strict=True
                    )
                }
                self._run(inner, inner_numbers)
                outputs = [
                    inner_numbers[id(tensor)]
                    for tensor in keras.tree.flatten(inner.outputs)
                ]
            else:
                outputs = self._call(node, numbers, inputs)
            for tensor, number in zip(node.outputs, outputs, strict=True):
                numbers[id(tensor)] = number

    def _call(self, node, numbers, inputs):
        specs = node.outputs
        if any(None in spec.shape[1:] for spec in specs):
            args, kwargs = keras.tree.map_structure(
                lambda value: (
                    self._specs[numbers[id(value)]]
                    if id(value) in numbers
                    else value
                ),
                (node.args, node.kwargs),
            )
            specs = keras.tree.flatten(
                node.operation.compute_output_spec(*args, **kwargs)
            )
        outputs = [self._number(spec) for spec in specs]
        before = [_size_and_channels(self._specs[i]) for i in inputs]
        size, channels = _size_and_channels(specs[0])
        sizes = [size for size, _ in before if size is not None]
        input_size = max(sizes) if sizes else None
        if isinstance(node.operation, _PADDING):
            size = input_size
        self._steps.append(
            _Step(
                node.operation,
                inputs,
                outputs,
                size,
                input_size,
                channels,
                before[0][1] if before else None,
                index=len(self._steps),
            )
        )
        return outputs


def _size_and_channels(spec):
    if len(spec.shape) != 4:
        return None, None
    if keras.config.image_data_format() == "channels_first":
        return spec.shape[2], spec.shape[1]
    return spec.shape[1], spec.shape[3]


def _connect(steps, sources, outputs):
    """Fills in who reads whom, and marks the cuts of the graph.

    A step is a cut when every path goes through it: in execution order no
    tensor made before it is read after it.
    """
    made_by = {}
    last_read = dict.fromkeys(sources, -1)
    for step in steps:
        for number in step.inputs:
            last_read[number] = step.index
            if number in made_by:
                step.producers.append(made_by[number])
                made_by[number].readers.append(step)
        step.depth = 1 + max((p.depth for p in step.producers), default=0)
        for number in step.outputs:
            made_by[number] = step
            last_read.setdefault(number, step.index)
    for number in outputs:
        last_read[number] = len(steps)
    reach = max(last_read[number] for number in sources)
    for step in steps:
        step.is_cut = reach <= step.index
        reach = max([reach] + [last_read[number] for number in step.outputs])


def _stages(steps):
    """Groups the steps of the trunk by resolution, from large to small."""
    trunk = []
    for step in steps:
        if step.is_cut and (
            isinstance(step.operation, _HEAD) or step.size is None
        ):
            # Everything behind the global pooling belongs to the head; what
            # comes before it may be preprocessing on other shapes.
            if trunk:
                break
        elif step.size is not None:
            trunk.append(step)
    if not trunk:
        return []
    sizes = sorted({step.size for step in trunk}, reverse=True)
    stage_of, stage = {}, 0
    top = max(trunk[0].input_size or 0, sizes[0])
    for size in sizes:
        if size <= top * _SHRINKS:
            stage, top = stage + 1, size
        stage_of[size] = stage
    return [
        [step for step in trunk if stage_of[step.size] == number]
        for number in range(1, stage + 1)
    ]


def _last_cut(stage, passed=None):
    if passed is None:
        passed = _dense_when_blurred(stage)
    for step in reversed(stage):
        if not step.is_cut or step.index in passed:
            continue
        if isinstance(step.operation, _PADDING):
            continue
        if _is_expansion(step):
            continue
        return step
    return None


def _dense_when_blurred(stage):
    """Steps that an anti-aliased copy computes before the blur."""
    dense = set()
    for step in stage:
        if not step.goes_down:
            continue
        dense.add(step.index)
        while len(step.readers) == 1 and isinstance(
            step.readers[0].operation, _POINTWISE
        ):
            step = step.readers[0]
            dense.add(step.index)
    return dense


def _is_expansion(step):
    """Whether `step` only widens a linear block output for what goes down.

    Such is the 1x1 convolution (with normalization and activation) in front
    of a depthwise convolution that goes down in size.
    """
    before = step
    while isinstance(before.operation, _POINTWISE) and before.producers:
        before = before.producers[0]
    if not (_is_widening(before) and _is_linear(before.producers[0])):
        return False
    after = step
    while len(after.readers) == 1:
        after = after.readers[0]
        if not isinstance(after.operation, _POINTWISE + _PADDING):
            break
    return (
        isinstance(after.operation, layers.DepthwiseConv2D) and after.goes_down
    )


def _is_widening(step):
    return (
        isinstance(step.operation, layers.Conv2D)
        and tuple(step.operation.kernel_size) == (1, 1)
        and bool(step.producers)
        and step.channels > step.input_channels
    )


def _is_linear(step):
    if isinstance(step.operation, layers.Conv2D):
        return step.operation.activation is keras.activations.linear
    return isinstance(step.operation, (layers.Add, layers.BatchNormalization))


def _last_merge(stage):
    merges = [step for step in stage if isinstance(step.operation, _MERGES)]
    return max(merges, key=lambda step: step.depth, default=None)
