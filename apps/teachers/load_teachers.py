"""Teachers that know the classes already."""

import unicodedata

import keras
import numpy as np

from kerastl.apps.data.check_memory import check_training_fits
from kerastl.apps.data.class_names import name_some
from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.apps.teachers.adapt_teacher import METHOD
from kerastl.apps.teachers.adapt_teacher import build_source
from kerastl.apps.teachers.adapt_teacher import teacher_size
from kerastl.export.keras_files.load_keras_file import load_keras_file
from kerastl.losses.teacher_distillation import check_teacher
from kerastl.surgery import find_head
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities

# Of images that a network takes at any size.
_ANY_SIZE = 64


def load_teachers(specs, class_names, data=None, enlarges=False):
    """Loads the teachers that are trained, and checks that they can teach.

    Args:
        specs: List of `TeacherSpec`.
        class_names: Names of the photos' classes, in their order.
        data: The `apps.ImageData` that the others will be adapted to: that
            their weights can be read, and memory is enough, is found out
            before the long work. `None` where there is none to come.
        enlarges: Whether they are adapted to larger images than the data's.

    Returns:
        The specs; a file has become its model, whose outputs are in the order
        of the photos' classes.

    Raises:
        ValueError: If a file cannot be loaded, or its network is no classifier
            of these classes that reads color images, or the machine has too
            little memory for an adaptation.
    """
    for spec in specs:
        if spec.preset is not None and data is not None:
            _check_adaptation(spec, data, enlarges)
    return [
        spec
        if spec.preset is not None
        else spec._replace(
            model=_load(spec, list(class_names)), name=spec.label
        )
        for spec in specs
    ]


def _check_adaptation(spec, data, enlarges):
    size = data.image_size
    if enlarges:
        size = teacher_size(size, get_preset(spec.preset))
    check_training_fits(
        build_source(spec, size),
        RECIPES[METHOD],
        size,
        min(data.batch_size, len(data.parts["train"])),
    )


def _load(spec, class_names):
    model, names = spec.model, None
    if not isinstance(model, keras.Model):
        path, model = model, load_keras_file(model)
        check_teacher(model)
        names = read_class_names(path, model.output_shape[-1])
    else:
        check_teacher(model)
    class_outputs(model)
    count = max(model.output_shape[-1], 2)
    if names is None and count == len(class_names):
        return model
    names = [unicodedata.normalize("NFC", each) for each in names or ()]
    if sorted(names) != sorted(class_names):
        known = name_some(names, class_names)
        known = known or f"{count} classes without names"
        raise ValueError(
            "The teacher tells other classes apart than the photos' folders. "
            "Fine-tune it on these photos first, or name its preset, which "
            f"does so here. Received: teacher={spec.text!r} of {known}; "
            f"photos of {name_some(class_names, names)}"
        )
    if names != class_names:
        _reorder(model, [names.index(each) for each in class_names])
    return model


def _reorder(model, order):
    """Puts a model's outputs into another order, or refuses."""
    images = np.random.default_rng(0).uniform(
        0, 255, (4, *(size or _ANY_SIZE for size in model.inputs[0].shape[1:]))
    )
    wanted = _answers(model, images)
    wanted = 1 - wanted if wanted.shape[-1] == 1 else wanted[:, order]
    head = find_head(model).layer
    for weight in () if head is None else head.weights:
        values = keras.ops.convert_to_numpy(weight)
        # One output is the second class: of the other two it is the first.
        yes_or_no = values.shape[-1] == 1
        weight.assign(-values if yes_or_no else values[..., order])
    # Not where a layer behind the classifier tells its outputs apart.
    if not np.allclose(_answers(model, images), wanted, atol=1e-4):
        raise ValueError(
            "The teacher's classes are in another order than the photos', and "
            "its last layers cannot be put in theirs. Train one whose classes "
            "are in the order of the folders' names. "
            f"Received: model={model.name!r}"
        )


def _answers(model, images):
    answers = class_probabilities(
        model(images.astype("float32"), training=False), class_outputs(model)
    )
    answers = keras.ops.convert_to_numpy(answers)
    return answers[:, 1:] if model.output_shape[-1] == 1 else answers
