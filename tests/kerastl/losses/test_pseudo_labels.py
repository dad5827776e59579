import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import kerastl
from kerastl.losses import PseudoLabels

# Replicas judge their images before they know of those of the others.
DIFFERS_IN = {"replicas"}


def make_terms(source):
    """What test_every_term trains, from a source of 7 classes."""
    # The same views in every process: random generators are not kept.
    term = PseudoLabels(
        adapt="freematch",
        align="labels",
        momentum=0.7,
        teacher_momentum=0.8,
        strong=layers.Rescaling(0.9),
    )
    return [term]


# The strong views are darker, always alike.
DARKER = 0.6


def darker():
    return layers.Rescaling(DARKER)


@pytest.fixture
def student(make_network):
    """A network that is sure of some images and not of others."""
    network = make_network()
    head = network.get_layer("predictions")
    head.kernel.assign(head.kernel * 6.0)
    return network


def answers(model, images):
    found = model(images, training=False)
    return ops.convert_to_numpy(found).astype("float64")


def compiled(student, term, optimizer=None, loss=None, **options):
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(
        optimizer or keras.optimizers.SGD(0.0),
        loss or "sparse_categorical_crossentropy",
        transfer_losses=[term],
        **options,
    )
    return tuner


def values(tuner, images, labels, batches):
    """The term of one step after the other."""
    found = []
    for here, there in batches:
        tuner.reset_metrics()
        inputs = {"images": images[here], "unlabelled": images[there]}
        logs = tuner.train_on_batch(inputs, labels[here], return_dict=True)
        found.append(float(logs["pseudo_labels"]))
    return found


def cross_entropy(q, p, thresholds):
    """The published loss, image by image, and how many were believed."""
    total, believed = 0.0, 0
    for weak, strong in zip(q, p, strict=True):
        c = int(np.argmax(weak))
        if weak[c] >= thresholds[c]:
            total -= np.log(strong[c])
            believed += 1
    return total / len(q), believed


BATCHES = [
    (slice(0, 6), slice(6, 14)),
    (slice(6, 12), slice(14, 22)),
    (slice(12, 18), slice(0, 8)),
    (slice(18, 24), slice(8, 16)),
]


def views(student, images):
    return answers(student, images), answers(student, DARKER * images)


def test_a_fixed_threshold(student, images, labels):
    q, p = views(student, images)
    threshold = float(np.median(q.max(-1)))
    term = PseudoLabels(threshold=threshold, strong=darker())
    found = values(compiled(student, term), images, labels, BATCHES)
    for value, (_, there) in zip(found, BATCHES, strict=True):
        expected, believed = cross_entropy(q[there], p[there], [threshold] * 3)
        assert 0 < believed < 8
        np.testing.assert_allclose(value, expected, rtol=1e-3)


def test_the_weak_views_are_made_by_a_layer(student, images, labels):
    q, p = answers(student, 0.8 * images), answers(student, DARKER * images)
    term = PseudoLabels(
        threshold=0.4, weak=layers.Rescaling(0.8), strong=darker()
    )
    found = values(compiled(student, term), images, labels, BATCHES[:1])
    expected, _ = cross_entropy(q[6:14], p[6:14], [0.4] * 3)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_the_curriculum_of_flexmatch(student, images, labels):
    q, p = views(student, images)
    threshold, momentum = float(np.quantile(q.max(-1), 0.3)), 0.6
    term = PseudoLabels(
        threshold=threshold,
        adapt="flexmatch",
        momentum=momentum,
        strong=darker(),
    )
    found = values(compiled(student, term), images, labels, BATCHES)
    learned, seen = np.zeros(3), []
    for value, (_, there) in zip(found, BATCHES, strict=True):
        status = learned / max(learned.max(), 1 - learned.sum())
        thresholds = threshold * status / (2 - status)
        expected, believed = cross_entropy(q[there], p[there], thresholds)
        np.testing.assert_allclose(value, expected, rtol=1e-3)
        counts = np.zeros(3)
        for weak in q[there]:
            if weak.max() >= threshold:
                counts[weak.argmax()] += 1
        learned = momentum * learned + (1 - momentum) * counts / 8
        seen.append(believed)
    # Before anything is learned all is believed.
    assert seen[0] == 8
    np.testing.assert_allclose(
        term.thresholds.learned.get_weights()[0], learned, rtol=1e-5
    )
    # Classes differ in how much of them is learned.
    assert learned.max() > learned.min()


