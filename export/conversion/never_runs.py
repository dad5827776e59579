"""What a target runs of no network, whatever its operators."""

from kerastl.export.conversion.converters import SCHEMES
from kerastl.export.targets.check import load_op_table

_INT8_ALONE = "it computes in int8 alone"
_NEVER = {
    "xnnpack": {"int16x8": "it computes in float32 and int8 alone"},
    "tflite-micro": {
        "float16": "it has no float16",
        # Of kernels of fewer than 1,024 weights the converter makes none.
        "dynamic": "its kernels for float images take no integer weights",
        "int4": "its classifiers take no weights of 4 bits; int4_micro "
        "leaves those at 8",
    },
    "full-int8": {
        "float32": _INT8_ALONE,
        "float16": _INT8_ALONE,
        "dynamic": _INT8_ALONE,
        "int4": "it takes no weights of 4 bits",
        "int16x8": _INT8_ALONE,
    },
}


def never_runs(target) -> dict[str, str]:
    """The schemes that a target runs of no CNN with a classifier, and why.

    What it runs of a scheme that is not among them, `kerastl.export.check`
    says of the file.

    Args:
        target: "xnnpack", "tflite-micro" or "full-int8".

    Returns:
        Dict from the name of a TFLite scheme to the reason.

    Raises:
        ValueError: If there is no such target; with the nearest name.

    >>> sorted(never_runs("xnnpack"))
    ['int16x8']
    """
    return _NEVER[load_op_table(target).name]


def check_target_runs(target, schemes):
    """Refuses files that a target can never run, before they are made.

    Args:
        target: As in `never_runs`.
        schemes: Names of the TFLite schemes that are asked for.

    Raises:
        ValueError: If one of them is never run; the message says why, and
            names those that may be.
    """
    never = never_runs(target)
    refused = [name for name in dict.fromkeys(schemes) if name in never]
    if not refused:
        return
    reasons = "; ".join(f"tflite:{name}: {never[name]}" for name in refused)
    others = [name for name in SCHEMES["tflite"] if name not in never]
    raise ValueError(
        f"The target {target!r} runs no such file ({reasons}). Choose another "
        f"scheme, of {', '.join(others)}, or leave `target` (--target) out. "
        f"Received: target={target!r}, "
        f"schemes={list(schemes)}"
    )
