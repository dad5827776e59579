import numpy as np
import pytest

from kerastl.apps.data.image_data import ImageData
from kerastl.apps.data.image_part import ImagePart
from kerastl.apps.runs.describe_run import describe_measures
from kerastl.apps.runs.describe_run import describe_opening
from kerastl.apps.runs.run_folder import RunFolder


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


@pytest.mark.parametrize(
    "name, hint", [("mien", " Did you mean 'mine'?"), ("other-photos", "")]
)
def test_a_run_to_resume_that_is_not_there_is_told(tmp_path, name, hint):
    data = ImageData({"train": part(4)}, ["cat", "dog"], 16)
    RunFolder(tmp_path / "mine", {}, {}).begin()
    folder = RunFolder(tmp_path / name, {}, {}, resume=True)
    assert describe_opening(folder, data).splitlines()[1:] == [
        f"there is no run to resume, so a new one begins.{hint}",
        f"writing {folder.path}",
    ]
    found = RunFolder(tmp_path / "mine", {}, {}, resume=True)
    new = RunFolder(tmp_path / "new", {}, {})
    for folder, verb in ((found, "resuming"), (new, "writing")):
        said = describe_opening(folder, data).splitlines()
        assert said[1:] == [f"{verb} {folder.path}"]
