"""Takes the picture of a live page that export/README.md shows.

    python -m tests.benchmarks.page_picture MODEL.onnx PHOTO...

writes `export/page.png`: the page of the file on a phone, after the photos were
chosen. Takes Debian's chromium, and ONNX Runtime Web (see `kerastl page`).
"""

import argparse
import pathlib
import tempfile

from PIL import Image

from kerastl.apps.page.write_page import write_page
from tests.apps.page.browser import Browser

PICTURE = pathlib.Path(__file__).parents[2] / "export/page.png"
WIDTH, HEIGHT = 390, 760


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        page = write_page(options.model, pathlib.Path(folder, "try.html"))
        browser.show_as(WIDTH, HEIGHT, mobile=True)
        browser.open(page.as_uri())
        browser.choose(*(each.resolve() for each in options.photos))
        taken = pathlib.Path(folder, "page.png")
        browser.picture(taken)
        with Image.open(taken) as picture:
            # A palette takes a third of the bytes.
            small = picture.convert("RGB").quantize(
                256, Image.Quantize.MAXCOVERAGE
            )
    small.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
