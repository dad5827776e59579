import numpy as np

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.runs.describe_run import describe_measures


def part(count):
    labels = (np.arange(count) % 2).astype("int32")
    return ImagePart(labels, 20, np.zeros((count, 20, 20, 3), "uint8"))


def test_few_images_leave_a_wide_interval():
    data = ImageData(
        {"train": part(40), "validation": part(17)}, ["cat", "dog"], 16
    )
    text = describe_measures(data, False, "validation", 16 / 17)
    assert "move" in text and "within 4 pixels" in text
    # Wilson's, as tables have it for 16 of 17.
    assert text.endswith(
        "Measured on 17 validation images, of which each counts 5.9 points: "
        "the 95 % interval of the accuracy after training is 73.0 % to 99.0 %."
    )
