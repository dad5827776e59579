"""What a file says of itself."""

import dataclasses

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
    training: dict = dataclasses.field(default_factory=dict)
    metrics: dict = dataclasses.field(default_factory=dict)
    kerastl_version: str = __version__
    format_version: int = FORMAT_VERSION

    def to_dict(self):
        """Returns the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Returns the metadata that `to_dict` gave; unknown keys are left out.

        Raises:
            ValueError: If the layout is newer than this version reads, or
                there are no class names.
        """
        version = values.get("format_version", FORMAT_VERSION)
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
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: values[key] for key in values.keys() & known})
