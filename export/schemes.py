"""The named ways to write a network: one row each."""

import dataclasses

from kerastl.arguments import unknown_name_error


@dataclasses.dataclass(frozen=True)
class Scheme:
    """One way to store weights and compute activations.

    Args:
        name: Name that users type.
        summary: One line for tables and `--help`.
        needs_calibration: Whether activation ranges must be measured on
            sample images before the file can be written.
        rounds_as_trained: Whether it rounds as `quantization_aware` does.
    """

    name: str
    summary: str
    needs_calibration: bool = False
    rounds_as_trained: bool = False


def _table(*schemes):
    return {scheme.name: scheme for scheme in schemes}


SCHEMES = {
    "tflite": _table(
        Scheme("float32", "Exact: float32 weights and activations."),
        Scheme(
            "float16",
            "Half the size: float16 weights, computed in float32.",
        ),
        Scheme(
            "dynamic",
            "A quarter of the size: int8 weights, float32 in and out, "
            "activations quantized while running.",
        ),
        Scheme(
            "int8",
            "For phones and microcontrollers: all integer, int8 in and out, "
            "one scale per output channel.",
            needs_calibration=True,
            rounds_as_trained=True,
        ),
        Scheme(
            "uint8_io",
            "As int8, bit for bit, with uint8 in and out: the images that "
            "Android and iOS give (MediaPipe, ML Kit).",
            needs_calibration=True,
            rounds_as_trained=True,
        ),
        Scheme(
            "int8_per_tensor",
            "As int8 with one scale per weight tensor, for accelerators that "
            "need it; loses more accuracy.",
            needs_calibration=True,
        ),
        Scheme(
            "int16x8",
            "int16 activations, in and out, with int8 weights: closest to "
            "float32 of the integer schemes, slow on CPUs.",
            needs_calibration=True,
        ),
    ),
    "onnx": _table(
        Scheme("float32", "Exact: float32 weights and activations."),
        Scheme(
            "int8",
            "Static QDQ: int8 weights per channel, 8-bit activations, "
            "float32 in and out.",
            needs_calibration=True,
            rounds_as_trained=True,
        ),
    ),
}


def get_scheme(name, format):
    """Returns the row of `SCHEMES[format]` called `name`.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    table = SCHEMES[format]
    if name in table:
        return table[name]
    raise unknown_name_error(f"{format} scheme", name, table)
