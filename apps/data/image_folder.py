"""Labelled images that were read from a folder."""

import textwrap

from kerastl.apps.data.image_data import ImageData


class ImageFolder(ImageData):
    """Labelled images of a folder; see `load_image_folder`.

    Attributes:
        path: The folder.
        skipped: List of `(file, reason)`: images that could not be used.
        ignored: Files that are no images by their name.
        notes: List of sentences about what was decided while loading, such
            as the split.
    """

    def __init__(self, path, skipped, ignored, notes, **arguments):
        super().__init__(**arguments)
        self.path = path
        self.skipped = skipped
        self.ignored = ignored
        self.notes = notes

    def summary(self):
        """Returns a text of what was loaded, at most 80 columns wide."""
        widest = min(max(len(name) for name in self.class_names), 40)
        widest = max(widest, len("all"))
        counts = self.counts
        lines = [
            "class".ljust(widest) + "".join(part.rjust(12) for part in counts)
        ]
        for name in self.class_names:
            lines.append(
                name[:widest].ljust(widest)
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
        if self.ignored:
            lines.append(f"Files that are no images: {len(self.ignored)}")
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
