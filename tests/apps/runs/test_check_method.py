import types

import keras
import numpy as np
import pytest

from kerastl import apps
from kerastl.apps.runs.check_method import check_blur_place
from kerastl.apps.runs.check_method import check_outputs
from kerastl.apps.runs.check_method import check_stem
from kerastl.apps.runs.check_method import check_unlabelled_data
from kerastl.apps.runs.check_numbers import check_flags
from kerastl.apps.runs.check_numbers import check_numbers

FLAGS = (
    *("stem", "balance", "calibrate_confidence", "page"),
    "tensorboard",
)
GOOD = {
    "epochs": 2,
    "soup": 1,
    "batch_size": 4,
    "shots": 3,
    "qat": 1,
    "image_size": 32,
    "threads": 2,
    "seed": 0,
    "antialias": 3,
    "learning_rate": 0.5,
    "strength": 2.0,
}


def test_numbers_of_numpy_become_pythons():
    given = {
        name: np.float64(value) if isinstance(value, float) else np.int64(value)
        for name, value in GOOD.items()
    }
    numbers = check_numbers({**given, "method": "ktft"})
    assert numbers == GOOD
    assert [type(n) for n in numbers.values()] == list(map(type, GOOD.values()))


def test_what_may_be_left_out():
    names = ("shots", "qat", "image_size", "antialias", "learning_rate")
    numbers = check_numbers({**GOOD, **dict.fromkeys(names)})
    assert numbers == {**GOOD, **dict.fromkeys(names)}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    "value", [1.5, True, np.True_, "12", -1, float("nan"), [9]]
)
def test_other_values_are_refused_before_a_run(name, value, tmp_path):
    if name in ("learning_rate", "strength") and value == 1.5:
        pytest.skip("a number that it may have")
    output = tmp_path / "run"
    arguments = {"data": tmp_path, "output": output, name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received: {name}"):
        apps.fine_tune(**arguments)
    assert not output.exists()


@pytest.mark.parametrize("name", ["epochs", "batch_size", "threads", "seed"])
def test_some_must_be_given(name):
    with pytest.raises(ValueError, match=f"Received: {name}=None"):
        check_numbers({**GOOD, name: None})


def test_blurs_have_a_place_where_there_are_some():
    recipe = apps.get_recipe("fine_tune")
    assert check_blur_place(None, None, recipe) is None
    assert check_blur_place(None, 3, recipe) == "kernel"
    # It learns the filters of blurs that are layers.
    assert check_blur_place(None, 3, apps.get_recipe("ddac")) == "after"
    assert check_blur_place("kernel", 3, recipe) == "kernel"


@pytest.mark.parametrize(
    ("place", "antialias", "method", "message"),
    [
        ("kernel", None, "fine_tune", "antialias=3.*Received: blur_place"),
        ("kernels", 3, "fine_tune", "'after', 'kernel'.*Did you mean 'kernel'"),
        ("kernel", 3, "l2_sp+ddac", "'l2_sp.ddac' learns the filters"),
    ],
)
def test_places_that_do_not_fit(place, antialias, method, message):
    recipe = apps.get_recipe(method)
    with pytest.raises(ValueError, match=message):
        check_blur_place(place, antialias, recipe)


def test_a_stem_without_blurs_needs_blurs_elsewhere():
    check_stem(True, None)
    check_stem(False, 3)
    with pytest.raises(ValueError, match="antialias=3.*Received: stem=False"):
        check_stem(False, None)


def test_unlabelled_images_that_are_asked_for_are_there():
    some = types.SimpleNamespace(unlabelled=object())
    none = types.SimpleNamespace(unlabelled=None)
    recipe = apps.RECIPES["fine_tune"]
    check_unlabelled_data(recipe, some, True)
    check_unlabelled_data(recipe, none)
    for asked in (True, "folder"):
        with pytest.raises(ValueError, match=f"left over.*unlabelled='{asked}"):
            check_unlabelled_data(recipe, none, asked)
    with pytest.raises(ValueError, match="trains on unlabelled images too"):
        check_unlabelled_data(apps.RECIPES["akc_arc"], none)


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_flag_is_true_or_false(name, value, tmp_path):
    output = tmp_path / "run"
    arguments = {"data": tmp_path, "output": output, name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be True.*Received"):
        apps.fine_tune(**arguments)
    assert not output.exists()


@pytest.mark.parametrize("name", ["keep_head", "jit_compile"])
def test_a_flag_may_be_left_to_the_run(name, tmp_path):
    arguments = {"data": tmp_path, "output": tmp_path / "run", name: "auto"}
    with pytest.raises(ValueError, match=f"`{name}` must be True.*Received"):
        apps.fine_tune(**arguments)


@pytest.mark.parametrize("value", [1.0, 2, -0.01, float("nan"), "0.01", True])
def test_a_gate_is_refused_before_the_run_that_it_is_for(value, tmp_path):
    """Of a training, the file that it would let pass is the last thing."""
    with pytest.raises(ValueError, match="a fraction: 0.01 allows one point"):
        apps.fine_tune(
            tmp_path, max_accuracy_drop=value, output=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_flags_of_numpy_become_pythons():
    given = dict.fromkeys(FLAGS, np.True_)
    left = dict.fromkeys(["keep_head", "jit_compile"])
    flags = check_flags({**given, **left})
    assert flags == {**given, **left}
    assert all(type(flags[name]) is bool for name in given)


def test_what_fits_becomes_pairs():
    pairs = [("onnx", "int8"), ("tflite", "float32")]
    exports = ["onnx:int8", "float32"]
    assert check_outputs(exports) == pairs
    # As on the command line, and not letter by letter.
    assert check_outputs("onnx:int8, float32") == pairs
    assert check_outputs("onnx:int8") == pairs[:1]
    assert check_outputs(exports, target="tflite-micro") == pairs


def test_a_page_adds_the_file_that_it_runs():
    assert check_outputs(["onnx:int8"], page=True) == [("onnx", "int8")]
    pairs = [("tflite", "int8"), ("onnx", "float32")]
    assert check_outputs(["int8"], page=True) == pairs


@pytest.mark.tensorflow_only
def test_rounding_can_be_trained_on_tensorflow():
    assert check_outputs(["int8"], qat=3) == [("tflite", "int8")]
    assert check_outputs(["uint8_io"], qat=3) == [("tflite", "uint8_io")]


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow can train it"
)
def test_rounding_on_another_backend_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match="--resume.*qat=3, backend='jax'"):
        check_outputs(["int8"], qat=3)


@pytest.mark.parametrize(
    ("exports", "options", "message"),
    [
        (["int8"], {"qat": 0}, "at least 1.*qat=0"),
        (["int8"], {"qat": -2}, "at least 1.*qat=-2"),
        (["int8"], {"qat": 1.5}, "an integer.*qat=1.5"),
        (["dynamic", "onnx:float32"], {"qat": 2}, "--export.*'dynamic'"),
        ([], {"qat": 2}, r"for the int8 files.*exports=\[\]"),
        (["int8"], {"target": "tflite-mirco"}, "Did you mean 'tflite-micro'"),
        (["onnx:int8"], {"target": "xnnpack"}, "run TFLite files.*'onnx:int8'"),
        (["int7"], {"qat": 2}, "Did you mean 'int8'"),
    ],
)
def test_what_does_not_fit_is_named(exports, options, message):
    with pytest.raises(ValueError, match=message):
        check_outputs(exports, **options)
