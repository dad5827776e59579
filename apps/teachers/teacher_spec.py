"""What a user names as a teacher."""

import os
import pathlib
from typing import NamedTuple

import keras

from kerastl.apps.choice.weights_at_hand import preset_of
from kerastl.apps.choice.weights_at_hand import width_of
from kerastl.apps.presets.preset_table import PRESETS
from kerastl.apps.presets.preset_table import get_preset
from kerastl.arguments import checked_path
from kerastl.arguments import several
from kerastl.arguments import split_names
from kerastl.arguments import unknown_name_error

_MODEL = "model.keras"
_WEIGHTS = ".h5"
_KINDS = "A teacher is the name of a preset, a file or a model."


class TeacherSpec(NamedTuple):
    """One teacher: a network to adapt first, or one that knows the classes.

    Args:
        preset: Key of `apps.PRESETS` of a network to adapt, else `None`.
        weights: `"imagenet"` or the weights file of that network.
        model: A trained `keras.Model`, or the path of its `.keras` file.
        name: What a loaded model is called.
    """

    preset: str | None = None
    weights: str | pathlib.Path | None = None
    model: keras.Model | pathlib.Path | None = None
    name: str | None = None

    @property
    def arguments(self):
        """Dict of the family's arguments, such as `alpha`."""
        if self.preset is None:
            return {}
        return width_of(self.preset, pathlib.Path(self.weights).name)

    @property
    def label(self):
        """The teacher's name, for people."""
        if self.name is not None:
            return self.name
        if self.preset is None:
            path = self.model
            if isinstance(path, keras.Model):
                return path.name
            return path.parent.name if path.name == _MODEL else path.name
        width = self.arguments.get("alpha", 1.0)
        title = get_preset(self.preset).title
        return title if width == 1 else f"{title} {width:g}"

    @property
    def text(self):
        """The teacher as it goes into `run.json`."""
        if self.preset is None:
            if isinstance(self.model, keras.Model):
                return f"model {self.model.name}"
            return str(self.model)
        return f"{self.preset}:{self.weights}"


def read_teachers(teacher) -> list[TeacherSpec]:
    """Reads the `teacher` of `apps.fine_tune`.

    Args:
        teacher: `"PRESET"` (the weights of ImageNet are downloaded),
            `"PRESET:FILE"` with a weights file, a weights file whose name
            tells the preset, a `.keras` file of a network that knows the
            classes, the folder of a finished run, or a `keras.Model`; several
            by comma, or as a list. `None` is none.

    Returns:
        One `TeacherSpec` each. The width of a MobileNet is read from the
        file's name.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a text names neither a preset nor a file, or a file
            tells no preset.
    """
    if teacher is None:
        return []
    # A path may hold commas.
    if isinstance(teacher, str) and not (teacher and os.path.exists(teacher)):
        try:
            teacher = split_names("teacher", teacher)
        except ValueError as error:
            raise ValueError(f"{_KINDS} {error}") from error
    return [_read(each) for each in several(teacher, [teacher])]


def _read(teacher):
    if isinstance(teacher, keras.Model):
        return TeacherSpec(model=teacher)
    if not isinstance(teacher, str | pathlib.Path) or not str(teacher):
        raise ValueError(f"{_KINDS} Received: teacher={teacher!r}")
    name, _, file = str(teacher).partition(":")
    if name in PRESETS:
        if file and not pathlib.Path(file).is_file():
            raise FileNotFoundError(
                "There is no weights file of the teacher. "
                f"Received: teacher={str(teacher)!r}"
            )
        return TeacherSpec(name, file or "imagenet")
    path = checked_path("teacher", teacher)
    if path.is_dir():
        path = path / _MODEL
    if not path.is_file():
        # What looks like no file is a preset that is not spelled rightly.
        if not path.suffix and path.name == str(teacher):
            raise unknown_name_error("teacher", name, PRESETS)
        if path.name == _MODEL and path.parent.is_dir():
            raise FileNotFoundError(
                "The folder is no finished run: it has no model.keras. "
                f"Received: teacher={str(teacher)!r}"
            )
        raise FileNotFoundError(
            "A teacher is the name of a preset, PRESET:FILE with a weights "
            "file, a .keras file, or the folder of a finished run. There is "
            f"no such file. Received: teacher={str(teacher)!r}"
        )
    if path.suffix != _WEIGHTS:
        return TeacherSpec(model=path)
    preset = preset_of(path.name)
    if preset is None:
        raise ValueError(
            "The name of the weights file tells no preset. Write PRESET:FILE, "
            f"such as mobilenet_v2:{path}. Received: teacher={str(teacher)!r}"
        )
    return TeacherSpec(preset, path)
