"""What was found in a folder of photos."""

from __future__ import annotations

import base64
import dataclasses
import io
import pathlib
import shlex
import unicodedata
from typing import TYPE_CHECKING
from typing import Any

from PIL import ImageOps

from kerastl.apps.data.decode_image import open_image
from kerastl.apps.data.decode_image import to_rgb
from kerastl.apps.texts import Printable
from kerastl.export.utils.atomic_write import staged_file
from kerastl.version import __version__

if TYPE_CHECKING:
    from rich.console import Console


@dataclasses.dataclass
class Inspection(Printable):
    """What `inspect_photos` found.

    Attributes:
        path: The folder.
        page: The page with the photos, `None` if none was written.
        classes: Dict from class to a dict from part to its photos.
        copies: Groups of the same photo: lists of dicts of `file`, `part`
            and `class`. Copies in several parts come first, then those in
            several classes.
        doubtful: Dicts of `file`, `part`, `class` and `looks_like`, the most
            doubtful first; `None` if labels were not looked at.
        why_not: Why labels were not looked at, "" if they were.
        odd: Dict from a reason ("tiny", "blurred", "dark", "odd shape") to
            dicts of `file`, `part`, `class` and `says`, a figure.
        left_out: Dicts of `reason`, `count` and `examples`.
        notes: Sentences about the folder and its balance.
    """

    path: pathlib.Path
    page: pathlib.Path | None
    classes: dict
    copies: list
    doubtful: list | None
    why_not: str
    odd: dict
    left_out: list
    notes: list

    @property
    def leaks(self) -> list[list[dict[str, Any]]]:
        """The groups of copies that are in several parts."""
        return [group for group in self.copies if spread(group, "part")]

    def commands(self) -> dict[str, list[str]]:
        """Returns shell commands that would move photos, by section.

        Copies go to a folder beside, doubtful photos to the class that they
        look like. Of copies in several parts the training photos go, so that
        what is measured on stays; of copies in several classes all do.
        """
        aside = self.path.parent / f"{self.path.name}-set-aside"
        return {
            "copies": [
                _move(self.path, row["file"], aside)
                for group in self.copies
                for row in _superfluous(group)
            ],
            "doubtful": [
                _move(
                    self.path,
                    row["file"],
                    self.path,
                    _class_folder(row) / pathlib.PurePath(row["file"]).name,
                )
                for row in self.doubtful or ()
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values, ready for JSON."""
        return {
            **dataclasses.asdict(self),
            "path": str(self.path),
            "page": self.page and str(self.page),
            "commands": self.commands(),
        }

    def print(self, console: Console) -> None:
        """Prints the figures to a `rich.console.Console`."""
        from kerastl.apps.data.find_images import describe_groups
        from kerastl.apps.report.tables import make_table
        from kerastl.apps.texts import say

        rows = [
            ("the same photo in several parts", len(self.leaks)),
            (
                "the same photo in several classes",
                sum(spread(group, "class") for group in self.copies),
            ),
            ("photos that are there more than once", len(self.copies)),
            (
                "doubtful labels",
                "-" if self.doubtful is None else len(self.doubtful),
            ),
            *((reason, len(rows)) for reason, rows in self.odd.items()),
        ]
        console.print(
            make_table(
                ["what", ">found"], [(what, str(found)) for what, found in rows]
            )
        )
        for note in (*self.notes, self.why_not):
            if note:
                say(console, note)
        for line in describe_groups(self.left_out):
            say(console, line)
        if self.page is not None:
            say(console, f"page: {self.page}", wrap=False)


def spread(group, key):
    """Whether the copies of a group differ in their part or class."""
    return len({row[key] for row in group}) > 1


def _superfluous(group):
    if spread(group, "class"):
        return group
    if spread(group, "part"):
        held = [row for row in group if row["part"] != "train"]
        return [row for row in group if row is not held[0]]
    return group[1:]


def _class_folder(row):
    """The folder of the class that a photo looks like, in its own part."""
    # The class is in Unicode's composed form, the folder as it is.
    file = unicodedata.normalize("NFC", row["file"])
    parts = pathlib.PurePath(file).parts
    place = len(parts) - 1 - parts[::-1].index(row["class"])
    return pathlib.PurePath(*parts[:place], row["looks_like"])


def _move(root, file, aside, name=None):
    target = aside / (name or file)
    source, folder = root / file, target.parent
    return (
        f"mkdir -p {shlex.quote(str(folder))} && mv -n "
        f"{shlex.quote(str(source))} {shlex.quote(str(target))}"
    )


_FOLDER = pathlib.Path(__file__).parent
_STYLES = (_FOLDER.parent / "report" / "page.css", _FOLDER / "inspection.css")
_SIDE = 160
# A page of thousands of photos is neither loaded nor looked at.
_MOST = 60


def write_inspection(inspection, path, overwrite=False):
    """Writes the page of an `Inspection`, which needs nothing beside it.

    Of each kind of finding the first 60 are shown; the commands are for all.

    Args:
        inspection: What `inspect_photos` found.
        path: The page.
        overwrite: Whether a page that is there is replaced.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    template = (_FOLDER / "inspection.html").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        found=inspection,
        commands=inspection.commands(),
        version=__version__,
        # Quotes of a style are its own, and no text to be escaped.
        style=Markup("\n".join(each.read_text("utf-8") for each in _STYLES)),
        thumbnail=lambda row: _thumbnail(inspection.path / row["file"]),
        most=_MOST,
    )
    with staged_file(path, ".html", overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")


def _thumbnail(path):
    with open_image(path) as image:
        image.draft(None, (_SIDE, _SIDE))
        image = to_rgb(ImageOps.exif_transpose(image))
        image.thumbnail((_SIDE, _SIDE), reducing_gap=2.0)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=75)
    encoded = base64.b64encode(content.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}"
