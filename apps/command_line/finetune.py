"""The verb `kerastl finetune`."""

import contextlib
import enum
import pathlib
from typing import Annotated

import typer

from kerastl_command_line.support import Alpha
from kerastl_command_line.support import Augment
from kerastl_command_line.support import BatchSize
from kerastl_command_line.support import Debug
from kerastl_command_line.support import Epochs
from kerastl_command_line.support import Gate
from kerastl_command_line.support import Json
from kerastl_command_line.support import Seed
from kerastl_command_line.support import Shots
from kerastl_command_line.support import Switch
from kerastl_command_line.support import Target
from kerastl_command_line.support import Threads
from kerastl_command_line.support import open_console
from kerastl_command_line.support import report_errors
from kerastl_command_line.support import show


def _read_rates(text):
    """One number or several; what is none is left for the error to show."""
    from kerastl.arguments import split_names

    rates = [] if text is None else split_names("learning_rate", text)
    for place, each in enumerate(rates):
        with contextlib.suppress(ValueError):
            rates[place] = float(each)
    return rates if len(rates) > 1 else next(iter(rates), None)


class Place(enum.StrEnum):
    """Where a blur goes."""

    AFTER = "after"
    KERNEL = "kernel"


def finetune(
    photos: Annotated[
        pathlib.Path,
        typer.Argument(
            help="Folder with one folder of images a class, or with "
            "train/, validation/ and test/ of such folders; or the word "
            "digits, for the bundled digits 5 to 9."
        ),
    ],
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Network: see kerastl presets.")
    ] = "mobilenet_v2",
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Recipe: see kerastl methods. auto: the one that gained most "
            "with so many photos, see kerastl choose.",
        ),
    ] = "auto",
    antialias: Annotated[
        int | None,
        typer.Option(
            metavar="TAPS",
            min=1,
            max=7,
            help="Insert blurs of so many taps, 1 to 7; 3 as a rule.",
        ),
    ] = None,
    blur_place: Annotated[
        Place | None,
        typer.Option(
            help="With --antialias: blur in the strided kernel, which costs a "
            "device little time, or after the activation. Default: kernel."
        ),
    ] = None,
    no_stem: Annotated[
        bool,
        typer.Option(
            "--no-stem",
            help="Leave the first down-sampling unblurred: it costs most.",
        ),
    ] = False,
    weights: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="imagenet (downloaded), a weights file, a .keras model of "
            "your own, or none.",
        ),
    ] = "imagenet",
    alpha: Alpha = None,
    keep_head: Annotated[
        Switch,
        typer.Option(
            help="Keep the classifier of the weights; auto: if a labels.txt "
            "beside them names the same classes."
        ),
    ] = Switch.AUTO,
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", min=8, help="Side. Default: the preset's."
        ),
    ] = None,
    shots: Shots = None,
    unlabelled: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images without labels, or a video of which frames are taken, "
            "for a teacher and for the methods that train on them.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A bigger network that is adapted first and then teaches: a "
            "preset, PRESET:WEIGHTS, a .keras file, or a run; several by "
            "comma. It never ships.",
        ),
    ] = None,
    epochs: Epochs = 20,
    soup: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Train N times, and average the weights: better than one "
            "training, and no larger.",
        ),
    ] = 1,
    batch_size: BatchSize = 32,
    learning_rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="The highest. Default: the network's and the method's. Of "
            "several, by comma, each has a training, and those are averaged "
            "with which validation accuracy does not fall.",
        ),
    ] = None,
    head_learning_rate: Annotated[
        float,
        typer.Option(
            metavar="FACTOR",
            help="Rate of the classifier, as a multiple of the other layers'.",
        ),
    ] = 1.0,
    strength: Annotated[
        float,
        typer.Option(
            metavar="FACTOR",
            help="Of the weights of the method's loss terms: above 1 keeps "
            "more of the source, below 1 less.",
        ),
    ] = 1.0,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance",
            help="Let all classes count alike in the answers, however many "
            "photos each has.",
        ),
    ] = False,
    calibrate_confidence: Annotated[
        bool,
        typer.Option(
            "--calibrate-confidence",
            help="Divide the logits by the temperature that the validation "
            "images ask for, so that 90 % sure is right nine times of ten.",
        ),
    ] = False,
    augment: Augment = "light",
    label_smoothing: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Of every label, what is spread over all classes: 0.1 is "
            "usual; below 1.",
        ),
    ] = 0.0,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="Weights that ship: last; best, of the epoch with the best "
            "validation accuracy, then loss; average, over half of a training "
            "at a steady rate. Default: last; best where --patience is "
            "given.",
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCHS",
            min=1,
            help="End after so many epochs without a better one on validation.",
        ),
    ] = None,
    seed: Seed = 0,
    qat: Annotated[
        int | None,
        typer.Option(
            metavar="EPOCHS",
            min=1,
            help="Then train a copy so many passes more with the rounding of "
            "int8, and write the int8 files from it.",
        ),
    ] = None,
    export: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Files to write, by comma, or none: see kerastl schemes.",
        ),
    ] = "tflite:int8",
    target: Target = None,
    max_accuracy_drop: Gate = None,
    threads: Threads = 1,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="Write try.html, which tries the first ONNX file out with "
            "camera and photos; adds onnx:float32 if there is none.",
        ),
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Write the curves for TensorBoard, too, to the run's folder.",
        ),
    ] = False,
    compare: Annotated[
        pathlib.Path | None,
        typer.Option(
            metavar="RUN",
            help="An earlier run of these classes, or a model file: says what "
            "this one gained over it, photo by photo.",
        ),
    ] = None,
    output: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder to write; it must be new. Default: runs/PHOTOS-METHOD."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue the run in the output folder, with the same "
            "arguments; exports, --compare and --qat may be added.",
        ),
    ] = False,
    jit: Annotated[
        Switch,
        typer.Option(help="Compile the training step; auto: on a GPU."),
    ] = Switch.AUTO,
    as_json: Json = False,
    debug: Debug = False,
):
    """Fine-tune a network on a folder of photos, export and report.

    Without a test folder, the validation images are the test. Exit code 1:
    an exported file lost more accuracy than allowed, the target cannot run
    it, or the training diverged.

        kerastl finetune photos/
        kerastl finetune photos/ --method ktft --antialias 3
        kerastl finetune photos/ --qat 5 --target tflite-micro
        kerastl finetune photos/ --preset mobilenet_v2 --alpha 0.35 \\
            --teacher mobilenet_v2 --unlabelled more/
        kerastl finetune photos/ --preset mobilenet_v2 --alpha 0.35 \\
            --image-size 128 --shots 25 --epochs 20 \\
            --export tflite:int8,onnx:int8 --max-accuracy-drop 0.01 \\
            --output runs/mine
        kerastl finetune photos/ --output runs/mine --resume ...
        kerastl finetune digits --preset resnet8 --image-size 24 \\
            --weights runs/quickstart/source/model.keras --method akc
    """
    with (
        report_errors(debug, resumes=True),
        open_console(as_json) as console,
    ):
        from kerastl import apps

        result = apps.fine_tune(
            photos,
            preset=preset,
            method=method,
            antialias=antialias,
            stem=not no_stem,
            blur_place=blur_place and blur_place.value,
            weights=None if weights.lower() == "none" else weights,
            preset_arguments={} if alpha is None else {"alpha": alpha},
            keep_head=keep_head.choice,
            image_size=image_size,
            shots=shots,
            unlabelled=unlabelled,
            teacher=teacher,
            epochs=epochs,
            soup=soup,
            batch_size=batch_size,
            learning_rate=_read_rates(learning_rate),
            head_learning_rate=head_learning_rate,
            strength=strength,
            balance=balance,
            calibrate_confidence=calibrate_confidence,
            augment=augment,
            label_smoothing=label_smoothing,
            keep=keep,
            patience=patience,
            seed=seed,
            qat=qat,
            exports=[] if export.lower() == "none" else export,
            target=target,
            max_accuracy_drop=max_accuracy_drop,
            threads=threads,
            page=page,
            tensorboard=tensorboard,
            compare=compare,
            output=output or f"runs/{photos.resolve().name}-{method}",
            resume=resume,
            jit_compile=jit.choice,
            console=console,
        )
        show(result, console, as_json)
