import csv
import json
import re

import keras
import numpy as np
import pytest
from keras import layers

from kerastl import export
from kerastl.export.diagnosis.diagnose import diagnose
from kerastl.surgery.feature_extractor import feature_extractor

# What the file's operators are the last layers of, merged ones in brackets.
ROWS = {
    "backbone/stem_relu": {"backbone/stem", "backbone/stem_bn"},
    "backbone/depthwise_bn": {"backbone/depthwise"},
    "backbone/hard_swish": set(),
    "backbone/project": set(),
    "backbone/add": set(),
    "backbone/pool": set(),
    "backbone/concatenate": set(),
    "backbone/norm_relu": set(),
    "average": set(),
    "hidden": {"dropout"},
    "head": set(),
}


@pytest.fixture(scope="module", params=["tflite", "onnx"])
def diagnosis(request, net, files, images):
    return diagnose(net, files[request.param], (images, np.zeros(24, int)))


def by_name(diagnosis):
    return {row.layer: row for row in diagnosis.layers}


def test_every_layer_is_a_row_or_merged_into_one(diagnosis):
    rows = by_name(diagnosis)
    for layer, merged in ROWS.items():
        assert merged <= set(rows[layer].merged), layer
    named = {*rows, *(each for row in rows.values() for each in row.merged)}
    assert {"rescale", "backbone/norm", "square", "add"} <= named
    assert "flip" not in named  # it never reaches a file
    assert len(rows) == len(diagnosis.layers)


def test_rows_are_sorted_by_what_reaches_the_output(diagnosis):
    output = [row.output_sqnr for row in diagnosis.layers]
    assert output == sorted(output)
    positions = sorted(row.position for row in diagnosis.layers)
    assert positions == list(range(len(diagnosis.layers)))


def test_accumulated_errors_equal_numpy_on_the_tensors(net, files, images):
    """Read with the interpreter's own names, compared without our matching."""
    from ai_edge_litert import interpreter as litert

    interpreter = litert.Interpreter(
        str(files["tflite"]),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=(
            litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    [tensor_in] = interpreter.get_input_details()
    rows = by_name(diagnose(net, files["tflite"], images))
    names = ["stem_relu", "hard_swish", "project", "average"]
    paths = {
        name: next(p for p in rows if p.rsplit("/")[-1] == name)
        for name in names
    }
    details = {each["name"]: each for each in interpreter.get_tensor_details()}
    chosen = {name: details[rows[path].tensor] for name, path in paths.items()}
    found = {name: [] for name in names}
    for image in images:
        interpreter.set_tensor(
            tensor_in["index"],
            np.clip(np.rint(image[None]) - 128, -128, 127).astype("int8"),
        )
        interpreter.invoke()
        for name in names:
            scale, zero_point = chosen[name]["quantization"]
            levels = interpreter.get_tensor(chosen[name]["index"])
            found[name].append(scale * (levels.astype("float64") - zero_point))
    exact = feature_extractor(net, names)(images, training=False)
    for name in names:
        # The converter writes the layer's name into that of its tensor.
        assert name in chosen[name]["name"]
        expected = np.asarray(exact[name]).astype("float64")
        got = np.concatenate(found[name]).reshape(expected.shape)
        noise = np.square(got - expected).sum()
        row = rows[paths[name]]
        assert row.accumulated_sqnr == pytest.approx(
            10 * np.log10(np.square(expected).sum() / noise), abs=0.01
        )
        cosine = (got * expected).sum() / np.sqrt(
            np.square(got).sum() * np.square(expected).sum()
        )
        assert row.cosine == pytest.approx(cosine, abs=1e-5)
        assert row.scale == pytest.approx(chosen[name]["quantization"][0])
        assert row.seen == pytest.approx((expected.min(), expected.max()))


def hard_model():
    """Channel 0 of `hard` is 100 times as large; `after` divides it away."""
    keras.utils.set_random_seed(0)
    hard = layers.Conv2D(8, 1, use_bias=False, name="hard")
    after = layers.Conv2D(8, 1, use_bias=False, name="after")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, use_bias=False, name="first"),
            layers.ReLU(name="first_relu"),
            hard,
            layers.ReLU(name="hard_relu"),
            after,
            layers.ReLU(name="after_relu"),
            layers.GlobalAveragePooling2D(name="average"),
            layers.Dense(4, name="head"),
        ],
        name="hard_model",
    )
    for layer, axis, factor in ((hard, 3, 100.0), (after, 2, 0.01)):
        kernel = layer.kernel.numpy()
        kernel[(slice(None),) * axis + (0,)] *= factor
        layer.kernel.assign(kernel)
    return model


