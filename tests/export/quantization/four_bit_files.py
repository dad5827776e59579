"""Networks and files of four bits, as the tests see them."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

FORMS = {"int4": "products", "int4_micro": "convolutions"}


def with_drawn_kernels(model):
    """The model with weights that are on no grid of four bits."""
    generator = np.random.default_rng(3)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            shape = layer.kernel.shape
            layer.kernel.assign(generator.normal(0, 0.3, shape))
    return model


def noise():
    """Images to calibrate with, and to compare on."""
    generator = np.random.default_rng(0)
    return generator.uniform(0, 255, (100, 12, 12, 3)).astype("float32")


def constants(path):
    """Kernels of a file as it holds them: values by operator and shape."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    [graph] = model.subgraphs
    found = []
    for operator in graph.operators:
        if len(operator.inputs) < 3:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        data = np.asarray(model.buffers[tensor.buffer].data)
        if tensor.type == schema.TensorType.INT4:
            low, high = data & 15, data >> 4
            levels = np.stack([low, high], -1).ravel().astype("int8")
            levels = np.where(levels > 7, levels - 16, levels)
            levels = levels[: np.prod(tensor.shape)]
        else:
            levels = data.view("int8")
        levels = levels.reshape(tensor.shape[0], -1)
        scales = np.reshape(tensor.quantization.scale, (-1, 1))
        code = model.operatorCodes[operator.opcodeIndex]
        found.append((code, tensor.type, levels, levels * scales))
    return found
