"""The main job: photos in, verified model files and a report out."""

from __future__ import annotations

import dataclasses
import pathlib
import time
import warnings
from collections.abc import Iterable
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import keras

from kerastl.apps.choice.choose_method import SELF_TAUGHT
from kerastl.apps.choice.choose_method import choose_method
from kerastl.apps.choice.choose_method import choose_self_taught
from kerastl.apps.choice.choose_method import describe_lesson
from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.data.check_memory import check_training_fits
from kerastl.apps.data.class_names import labels_beside
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.load_task import load_task
from kerastl.apps.data.reading_progress import shows_reading
from kerastl.apps.page.find_runtime import find_runtime
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe import same_student
from kerastl.apps.recipes.recipe_table import AUTO
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.check_method import check_arguments
from kerastl.apps.runs.check_method import check_head
from kerastl.apps.runs.check_method import check_selection
from kerastl.apps.runs.check_method import check_unlabelled_data
from kerastl.apps.runs.check_method import several_rates
from kerastl.apps.runs.check_method import warn_of_nothing_to_transfer
from kerastl.apps.runs.check_paths import check_is_outside
from kerastl.apps.runs.check_paths import check_paths
from kerastl.apps.runs.compare_run import add_comparison
from kerastl.apps.runs.compare_run import open_earlier
from kerastl.apps.runs.describe_run import describe_blurs
from kerastl.apps.runs.describe_run import describe_opening
from kerastl.apps.runs.describe_run import describe_uneven
from kerastl.apps.runs.describe_run import describe_unmeasured
from kerastl.apps.runs.finish_run import finish_run
from kerastl.apps.runs.measure_network import check_calibration
from kerastl.apps.runs.measure_network import evaluation_part
from kerastl.apps.runs.prepare_student import suggest_for_run
from kerastl.apps.runs.run_folder import RunFolder
from kerastl.apps.runs.run_identity import default_arguments
from kerastl.apps.runs.run_identity import run_identity
from kerastl.apps.runs.run_identity import versions
from kerastl.apps.runs.run_progress import RunProgress
from kerastl.apps.runs.run_progress import plan_stages
from kerastl.apps.runs.train_aware import add_aware
from kerastl.apps.runs.train_run import Training
from kerastl.apps.runs.train_run import make_student
from kerastl.apps.runs.train_run import train_run
from kerastl.apps.teachers.load_teachers import load_teachers
from kerastl.apps.teachers.teacher_spec import read_teachers
from kerastl.apps.texts import literal
from kerastl.apps.texts import say
from kerastl.arguments import checked_text
from kerastl.export.quantization_aware import require_quantizable
from kerastl.types import PathLike

if TYPE_CHECKING:
    from rich.console import Console

    from kerastl.apps.runs.run_result import RunResult


