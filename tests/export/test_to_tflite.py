import os

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import kerastl
from kerastl.export import AccuracyDropError
from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export.conversion.converters import SCHEMES

pytestmark = pytest.mark.tensorflow_only


# Largest difference of a probability from Keras. The lower bound proves that
# the scheme did round: a file that stayed float32 would not pass.
BOUNDS = {
    "float32": (0, 1e-6),
    "float16": (1e-6, 5e-3),
    "dynamic": (1e-5, 5e-2),
    "int8": (1e-3, 8e-2),
    "uint8_io": (1e-3, 8e-2),
    "int8_per_tensor": (1e-3, 2e-1),
    "int4": (1e-3, 3e-1),
    "int4_micro": (1e-3, 3e-1),
    "int16x8": (1e-5, 5e-2),
}


@pytest.fixture(scope="module")
def exported(cnn, calibration, evaluation, tmp_path_factory):
    """Report and path of every scheme, written once."""
    folder = tmp_path_factory.mktemp("tflite")
    return {
        scheme: to_tflite(
            cnn,
            folder / f"{scheme}.tflite",
            scheme,
            calibration=calibration,
            evaluation=evaluation,
            refine="none",
        )
        for scheme in SCHEMES["tflite"]
    }


def interpreter(report):
    opened = Interpreter(report.path)
    opened.allocate_tensors()
    return opened


def weight_scales(report):
    """How many scales the weights of each convolution have in the file."""
    opened = interpreter(report)
    tensors = {each["index"]: each for each in opened.get_tensor_details()}
    return [
        len(tensors[details["inputs"][1]]["quantization_parameters"]["scales"])
        for details in opened._get_ops_details()
        if details["op_name"].endswith("CONV_2D")
    ]


@pytest.mark.parametrize("scheme", BOUNDS)
def test_every_scheme_agrees_with_keras(
    exported, scheme, evaluation, keras_probabilities
):
    report = exported[scheme]
    outputs = load(report.path).predict(evaluation[0])
    difference = np.abs(outputs - keras_probabilities)
    low, high = BOUNDS[scheme]
    assert low <= difference.max() <= high
    assert report.max_abs_difference == pytest.approx(
        difference.max(), abs=1e-6
    )
    assert report.mean_abs_difference == pytest.approx(
        difference.mean(), abs=1e-6
    )
    same = outputs.argmax(1) == keras_probabilities.argmax(1)
    assert report.top1_agreement == same.mean() >= 0.95
    labels = evaluation[1]
    assert report.accuracy == (outputs.argmax(1) == labels).mean()
    assert report.keras_accuracy >= 0.95
    assert report.reference == "evaluation"
    assert report.size_bytes == os.path.getsize(report.path)


def test_smaller_schemes_make_smaller_files(exported):
    sizes = {scheme: exported[scheme].size_bytes for scheme in exported}
    assert sizes["float16"] < sizes["float32"]
    assert sizes["dynamic"] < sizes["float32"]
    assert sizes["int8"] < sizes["float32"]
    assert sizes["int8_per_tensor"] < sizes["int8"]


@pytest.mark.parametrize(
    "scheme, dtype",
    [
        ("float32", np.float32),
        ("float16", np.float32),
        ("dynamic", np.float32),
        ("int8", np.int8),
        ("uint8_io", np.uint8),
        ("int8_per_tensor", np.int8),
        ("int4", np.int8),
        ("int4_micro", np.int8),
        ("int16x8", np.int16),
    ],
)
def test_input_and_output_have_names_types_and_a_static_batch(
    exported, scheme, dtype
):
    opened = interpreter(exported[scheme])
    [signature] = opened.get_signature_list().values()
    assert signature == {"inputs": ["image"], "outputs": ["probabilities"]}
    [image], [output] = opened.get_input_details(), opened.get_output_details()
    assert image["dtype"] == output["dtype"] == dtype
    np.testing.assert_array_equal(image["shape_signature"], [1, 24, 24, 3])
    np.testing.assert_array_equal(output["shape_signature"], [1, 4])


@pytest.mark.parametrize(
    "scheme", ["int8", "uint8_io", "int8_per_tensor", "int16x8"]
)
def test_integer_schemes_hold_no_float_tensor(exported, scheme):
    dtypes = {
        details["dtype"]
        for details in interpreter(exported[scheme]).get_tensor_details()
    }
    assert not dtypes & {np.float32, np.float16}


@pytest.mark.parametrize("scheme", ["int8", "int8_per_tensor"])
def test_camera_bytes_are_fed_by_subtracting_128(exported, scheme):
    assert exported[scheme].input["scale"] == 1.0
    assert exported[scheme].input["zero_point"] == -128


