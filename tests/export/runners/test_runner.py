import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export import to_onnx
from kerastl.export import to_tflite
from kerastl.export.runners import runner as module

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def files(cnn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runner")
    cnn.save(folder / "a.keras")
    to_tflite(cnn, folder / "a.tflite", "float32")
    to_onnx(cnn, folder / "a.onnx", "float32")
    return folder


@pytest.mark.parametrize("name", ["a.keras", "a.tflite", "a.onnx"])
def test_every_file_predicts_alike(
    files, name, evaluation, keras_probabilities
):
    runner = load(files / name)
    assert f".{runner.format}" == name[1:]
    assert (runner.input_shape, runner.num_classes) == ((24, 24, 3), 4)
    outputs = runner.predict(evaluation[0])
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, keras_probabilities, atol=1e-5)
    integers = evaluation[0][:3].astype("uint8")
    np.testing.assert_array_equal(
        runner.predict(integers), runner.predict(integers.astype("float32"))
    )
    assert runner.predict(evaluation[0][:0]).shape == (0, 4)


def test_a_model_can_be_given_instead_of_a_file(
    cnn, evaluation, keras_probabilities
):
    np.testing.assert_allclose(
        load(cnn).predict(evaluation[0]), keras_probabilities, atol=1e-6
    )


def test_another_image_size_is_refused(files):
    with pytest.raises(ValueError, match=r"\(n, 24, 24, 3\)"):
        load(files / "a.tflite").predict(np.zeros((1, 32, 32, 3)))


def test_integer_levels_are_those_of_the_interpreter(
    cnn, calibration, evaluation, tmp_path
):
    """Against an interpreter driven by hand with camera bytes."""
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path / "a.tflite"
    to_tflite(cnn, path, calibration=calibration, refine="none")
    photo = evaluation[0][:1].astype("uint8")
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    levels = (photo.astype("int16") - 128).astype("int8")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], levels)
    interpreter.invoke()
    index = interpreter.get_output_details()[0]["index"]
    output = interpreter.get_tensor(index).astype("float32")
    np.testing.assert_array_equal(
        load(path).predict(photo), (output + 128) / 256
    )


def test_a_file_with_a_larger_static_batch(tmp_path):
    """Files that other tools wrote; the last batch is not full."""
    inputs = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, pooled)
    for name, format in (("a.tflite", "litert"), ("a.onnx", "onnx")):
        model.export(
            tmp_path / name,
            format=format,
            verbose=False,
            input_signature=[keras.InputSpec("float32", shape=(4, 8, 8, 3))],
        )
    images = np.random.default_rng(0).random((6, 8, 8, 3)).astype("float32")
    for name in ("a.tflite", "a.onnx"):
        np.testing.assert_allclose(
            load(tmp_path / name).predict(images),
            images.mean((1, 2)),
            rtol=1e-5,
        )


@pytest.mark.parametrize("name", ["a.keras", "a.tflite", "a.onnx"])
@pytest.mark.parametrize("part", [0.0, 0.002, 0.5, 0.98])
def test_a_cut_file_is_an_error(files, tmp_path, name, part):
    content = (files / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match="cannot be read as"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.keras", "a.tflite", "a.onnx"])
def test_a_text_file_is_an_error(tmp_path, name):
    (tmp_path / name).write_text("This is no model at all.\n" * 50)
    with pytest.raises(ValueError, match="it is text"):
        load(tmp_path / name)


def test_an_operator_that_the_runtime_lacks_is_no_damage(files, tmp_path):
    import onnx

    model = onnx.load(files / "a.onnx")
    model.graph.node[-1].op_type = "OfAnotherTool"
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ValueError, match="OfAnotherTool") as caught:
        load(tmp_path / "a.onnx")
    assert "corrupt" not in str(caught.value)


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_two_outputs_are_no_damage(tmp_path, format):
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, [x, layers.Dense(2)(x)])
    model(np.zeros((1, 8, 8, 3), "float32"))
    path = tmp_path / ("a.onnx" if format == "onnx" else "a.tflite")
    model.export(path, format=format, verbose=False)
    with pytest.raises(ValueError, match="2 outputs") as caught:
        load(path)
    assert "corrupt" not in str(caught.value)