def fine_tune(
    data: PathLike | ImageData,
    preset: str = "mobilenet_v2",
    method: str = "auto",
    antialias: int | None = None,
    stem: bool = True,
    blur_place: str | None = None,
    weights: PathLike | keras.Model | None = "imagenet",
    preset_arguments: dict[str, Any] | None = None,
    keep_head: bool | None = None,
    image_size: int | None = None,
    shots: int | None = None,
    unlabelled: bool | PathLike | None = None,
    teacher: PathLike
    | keras.Model
    | Sequence[PathLike | keras.Model]
    | None = None,
    epochs: int = 20,
    soup: int = 1,
    batch_size: int = 32,
    learning_rate: float | Sequence[float] | None = None,
    head_learning_rate: float = 1.0,
    strength: float = 1.0,
    balance: bool = False,
    calibrate_confidence: bool = False,
    augment: str = "light",
    label_smoothing: float = 0.0,
    keep: str | None = None,
    patience: int | None = None,
    seed: int = 0,
    qat: int | None = None,
    exports: Iterable[str] = ("tflite:int8",),
    target: str | None = None,
    max_accuracy_drop: float | None = None,
    threads: int = 1,
    page: bool = False,
    tensorboard: bool = False,
    compare: PathLike | None = None,
    output: PathLike = "runs/fine_tune",
    resume: bool = False,
    jit_compile: bool | None = None,
    console: Console | None = None,
) -> RunResult:
    """Fine-tunes a network on photos, exports it and writes a report.

    Everything goes to one folder: `model.keras`, the exported files,
    `history.json` and `.csv`, `labels.txt`, `seen_photos.txt` (by which
    `apps.evaluate_model` knows them again), `class_means.npz` (which tells a
    later run from this model how near its task is), `report.json`,
    `report.html`, `MODEL_CARD.md` and `run.json`; with a .tflite file also
    `predict.py`, which runs it on a device without kerastl; with `qat`
    `model_aware.keras` and its history. A run that was killed goes on with
    `resume=True`.

    Args:
        data: Folder of class folders (see `apps.load_image_folder`),
            `"digits"` for the bundled digits 5 to 9 (25 shots of each if
            `shots` is `None`), or an `apps.ImageData`, whose own image size,
            batch size, shots and augmentation count then.
        preset: Name of the network, a key of `apps.PRESETS`.
        method: Name of the recipe, a key of `apps.RECIPES`, or several
            joined by `+`. `"auto"` takes the one that gained most on measured
            tasks like this one (see `apps.choose`, which also tries); with
            `unlabelled` and no teacher, `self_training`; without pre-trained
            weights, where their head is kept, or in a few steps, fine-tuning.
        antialias: Taps of the blurs that are inserted; `None` inserts none,
            and keeps those that the network of `weights` has.
        stem: Whether the first down-sampling is blurred too.
        blur_place: With `antialias`, where the blurs of convolutions go:
            into their `"kernel"`, which costs little time on a device and is
            the default, or `"after"` their activations, as published, which
            a method takes that learns the blurs (see `kerastl.antialias`).
        weights: `"imagenet"`, a file, a Keras model, or `None` (random).
        preset_arguments: Dict of the family's arguments, such as `alpha`.
        keep_head: Whether the head of the weights is kept, because it knows
            these classes already. `None` keeps it if a `labels.txt` beside
            the weights names the same classes.
        image_size: Height and width. Defaults to the preset's.
        shots: Training images a class; `None` uses all.
        unlabelled: Folder of images without labels, of videos, or of both, or
            one video (`pip install kerastl[video]`), for a teacher and for
            the methods that train on them; `True` for the images that `shots`
            leaves over, which is the default of such methods.
        teacher: A bigger network, or several, that the student learns the
            answers of, labelled and unlabelled images alike (see
            `kerastl.losses.TeacherDistillation`): the name of a preset, which
            is adapted to these photos first, a quarter larger; `PRESET:FILE`
            with its weights; a `.keras` file or a run of the same classes; a
            `keras.Model`; several by comma or in a list. It never ships.
        epochs: Number of epochs.
        soup: Trainings from the same start, with other draws, to average the
            weights of: better than one training, and no larger.
        batch_size: Images in a batch.
        learning_rate: Defaults to the recipe's, and then to the preset's. Of
            several each has a training (`soup` may be more), and those are
            averaged with which validation accuracy does not fall.
        head_learning_rate: The classifier's, as a multiple of the others'.
        strength: Factor of the weights that the method's loss terms or its
            penalty of the weights have in `apps.RECIPES`: what to search when
            a method changes too little or too much.
        balance: Whether all classes count alike in the answers, however many
            images each has in training (see
            `kerastl.surgery.adjust_logits`).
        calibrate_confidence: Whether the network's logits are divided by the
            temperature that validation images ask for, in every file: an
            image that it is 90 % sure of is then right about nine times of
            ten. Which class comes first stays. Nothing is divided where they
            are too few to tell. The report says without, too, what it would
            change (see `kerastl.metrics.fit_temperature`).
        augment: `"none"`, `"light"` or `"strong"`, or parts of strong, see
            `apps.load_image_folder`.
        label_smoothing: Share of every label that is spread over all classes.
        keep: The weights that ship: `"last"`, after the last epoch; `"best"`,
            of the epoch with the best validation accuracy (then the lowest
            loss); `"average"`, over half of a training at a steady rate.
            Defaults to `"last"`, with `patience` to `"best"`.
        patience: End after so many epochs without a better one. Where the rate
            falls, its last part is lost; a steady one has none to lose.
        seed: Seed of everything that is drawn.
        qat: Number of epochs that a copy of the trained network is trained
            further with the rounding of int8 files (see
            `kerastl.export.quantization_aware`). The int8 files are then
            written from it, all others from the network itself, which all
            are compared with. A resumed run may add it.
        exports: Files to write, such as `"tflite:int8"`, `"onnx:int8"`.
        target: Device that has to run the TFLite files, `"xnnpack"`,
            `"tflite-micro"` or `"full-int8"` (see `kerastl.export.check`).
        max_accuracy_drop: Refuse a file that loses more than this fraction.
        threads: CPU threads that the files are timed with.
        page: Whether to write `try.html`, which tries the run's first ONNX
            file out with camera and photos (see `apps.write_page`). Without
            an ONNX file `"onnx:float32"` is added to `exports`.
        tensorboard: Whether the curves are written for TensorBoard, too, to
            `tensorboard` in the folder (`pip install kerastl[tensorboard]`).
        compare: An earlier run of these classes, or a model file, that the
            network is compared with, photo by photo. A resumed run may add it.
        output: Folder of the run.
        resume: Continue the run in `output`.
        jit_compile: XLA. `None` uses it on a GPU only.
        console: `rich.console.Console` to show progress on; `None` is silent.

    Returns:
        A `RunResult`.

    Raises:
        AccuracyDropError: A file lost more than `max_accuracy_drop`. The
            other files and the report are written.
        BlockingIOError: Another process is at work on the run in `output`.
        FileExistsError: `output` exists and `resume` is off.
        FileNotFoundError: The runtime of the page cannot be fetched.
        FloatingPointError: The training diverged: a loss or a variable became
            NaN or infinite, or the loss exploded. The message names it. The
            last sound epoch is kept, and the run may be resumed with another
            learning rate or strength, or without `qat` if it was that part.
        TargetError: `target` cannot run a file. The other files and the
            report are written.
        ValueError: An argument does not fit; nothing has been written. Also
            on resume, if the images, the classes or the weights are no longer
            those that the run was begun with.

    Example:

    ```python
    result = apps.fine_tune(
        "photos", method="ktft", antialias=3, output="runs/photos"
    )
    model = result.model
    ```
    """
    arguments = {
        name: value
        for name, value in locals().items()
        if name not in ("resume", "console", "output")
    }
    arguments |= check_paths(arguments, output)
    data, weights, unlabelled, compare = (
        arguments[name] for name in ("data", "weights", "unlabelled", "compare")
    )
    checked_text("method", method)
    began = time.monotonic()
    row = get_preset(preset)
    teachers = read_teachers(teacher)
    self_taught = bool(
        method == AUTO and unlabelled and not teachers and weights is not None
    )
    # What is chosen later asks of the run nothing that this one does not.
    usual = SELF_TAUGHT if self_taught else BASELINE
    recipe = get_recipe(usual if method == AUTO else method)
    if weights is None:
        recipe = recipe.from_scratch()
    arguments, options, pairs = check_arguments(
        arguments, recipe, has_teacher=bool(teachers)
    )
    check_is_outside(arguments, output)
    counts = "epochs", "batch_size", "shots", "image_size", "qat", "seed"
    epochs, batch_size, shots, image_size, qat, seed = (
        arguments[name] for name in counts
    )
    arguments["teacher"] = [each.text for each in teachers] or None
    given, folder_given = data, not isinstance(data, ImageData)
    name = "arrays"
    if not isinstance(data, ImageData):
        name = literal(pathlib.Path(data).resolve().name)
    else:
        arguments["data"] = name
    if isinstance(weights, keras.Model):
        arguments["weights"] = f"model {weights.name}"
    usual = default_arguments(fine_tune, antialias)
    folder = RunFolder(output, arguments, versions(), resume, usual)
    if page:
        find_runtime()  # Fetched, or missed, before the long work.
    keras.utils.set_random_seed(seed)

    def load_at(size, unlabelled=False):
        with warnings.catch_warnings():
            if console is not None or size != image_size:
                # Said in full when the run begins.
                warnings.filterwarnings("ignore", message="Images of .* are n")
            return load_task(
                given, size, batch_size, shots, seed, augment, unlabelled
            )

    if not isinstance(data, ImageData):
        image_size = image_size or row.default_size
        with shows_reading(console):
            data = load_at(image_size, unlabelled or recipe.needs_unlabelled)
    check_unlabelled_data(recipe, data, unlabelled)
    check_selection(options, data, several_rates(arguments))
    taught_by = [each.model or each.weights for each in teachers]
    adapts = None if folder.trained else data
    teachers = load_teachers(teachers, data.class_names, adapts, folder_given)
    part = evaluation_part(data)
    earlier = None
    if compare is not None:
        earlier = open_earlier(compare, data, one_size=not folder_given)
    source_classes = labels_beside(weights, composed=True)
    if keep_head is None:
        keep_head = source_classes == data.class_names
    if self_taught and keep_head:
        # What knows the classes is not given a new start.
        recipe = dataclasses.replace(recipe, surgery=same_student)
    source = row.build(
        weights,
        input_shape=(data.image_size, data.image_size, 3),
        # Weights without a head get an error that names the method.
        include_top=keep_head
        or ("auto" if recipe.needs_source_head else False),
        **(preset_arguments or {}),
    )
    check_head(source, keep_head, recipe, data)
    check_training_fits(
        source,
        recipe,
        data.image_size,
        min(data.batch_size, len(data.parts["train"])),
    )
    warn_of_nothing_to_transfer(weights, recipe)

    student, blurs = make_student(source, data, keep_head, arguments)
    check_calibration(calibrate_confidence, student, data, qat)
    if qat is not None:
        require_quantizable(student, stacklevel=3)
    with shows_reading(console):
        identity = run_identity(
            data, weights, source_classes, unlabelled, taught_by
        )
    suggestion = None
    if not folder.trained:
        suggestion = suggest_for_run(weights, source, data)
    with folder.hold():
        folder.identify(identity)
        reason = choose = None
        asked = source, data, epochs
        if self_taught:
            choose = partial(choose_self_taught, *asked, keep_head)
        elif method == AUTO and weights is not None and not keep_head:
            choose = partial(choose_method, *asked, options)
        if choose is not None:
            chosen, reason = folder.settle("method", choose)
            if chosen != recipe.name:
                recipe = get_recipe(chosen)
        folder.begin()
        say(console, describe_opening(folder, data))
        say(console, describe_blurs(blurs))
        say(console, reason)
        if reason and not teachers and not folder.trained:
            say(console, describe_lesson(source, data, weights))
        say(console, describe_unmeasured(data, part))
        if not balance and not folder.trained:
            say(console, describe_uneven(data))
        stages = plan_stages(data, part, arguments, recipe, pairs, teachers)
        with RunProgress(console, stages, began) as progress:
            if not folder.trained:
                train_run(
                    Training(
                        arguments=arguments,
                        name=name,
                        row=row,
                        recipe=recipe,
                        weights=weights,
                        source=source,
                        source_classes=source_classes,
                        student=student,
                        blurs=blurs,
                        keep_head=keep_head,
                        teachers=teachers,
                        data=data,
                        load_at=load_at if folder_given else None,
                        part=part,
                        suggestion=suggestion,
                        reason=reason,
                        options=options,
                    ),
                    folder,
                    progress,
                )
            if qat is not None:
                add_aware(
                    folder,
                    data,
                    qat,
                    progress,
                    jit_compile,
                    seed,
                    balance,
                    tensorboard,
                    options.label_smoothing,
                )
            if earlier is not None:
                asked = data, part, load_at, identity["images"]
                add_comparison(folder, earlier, *asked)
            return finish_run(
                folder,
                data,
                part,
                pairs,
                max_accuracy_drop=max_accuracy_drop,
                threads=arguments["threads"],
                progress=progress,
                target=target,
                page=page,
            )
