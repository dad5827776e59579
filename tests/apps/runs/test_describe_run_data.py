import numpy as np

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.runs.describe_run import describe_unmeasured


def part(labels):
    labels = np.array(labels, "int32")
    return ImagePart(labels, 20, np.zeros((len(labels), 20, 20, 3), "uint8"))


def test_a_class_of_which_nothing_is_measured_is_named():
    data = ImageData(
        {"train": part([0, 1, 2]), "validation": part([2, 0])},
        ["cat", "dog", "hat"],
        16,
    )
    text = describe_unmeasured(data, "validation")
    assert text.startswith("Nothing is measured of dog: ")
    data.parts["validation"] = part([1, 2, 0])
    assert describe_unmeasured(data, "validation") is None
