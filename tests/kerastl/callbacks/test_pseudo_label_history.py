import json

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.callbacks import PseudoLabelHistory
from kerastl.losses import PseudoLabels

EPOCHS = 3


@pytest.fixture
def images():
    draw = np.random.default_rng(0)
    # Each of a color of its own, so that the answers differ.
    return draw.uniform(0, 255, (28, 1, 1, 3)) * draw.uniform(
        0.5, 1, (28, 8, 8, 3)
    )


@pytest.fixture
def labels():
    return np.arange(28) % 3


@pytest.fixture
def student():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 25)(inputs)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


class Spy(keras.callbacks.Callback):
    """The network's answers before each step of an epoch, and behind it."""

    def __init__(self, images):
        super().__init__()
        self.images = images
        self.steps, self.ends = [], []

    def _answers(self):
        return ops.convert_to_numpy(
            self.model.student(self.images, training=False)
        )

    def on_train_batch_begin(self, batch, logs=None):
        self.steps.append(self._answers())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(self._answers())


def fitted(student, images, labels, term, rate=0.02, **options):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(rate),
        "sparse_categorical_crossentropy",
        transfer_losses=[term],
        run_eagerly=True,
    )
    inputs = {"images": images[:8], "unlabelled": images[8:16]}
    history = tuner.fit(
        inputs, labels[:8], batch_size=4, shuffle=False, verbose=0, **options
    )
    return tuner, history.history


def test_what_is_kept_is_what_the_steps_believed(student, images, labels):
    threshold = 0.4
    spy = Spy(images)
    kept = PseudoLabelHistory((images[16:], labels[16:]))
    term = PseudoLabels(threshold=threshold, strong=layers.Rescaling(0.6))
    _, history = fitted(
        student, images, labels, term, epochs=EPOCHS, callbacks=[spy, kept]
    )
    assert [each["epoch"] for each in kept.epochs] == [1, 2, 3]
    some = 0
    for epoch, found in enumerate(kept.epochs):
        expected = np.zeros(3, int)
        for step in range(2):
            q = spy.steps[2 * epoch + step][8 + 4 * step : 12 + 4 * step]
            for row in q[q.max(-1) >= threshold]:
                expected[row.argmax()] += 1
        assert found["believed"] == expected.tolist()
        assert found["images"] == 8
        assert history["pseudo_labels_believed"][epoch] == pytest.approx(
            expected.sum() / 8
        )
        some += 0 < expected.sum() < 8
        q = spy.ends[epoch][16:]
        sure, right = np.zeros(3, int), np.zeros(3, int)
        for row, label in zip(q, labels[16:], strict=True):
            if row.max() >= threshold:
                sure[row.argmax()] += 1
                right[row.argmax()] += row.argmax() == label
        assert found["validation_images"] == 12
        assert found["validation_believed"] == sure.tolist()
        assert found["validation_right"] == right.tolist()
    assert some
    assert json.loads(json.dumps(kept.epochs)) == kept.epochs


def test_the_average_labels_and_leaves_the_network_alone(
    student, images, labels
):
    start = ops.convert_to_numpy(student(images)).max(-1)
    threshold = float(np.median(start))
    term = PseudoLabels(
        threshold=threshold, teacher_momentum=0.9, strong=layers.Rescaling(0.6)
    )
    kept = PseudoLabelHistory((images[16:], np.eye(3)[labels[16:]]))
    options = {"rate": 1e-3, "epochs": 2, "callbacks": [kept]}
    fitted(student, images, labels, term, **options)
    before = student.get_weights()
    said, sure = term.label(images, batch_size=5)
    for old, new in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    other = keras.models.clone_model(student)
    other.set_weights(term.average.get_weights()[: len(before)])
    q = ops.convert_to_numpy(other(images))
    np.testing.assert_array_equal(said, q.argmax(-1))
    np.testing.assert_array_equal(sure, q.max(-1) >= threshold)
    assert 0 < sure.sum() < len(sure)
    own = ops.convert_to_numpy(student(images))
    assert np.abs(own - q).max() > 1e-4
    # Those of the last epoch were asked with the same weights.
    found = kept.epochs[-1]
    assert sum(found["validation_believed"]) == sure[16:].sum()
    assert sum(found["validation_right"]) == np.sum(
        sure[16:] & (said[16:] == labels[16:])
    )


