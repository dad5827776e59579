import re

import numpy as np
import pytest

from kerastl.apps.report.describe_results import describe_pseudo_labels
from kerastl.apps.report.describe_results import describe_worsening
from kerastl.apps.report.draw_report import plot_pseudo_labels

NAMES = ["hat", "coat", "shoe", "bag", "belt", "tie"]


def _epochs(*believed, sure=None, right=None):
    return [
        {
            "epoch": number,
            "images": 80,
            "believed": list(counts),
            **(
                {}
                if sure is None
                else {
                    "validation_images": 50,
                    "validation_believed": sure,
                    "validation_right": right,
                }
            ),
        }
        for number, counts in enumerate(believed, start=1)
    ]


def test_shares_of_the_first_and_of_the_last_epoch():
    epochs = _epochs(
        [2, 1, 1, 2, 1, 1],
        [8, 8, 8, 8, 8, 8],
        sure=[5, 5, 5, 5, 5, 5],
        right=[5, 5, 4, 5, 4, 4],
    )
    assert describe_pseudo_labels(epochs, NAMES) == (
        "Of the photos without labels the network learned those that it was "
        "sure of: 60.0 % in the last epoch, 10.0 % in the first. Of the "
        "validation photos it would have believed 60.0 %, and of those 90.0 % "
        "are right."
    )


def test_a_class_that_was_never_believed_is_named():
    text = describe_pseudo_labels(
        _epochs([0, 1, 0, 2, 1, 1], [0, 8, 3, 8, 8, 8]), NAMES
    )
    assert "It was never sure of hat: of such classes" in text
    assert "validation" not in text
    many = describe_pseudo_labels(_epochs([0] * 9), list("abcdefghi"))
    assert "sure of a, b, c, d, e and 4 more" in many
    assert "0.0 % in the last epoch" in many


@pytest.mark.parametrize("most, told", [(50, True), (10, False)])
def test_a_class_that_swallows_the_others_is_named(most, told):
    text = describe_pseudo_labels(_epochs([5, 6, most, 5, 5, 5]), NAMES)
    share = f"{100 * most / (26 + most):.1f} %"
    found = f"{share} of what it believed in the end it called shoe" in text
    assert found == told


def test_nothing_believed_of_the_validation_photos():
    epochs = _epochs([1] * 6, sure=[0] * 6, right=[0] * 6)
    assert "Of the validation photos it would have believed none." in (
        describe_pseudo_labels(epochs, NAMES)
    )
    shares, classes = plot_pseudo_labels(epochs, NAMES)
    assert 'aria-label="Pseudo-labels by epoch' in shares
    assert (
        "Believed pseudo-labels by class and epoch. In the last one: "
        "hat 1.2 %, coat 1.2 %, shoe 1.2 %, bag 1.2 %, belt 1.2 %, tie 1.2 %."
    ) in classes


def test_the_plot_has_a_cell_for_each_class_and_epoch():
    import base64
    import io

    from PIL import Image

    draw = np.random.default_rng(0)
    counts = draw.integers(1, 13, (9, 6))
    counts[4, 2] = 0
    _, classes = plot_pseudo_labels(_epochs(*counts), NAMES)
    pictures = re.findall(r'href="data:image/png;base64,([^"]+)"', classes)
    sizes = []
    for picture in pictures:
        image = Image.open(io.BytesIO(base64.b64decode(picture)))
        sizes.append(image.size)
        if image.width > image.height:
            # Stored upside down, as the picture's transform says.
            assert "scale(1 -1)" in classes
            # One blue, the less transparent the more.
            pixels = np.asarray(image.convert("RGBA"), float)[::-1, :, 3]
    # The bluest cell is where most was believed, the palest where nothing.
    rows, columns = (
        (np.arange(count) + 0.5) * side / count
        for count, side in zip((6, 9), pixels.shape, strict=True)
    )
    cells = pixels[np.ix_(rows.astype(int), columns.astype(int))]
    assert counts.T.flat[cells.argmax()] == counts.max()
    assert np.unravel_index(cells.argmin(), cells.shape) == (2, 4)


def _measured(before, after, images):
    return {
        "measures": {
            "rows": [
                {"label": "Before: source features", "accuracy": before},
                {"label": "After: BSS", "accuracy": after},
            ]
        },
        "confusion": {"matrix": [[images - 3, 1], [2, 0]]},
        "evaluated_on": f"{images} test images",
    }


def test_a_training_that_takes_away_is_told():
    said = describe_worsening(_measured(0.66, 0.44, 200))
    assert said.startswith(
        "The training made it worse: 44.0 %, where there were 66.0 % before "
        "(source features; 200 test images)."
    )
    assert "--method linear_probe" in said


@pytest.mark.parametrize("images", [50, 100, 400, 1600])
def test_chance_is_not_told(images):
    # Of two binomial counts, by drawing them.
    rng = np.random.default_rng(0)
    draws = rng.binomial(images, 0.5, (2, 100_000)) / images
    low = np.quantile(draws[0] - draws[1], 0.025)
    assert describe_worsening(_measured(0.5, 0.5 + 0.9 * low, images)) is None
    assert describe_worsening(_measured(0.5, 0.5 + 1.2 * low, images))
    assert describe_worsening(_measured(0.5, 0.6, images)) is None


def test_a_report_without_a_training_is_not_judged():
    assert describe_worsening({}) is None
    assert (
        describe_worsening(_measured(0.9, 0.1, 100) | {"measures": None})
        is None
    )
