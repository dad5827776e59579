"""Labelled images that were read from a folder."""

import pathlib
import textwrap
from typing import Any

from kerastl.apps.data.find_images import HIDDEN
from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.left_out import describe_left_out

_WIDEST = 40


class ImageFolder(ImageData):
    """Labelled images of a folder; see `load_image_folder`.

    Attributes:
        path: The folder.
        skipped: List of `(file, reason)`: images that could not be used.
        left_out: The same of all files that are not used, the hidden ones and
            those that are no images by their names included.
        notes: List of sentences about what was decided while loading, such
            as the split.
    """

    def __init__(
        self,
        path: pathlib.Path,
        skipped: list[tuple[str, str]],
        left_out: list[tuple[str, str]],
        notes: list[str],
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.path = path
        self.skipped = skipped
        self.left_out = left_out
        self.notes = notes

    @property
    def ignored(self) -> list[str]:
        """Files that are not used and are neither images nor hidden."""
        images = set(self.skipped)
        return [
            item[0]
            for item in self.left_out
            if item not in images and item[1] != HIDDEN
        ]

    def summary(self) -> str:
        """Returns a text of what was loaded, at most 80 columns wide."""
        widest = min(max(map(len, self.class_names)), _WIDEST)
        widest = max(widest, len("all"))
        counts = self.counts
        lines = [
            "class".ljust(widest) + "".join(part.rjust(12) for part in counts)
        ]
        for name in self.class_names:
            # A long name stands in lines of its own: cut, it could be another.
            *above, name = textwrap.wrap(name, widest, break_on_hyphens=False)
            lines += above
            lines.append(
                name.ljust(widest)
                + "".join(f"{part[name]:12d}" for part in counts.values())
            )
        lines.append(
            "all".ljust(widest)
            + "".join(f"{sum(part.values()):12d}" for part in counts.values())
        )
        for note in self.notes:
            lines += _wrap(note, "")
        if self.skipped:
            lines.append(f"Images that could not be used: {len(self.skipped)}")
            for file, reason in self.skipped:
                lines += _wrap(f"{file}: {reason}", "  ")
        images = set(self.skipped)
        others = [item for item in self.left_out if item not in images]
        for line in describe_left_out(others):
            lines += _wrap(line, "")
        return "\n".join(lines)


def _wrap(text, indent):
    return textwrap.wrap(
        text,
        width=80,
        initial_indent=indent,
        subsequent_indent=2 * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
