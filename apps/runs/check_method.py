"""Refuses what a run cannot train or write, before it starts."""

import dataclasses
import warnings

import keras

from kerastl.apps.data.augmentation import check_augment
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.recipes.adapt_recipe import check_options
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.runs.check_numbers import check_flags
from kerastl.apps.runs.check_numbers import check_numbers
from kerastl.apps.runs.export_files import check_exports
from kerastl.apps.runs.export_files import listed_exports
from kerastl.apps.runs.train_soup import check_soup
from kerastl.arguments import checked_choice
from kerastl.arguments import checked_count
from kerastl.export.conversion.choose_images import check_max_drop
from kerastl.export.conversion.converters import get_scheme
from kerastl.export.conversion.never_runs import check_target_runs
from kerastl.export.utils.third_party import require
from kerastl.surgery import find_head
from kerastl.surgery.blur_placement import PLACES


def check_arguments(arguments, recipe, has_teacher=False):
    """What a run is asked for, if all of it fits.

    Args:
        arguments: Dict of the arguments of `apps.fine_tune`.
        recipe: The `apps.Recipe` that trains.
        has_teacher: Whether there is a teacher.

    Returns:
        The arguments, numbers as Python's; their `TrainingOptions`; and the
        pairs of format and scheme that are exported.

    Raises:
        ValueError: For what does not fit, or not together.
    """
    exports = listed_exports(arguments["exports"])
    preset_arguments = arguments["preset_arguments"]
    if preset_arguments is not None and not isinstance(preset_arguments, dict):
        raise ValueError(
            "`preset_arguments` must be a dict, such as {'alpha': 0.35}. "
            f"Received: preset_arguments={preset_arguments!r}"
        )
    # NumPy's numbers are accepted, and go on as Python's.
    checked = {**check_numbers(arguments), **check_flags(arguments)}
    arguments = {**arguments, **checked, "exports": exports}
    names = {field.name for field in dataclasses.fields(TrainingOptions)}
    options = TrainingOptions(**{name: arguments[name] for name in names})
    arguments |= dataclasses.asdict(options)
    arguments["blur_place"] = check_blur_place(
        arguments["blur_place"], arguments["antialias"], recipe
    )
    check_stem(arguments["stem"], arguments["antialias"])
    check_augment(arguments["augment"])
    check_max_drop(arguments["max_accuracy_drop"])
    pairs = check_outputs(
        *(arguments[name] for name in ("exports", "qat", "target", "page"))
    )
    if arguments["tensorboard"]:
        require("tensorboard", "kerastl[tensorboard]")
    if has_teacher:
        check_teacher(recipe)
    check_strength(arguments["strength"], recipe, has_teacher)
    check_unlabelled(arguments["unlabelled"], recipe, has_teacher)
    arguments["soup"] = check_soup(
        arguments["soup"],
        recipe,
        arguments["weights"],
        several_rates(arguments),
    )
    check_options(options, recipe, mixes_images(arguments))
    return arguments, options, pairs


def mixes_images(arguments) -> bool:
    """Whether training images are made of two."""
    data = arguments["data"]
    if isinstance(data, ImageData):
        return data.augmentation is not None and data.augmentation.mixes
    return bool(
        {"mixup", "cutmix"} & {*(check_augment(arguments["augment"]) or ())}
    )


def several_rates(arguments) -> list[float]:
    """The learning rates of a run, where there are several."""
    rates = arguments["learning_rate"]
    return rates if isinstance(rates, list) else []


def check_selection(options, data, rates=()):
    """Raises `ValueError` if there are no images that a choice is made by.

    Args:
        options: The `TrainingOptions`.
        data: The `apps.ImageData`.
        rates: Learning rates, where there are several.
    """
    if rates and "validation" not in data.parts:
        raise ValueError(
            "Which trainings are averaged is for the validation images to "
            "say, and there are none. Add images, or a `validation` folder "
            "beside `train`, or pass one `learning_rate` (--learning-rate). "
            f"Received: learning_rate={rates}, counts={data.counts}"
        )
    if options.selects and "validation" not in data.parts:
        raise ValueError(
            "The best epoch is that of the validation images, and there are "
            "none. Add images, or a `validation` folder beside `train`, or "
            "leave `keep` (--keep) and `patience` (--patience) out. "
            f"Received: keep={options.keep!r}, patience={options.patience}, "
            f"counts={data.counts}"
        )


