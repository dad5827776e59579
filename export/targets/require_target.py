"""Stops an export whose file the device could not run."""

from kerastl.export.targets.check import check
from kerastl.export.targets.target_error import TargetError


def require_target(path, target):
    """Checks a file for a target, and raises if it fails.

    Args:
        path: The .tflite file.
        target: "xnnpack", "tflite-micro" or "full-int8".

    Returns:
        The `CheckReport` of a file that passes.

    Raises:
        TargetError: If the file fails; its `report` has the figures.
        ValueError: If there is no such target, or the file cannot be read.

    Example:

    ```python
    require_target("model.tflite", "tflite-micro")
    ```
    """
    report = check(path, target)
    if not report.passed:
        raise TargetError(report)
    return report
