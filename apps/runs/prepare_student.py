"""From a source network to the student that will be trained."""

import kerastl
from kerastl.surgery import copy_model


def prepare_student(
    source,
    num_classes=None,
    kernel_size=None,
    padding="reflect",
    stem=True,
    seed=None,
    place="after",
):
    """Makes the student: a blurred copy of the source, with a new head.

    Args:
        source: Source network; it is left as it is.
        num_classes: Classes of the new head. `None` keeps the source's head.
        kernel_size: Taps of the blurs. `None` inserts none.
        padding: Border rule of the blurs.
        stem: Whether the first down-sampling is blurred too.
        seed: Seed of the new head.
        place: Where the blurs of convolutions go, see `kerastl.antialias`.

    Returns:
        The student, and the `AntialiasReport` (`None` without blurs).

    Example:

    ```python
    source = apps.MobileNetV2(weights="imagenet")
    student, report = prepare_student(source, num_classes=10, kernel_size=3)
    ```
    """
    report = None
    if kernel_size is None:
        student = copy_model(source)
    else:
        options = {
            "kernel_size": kernel_size,
            "padding": padding,
            "stem": stem,
            "place": place,
        }
        report = kerastl.inspect_antialias(source, **options)
        student = kerastl.antialias(source, **options)
    if num_classes is not None:
        student = kerastl.replace_head(
            student, num_classes=num_classes, seed=seed
        )
    return student, report
