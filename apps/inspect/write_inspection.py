"""The page of an inspection, with the photos in it."""

import base64
import io
import pathlib

from PIL import ImageOps

from kerastl.apps.data.decode_image import open_image
from kerastl.apps.data.decode_image import to_rgb
from kerastl.export.utils.atomic_write import staged_file
from kerastl.version import __version__

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