def check_blur_place(place, antialias, recipe):
    """The place of the blurs, `None` where there are none.

    Raises:
        ValueError: For a place that there is not, or that the method or the
            lack of blurs does not allow.
    """
    if place is None and antialias:
        # As steady and as accurate as behind the activation where it was
        # measured, and most of the time of a device is saved.
        return "after" if recipe.needs_blur_layers else "kernel"
    if place is None:
        return None
    checked_choice("blur_place", place, PLACES)
    if not antialias:
        raise ValueError(
            "There are no blurs to place. Pass their number of taps, "
            "`antialias=3` (--antialias 3), or leave `blur_place` "
            f"(--blur-place) out. Received: blur_place={place!r}"
        )
    if place == "kernel" and recipe.needs_blur_layers:
        raise ValueError(
            f"The method '{recipe.name}' learns the filters of blurs that are "
            "layers of their own. Leave `blur_place` (--blur-place) out, or "
            f"choose another method. Received: blur_place={place!r}"
        )
    return place


def check_stem(stem, antialias):
    """Raises `ValueError` if there is no blur that could be left out."""
    if not stem and not antialias:
        raise ValueError(
            "There are no blurs to leave the stem without. Pass their number "
            "of taps, `antialias=3` (--antialias 3), or leave `stem` "
            f"(--no-stem) out. Received: stem={stem}"
        )


def check_strength(strength, recipe, has_teacher=False):
    """Raises `ValueError` if there is nothing for `strength` to scale."""
    if strength != 1 and not recipe.weighted and not has_teacher:
        raise ValueError(
            f"The method '{recipe.name}' adds no loss term whose weight could "
            "be scaled. Leave `strength` (--strength) out, or name a method "
            "that does, such as ktft or l2_sp (--method). "
            f"Received: strength={strength}"
        )


def check_teacher(recipe):
    """Raises `ValueError` if the method has nothing to teach."""
    if not recipe.trains:
        raise ValueError(
            f"The method '{recipe.name}' trains nothing, so that a teacher has "
            "no one to teach. Leave `teacher` (--teacher) out, or choose "
            f"another method. Received: method={recipe.name!r}"
        )


def check_unlabelled(unlabelled, recipe, has_teacher=False):
    """Raises `ValueError` if nothing would learn from `unlabelled`."""
    if unlabelled and not recipe.needs_unlabelled and not has_teacher:
        raise ValueError(
            f"The method '{recipe.name}' does not train on unlabelled images. "
            "Name a teacher that knows what is on them, `teacher` (--teacher), "
            "choose a method that trains on them, such as self_training, or "
            "leave `unlabelled` (--unlabelled) out. "
            f"Received: unlabelled={str(unlabelled)!r}"
        )


def check_unlabelled_data(recipe, data, unlabelled=None):
    """Raises `ValueError` if unlabelled images are wanted, and there are none.

    Args:
        recipe: The `apps.Recipe` that trains.
        data: The `apps.ImageData`.
        unlabelled: What the user asked for.
    """
    if unlabelled and data.unlabelled is None:
        raise ValueError(
            "No images are left over to train on without labels. Pass fewer "
            "`shots` (--shots) than there are images, or a folder of images "
            "as `unlabelled` (--unlabelled); an `apps.ImageData` brings its "
            f"own. Received: unlabelled={str(unlabelled)!r}"
        )
    if recipe.needs_unlabelled and data.unlabelled is None:
        raise ValueError(
            f"The method '{recipe.name}' trains on unlabelled images too, and "
            "there are none. Pass a folder of them, `unlabelled` "
            "(--unlabelled), or fewer `shots` (--shots) than there are images, "
            "which leaves some over. Received: unlabelled=None"
        )


