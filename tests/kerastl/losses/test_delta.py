import keras
import numpy as np
import pytest

import kerastl
from kerastl.losses import BSS
from kerastl.losses import DELTA

TAPS = {"early": (4, 6, 5, 3), "late": (4, 5)}


@pytest.fixture
def features():
    generator = np.random.default_rng(0)
    return [
        {tap: generator.normal(size=shape) for tap, shape in TAPS.items()}
        for _ in range(2)
    ]


@pytest.fixture
def attention():
    generator = np.random.default_rng(1)
    return {
        tap: generator.dirichlet(np.ones(shape[-1]))
        for tap, shape in TAPS.items()
    }


def _value(loss, sides):
    return float(
        loss.call(
            *(
                {t: keras.ops.convert_to_tensor(v) for t, v in side.items()}
                for side in sides
            )
        )
    )


def _published(sides, attention):
    """The authors' sum, written channel by channel."""
    total = 0.0
    for tap, weights in attention.items():
        student, source = (side[tap] for side in sides)
        positions = student[0, ..., 0].size
        for image in range(len(student)):
            for channel, weight in enumerate(weights):
                gap = student[image, ..., channel] - source[image, ..., channel]
                distance = np.linalg.norm(np.ravel(gap))
                total += len(weights) * weight * distance**2 / positions
    return total / 2


def test_attention_weighs_the_channels(features, attention):
    published = _published(features, attention)
    loss = DELTA(attention=attention, paper_scaling=True)
    assert _value(loss, features) == pytest.approx(published, rel=1e-5)
    # The mean over the batch of 4 instead of the sum.
    assert _value(DELTA(attention=attention), features) == pytest.approx(
        published / 4, rel=1e-5
    )


def test_without_attention_every_channel_counts_the_same(features):
    student, source = features
    uniform = {tap: np.full(s[-1], 1 / s[-1]) for tap, s in TAPS.items()}
    assert _value(DELTA(), features) == pytest.approx(
        _published(features, uniform) / 4, rel=1e-5
    )
    frobenius = sum(np.sum((student[t] - source[t]) ** 2) for t in TAPS) / 2
    assert _value(DELTA(paper_scaling=True), features) == pytest.approx(
        frobenius, rel=1e-5
    )


def test_relative_distances_know_no_unit(features, attention):
    student, source = features
    expected = sum(
        _published(features, {tap: weights})
        / (4 * len(weights) * np.mean(source[tap] ** 2))
        for tap, weights in attention.items()
    )
    loss = DELTA(attention=attention, relative=True)
    assert _value(loss, features) == pytest.approx(expected, rel=1e-5)
    scaled = [{tap: 30 * side[tap] for tap in TAPS} for side in features]
    assert _value(loss, scaled) == pytest.approx(expected, rel=1e-5)
    # A student that has nothing misses half of it, for every tap.
    nothing = {tap: 0 * student[tap] for tap in TAPS}
    assert _value(DELTA(relative=True), [nothing, source]) == pytest.approx(1)
    with pytest.raises(ValueError, match="choose one"):
        DELTA(relative=True, paper_scaling=True)


def test_the_attention_names_the_taps(attention):
    assert DELTA(attention=attention).taps == ["early", "late"]
    with pytest.raises(ValueError, match="every tap"):
        DELTA(attention=attention, taps=["early", "middle"])


@pytest.mark.parametrize(
    "values", [[0.5, 0.2], [1.5, -0.5], [[0.5, 0.5]], [np.nan, 1.0]]
)
def test_attention_that_is_none(values):
    with pytest.raises(ValueError, match="sum to 1"):
        DELTA(attention={"early": values})


def test_attention_of_another_width(features):
    loss = DELTA(attention={"late": [0.5, 0.5]})
    sides = [{"late": side["late"]} for side in features]
    with pytest.raises(ValueError, match="2 numbers for 'late' with 5"):
        _value(loss, sides)


@pytest.mark.parametrize(
    "scaling", [{"paper_scaling": True}, {"relative": True}]
)
def test_config_holds_sizes_only(attention, scaling):
    loss = DELTA(0.3, attention, tap_weights={"late": 2}, **scaling)
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()
    assert {**scaling, **again.get_config()} == again.get_config()
    assert config["config"]["attention_sizes"] == {"early": 3, "late": 5}


@pytest.fixture
def make_tuner(make_network):
    """A tuner with two attentive taps."""

    def make(**options):
        attention = {
            "block1_conv": np.random.default_rng(0).dirichlet(np.ones(8)),
            "block2_conv": np.random.default_rng(1).dirichlet(np.ones(12)),
        }
        student, source = make_network(), make_network()
        tuner = kerastl.FineTuner(
            student, source, taps=list(attention), batch_norm="freeze"
        )
        tuner.compile(
            keras.optimizers.SGD(0.01, 0.9),
            "sparse_categorical_crossentropy",
            transfer_losses=[DELTA(0.5, attention), BSS(0.01, k=2)],
            **options,
        )
        return tuner

    return make


@pytest.mark.tensorflow_only
def test_xla_and_half_precision(make_tuner, images, labels):
    """Both losses of this folder's feature terms, in every mode."""
    results = []
    for policy, jit_compile in (
        ("float32", False),
        ("float32", True),
        ("mixed_float16", False),
    ):
        keras.utils.set_random_seed(3)
        keras.config.set_dtype_policy(policy)
        tuner = make_tuner(jit_compile=jit_compile)
        results.append(
            [
                tuner.train_on_batch(images, labels, return_dict=True)
                for _ in range(2)
            ]
        )
    plain, compiled, half = results
    for step in range(2):
        assert compiled[step] == pytest.approx(plain[step], rel=1e-3)
        assert half[step] == pytest.approx(plain[step], rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "replicas", [1, pytest.param(2, marks=pytest.mark.tensorflow_only)]
)
def test_a_saved_tuner_keeps_the_attention(
    make_tuner, images, labels, tmp_path, request, replicas
):
    """Two replicas: the mean of the terms over the halves is the whole's."""
    tuner = make_tuner()
    tuner.fit(images, labels, batch_size=8, verbose=0)
    tuner.save(tmp_path / "tuner.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    run = request.getfixturevalue(
        "run_on_two_replicas" if replicas == 2 else "run_in_fresh_process"
    )
    printed = run(
        """
        import contextlib, sys
        import keras, numpy as np
        import kerastl
        mirrored = "strategy" in globals()
        with strategy.scope() if mirrored else contextlib.nullcontext():
            tuner = keras.models.load_model(sys.argv[1] + "/tuner.keras")
        data = np.load(sys.argv[1] + "/data.npz")
        history = tuner.fit(
            data["images"], data["labels"], batch_size=8, verbose=0,
            shuffle=False,
        ).history
        attention = tuner.transfer_losses[0].attention
        print(history["delta"][0], *attention["block2_conv"])
        """,
        tmp_path,
    )
    value, *weights = map(float, printed.splitlines()[-1].split())
    attention = tuner.transfer_losses[0].attention["block2_conv"]
    np.testing.assert_allclose(weights, attention, rtol=1e-5)
    assert attention.std() > 0.01
    history = tuner.fit(images, labels, batch_size=8, verbose=0, shuffle=False)
    # BSS is a term of the batch of one replica, so the paths part a little.
    assert value == pytest.approx(
        history.history["delta"][0], rel=1e-4 if replicas == 1 else 1e-2
    )
    trainable = len(tuner.student.trainable_variables)
    assert len(tuner.trainable_variables) == trainable