def test_an_unknown_or_missing_file(tmp_path):
    with pytest.raises(ValueError, match="ends in one of"):
        load(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load(tmp_path / "a.tflite")


def test_threads_must_be_a_positive_integer(cnn):
    with pytest.raises(ValueError, match="threads=0"):
        load(cnn, threads=0)


@pytest.mark.parametrize("threads", [0, -1, 1.0, "1", None, 99_999_999])
def test_what_is_no_number_of_threads(threads):
    with pytest.raises(ValueError, match=f"threads={threads!r}"):
        module.check_threads(threads)
    module.check_threads(1)


def test_levels_of_a_tensor():
    details = {"quantization": (0.5, 3), "dtype": np.int8}
    values = np.float32([-99, -1.3, -0.2, 0.3, 2.0, 99])
    levels = module._quantize(values, details)
    np.testing.assert_array_equal(levels, [-128, 0, 3, 4, 7, 127])
    assert levels.dtype == np.int8
    found = module._dequantize(levels, details)
    np.testing.assert_array_equal(found, [-65.5, -1.5, 0, 0.5, 2, 62])
    assert found.dtype == np.float32
    plain = {"quantization": (0.0, 0), "dtype": np.float32}
    np.testing.assert_array_equal(module._quantize(values, plain), values)
    assert module._dequantize(np.float64([0.5]), plain).dtype == np.float32
    bytes_ = {"quantization": (0.0, 0), "dtype": np.uint8}
    assert module._quantize(np.float32([7.0]), bytes_).dtype == np.uint8


@pytest.mark.parametrize("count, size", [(1, 3), (3, 3), (2, 4)])
def test_a_batch_is_filled_with_its_first_image(count, size):
    images = np.arange(2.0 * count).reshape(count, 2) + 5
    found = module._fill(images, size)
    np.testing.assert_array_equal(found[:count], images)
    assert found[count:].tolist() == [[5, 6]] * (size - count)


def test_a_tensor_is_described_with_its_levels_if_it_has_any():
    details = {
        "name": "serving_default_image:0",
        "dtype": np.int8,
        "shape": np.array([1, 8, 8, 3]),
        "quantization": (0.5, -3),
    }
    described = {
        "name": "image",
        "dtype": "int8",
        "shape": [1, 8, 8, 3],
        "scale": 0.5,
        "zero_point": -3,
    }
    assert module._describe_tensor(details, "image") == described
    details["quantization"] = (0.0, 0)
    del described["scale"], described["zero_point"]
    described["name"] = "serving_default_image:0"
    assert module._describe_tensor(details, None) == described


@pytest.mark.parametrize("name", ["a.tflite", "a.onnx"])
def test_a_file_tells_its_threads_and_tensors(files, name, evaluation):
    runner = load(files / name, threads=2)
    assert runner.threads == 2
    batch = 1 if name == "a.tflite" else "batch"
    assert runner.input == {
        "name": "image",
        "dtype": "float32",
        "shape": [batch, 24, 24, 3],
    }
    assert runner.output == {
        "name": "probabilities",
        "dtype": "float32",
        "shape": [batch, 4],
    }
    assert runner.kind is None
    image = evaluation[0][:1]
    run = runner.prepare(image)
    run()
    if name == "a.onnx":
        np.testing.assert_array_equal(run()[0], runner.predict(image))


def test_more_than_one_input_or_output():
    with pytest.raises(ValueError, match="has 2 outputs. Expected one output"):
        module._only([1, 2], "output")
    assert module._only([7], "input") == 7


@pytest.mark.parametrize(
    "text, sound",
    [
        ("Encountered unresolved custom op: Mine.", True),
        ("Select TensorFlow op(s), included in the given model", True),
        ("Didn't find op for builtin opcode 'GELU' version '9'", True),
        ("The model is not a valid Flatbuffer", False),
    ],
)
def test_what_a_runtime_lacks_is_no_damage(text, sound):
    assert module._is_sound(None, "tflite", RuntimeError(text)) == sound