@pytest.mark.parametrize(
    "format",
    ["tflite", pytest.param("onnx", marks=pytest.mark.exact_onnx_int8)],
)
def test_a_layer_made_hard_comes_first(format, tmp_path):
    model = hard_model()
    images = np.random.default_rng(0).normal(size=(60, 8, 8, 3)).astype("f4")
    path = tmp_path / f"hard.{format}"
    write = {"tflite": export.to_tflite, "onnx": export.to_onnx}[format]
    # NumPy knows the weights as they are rounded one by one.
    write(model, path, calibration=images, refine="none")
    diagnosis = diagnose(model, path, images[:16])
    worst, second, third, *_ = diagnosis.layers
    assert worst.layer == "hard_relu"
    assert worst.merged == ("hard",)
    assert worst.cause == "rounding"
    # The small weights of `after` share a scale with large ones.
    assert second.layer == "after_relu"
    assert second.cause == "weights"
    assert third.output_sqnr > worst.output_sqnr + 10

    # Its own error, by NumPy: the exact values of the layer before it, as
    # the file has them, through the float kernel.
    features = feature_extractor(model, ["first_relu", "hard_relu"])
    exact = {name: np.asarray(v) for name, v in features(images[:16]).items()}
    rows = by_name(diagnosis)
    if format == "onnx":
        scale = rows["first_relu"].scale
        low, high = rows["first_relu"].range
        held = np.clip(np.rint(exact["first_relu"] / scale) * scale, low, high)
        kernel = model.get_layer("hard").kernel.numpy()[0, 0]
        expected = np.maximum(held @ kernel, 0).astype("float64")
        rounded = np.rint(expected / worst.scale) * worst.scale
        rounded = np.clip(rounded, *worst.range)
        ratio = np.square(expected).sum() / np.square(rounded - expected).sum()
        assert worst.sqnr == pytest.approx(10 * np.log10(ratio), abs=0.5)
    assert worst.seen == pytest.approx(
        (exact["hard_relu"].min(), exact["hard_relu"].max())
    )


def test_own_errors_are_those_of_the_quantization_debugger(net, files, images):
    """TFLite measures the same, operator by operator, with its own code."""
    import tensorflow as tf

    from kerastl.export.conversion.choose_images import stretch_to_pixel_range
    from kerastl.export.runners.inference_model import lower

    from .conftest import make_images

    few = images[:4]
    lowered = lower(net).model
    converter = tf.lite.TFLiteConverter.from_keras_model(lowered)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    calibration = stretch_to_pixel_range(make_images(60, 2))
    converter.representative_dataset = lambda: (
        [each[None]] for each in calibration
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=lambda: ([each[None]] for each in few),
    )
    debugger.run()
    errors = {
        name: row["mean_squared_error"]
        for name, row in debugger.layer_statistics.items()
    }
    rows = by_name(diagnose(net, files["tflite"], few))
    features = feature_extractor(
        lowered, ["stem_relu", "depthwise_bn", "project"]
    )
    for layer, values in features(few).items():
        [error] = [
            each
            for name, each in errors.items()
            if re.match(rf"[^;]*/{layer}(_\d+)?/", name)
        ]
        path = next(p for p in rows if p.rsplit("/")[-1] == layer)
        theirs = 10 * np.log10(np.square(values).mean() / error)
        assert rows[path].sqnr == pytest.approx(theirs, abs=1.0), layer


def test_a_float_file_has_no_error(net, images, tmp_path):
    path = tmp_path / "net.tflite"
    export.to_tflite(net, path, scheme="float32")
    diagnosis = diagnose(net, path, images[:4])
    assert all(row.sqnr > 100 for row in diagnosis.layers)
    assert all(row.scale is None for row in diagnosis.layers)
    assert {"backbone/stem_relu", "hidden"} <= set(by_name(diagnosis))


def test_a_range_that_is_too_narrow_is_called_saturation(
    net, files, images, tmp_path
):
    path = tmp_path / "net.onnx"
    with pytest.warns(UserWarning, match="Only 24 images"):
        export.to_onnx(net, path, calibration=np.clip(images, 100, 155))
    row = by_name(diagnose(net, path, images))["backbone/stem_relu"]
    assert row.cause == "saturation"
    exact = feature_extractor(net, ["stem_relu"])(images, training=False)
    exact = np.asarray(exact["stem_relu"])
    share = np.mean(exact > row.range[1] + row.scale / 2)
    assert share > 0.01
    assert row.saturation == pytest.approx(share, rel=0.05)


def test_the_table_fits_and_the_files_hold_all(diagnosis, tmp_path):
    text = str(diagnosis)
    assert max(map(len, text.splitlines())) <= 80
    for row in diagnosis.layers:
        assert row.layer[-20:] in text
    diagnosis.to_csv(tmp_path / "layers.csv")
    with open(tmp_path / "layers.csv", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [each["layer"] for each in lines] == [
        row.layer for row in diagnosis.layers
    ]
    assert float(lines[0]["sqnr"]) == diagnosis.layers[0].sqnr
    plain = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert plain["layers"][0]["layer"] == diagnosis.layers[0].layer
    assert plain["num_images"] == 24
    with pytest.raises(FileExistsError):
        diagnosis.to_csv(tmp_path / "layers.csv")


def test_what_cannot_be_diagnosed_is_refused(net, files, images, tmp_path):
    with pytest.raises(ValueError, match=r"\.tflite.*Received: path="):
        diagnose(net, "model.keras", images)
    with pytest.raises(FileNotFoundError):
        diagnose(net, tmp_path / "none.tflite", images)
    with pytest.raises(ValueError, match="too small a range"):
        diagnose(net, files["tflite"], images / 255)
    with pytest.raises(ValueError, match="num_images=0"):
        diagnose(net, files["tflite"], images, num_images=0)
    other = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(4)]
    )
    with pytest.raises(ValueError, match="another model"):
        diagnose(other, files["tflite"], images[:, :8, :8])
    with pytest.raises(ValueError, match="fixed image size"):
        free = keras.Sequential(
            [
                keras.Input((None, None, 3)),
                layers.Conv2D(4, 3),
                layers.GlobalAveragePooling2D(),
            ]
        )
        diagnose(free, files["tflite"], images)
