import importlib
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.conversion.report import AccuracyDropError
from kerastl.export.diagnosis.examine import read_onnx
from kerastl.export.diagnosis.examine import read_tflite
from kerastl.export.diagnosis.selective_int8 import _named
from kerastl.export.diagnosis.selective_int8 import _search
from kerastl.export.diagnosis.selective_int8 import selective_int8
from kerastl.export.diagnosis.selective_report import UnreachableError

FORMATS = pytest.mark.parametrize("format", ["tflite", "onnx"])
READERS = {"tflite": read_tflite, "onnx": read_onnx}
NUM_CLASSES = 4


def make_data(count, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, NUM_CLASSES, count)
    images = generator.normal(0, 1, (count, 8, 8, 3))
    images += 0.5 * np.eye(NUM_CLASSES, 3)[labels][:, None, None]
    return images.astype("float32"), labels


@pytest.fixture(scope="module")
def model():
    """Trained, and then made hard: one channel of `hard` is 400 times as
    large, which `after` divides away.
    """
    keras.utils.set_random_seed(0)
    hard = layers.Conv2D(12, 1, use_bias=False, name="hard")
    after = layers.DepthwiseConv2D(3, use_bias=False, name="after")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(12, 3, name="first"),
            layers.ReLU(name="first_relu"),
            hard,
            layers.ReLU(name="hard_relu"),
            after,
            layers.ReLU(name="after_relu"),
            layers.Conv2D(12, 1, name="last"),
            layers.ReLU(name="last_relu"),
            layers.GlobalAveragePooling2D(name="average"),
            layers.Dense(NUM_CLASSES, activation="softmax", name="head"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(*make_data(512, 0), epochs=8, verbose=0)
    used = np.abs(after.kernel.numpy()).sum(axis=(0, 1, 3)).argmin()
    for layer, axis, factor in ((hard, 3, 400.0), (after, 2, 1 / 400)):
        kernel = layer.kernel.numpy()
        kernel[(slice(None),) * axis + (used,)] *= factor
        layer.kernel.assign(kernel)
    return model


@pytest.fixture(scope="module")
def data():
    return {
        "calibration": make_data(100, 1),
        "evaluation": make_data(600, 2),
    }


def kinds(path, format):
    tensors = READERS[format](path).tensors
    return {each.kind: each.is_float for each in tensors}


@FORMATS
def test_the_hard_layer_is_kept_and_the_gate_is_met(
    format, model, data, tmp_path
):
    path = tmp_path / f"model.{format}"
    report = selective_int8(model, path, **data, max_accuracy_drop=0.01)
    plain = report.frontier[0]
    assert plain.num_layers == 0
    assert plain.accuracy_drop > 0.03  # the network really is hard
    assert report.layers[0] == "hard_relu"
    assert len(report.layers) <= 3
    assert report.export.accuracy_drop <= 0.01
    assert report.chosen.accuracy == report.export.accuracy
    # The file is what the report says, measured by another run.
    again = export.evaluate(path, data["evaluation"])
    assert again["accuracy"] == report.export.accuracy
    assert path.stat().st_size == report.export.size_bytes
    # One fewer does not do, or bisection has not looked for the fewest.
    fewer = {each.num_layers: each for each in report.frontier}
    assert fewer[len(report.layers) - 1].accuracy_drop > 0.01
    floats = [each.is_float for each in READERS[format](path).tensors]
    assert sum(floats) == report.chosen.float_operators
    assert 0 < sum(floats) < len(floats) == report.num_operators
    text = str(report)
    assert "hard_relu" in text
    assert max(map(len, text.splitlines())) <= 80
    assert report.to_dict()["frontier"][0]["num_layers"] == 0


@FORMATS
def test_a_gate_that_int8_meets_keeps_nothing(format, model, data, tmp_path):
    path = tmp_path / f"model.{format}"
    report = selective_int8(model, path, **data, max_accuracy_drop=0.9)
    assert report.layers == ()
    assert [each.num_layers for each in report.frontier] == [0]
    plain = tmp_path / f"plain.{format}"
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    write(model, plain, calibration=data["calibration"])
    images = data["evaluation"][0][:32]
    np.testing.assert_array_equal(
        export.load(path).predict(images), export.load(plain).predict(images)
    )
    assert "No layer had to be kept" in str(report)


@FORMATS
def test_layers_can_be_named(format, model, data, tmp_path):
    path = tmp_path / f"model.{format}"
    selective_int8(
        model, path, **data, max_accuracy_drop=0.9, keep_float=["last"]
    )
    operators = READERS[format](path).tensors
    floats = [each.name for each in operators if each.is_float]
    assert any("last" in name for name in floats)
    assert not any("first" in name or "hard" in name for name in floats)
    path.unlink()
    with pytest.raises(ValueError, match="Did you mean 'last'"):
        selective_int8(model, path, **data, keep_float=["lasst"])
    assert not path.exists()


def test_exactly_the_allowed_loss_does(model, data, tmp_path):
    """Also where rounding puts the loss a hair above what is allowed."""
    first = selective_int8(
        model,
        tmp_path / "first.tflite",
        **data,
        max_accuracy_drop=0.9,
        keep_float=["last"],
    )
    drop = first.chosen.accuracy_drop
    assert drop > 0.01
    allowed = float(np.nextafter(drop, 0))
    assert drop > allowed
    again = selective_int8(
        model,
        tmp_path / "again.tflite",
        **data,
        max_accuracy_drop=allowed,
        keep_float=["last"],
    )
    assert again.chosen.accuracy_drop == drop
    with pytest.raises(UnreachableError):
        selective_int8(
            model,
            tmp_path / "refused.tflite",
            **data,
            max_accuracy_drop=drop - 1e-4,
            keep_float=["last"],
        )


def test_a_gate_out_of_reach_says_the_best(model, data, tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(UnreachableError) as caught:
        selective_int8(
            model, path, **data, max_accuracy_drop=0.0, max_float_layers=0
        )
    error = caught.value
    assert isinstance(error, AccuracyDropError)
    assert error.best.num_layers == 0
    assert f"{100 * error.best.accuracy_drop:.2f} points" in str(error)
    assert "max_float_layers=0" in str(error)
    assert not any(tmp_path.iterdir())
    with pytest.raises(UnreachableError, match="max_float_layers=1"):
        selective_int8(
            model, path, **data, max_accuracy_drop=0.0, keep_float=["last"]
        )


def test_arguments_are_checked_before_long_work(model, data, tmp_path):
    for path, arguments, message in (
        ("model.keras", {}, r"\.tflite"),
        ("model.tflite", {"keep_float": "none"}, "keep_float='none'"),
        ("model.tflite", {"max_float_layers": -1}, "max_float_layers=-1"),
        ("model.tflite", {"max_float_layers": 1.5}, "an integer, at least 0"),
        ("model.tflite", {"max_accuracy_drop": 2}, "max_accuracy_drop=2"),
    ):
        with pytest.raises(ValueError, match=message):
            selective_int8(model, tmp_path / path, **data, **arguments)
    with pytest.raises(ValueError, match="without labels"):
        selective_int8(
            model,
            tmp_path / "model.tflite",
            data["calibration"],
            data["evaluation"][0],
        )


def test_a_quantization_aware_model_has_no_float_form(model, data, tmp_path):
    with pytest.raises(ValueError, match="no other form"):
        selective_int8(
            export.quantization_aware(model), tmp_path / "m.tflite", **data
        )


@pytest.mark.parametrize(
    "candidates, most, needed, tried",
    [
        (9, None, 0, [0]),
        (9, None, 1, [0, 0, 1, 1]),
        (9, None, 2, [0, 0, 1, 2, 2]),
        (9, None, 3, [0, 0, 1, 2, 4, 4, 3]),
        (9, None, 6, [0, 0, 1, 2, 4, 8, 8, 6, 5]),
        (9, None, 9, [0, 0, 1, 2, 4, 8, 9]),
        (9, 3, 3, [0, 0, 1, 2, 3]),
        (9, 20, 9, [0, 0, 1, 2, 4, 8, 9]),
        (1, None, 1, [0, 0, 1]),
        (9, 3, 4, [0, 0, 1, 2, 3]),
        (9, 0, 1, [0, 0]),
        (9, None, 10, [0, 0, 1, 2, 4, 8, 9]),
        (0, None, 1, [0, 0]),
    ],
)
def test_the_fewest_layers_are_found_by_bisection(
    monkeypatch, candidates, most, needed, tried
):
    """A file is good from `needed` layers in float on; 0.01 is allowed."""
    # By its name: what the package has under it is the function.
    module = importlib.import_module(_search.__module__)
    asked = []

    class Search:
        candidates = []
        path = "path"

        @staticmethod
        def try_layers(number):
            asked.append(number)
            drop = 0.01 if number >= needed else 0.0101
            return SimpleNamespace(
                num_layers=number,
                accuracy_drop=drop,
                accuracy=0.5,
                float_operators=1,
                size_bytes=1,
                latency_ms=1.0,
            )

        @staticmethod
        def frontier():
            return tuple(map(Search.try_layers, sorted(set(asked))))

    seen = []
    monkeypatch.setattr(
        module, "examine", lambda *given: seen.append(len(given[-1]))
    )
    monkeypatch.setattr(
        module, "float_candidates", lambda _: list(range(candidates))
    )
    arguments = Search, SimpleNamespace(model=None), np.zeros(40), 0.01, most
    if needed > min(candidates, candidates if most is None else most):
        with pytest.raises(UnreachableError, match=f"float_layers={most}"):
            _search(*arguments)
        assert asked[: len(tried)] == tried
    else:
        assert _search(*arguments) == needed
        assert asked == tried
    # Sixteen images are examined.
    assert seen == ([16] if needed else [])


def test_layers_are_known_by_all_their_names():
    candidates = [
        SimpleNamespace(names=names)
        for names in (("relu", "conv"), ("add",), ("head", "drop"))
    ]
    assert _named(candidates, ["drop", "conv", "relu"]) == [
        candidates[0],
        candidates[2],
    ]
    with pytest.raises(ValueError, match="mean 'head'.*keep_float has 'haed'"):
        _named(candidates, ["add", "haed"])
