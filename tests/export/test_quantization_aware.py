import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx import numpy_helper

import kerastl
from kerastl import export
from kerastl.export.quantization.freeze import find_quantizers

pytestmark = pytest.mark.tensorflow_only

SIZE = 24


def squeeze_excite(x, name):
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="swish", name=f"{name}_down")(gate)
    gate = layers.Conv2D(x.shape[-1], 1, name=f"{name}_up")(gate)
    gate = layers.ReLU(6.0)(gate + 3.0) * (1 / 6)
    return layers.Multiply(name=f"{name}_scale")([x, gate])


def build():
    """A nested backbone with what the families of networks are made of."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(inputs)
    x = layers.BatchNormalization(momentum=0.8, name="stem_bn")(x)
    x = shortcut = layers.Activation("hard_swish", name="stem_act")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = squeeze_excite(layers.ReLU(6.0, name="depthwise_relu")(x), "se")
    x = layers.Add(name="merge")([x, shortcut])
    x = kerastl.layers.BlurPooling2D(3, name="blur")(x)
    left = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    right = layers.BatchNormalization(momentum=0.8, name="alone")(x)
    x = layers.Concatenate(name="concat")([left, right])
    x = layers.Activation("swish", name="last")(x)
    x = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(x))
    backbone = keras.Model(inputs, x, name="backbone")
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.RandomFlip("horizontal", name="flip")(inputs)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(backbone(x))
    x = layers.Dropout(0.1)(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def trained(calibration):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(*calibration, epochs=8, batch_size=16, verbose=0)
    return model


@pytest.fixture(scope="module")
def aware(trained, calibration):
    model = export.quantization_aware(trained)
    model.compile(
        keras.optimizers.Adam(0.0005),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.fit(*calibration, epochs=4, batch_size=16, verbose=0)
    return model


@pytest.fixture(scope="module")
def files(aware, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("aware")
    return [
        export.to_tflite(
            aware,
            folder / "a.tflite",
            evaluation=evaluation,
            max_accuracy_drop=0.02,
        ),
        export.to_onnx(
            aware,
            folder / "a.onnx",
            evaluation=evaluation,
            max_accuracy_drop=0.02,
        ),
    ]


def test_the_copy_has_the_layers_and_weights(trained):
    aware = export.quantization_aware(trained)
    names = [layer.name for layer in aware.get_layer("backbone").layers]
    for layer in trained.get_layer("backbone").layers:
        assert layer.name in names
        twin = aware.get_layer("backbone").get_layer(layer.name)
        for old, new in zip(layer.weights, twin.weights, strict=False):
            np.testing.assert_array_equal(old, new)
    count = len(trained.trainable_variables)
    assert len(aware.trainable_variables) == count


def test_before_any_batch_only_kernels_are_rounded(trained, evaluation):
    aware = export.quantization_aware(trained)
    expected = trained.predict(evaluation[0], verbose=0)
    received = aware.predict(evaluation[0], verbose=0)
    assert 0 < np.abs(received - expected).max() < 0.1


def test_bytes_in_and_out_change_no_answer(aware, files, evaluation, tmp_path):
    path = tmp_path / "bytes.tflite"
    report = export.to_tflite(aware, path, "uint8_io", evaluation=evaluation)
    assert report.input["dtype"] == report.output["dtype"] == "uint8"
    np.testing.assert_array_equal(
        export.load(path).predict(evaluation[0]),
        export.load(files[0].path).predict(evaluation[0]),
    )


def test_files_are_all_integer_and_agree(aware, files, evaluation):
    tflite, onnx_report = files
    assert tflite.input["dtype"] == tflite.output["dtype"] == "int8"
    assert (tflite.input["scale"], tflite.input["zero_point"]) == (1.0, -128)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(tflite.path)
    interpreter.allocate_tensors()
    dtypes = {each["dtype"] for each in interpreter.get_tensor_details()}
    assert dtypes == {np.int8, np.int32}
    for report in files:
        assert report.top1_agreement >= 0.99
        assert report.num_calibration == 0
        assert report.keras_accuracy >= 0.9
    assert tflite.mean_abs_difference <= 1 / 256
    ours, theirs = (
        export.load(report.path).predict(evaluation[0]) for report in files
    )
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.99


def test_onnx_weights_are_int8_per_channel_again(files):
    graph = onnx.load(files[1].path).graph
    values = {
        each.name: numpy_helper.to_array(each) for each in graph.initializer
    }
    producers = {node.output[0]: node for node in graph.node}
    channels = []
    for node in graph.node:
        if node.op_type in ("Conv", "MatMul"):
            levels, scales = (
                values[name] for name in producers[node.input[1]].input[:2]
            )
            assert levels.dtype == np.int8
            assert producers[node.input[0]].op_type != "Conv"
            if node.op_type == "Conv":
                assert scales.shape == levels.shape[:1]
                channels.append(scales.size)
            if len(node.input) > 2:
                [bias, *_] = producers[node.input[2]].input
                assert values[bias].dtype == np.int32
    assert len(channels) == 10


BLOCKS = {
    "conv_bn_relu6": lambda x: layers.ReLU(6.0)(
        layers.BatchNormalization()(
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
        )
    ),
    "depthwise": lambda x: layers.DepthwiseConv2D(
        3, depth_multiplier=2, activation="relu"
    )(x),
    "pre_activation": lambda x: layers.ReLU()(layers.BatchNormalization()(x)),
    "dense_bn": lambda x: layers.BatchNormalization()(
        layers.Dense(6)(layers.Flatten()(x))
    ),
    "average_pooling": lambda x: layers.AveragePooling2D(2)(x),
    "global_pooling": lambda x: layers.GlobalAveragePooling2D()(x),
    "blur": lambda x: kerastl.layers.BlurPooling2D(4)(x),
    "sigmoid": lambda x: layers.Activation("sigmoid")(x),
    "hard_sigmoid": lambda x: layers.Activation("hard_sigmoid")(x),
    "hard_swish": lambda x: layers.Activation("hard_swish")(x),
    "swish": lambda x: layers.Activation("swish")(x),
    "tanh": lambda x: layers.Activation("tanh")(x),
    "leaky": lambda x: layers.LeakyReLU(0.1)(x),
    "merges": lambda x: layers.Multiply()([layers.Add()([x, x]), x]),
    "subtract": lambda x: layers.Concatenate()([x - 0.3, 0.2 - x * 2.0]),
    "equal_biases": lambda x: layers.ReLU(6.0)(layers.Conv2D(8, 1)(x) + 3.0),
}


@pytest.mark.slow
def test_single_blocks_are_exact_to_one_level(tmp_path):
    generator = np.random.default_rng(0)
    images = generator.normal(size=(64, 8, 8, 3)).astype("float32")
    inputs = keras.Input((8, 8, 3))
    for name, block in BLOCKS.items():
        model = keras.Model(inputs, layers.Flatten()(block(inputs)))
        for variable in model.weights:
            value = generator.normal(size=variable.shape) * 0.5
            if "variance" in variable.path:
                value = np.abs(value) + 0.3
            if name != "equal_biases" or variable.name != "bias":
                variable.assign(value)
        aware = export.quantization_aware(model, calibration=images)
        path = tmp_path / f"{name}.tflite"
        report = export.to_tflite(aware, path, evaluation=images)
        assert report.input["dtype"] == "int8"
        scale = report.output["scale"]
        assert report.max_abs_difference <= 1.001 * scale, name
        assert report.mean_abs_difference <= 0.1 * scale, name


def small():
    inputs = keras.Input((12, 12, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(name="tap")(x)
    x = layers.DepthwiseConv2D(3, activation="swish")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_it_trains_under_xla_in_a_fine_tuner(calibration, policy):
    keras.config.set_dtype_policy(policy)
    source = small()
    aware = export.quantization_aware(source)
    tuner = kerastl.FineTuner(aware, source=source, taps=["tap"])
    tuner.compile(
        keras.optimizers.SGD(0.01),
        "sparse_categorical_crossentropy",
        transfer_losses=[kerastl.losses.PixelLevel(1.0)],
        jit_compile=True,
    )
    head = aware.get_layer("head").kernel
    before = keras.ops.convert_to_numpy(head)
    images, labels = calibration[0][:32, :12, :12], calibration[1][:32]
    history = tuner.fit(images, labels, batch_size=16, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    # The kernel of the student is rounded, that of the source is not.
    assert 0 < history.history["pixel_level"][0] < 1
    assert np.abs(keras.ops.convert_to_numpy(head) - before).max() > 0
    seen = [float(q.num_batches) for q in find_quantizers(aware)]
    assert seen == [2.0] * 7


def test_save_and_reload_in_a_fresh_process(
    aware, evaluation, tmp_path, run_in_fresh_process
):
    aware.save(tmp_path / "a.keras")
    np.save(tmp_path / "x.npy", evaluation[0][:8])
    source = """
    import sys
    import keras
    import numpy as np
    import kerastl
    import kerastl.export
    folder = sys.argv[1]
    model = keras.saving.load_model(folder + "/a.keras")
    outputs = model.predict(np.load(folder + "/x.npy"), verbose=0)
    np.save(folder + "/y.npy", outputs)
    """
    run_in_fresh_process(source, tmp_path)
    expected = aware.predict(evaluation[0][:8], verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["logits", "convolution"])
def test_its_head_is_found_where_that_of_the_model_is(kind):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    if kind == "logits":
        x = layers.Flatten(name="flat")(x)
        x = layers.Dense(3, name="head")(x)
    else:
        x = layers.Flatten()(layers.Conv2D(3, 1, name="head")(x))
        x = layers.Softmax()(x)
    model = keras.Model(inputs, x)
    head = kerastl.surgery.find_head(model)
    found = kerastl.surgery.find_head(export.quantization_aware(model))
    assert (head.layer.name, found.layer.name) == ("head", "head")
    assert found.tap in (head.tap, f"{head.tap}_quantizer")


def test_what_has_no_8_bit_form_is_named_and_stays_float(tmp_path):
    images = np.random.default_rng(0).uniform(0, 255, (60, 8, 8, 3))
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = layers.Activation("softsign", name="soft")(x)
    x = layers.Conv2D(4, 3)(x)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    with pytest.warns(UserWarning, match="stay in float.*: soft"):
        aware = export.quantization_aware(model, calibration=images)
    report = export.to_tflite(aware, tmp_path / "a.tflite", evaluation=images)
    assert any("In float: soft." in note for note in report.notes)
    assert report.ops["DEQUANTIZE"] == 1
    assert report.mean_abs_difference <= report.output["scale"]


def test_ranges_follow_the_batches_quickly():
    quantizer = export.quantization.ActivationQuantizer()
    quantizer(np.array([-1.0, 3.0]), training=True)
    assert (float(quantizer.min), float(quantizer.max)) == (-1.0, 3.0)
    outputs = quantizer(np.array([0.5, 7.0]), training=False)
    np.testing.assert_allclose(outputs, [0.5, 3.0], atol=4 / 255)
    for _ in range(40):
        quantizer(np.array([-2.0, 1.0]), training=True)
    assert float(quantizer.max) == pytest.approx(1.0, abs=0.01)
    # Bytes are not guessed: dark ones have to be known as such.
    for pixels, largest in ((True, 255.0), (False, 200.0)):
        images = export.quantization.ActivationQuantizer(
            images=True, pixels=pixels
        )
        images(np.array([3.0, 200.0]), training=True)
        assert images.range() == (0.0, largest)


def test_wrong_use(trained, aware, tmp_path):
    with pytest.raises(ValueError, match="`scheme` must be one of"):
        export.quantization_aware(trained, scheme="int4")
    with pytest.raises(ValueError, match="quantization-aware already"):
        export.quantization_aware(aware)
    path = tmp_path / "a.tflite"
    with pytest.raises(ValueError, match="Choose the scheme 'int8'"):
        export.to_tflite(aware, path, "float16")
    with pytest.raises(ValueError, match="never trained"):
        export.to_tflite(export.quantization_aware(trained), path)
    assert not path.exists()


def test_names_and_margins_of_what_is_put_in():
    """A scaling of pixels has wider levels, and what is called twice two."""
    inputs = keras.Input((6, 6, 3))
    x = layers.RandomFlip(name="flip")(inputs)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(x)
    twice = layers.Conv2D(3, 1, name="twice")
    x = layers.Activation("silu", name="silu")(twice(twice(x)))
    x = layers.Rescaling(2.0, name="later")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x), name="net")
    aware = export.quantization_aware(model, name="aware")
    assert aware.name == "aware"
    assert export.quantization_aware(model).name == "net"
    found = {each.name: each for each in find_quantizers(aware)}
    assert list(found) == [
        "image_quantizer",
        "scale_quantizer",
        "twice_quantizer",
        "twice_quantizer_1",
        "silu_quantizer",
        "later_quantizer",
        "mean_quantizer",
        "head_quantizer",
    ]
    margins = {name: each.margin for name, each in found.items()}
    assert margins.pop("scale_quantizer") == 1 / 128
    assert set(margins.values()) == {0.0}
    assert [name for name, each in found.items() if each.images] == [
        "image_quantizer"
    ]
    # Bytes, for that is what the first layer scales.
    assert found["image_quantizer"].pixels
    plain = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()])
    [image, *_] = find_quantizers(export.quantization_aware(plain))
    assert image.images and not image.pixels


def test_ranges_are_those_of_all_images_of_all_batches():
    images = np.random.default_rng(0).normal(size=(50, 4, 4, 1))
    images[37] *= 9
    images = images.astype("float32")
    inputs = keras.Input((4, 4, 1))
    x = layers.Flatten()(layers.Conv2D(2, 3, name="conv")(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    aware = export.quantization_aware(model, calibration=images)
    image, conv, _ = find_quantizers(aware)
    assert float(image.min) == pytest.approx(float(images.min()))
    assert float(image.max) == pytest.approx(float(images.max()))
    assert float(image.num_batches) == float(conv.num_batches) == 50
    with pytest.warns(UserWarning, match="Only 20 images"):
        few = export.quantization_aware(
            model, calibration=images, num_calibration=20
        )
    assert float(find_quantizers(few)[0].num_batches) == 20