def test_bytes_in_and_out_are_those_of_int8_bit_for_bit(exported, evaluation):
    images = np.clip(np.round(evaluation[0]), 0, 255)[:, None]
    outputs = {}
    for scheme, shift in (("int8", 128), ("uint8_io", 0)):
        opened = interpreter(exported[scheme])
        [into], [out] = opened.get_input_details(), opened.get_output_details()
        outputs[scheme] = []
        for image in images:
            opened.set_tensor(
                into["index"], (image - shift).astype(into["dtype"])
            )
            opened.invoke()
            levels = opened.get_tensor(out["index"]).astype("int32")
            outputs[scheme].append(levels + shift)
    np.testing.assert_array_equal(outputs["uint8_io"], outputs["int8"])
    assert len(np.unique(outputs["int8"])) > 20
    ops = exported["uint8_io"].ops
    assert ops == {**exported["int8"].ops, "QUANTIZE": 2}


def test_per_channel_and_per_tensor_differ_in_the_file(exported):
    assert weight_scales(exported["int8"]) == [16, 16, 96]
    assert weight_scales(exported["int8_per_tensor"]) == [1, 1, 1]


def test_convolutions_swallow_batch_normalization(exported):
    assert exported["float32"].ops == {
        "ADD": 1,
        "CONV_2D": 2,
        "DEPTHWISE_CONV_2D": 1,
        "FULLY_CONNECTED": 1,
        "MEAN": 1,
        "MUL": 1,
        "SOFTMAX": 1,
    }


def test_the_delegate_takes_the_whole_graph(exported):
    assert exported["float32"].partitions == 1
    assert exported["int8"].partitions == 1
    assert exported["int16x8"].partitions == 0


class Reflect(layers.Layer):
    def call(self, inputs):
        widths = ((0, 0), (1, 1), (1, 1), (0, 0))
        return keras.ops.pad(inputs, widths, mode="reflect")


def test_a_blur_is_one_partition_and_gives_mirror_pads_numbers(
    cnn_builder, calibration, evaluation, tmp_path
):
    """An anti-aliased network against a twin that pads with MIRROR_PAD."""
    blurred = cnn_builder(kerastl.layers.BlurPooling2D(3, name="blur"))
    kernel = np.outer([1, 2, 1], [1, 2, 1])[:, :, None, None] / 16

    def mirror(x):
        x = Reflect()(x)
        blur = layers.DepthwiseConv2D(3, strides=2, use_bias=False)
        x = blur(x)
        blur.set_weights([np.repeat(kernel, x.shape[-1], axis=2)])
        return x

    twin = cnn_builder(mirror)
    taken = iter(blurred.get_weights())
    twin.set_weights(
        [
            old
            if np.array_equal(old.shape, (3, 3, 16, 1)) and index == 10
            else next(taken)
            for index, old in enumerate(twin.get_weights())
        ]
    )
    ours, theirs = (
        to_tflite(
            model,
            tmp_path / f"{name}.tflite",
            "float32",
            evaluation=evaluation,
        )
        for name, model in (("ours", blurred), ("theirs", twin))
    )
    assert "MIRROR_PAD" not in ours.ops
    assert ours.partitions == 1
    assert theirs.ops["MIRROR_PAD"] == 1
    assert theirs.partitions == 2
    np.testing.assert_array_equal(
        load(ours.path).predict(evaluation[0]),
        load(theirs.path).predict(evaluation[0]),
    )
    integer = to_tflite(
        blurred, tmp_path / "int8.tflite", calibration=calibration
    )
    assert integer.partitions == 1


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_mixed_precision_model_gives_the_float32_file(
    cnn, cnn_builder, evaluation, tmp_path, exported, policy
):
    keras.config.set_dtype_policy(policy)
    mixed = cnn_builder()
    keras.config.set_dtype_policy("float32")
    mixed.set_weights(cnn.get_weights())
    report = to_tflite(mixed, tmp_path / "mixed.tflite", "float32")
    assert report.ops == exported["float32"].ops
    np.testing.assert_array_equal(
        load(report.path).predict(evaluation[0]),
        load(exported["float32"].path).predict(evaluation[0]),
    )
    assert any(policy in note for note in report.notes)


def test_without_images_random_ones_are_compared(cnn, tmp_path):
    report = to_tflite(cnn, tmp_path / "a.tflite", "float32")
    assert (report.reference, report.num_images) == ("random", 32)
    assert report.accuracy is None


def test_without_evaluation_the_calibration_set_is_compared(
    cnn, calibration, tmp_path
):
    with pytest.warns(UserWarning, match="Only 12 images"):
        report = to_tflite(
            cnn,
            tmp_path / "a.tflite",
            calibration=calibration,
            num_calibration=12,
        )
    assert (report.reference, report.num_images) == ("calibration", 12)
    assert report.num_calibration == 12


def test_too_large_a_drop_leaves_no_file(
    cnn, calibration, evaluation, keras_probabilities, tmp_path
):
    """Labels that Keras gets right and blurred calibration ruins."""
    ruined = np.clip(calibration[0], 120, 136)
    with pytest.raises(AccuracyDropError, match="No file was written") as error:
        to_tflite(
            cnn,
            tmp_path / "a.tflite",
            calibration=ruined,
            evaluation=(evaluation[0], keras_probabilities.argmax(1)),
            max_accuracy_drop=0.01,
        )
    assert error.value.report.accuracy_drop > 0.01
    assert error.value.report.keras_accuracy == 1.0
    assert "Calibrate with more images" in str(error.value)
    assert os.listdir(tmp_path) == []


