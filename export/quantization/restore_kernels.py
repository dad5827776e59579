"""Puts the 8-bit form of the weights back into an ONNX graph."""

import numpy as np

# Operations that keep the levels of what they read.
_PASSING = (
    "Clip",
    "Concat",
    "Flatten",
    "MaxPool",
    "Pad",
    "Relu",
    "Reshape",
    "Slice",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
_LEVELS = 127
# Of the distance of two levels: what a value may be off its level, and off
# the kernel that was rounded to it.
_ON_LEVEL, _ROUNDED = 0.02, 0.52


def restore_kernels(source, path, kernels):
    """Writes weights as int8 with their scales, and biases as int32.

    The exporter keeps the rounding of activations as `QuantizeLinear` and
    `DequantizeLinear`, and folds that of the weights into float constants:
    the values are those of the levels, and the levels are lost.

    Args:
        source: ONNX file with such constants.
        path: Where to write.
        kernels: The `FixedKernel`s that they came from.

    Raises:
        RuntimeError: If a kernel is not found in the file.
    """
    import onnx

    model = onnx.load(source)
    editor = _Editor(model.graph)
    found = [editor.restore(node, kernels) for node in [*model.graph.node]]
    found = [fixed for fixed in found if fixed is not None]
    # Blurs of as many channels are all found as the first of them.
    missing = [
        fixed.name
        for fixed in kernels
        if not any(np.array_equal(fixed.kernel, each.kernel) for each in found)
    ]
    if missing:
        raise RuntimeError(
            "The ONNX exporter changed kernels, so that their levels could "
            "not be put back. Write the model as TFLite, and please report "
            f"this. Received: layers {', '.join(missing)}"
        )
    editor.finish()
    onnx.save(model, path)


class _Editor:
    def __init__(self, graph):
        from onnx import numpy_helper

        self._graph = graph
        self._constants = {
            each.name: numpy_helper.to_array(each) for each in graph.initializer
        }
        self._producers = {
            name: node for node in graph.node for name in node.output
        }
        self._added = {}

    def restore(self, node, kernels):
        """Gives a node its int8 kernel, and returns where that came from."""
        if node.op_type not in ("Conv", "MatMul"):
            return None
        kernel = self._constants.get(node.input[1])
        if kernel is None:
            return None
        for fixed in kernels:
            levels, axis = _levels(node, kernel, fixed)
            if levels is None:
                continue
            if len(node.input) > 2:
                self._restore_bias(node, fixed.scales)
            node.input[1] = self._dequantized(
                node.input[1], levels, fixed.scales, axis
            )
            return fixed
        return None

    def finish(self):
        """Puts the new nodes first, and drops what nothing reads."""
        nodes = [*self._added.values(), *self._graph.node]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input}
        used |= {output.name for output in self._graph.output}
        for constant in [*self._graph.initializer]:
            if constant.name not in used:
                self._graph.initializer.remove(constant)

    def _restore_bias(self, node, scales):
        bias = self._constants.get(node.input[2])
        scale = self._input_scale(node.input[0])
        if bias is None or scale is None:
            return
        scales = np.float32(scale * scales)
        levels = np.rint(bias / np.float64(scales)).astype("int32")
        node.input[2] = self._dequantized(
            f"{node.input[2]}_of_{node.output[0]}", levels, scales, 0
        )

    def _input_scale(self, name):
        node = self._producers.get(name)
        while node is not None and node.op_type in _PASSING:
            node = self._producers.get(node.input[0])
        if node is None or node.op_type != "DequantizeLinear":
            return None
        return self._constants[node.input[1]]

    def _dequantized(self, name, levels, scales, axis):
        from onnx import helper
        from onnx import numpy_helper

        if name not in self._added:
            names = [f"{name}_{end}" for end in ("levels", "scale", "zero")]
            arrays = levels, scales, np.zeros(scales.shape, levels.dtype)
            for each, array in zip(names, arrays, strict=True):
                self._graph.initializer.append(
                    numpy_helper.from_array(np.asarray(array), each)
                )
            options = {"axis": axis} if scales.ndim else {}
            self._added[name] = helper.make_node(
                "DequantizeLinear",
                names,
                [f"{name}_dequantized"],
                name=f"{name}_dequantize",
                **options,
            )
        return self._added[name].output[0]


def _levels(node, kernel, fixed):
    """Returns int8 levels and channel axis, if `kernel` came from `fixed`."""
    if (node.op_type == "Conv") == (fixed.kind == "dense"):
        return None, None
    if fixed.kind == "dense":
        expected, axis = fixed.kernel, 1
    else:
        axis = 0
        rows, columns = fixed.kernel.shape[:2]
        expected = fixed.kernel
        if fixed.kind == "depthwise":
            expected = expected.reshape(rows, columns, 1, -1)
        expected = expected.transpose(3, 2, 0, 1)
    if kernel.shape != expected.shape:
        return None, None
    scales = fixed.scales
    if scales.ndim:
        scales = np.moveaxis(
            scales.reshape(-1, *[1] * (kernel.ndim - 1)), 0, axis
        )
    relative = kernel / np.float64(scales)
    levels = np.rint(relative)
    near = np.abs(kernel - expected) <= _ROUNDED * scales
    on_level = np.abs(relative - levels) <= _ON_LEVEL
    if np.all(near & on_level) and np.abs(levels).max() <= _LEVELS:
        return levels.astype("int8"), axis
    return None, None