def test_the_thresholds_of_freematch(student, images, labels):
    q, p = views(student, images)
    momentum = 0.5
    term = PseudoLabels(adapt="freematch", momentum=momentum, strong=darker())
    found = values(compiled(student, term), images, labels, BATCHES)
    confidence, shares, seen = 1 / 3, np.full(3, 1 / 3), []
    for value, (_, there) in zip(found, BATCHES, strict=True):
        weak = q[there]
        confidence = momentum * confidence + 0.5 * weak.max(-1).mean()
        shares = momentum * shares + 0.5 * weak.mean(0)
        thresholds = confidence * shares / shares.max()
        expected, believed = cross_entropy(weak, p[there], thresholds)
        np.testing.assert_allclose(value, expected, rtol=1e-3)
        seen.append(believed)
    assert min(seen) < 8
    found = [*term.thresholds.confidence.get_weights()]
    found += term.thresholds.shares.get_weights()
    np.testing.assert_allclose(found[0], confidence, rtol=1e-5)
    np.testing.assert_allclose(found[1], shares, rtol=1e-5)


@pytest.mark.parametrize("align", ["uniform", "labels"])
def test_aligned_distributions(student, images, labels, align):
    q, p = views(student, images)
    # Most labels are of one class.
    labels = np.where(np.arange(24) % 4, 1, labels)
    momentum, threshold = 0.7, 0.55
    term = PseudoLabels(
        threshold=threshold, align=align, momentum=momentum, strong=darker()
    )
    found = values(compiled(student, term), images, labels, BATCHES)
    target, mean = np.full(3, 1 / 3), None
    changed = 0
    for value, (here, there) in zip(found, BATCHES, strict=True):
        weak = q[there]
        if align == "labels":
            frequent = np.eye(3)[labels[here]].mean(0)
            target = momentum * target + (1 - momentum) * frequent
        batch = weak.mean(0)
        mean = batch if mean is None else 0.7 * mean + 0.3 * batch
        aligned = weak * (target + 1e-6) / (mean + 1e-6)
        aligned /= aligned.sum(-1, keepdims=True)
        changed += (aligned.argmax(-1) != weak.argmax(-1)).sum()
        expected, _ = cross_entropy(aligned, p[there], [threshold] * 3)
        np.testing.assert_allclose(value, expected, rtol=1e-3)
    assert changed > 0


