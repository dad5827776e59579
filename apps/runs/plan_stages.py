"""What a run has before it, for the time that it takes."""

from kerastl.apps.runs.run_progress import Stage
from kerastl.export.conversion.converters import get_scheme

# Forward passes that a training step is worth an image: forward, and twice
# as much backward.
_STEP = 3
# Of 200 calibration images, those of which the file takes statistics layer
# by layer, several times over.
_REFINING = 2000
_SHIFT_LIMIT, _SHIFT_CROPS = 500, 6
# Converting, tracing, timing: of small networks on two cores.
_SECONDS = {"plain": 5.0, "refined": 9.0}


def plan_stages(data, part, arguments, recipe, pairs, teachers=()):
    """The stages of a run, in their order.

    Args:
        data: The `apps.ImageData`.
        part: Part of the data that is measured on.
        arguments: Dict of the arguments of `apps.fine_tune`.
        recipe: The `apps.Recipe`.
        pairs: Pairs of format and scheme that are exported.
        teachers: List of `TeacherSpec`.

    Returns:
        List of `Stage`.
    """
    train, measured = len(data.parts["train"]), len(data.parts[part])
    epochs = arguments["epochs"]
    step = _STEP + bool(recipe.uses_source)
    stages = [
        Stage(f"teacher-{number}", epochs * train * _STEP)
        for number, spec in enumerate(teachers, start=1)
        if spec.preset is not None
    ]
    if recipe.trains:
        each = step * train + _validated(data)
        stages += [
            Stage(f"training-{number + 1}", epochs * each)
            for number in range(arguments["soup"])
        ]
    shifted = _SHIFT_CROPS * min(measured, _SHIFT_LIMIT)
    # Before and after.
    stages.append(Stage("measuring", 2 * (measured + shifted), 2.0))
    if arguments["qat"] is not None:
        # The source and the rounding in each step.
        each = (_STEP + 2) * train + _validated(data)
        stages.append(Stage("qat", arguments["qat"] * each, 5.0))
    for format, name in pairs:
        scheme = get_scheme(name, format)
        refines = scheme.needs_calibration and arguments["qat"] is None
        stages.append(
            Stage(
                f"model_{name}.{format}",
                2 * measured + (_REFINING if refines else 0),
                _SECONDS["refined" if refines else "plain"],
                kind="export",
            )
        )
    return [*stages, Stage("report", 0.0, 2.0)]


def _validated(data):
    return len(data.parts["validation"]) if "validation" in data.parts else 0