def test_the_same_drop_is_written_when_allowed(
    cnn, calibration, evaluation, tmp_path
):
    report = to_tflite(
        cnn,
        tmp_path / "a.tflite",
        calibration=np.clip(calibration[0], 120, 136),
        evaluation=evaluation,
        max_accuracy_drop=0.99,
    )
    assert os.listdir(tmp_path) == ["a.tflite"]
    assert report.accuracy_drop > 0.01


def test_missing_operators_are_named(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = keras.ops.erfinv(inputs / 300)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    (tmp_path / "a.tflite").write_bytes(b"old")
    with pytest.raises(ValueError, match="does not have .* Erfinv"):
        to_tflite(model, tmp_path / "a.tflite", "float32", overwrite=True)
    assert os.listdir(tmp_path) == ["a.tflite"]
    assert (tmp_path / "a.tflite").read_bytes() == b"old"


def test_outputs_that_are_no_probabilities_are_not_called_so(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, layers.Dense(3)(x))
    report = to_tflite(model, tmp_path / "a.tflite", "float32")
    assert report.output["name"] == "outputs"


class TestWrongArguments:
    """Refused before the conversion, leaving nothing."""

    @pytest.mark.parametrize(
        "arguments, message",
        [
            ({"scheme": "int2"}, "There is no tflite scheme"),
            ({"scheme": "int8"}, "needs sample images"),
            ({"threads": 0}, "threads=0"),
            ({"max_accuracy_drop": 1.0}, "is a fraction"),
            ({"max_accuracy_drop": "0.01"}, "is a fraction.*'0.01'"),
            ({"max_accuracy_drop": 0.01}, "needs labelled images"),
            ({"path": "a.onnx"}, "must end in '.tflite'"),
            ({"evaluation": []}, "`evaluation` holds no images"),
            ({"evaluation": np.zeros((2, 9, 9, 3))}, "Resize them first"),
            (
                {"evaluation": (np.zeros((2, 24, 24, 3)), np.array([0, 4]))},
                "labels from 0 to 4",
            ),
        ],
    )
    def test_value_errors(self, cnn, tmp_path, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        arguments = {"path": "a.tflite", "scheme": "float32", **arguments}
        with pytest.raises(ValueError, match=message):
            to_tflite(cnn, **arguments)
        assert os.listdir(tmp_path) == []

    def test_an_existing_file_is_kept(self, cnn, tmp_path):
        (tmp_path / "a.tflite").write_bytes(b"old")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            to_tflite(cnn, tmp_path / "a.tflite", "float32")
        assert (tmp_path / "a.tflite").read_bytes() == b"old"

    def test_an_endless_evaluation_set(self, cnn, evaluation, tmp_path):
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors(evaluation).repeat()
        with pytest.raises(ValueError, match="never ends"):
            to_tflite(cnn, tmp_path / "a.tflite", "float32", evaluation=data)

    def test_evaluation_images_in_another_range(
        self, cnn, evaluation, tmp_path
    ):
        scaled = evaluation[0] / 255, evaluation[1]
        with pytest.warns(UserWarning, match="too small a range"):
            to_tflite(cnn, tmp_path / "a.tflite", "float32", evaluation=scaled)


def test_the_console_stays_quiet(run_in_fresh_process, tmp_path):
    """What Keras says while it is imported is not ours."""
    source = """
    import os, sys
    import keras, tensorflow
    import numpy as np
    from keras import layers
    from kerastl import export
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    images = np.random.uniform(0, 255, (50, 8, 8, 3))
    folder = sys.argv[1]
    log = open(folder + "/log", "wb")
    os.dup2(log.fileno(), 2)
    os.dup2(log.fileno(), 1)
    for _ in range(3):
        export.to_tflite(
            model, folder + "/a.tflite", calibration=images, overwrite=True
        )
        export.to_onnx(
            model, folder + "/a.onnx", calibration=images, overwrite=True
        )
    """
    run_in_fresh_process(source, tmp_path)
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.slow
def test_a_real_architecture(tmp_path):
    model = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, weights=None, classes=10
    )
    inputs = keras.Input((96, 96, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    model = kerastl.antialias(keras.Model(inputs, model(x)), 3)
    images = np.random.default_rng(0).uniform(0, 255, (50, 96, 96, 3))
    exact = to_tflite(model, tmp_path / "a.tflite", "float32")
    integer = to_tflite(model, tmp_path / "b.tflite", calibration=images)
    assert exact.max_abs_difference < 1e-5
    assert integer.max_abs_difference < 2e-2
    for report in (exact, integer):
        assert report.partitions == 1
        assert "MIRROR_PAD" not in report.ops
    assert integer.size_bytes < 0.45 * exact.size_bytes
