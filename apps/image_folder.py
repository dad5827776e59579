"""Labelled images that were read from a folder."""

from kerastl.apps.image_data import ImageData


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
        lines += self.notes
        if self.skipped:
            lines.append(f"{len(self.skipped)} files were skipped:")
            lines += [f"  {file}: {reason}" for file, reason in self.skipped]
        if self.ignored:
            lines.append(
                f"{len(self.ignored)} files are no images by their name "
                "and were ignored."
            )
        return "\n".join(lines)
