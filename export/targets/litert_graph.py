"""The operators and tensors of a .tflite file, as plain Python."""

import dataclasses
import math

BYTES = {
    "FLOAT64": 8,
    "FLOAT32": 4,
    "FLOAT16": 2,
    "INT64": 8,
    "INT32": 4,
    "UINT32": 4,
    "INT16": 2,
    "INT8": 1,
    "UINT8": 1,
    "INT4": 0.5,
    "BOOL": 1,
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor of a `LitertGraph`.

    Attributes:
        name: Name in the file.
        dtype: Type as the schema calls it, in lower case: "int8".
        shape: Tuple of sizes; a dynamic one counts as 1.
        dynamic: Whether a size is known at run time only.
        constant: Whether its values are in the file.
        channels: Number of quantization scales, 0 if there is none.
    """

    name: str
    dtype: str
    shape: tuple
    dynamic: bool
    constant: bool
    channels: int

    @property
    def elements(self):
        return math.prod(self.shape)

    @property
    def size_bytes(self):
        return math.ceil(self.elements * BYTES.get(self.dtype.upper(), 4))


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of a `LitertGraph`; tensors are given by index."""

    name: str
    inputs: tuple
    outputs: tuple


@dataclasses.dataclass(frozen=True)
class LitertGraph:
    """The main graph of a .tflite file.

    Attributes:
        tensors: List of `Tensor`.
        operators: List of `Operator`, in the order that they run.
        inputs: Indices of the input tensors.
        outputs: Indices of the output tensors.
        num_subgraphs: Graphs in the file; further ones are the branches of
            control flow.
    """

    tensors: list
    operators: list
    inputs: tuple
    outputs: tuple
    num_subgraphs: int

    def operator_type(self, operator):
        """Returns the dtype that an operator computes in.

        That of its first input which is not constant: the others are
        weights, axes and sizes.
        """
        for index in (*operator.inputs, *operator.outputs):
            tensor = self.tensors[index]
            if not tensor.constant:
                break
        if all(self.tensors[index].constant for index in operator.inputs):
            tensor = self.tensors[operator.inputs[0]]
        return tensor.dtype
