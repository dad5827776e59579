import keras
import numpy as np
import pytest
from keras import layers

from kerastl.export import load
from kerastl.export import to_onnx
from kerastl.export import to_tflite

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
    to_tflite(cnn, path, calibration=calibration)
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
