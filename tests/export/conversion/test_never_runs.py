"""What is refused before it is made, against files that are made."""

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl import export
from kerastl.export.conversion.never_runs import check_target_runs
from kerastl.export.conversion.never_runs import never_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The smallest preset, in every scheme of TFLite."""
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    model = apps.get_preset("resnet8").build(
        None, input_shape=(24, 24, 3), classes=3
    )
    images = np.random.default_rng(0).uniform(0, 255, (100, 24, 24, 3))
    files = {}
    for scheme in export.SCHEMES["tflite"]:
        files[scheme] = folder / f"{scheme}.tflite"
        export.to_tflite(
            model,
            files[scheme],
            scheme=scheme,
            calibration=images.astype("float32"),
            refine="none",
        )
    return files


@pytest.mark.tensorflow_only
@pytest.mark.parametrize("target", export.TARGETS)
def test_those_that_are_never_run_are_those_whose_files_fail(made, target):
    failed = {
        scheme
        for scheme, path in made.items()
        if not export.check(path, target).passed
    }
    assert set(never_runs(target)) == failed


def test_the_refusal_says_why_and_what_may_be_taken():
    with pytest.raises(ValueError, match="tflite:float16: it has no") as error:
        check_target_runs("tflite-micro", ["int8", "float16", "float16"])
    text = str(error.value)
    assert "another scheme, of float32, int8, " in text
    assert "tflite:int8" not in text and text.count("it has no float16") == 1
    check_target_runs("tflite-micro", ["int8", "float32"])
    check_target_runs("full-int8", [])


def test_a_target_that_there_is_not():
    with pytest.raises(ValueError, match="mean 'xnnpack'"):
        check_target_runs("xnpack", ["int8"])
