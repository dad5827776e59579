"""Takes the picture of a report that the README shows.

    kerastl quickstart --output FOLDER
    python -m tests.benchmarks.report_picture FOLDER

writes `apps/report/example.png`: the page down to its first section. Takes
Debian's chromium.
"""

import argparse
import base64
import io
import pathlib

from PIL import Image

from tests.apps.page.browser import Browser

PICTURE = pathlib.Path(__file__).parents[2] / "apps/report/example.png"
WIDTH = 885


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    page = parser.parse_args().folder.resolve() / "report.html"
    with Browser() as browser:
        # So high that there is no scroll bar.
        browser.show_as(WIDTH, 20_000)
        browser.call("Page.navigate", url=page.as_uri())
        browser.wait("document.readyState === 'complete' && !!window.settings")
        end = browser.run(
            "document.querySelector('section').getBoundingClientRect().bottom"
        )
        taken = browser.call(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={
                "x": 0,
                "y": 0,
                "width": WIDTH,
                "height": end + 12,
                "scale": 1,
            },
        )
    picture = Image.open(io.BytesIO(base64.b64decode(taken["data"])))
    # A palette takes a third of the bytes.
    picture = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    picture.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
