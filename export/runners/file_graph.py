"""One view of the tensors inside a .tflite and an .onnx file."""

import dataclasses

import numpy as np

# Operators that convert or move values without computing any.
MOVES = frozenset(
    (
        *("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear"),
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "CAST"),
        *("Reshape", "Squeeze", "Unsqueeze", "Transpose", "Flatten"),
        *("Identity", "Cast"),
    )
)
_ROUNDINGS = frozenset(
    ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")
)


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operator: its type and the tensors it reads and writes."""

    kind: str
    inputs: tuple
    outputs: tuple


@dataclasses.dataclass(frozen=True)
class Quantization:
    """How the integers of an activation tensor stand for numbers.

    Attributes:
        scale: Step between two neighbouring numbers.
        zero_point: Integer that stands for zero.
        levels: Smallest and largest integer.
    """

    scale: float
    zero_point: int
    levels: tuple

    @property
    def range(self):
        """Smallest and largest number that the tensor can hold."""
        low, high = self.levels
        return (
            (low - self.zero_point) * self.scale,
            (high - self.zero_point) * self.scale,
        )

    def round(self, values):
        """Returns the nearest numbers that the tensor can hold."""
        levels = np.rint(values / self.scale) + self.zero_point
        levels = np.clip(levels, *self.levels)
        return (levels - self.zero_point) * self.scale


@dataclasses.dataclass(frozen=True)
class FileTensor:
    """What one computing operator writes, as its readers see it.

    Attributes:
        key: Tensor that the operator writes.
        value: Tensor that holds the result after the rounding that follows.
        name: Name in the file.
        kind: Type of the operator.
        parents: Keys of the tensors that the operator reads, those moved or
            rounded in between taken as one.
        quantization: `Quantization`, or `None` for float.
        is_float: Whether the operator computes in float.
    """

    key: object
    value: object
    name: str
    kind: str
    parents: tuple
    quantization: Quantization | None
    is_float: bool


class FileGraph:
    """The computing operators of a file, and the values between them.

    Args:
        operations: `Operation`s in execution order.
        source: Tensor that holds the image.
        result: Tensor that holds the output.
        name: `name(tensor)` returns the name in the file.
        quantization: `quantization(tensor)` returns a `Quantization` or
            `None`.
        values: `values(images, tensors)` runs the file and returns a dict of
            arrays, dequantized.
        qdq: Whether the file is of the QDQ form: float operators, of which a
            runtime computes those in integers that stand between roundings.
            Feature maps may lie channels first in it.

    Attributes:
        tensors: `FileTensor`s in execution order.
        source: Key that stands for the image among the parents.
        result: Key of the last one.
    """

    def __init__(
        self,
        operations,
        source,
        result,
        name,
        quantization,
        values,
        qdq=False,
    ):
        self.channels_first = qdq
        self.source = source
        self._values = values
        readers, rounded = {}, set()
        for operation in operations:
            for tensor in operation.inputs:
                readers.setdefault(tensor, []).append(operation)
            if operation.kind in _ROUNDINGS:
                rounded.update(operation.outputs)
        stands_for = {source: source}
        self.tensors = []
        for operation in operations:
            parents = [
                stands_for[tensor]
                for tensor in operation.inputs
                if tensor in stands_for
            ]
            if not parents:
                continue  # weights
            for output in operation.outputs:
                if operation.kind in MOVES:
                    stands_for[output] = parents[0]
                    continue
                stands_for[output] = output
                value, rounding = _as_read(output, readers, quantization)
                is_float = quantization(output) is None
                if qdq:
                    given = stands_for.keys() & set(operation.inputs)
                    is_float = value == output or not given <= rounded
                self.tensors.append(
                    FileTensor(
                        key=output,
                        value=value,
                        name=name(output),
                        kind=operation.kind,
                        parents=tuple(dict.fromkeys(parents)),
                        quantization=rounding,
                        is_float=is_float,
                    )
                )
        self.result = stands_for[result]

    def run(self, images):
        """Returns what each tensor holds for `images`, by key.

        Args:
            images: float32 array of shape `(n, height, width, channels)`.
        """
        wanted = {tensor.value: tensor.key for tensor in self.tensors}
        found = self._values(images, list(wanted))
        return {wanted[value]: array for value, array in found.items()}


def _as_read(tensor, readers, quantization):
    """Follows the roundings that everybody reads `tensor` through."""
    found = quantization(tensor)
    while len(readers.get(tensor, ())) == 1:
        [operation] = readers[tensor]
        if operation.kind not in _ROUNDINGS:
            break
        [tensor] = operation.outputs
        found = quantization(tensor) or found
    return tensor, found
