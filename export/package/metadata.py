"""What a file says of itself."""

import dataclasses
from typing import Any
from typing import Self

from kerastl.version import __version__

# Raised when a reader of an older version would misread what is written.
FORMAT_VERSION = 1


@dataclasses.dataclass
class Metadata:
    """What an application needs to use a file without its source code.

    Attributes:
        class_names: Names of the outputs, in order.
        input: Dictionary of the input: `shape` of one image, `dtype`, and
            for integers `scale` and `zero_point`.
        output: The same of the output.
        preprocessing: How an image becomes the input, in a sentence.
        pixel_range: The numbers that black and white are for the network.
        training: Dictionary of how the network was made; free in content.
        metrics: Dictionary of what was measured on the file.
        kerastl_version: Version that wrote the file.
        format_version: Version of this layout.
    """

    class_names: list
    input: dict = dataclasses.field(default_factory=dict)
    output: dict = dataclasses.field(default_factory=dict)
    preprocessing: str = (
        "Decode to RGB, resize the short side to the input size, cut out the "
        "middle square, values 0 to 255. Everything else is inside the model."
    )
    pixel_range: tuple = (0, 255)
    training: dict = dataclasses.field(default_factory=dict)
    metrics: dict = dataclasses.field(default_factory=dict)
    kerastl_version: str = __version__
    format_version: int = FORMAT_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Returns the metadata that `to_dict` gave; unknown keys are left out.

        Raises:
            ValueError: If the layout is newer than this version reads, or
                a field is missing or of another kind, or the number of
                names is not that of the outputs.
        """
        if not isinstance(values, dict):
            raise ValueError(
                "The metadata is damaged: expected an object. Export the file "
                f"again. Received: {type(values).__name__}"
            )
        version = values.get("format_version", FORMAT_VERSION)
        if not isinstance(version, int) or isinstance(version, bool):
            raise ValueError(
                "The metadata is damaged: its layout has a whole number. "
                f"Export the file again. Received: format_version={version!r}"
            )
        if version > FORMAT_VERSION:
            raise ValueError(
                "The metadata was written by a newer version of kerastl "
                f"({values.get('kerastl_version')}). Update kerastl to read "
                f"it. Received: format_version={version}"
            )
        if not isinstance(values.get("class_names"), list):
            raise ValueError(
                "The metadata names no classes. Received: keys="
                f"{sorted(values)}"
            )
        _check_fields(values)
        known = {field.name for field in dataclasses.fields(cls)}
        found = {key: values[key] for key in values.keys() & known}
        if "pixel_range" in found:
            found["pixel_range"] = tuple(found["pixel_range"])
        return cls(**found)


def _check_fields(values):
    names = values["class_names"]
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise ValueError(
            "The metadata is damaged: class names are texts. Export the file "
            f"again. Received: class_names with {odd[:3]}"
        )
    black_white = values.get("pixel_range", (0, 255))
    if not (
        isinstance(black_white, (list, tuple))
        and len(black_white) == 2
        and all(isinstance(each, (int, float)) for each in black_white)
        and black_white[0] < black_white[1]
    ):
        raise ValueError(
            "The metadata is damaged: black is a smaller number than white. "
            f"Export the file again. Received: pixel_range={black_white!r}"
        )
    for key in ("input", "output", "training", "metrics"):
        if not isinstance(values.get(key, {}), dict):
            raise ValueError(
                "The metadata is damaged: expected an object. Export the file "
                f"again. Received: {key}={values[key]!r}"
            )
    shape = values.get("output", {}).get("shape")
    if isinstance(shape, list) and shape:
        outputs = shape[-1]
        if len(names) not in (outputs, max(outputs, 2)):
            raise ValueError(
                "The metadata is damaged: it needs a class name an output. "
                f"Export the file again. Received: {len(names)} names, "
                f"{outputs} outputs"
            )