@pytest.mark.parametrize("adapt", ["flexmatch", "freematch"])
def test_thresholds_and_alignment_are_those_of_the_training(
    student, images, labels, adapt
):
    term = PseudoLabels(
        threshold=0.45, adapt=adapt, align="uniform", momentum=0.5
    )
    fitted(student, images, labels, term, epochs=2)
    state = [
        each.copy() for layer in term.layers for each in layer.get_weights()
    ]
    said, sure = term.label(images)
    after = [each for layer in term.layers for each in layer.get_weights()]
    for old, new in zip(state, after, strict=True):
        np.testing.assert_array_equal(old, new)
    q = ops.convert_to_numpy(student(images)).astype("float64")
    mean = term.alignment.mean.get_weights()[0]
    aligned = q * (1 / 3 + 1e-6) / (mean + 1e-6)
    aligned /= aligned.sum(-1, keepdims=True)
    if adapt == "flexmatch":
        learned = term.thresholds.learned.get_weights()[0]
        status = learned / max(learned.max(), 1 - learned.sum())
        thresholds = 0.45 * status / (2 - status)
    else:
        shares = term.thresholds.shares.get_weights()[0]
        confidence = term.thresholds.confidence.get_weights()[0]
        thresholds = confidence * shares / shares.max()
    np.testing.assert_array_equal(said, aligned.argmax(-1))
    least = thresholds[aligned.argmax(-1)]
    # Where rounding decides, either is right.
    clear = np.abs(aligned.max(-1) - least) > 1e-5
    np.testing.assert_array_equal(
        sure[clear], (aligned.max(-1) >= least)[clear]
    )
    assert clear.sum() > 20 and sure.any()


def test_without_validation_data(student, images, labels):
    kept = PseudoLabelHistory()
    term = PseudoLabels(threshold=0.01)
    fitted(student, images, labels, term, epochs=1, callbacks=[kept])
    (found,) = kept.epochs
    assert set(found) == {"epoch", "images", "believed"}
    assert sum(found["believed"]) == found["images"] == 8


def test_what_is_refused(student, images, labels):
    with pytest.raises(ValueError, match="compile a `FineTuner` with it first"):
        PseudoLabels().label(images)
    tuner = kerastl.FineTuner(student)
    tuner.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="There are no pseudo-labels to keep"):
        tuner.fit(images, labels, verbose=0, callbacks=[PseudoLabelHistory()])


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda x: x[:0], "no images to label"),
        (lambda x: x[0], r"make `image\[None\]`.*\(8, 8, 3\)"),
    ],
)
def test_images_that_cannot_be_labelled(
    student, images, labels, wrong, message
):
    term = PseudoLabels(threshold=0.4)
    fitted(student, images, labels, term, epochs=1)
    with pytest.raises(ValueError, match=message):
        term.label(wrong(images))
    with pytest.raises(ValueError, match="`batch_size`"):
        term.label(images, batch_size=0)


def test_no_images_to_judge_by(student, images, labels):
    kept = PseudoLabelHistory((images[:0], labels[:0]))
    with pytest.raises(ValueError, match="no validation images to judge"):
        fitted(
            student,
            images,
            labels,
            PseudoLabels(threshold=0.4),
            epochs=1,
            callbacks=[kept],
        )


def test_one_of_several_terms_is_named(student, images, labels):
    terms = [
        PseudoLabels(threshold=least, name=name)
        for name, least in (("strict", 0.999), ("mild", 0.34))
    ]
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        keras.optimizers.SGD(1e-4),
        "sparse_categorical_crossentropy",
        transfer_losses=terms,
    )
    data = {"images": images[:8], "unlabelled": images[8:16]}
    with pytest.raises(ValueError, match=r"name the one.*'strict', 'mild'"):
        tuner.fit(data, labels[:8], verbose=0, callbacks=[PseudoLabelHistory()])
    kept = PseudoLabelHistory(term="mild")
    history = tuner.fit(data, labels[:8], verbose=0, callbacks=[kept]).history
    assert sum(kept.epochs[0]["believed"]) == 8
    assert history["mild_believed"] == [1.0]
    assert history["strict_believed"][0] < 1