def check_head(source, keep_head, recipe, data):
    """Raises `ValueError` if the method, or the data, needs another head."""
    # One number for two classes: the probability of the second.
    outputs = {data.num_classes, 1 if data.num_classes == 2 else None}
    if keep_head and source.output_shape[-1] not in outputs:
        raise ValueError(
            "The weights' head cannot be kept: it has "
            f"{source.output_shape[-1]} classes, the data {data.num_classes}. "
            "Pass keep_head=False (--keep-head off) to put a new one on."
        )
    augmentation = data.augmentation
    if keep_head and source.output_shape[-1] == 1 and augmentation is not None:
        if augmentation.mixes:
            raise ValueError(
                "Images that are mixed have labels of two classes, and the "
                "weights' head gives one number. Leave MixUp and CutMix out "
                "of `augment` (--augment), or put a new head on with "
                "keep_head=False (--keep-head off). "
                f"Received: augmentation={augmentation}"
            )
    if recipe.needs_source_head and find_head(source).layer is None:
        raise ValueError(
            f"The method '{recipe.name}' reads the classifier that the weights "
            "came with, and these have none. Pass weights with their "
            "classifier (a file with 'notop' in its name has none), or choose "
            f"another method. Received: method={recipe.name!r}"
        )
    if not keep_head and not recipe.trains:
        raise ValueError(
            f"The method '{recipe.name}' trains nothing, so it needs weights "
            "with a head for these classes. Pass the model.keras of a run on "
            "them, or choose a method that trains. "
            f"Received: method={recipe.name!r}"
        )


def warn_of_nothing_to_transfer(weights, recipe):
    """Warns, in the name of `apps.fine_tune`, of random weights."""
    if weights is None:
        pulled = (
            f" '{recipe.name}' holds the student to a source that has learned "
            "nothing."
            if recipe.uses_source or recipe.regularizer is not None
            else ""
        )
        warnings.warn(
            "The network starts from random weights: there is no knowledge "
            f"to transfer.{pulled} Pass weights='imagenet' or a file.",
            stacklevel=3,
        )


def check_outputs(exports, qat=None, target=None, page=False):
    """Returns the files to write as pairs, if all that is asked for fits.

    Args:
        exports: Texts as `check_exports` takes them, or one text, several by
            comma as on the command line.
        qat: Epochs of quantization-aware training, or `None`.
        target: Device that has to run the TFLite files, or `None`.
        page: Whether a page is made, which runs an ONNX file: without one
            `"onnx:float32"` is added.

    Returns:
        Pairs of format and scheme.

    Raises:
        ValueError: If a name does not exist, `qat` is no number of epochs or
            would train for no file or on a backend that cannot, or the
            target would check no file.
    """
    exports = listed_exports(exports)
    pairs = check_exports(exports)
    if page and not any(format == "onnx" for format, _ in pairs):
        pairs.append(("onnx", "float32"))
    if qat is not None:
        checked_count("qat", qat)
    rounded = any(
        get_scheme(scheme, format).rounds_as_trained for format, scheme in pairs
    )
    if qat is not None and not rounded:
        raise ValueError(
            "Quantization-aware training is for the int8 files, and none is "
            "asked for. Add 'tflite:int8' or 'onnx:int8' to `exports` "
            "(--export), or leave `qat` (--qat) out. "
            f"Received: qat={qat}, exports={exports}"
        )
    backend = keras.backend.backend()
    if qat is not None and backend != "tensorflow":
        raise ValueError(
            "Quantization-aware training runs on TensorFlow, whose rounding "
            "the converters know. Train without `qat` (--qat) here; then start "
            "a process with KERAS_BACKEND=tensorflow that resumes the run "
            "(--resume) and adds it. "
            f"Received: qat={qat}, backend={backend!r}"
        )
    if target is not None:
        files = [scheme for format, scheme in pairs if format == "tflite"]
        check_target_runs(target, files)
        if not files:
            raise ValueError(
                "Targets run TFLite files, and none is asked for. Add one to "
                "`exports` (--export), or leave `target` (--target) out. "
                f"Received: target={target!r}, exports={exports}"
            )
    return pairs
