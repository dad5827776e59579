import keras
import pytest
from keras import layers

import kerastl
from kerastl.losses import PixelLevel


def test_unknown_tap_names_the_nearest(make_network):
    source = make_network()
    with pytest.raises(ValueError, match="Did you mean 'block2_add'"):
        kerastl.FineTuner(
            kerastl.antialias(source), source, taps=["block2_adds"]
        )


def test_taps_of_different_shape_are_listed(make_network):
    source = make_network()
    with pytest.raises(ValueError) as error:
        kerastl.FineTuner(
            kerastl.antialias(source),
            source,
            taps=["block1_add", "stem_relu", "down_relu"],
        )
    message = str(error.value)
    assert (
        "stem_relu: student (None, 16, 16, 8), source (None, 8, 8, 8)"
        in message
    )
    assert "down_relu" in message
    assert "block1_add" not in message


def test_different_inputs(make_network):
    small = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten()]
    )
    with pytest.raises(ValueError, match="same images"):
        kerastl.FineTuner(make_network(), small)


def test_nothing_in_common(make_network):
    student = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(2, 3, strides=2),
            layers.GlobalAveragePooling2D(),
        ]
    )
    tuner = kerastl.FineTuner(student, make_network())
    # Only a loss that compares features has to have a place for it.
    tuner.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="none of the source's taps"):
        tuner.compile("sgd", "mse", [kerastl.losses.PixelLevel(1.0)])


def test_ambiguous_tap(make_network):
    backbone = make_network(name="backbone")
    inputs = keras.Input((16, 16, 3))
    twice = keras.Model(
        inputs,
        layers.Add()([backbone(inputs), backbone(inputs[:, ::-1])]),
    )
    source = kerastl.surgery.copy_model(backbone)
    kerastl.FineTuner(backbone, source)
    inputs = keras.Input((16, 16, 3))
    shared = layers.Conv2D(3, 1, name="shared")
    repeated = keras.Model(inputs, shared(shared(inputs)))
    with pytest.raises(ValueError, match="ambiguous"):
        kerastl.FineTuner(repeated, repeated, taps=["shared"])
    with pytest.raises(ValueError, match="ambiguous"):
        kerastl.FineTuner(twice, source, taps=["out_relu"])


def test_taps_without_a_source(make_network):
    with pytest.raises(ValueError, match="Pass `source="):
        kerastl.FineTuner(make_network(), taps=["out_relu"])


def test_subclassed_student(make_network):
    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="functional"):
        kerastl.FineTuner(Subclassed(), make_network())


@pytest.mark.parametrize(
    "arguments", [{"batch_norm": "of"}, {"batch_norm_momentum": 1.5}]
)
def test_batch_norm_arguments(make_network, arguments):
    with pytest.raises(ValueError, match="Received"):
        kerastl.FineTuner(make_network(), **arguments)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (["pixel_level"], "must be a list"),
        ([PixelLevel()], "source=None"),
    ],
)
def test_transfer_losses_that_cannot_be(make_network, losses, message):
    tuner = kerastl.FineTuner(make_network())
    with pytest.raises(ValueError, match=message):
        tuner.compile("sgd", transfer_losses=losses)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([PixelLevel(), PixelLevel()], "name of its own"),
        ([PixelLevel(name="loss")], "name of its own"),
        ([PixelLevel(taps=["stem_relu"])], "does not read"),
        ([PixelLevel(tap_weights={"stem_relu": 1})], "does not read"),
    ],
)
def test_transfer_losses_that_do_not_fit(make_network, losses, message):
    source = make_network()
    tuner = kerastl.FineTuner(kerastl.antialias(source), source)
    with pytest.raises(ValueError, match=message):
        tuner.compile("sgd", transfer_losses=losses)


def test_weight_decay_on_anchored_weights(make_network):
    student = make_network()
    kerastl.regularizers.L2SP(0.1).attach(student)
    tuner = kerastl.FineTuner(student)
    with pytest.raises(ValueError, match="pulls toward zero"):
        tuner.compile(keras.optimizers.AdamW(1e-3), "mse")
    spared = keras.optimizers.AdamW(1e-3)
    spared.exclude_from_weight_decay(var_names=["kernel"])
    tuner.compile(spared, "mse")
    tuner.compile(keras.optimizers.SGD(1e-3), "mse")


def test_generator_that_cannot_be_read_again(make_network, images, labels):
    tuner = kerastl.FineTuner(make_network(), batch_norm="reestimate")
    tuner.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="only once"):
        tuner.fit(batch for batch in [(images, labels)])


@pytest.mark.parametrize("student", [None, "x", keras.Model, 3])
def test_what_is_no_model(make_network, student):
    with pytest.raises(ValueError, match="`student` must be.*student="):
        kerastl.FineTuner(student)
    if student is not None:
        with pytest.raises(ValueError, match="`source` must be.*source="):
            kerastl.FineTuner(make_network(), source=student)


@pytest.mark.parametrize(
    ("losses", "hint"),
    [
        (PixelLevel(1.0), "Put the one into a list"),
        (PixelLevel, "call it"),
        ([PixelLevel], "call it"),
        ("pixel_level", "must be a list"),
    ],
)
def test_transfer_losses_are_a_list(make_network, losses, hint):
    tuner = kerastl.FineTuner(make_network(), make_network())
    with pytest.raises(ValueError, match=f"{hint}.*transfer_losses="):
        tuner.compile("sgd", transfer_losses=losses)


def test_a_network_of_strides_alone(images, labels):
    """Convolutions that halve the maps, no pooling between them."""
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="one"),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="two"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    tuner = kerastl.FineTuner(model, source=model)
    tuner.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        transfer_losses=[PixelLevel(1.0)],
    )
    logs = tuner.train_on_batch(images, labels, return_dict=True)
    assert tuner.taps and logs["pixel_level"] == 0


def test_two_streams_need_taps_only_for_losses_that_read_them(
    make_two_streams, images, labels
):
    network = make_two_streams()
    tuner = kerastl.FineTuner(network, source=network)
    assert tuner.taps == []
    tuner.compile("sgd", "sparse_categorical_crossentropy")
    assert set(tuner.train_on_batch(images, labels, return_dict=True)) == {
        "loss"
    }
    with pytest.raises(ValueError, match="at taps, and none were found"):
        tuner.compile("sgd", transfer_losses=[PixelLevel(1.0)])