def test_a_step_is_that_of_labels_which_stand_still(
    student, images, make_network
):
    """The weights move as Keras moves them on the same labels."""
    q = answers(student, images)
    threshold = float(np.median(q.max(-1)))
    other = make_network()
    other.set_weights(student.get_weights())
    term = PseudoLabels(threshold=threshold, strong=darker(), weight=0.5)
    tuner = kerastl.FineTuner(student, batch_norm="freeze")
    tuner.compile(keras.optimizers.SGD(0.1), transfer_losses=[term])
    tuner.train_on_batch({"images": images[:6], "unlabelled": images[6:]})

    plain = kerastl.FineTuner(other, batch_norm="freeze")
    plain.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    sure = (q[6:].max(-1) >= threshold).astype("float32")
    plain.train_on_batch(
        DARKER * images[6:], q[6:].argmax(-1), sample_weight=0.5 * sure
    )
    moved = 0.0
    start = make_network().get_weights()
    for one, two, old in zip(
        student.get_weights(), other.get_weights(), start, strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
        moved = max(moved, np.abs(one - old).max())
    assert moved > 1e-3


def test_the_average_of_the_weights_labels(student, images, labels):
    term = PseudoLabels(threshold=0.3, teacher_momentum=0.6, strong=darker())
    tuner = compiled(student, term, keras.optimizers.SGD(0.05))
    followed = student.trainable_variables
    average = None
    for number, batch in enumerate(BATCHES):
        now = [ops.convert_to_numpy(each) for each in followed]
        keep = min(1 - 1 / (number + 1), 0.6)
        average = [
            new if number == 0 else keep * old + (1 - keep) * new
            for old, new in zip(average or now, now, strict=True)
        ]
        strong = answers(student, DARKER * images[batch[1]])
        for variable, value in zip(followed, average, strict=True):
            variable.assign(value)
        weak = answers(student, images[batch[1]])
        for variable, value in zip(followed, now, strict=True):
            variable.assign(value)
        (found,) = values(tuner, images, labels, [batch])
        expected, _ = cross_entropy(weak, strong, [0.3] * 3)
        np.testing.assert_allclose(found, expected, rtol=2e-3)
    for own, value in zip(term.average.averages, average, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(own), value, rtol=1e-4, atol=1e-6
        )


def test_evaluate_asks_nothing_and_moves_nothing(student, images, labels):
    term = PseudoLabels(
        adapt="freematch", align="labels", momentum=0.5, teacher_momentum=0.9
    )
    tuner = compiled(student, term, metrics=["accuracy"])
    inputs = {"images": images[:8], "unlabelled": images[8:16]}
    tuner.train_on_batch(inputs, labels[:8])
    state = [
        value.copy() for layer in term.layers for value in layer.get_weights()
    ]

    def refuse(*_, **__):
        raise AssertionError("The term ran.")

    term.compute = term.change_unlabelled = refuse
    found = tuner.evaluate(images, labels, return_dict=True, verbose=0)
    assert set(found) == {"loss", "accuracy"}
    assert found["accuracy"] == pytest.approx(
        np.mean(answers(student, images).argmax(-1) == labels)
    )
    after = [value for layer in term.layers for value in layer.get_weights()]
    assert len(after) > 10
    for old, new in zip(state, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_default_views_under_xla_in_mixed_precision(
    make_network, images, labels
):
    keras.config.set_dtype_policy("mixed_float16")
    term = PseudoLabels(threshold=0.3, teacher_momentum=0.9, seed=1)
    tuner = compiled(make_network(), term, jit_compile=True)
    found = values(tuner, images, labels, BATCHES[:1] * 2)
    # All is believed, and what is learned from is drawn anew.
    assert min(found) > 0 and found[0] != found[1]
    assert np.isfinite(found).all()
    assert {each.dtype for each in term.average.averages} == {"float32"}


@pytest.mark.tensorflow_only
def test_views_of_keras(student, images, labels, tmp_path):
    term = PseudoLabels(
        threshold=0.3,
        weak=layers.RandomFlip("horizontal", seed=1),
        strong=layers.RandAugment((0, 255), 2, 0.5, seed=2),
    )
    tuner = compiled(student, term, jit_compile=False)
    (found,) = values(tuner, images, labels, BATCHES[:1])
    assert np.isfinite(found) and found > 0
    tuner.save(tmp_path / "tuner.keras")
    again = keras.saving.load_model(tmp_path / "tuner.keras")
    (read,) = again.transfer_losses
    assert isinstance(read.weak, layers.RandomFlip)
    assert isinstance(read.strong, layers.RandAugment)
    assert read.threshold == 0.3 and read.strong.factor == (0, 0.5)


def test_logits_are_read_as_such(student, images, labels):
    found = []
    for logits in (False, True):
        if logits:
            student.get_layer("predictions").activation = None
        term = PseudoLabels(threshold=0.5, strong=darker())
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
        tuner = compiled(student, term, loss=loss)
        found += values(tuner, images, labels, BATCHES[:1])
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    assert found[0] > 0


def test_yes_or_no(images, labels):
    """One output is the probability of the second of two classes."""
    inputs = keras.Input(images.shape[1:])
    x = layers.Conv2D(4, 3)(layers.Rescaling(1 / 60)(inputs))
    x = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    q, p = (
        np.concatenate([1 - yes, yes], -1) for yes in views(network, images)
    )
    threshold = float(np.median(q.max(-1)))
    term = PseudoLabels(threshold=threshold, strong=darker())
    tuner = compiled(network, term, loss="binary_crossentropy")
    yes = (labels[:, None] == 1).astype("float32")
    found = values(tuner, images, yes, BATCHES[:1])
    expected, believed = cross_entropy(q[6:14], p[6:14], [threshold] * 2)
    assert 0 < believed < 8
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"threshold": 0}, "`threshold` .* above 0 and at most 1"),
        ({"threshold": 1.01}, "`threshold` .* above 0 and at most 1"),
        ({"threshold": "freematch"}, "`threshold` must be a finite number"),
        ({"adapt": "freemach"}, "Did you mean 'freematch'"),
        ({"align": "uniforn"}, "Did you mean 'uniform'"),
        ({"momentum": 1.0}, "`momentum` must be at least 0 and below 1"),
        ({"teacher_momentum": 1.5}, "`teacher_momentum` must be between"),
        ({"strong": np.flip}, "`strong` must be a Keras layer"),
        ({"weak": "flip"}, "`weak` must be a Keras layer"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PseudoLabels(**options)


def test_what_is_refused_of_a_tuner(student, images, labels):
    tuner = compiled(student, PseudoLabels())
    with pytest.raises(ValueError, match=r"'unlabelled'.*with_unlabelled"):
        tuner.fit(images, labels, verbose=0)
    tuner = kerastl.FineTuner(student)
    with pytest.raises(ValueError, match="trains without any.*uniform"):
        tuner.compile("sgd", transfer_losses=[PseudoLabels(align="labels")])
