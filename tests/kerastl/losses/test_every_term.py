"""What every transfer loss with weights, labels or data of its own can do."""

import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl import losses

RELATION = np.full((3, 7), 1 / 7)

# Each makes a fresh term from a source of 7 classes.
TERMS = {
    "akc": lambda source: losses.AKC(source, 0.1, threshold=1, warmup_steps=3),
    "arc": lambda source: losses.ARC(1.0, threshold=1, queue=6, warmup_steps=3),
    "bi_tuning": lambda source: losses.BiTuning(
        0.1, queue=3, momentum=0.9, shift=0, flip=False
    ),
    "co_tuning": lambda source: losses.CoTuning(source, RELATION),
    "disturb_label": lambda source: losses.DisturbLabel(0.5, seed=2),
    "logits_distillation": lambda source: losses.LogitsDistillation(source),
    "lwf": lambda source: losses.LwF(source),
    # The same views in every process: random generators are not kept.
    "pseudo_labels": lambda source: losses.PseudoLabels(
        adapt="freematch",
        align="labels",
        momentum=0.7,
        teacher_momentum=0.8,
        strong=keras.layers.Rescaling(0.9),
    ),
    "sample_statistics": lambda source: losses.SampleStatistics(20),
    # Unmoved, for the same reason.
    "shift_consistency": lambda source: losses.ShiftConsistency(
        shift=0, teacher_momentum=0.8
    ),
    "tcr": lambda source: losses.TCR(20, squeeze_epoch=2),
    "teacher_distillation": lambda source: losses.TeacherDistillation(
        kerastl.replace_head(source, 3, seed=5)
    ),
}
# What it draws differs between XLA, replicas and the plain step.
DRAWING = ["disturb_label"]
# Replicas keep the examples of the first one.
QUEUEING = ["arc", "bi_tuning"]
# Replicas judge their images before they know of those of the others.
JUDGING = ["pseudo_labels"]


def all_but(names):
    return [name for name in TERMS if name not in names]


@pytest.fixture
def make_tuner(make_network):
    """Builds a tuner with several of `TERMS` at once."""

    def make(names=TERMS, batch_norm="train", **kwargs):
        keras.utils.set_random_seed(11)
        source = make_network(7)
        tuner = kerastl.FineTuner(
            kerastl.replace_head(source, 3), source, batch_norm=batch_norm
        )
        tuner.compile(
            optimizer=keras.optimizers.SGD(0.01, 0.9),
            loss="sparse_categorical_crossentropy",
            transfer_losses=[TERMS[name](source) for name in names],
            **kwargs,
        )
        return tuner

    return make


@pytest.fixture
def data(images, labels):
    inputs = {
        "images": images[:16],
        "unlabelled": images[8:],
        "index": np.arange(16) + 4,
    }
    return inputs, labels[:16]


FIT = {"batch_size": 8, "shuffle": False, "verbose": 0}


def assert_close(first, second, rel=1e-3):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(
            first[name], second[name], rtol=rel, atol=1e-5, err_msg=name
        )


@pytest.mark.slow
def test_xla_gives_the_same_numbers(make_tuner, data):
    compiled, plain = (
        make_tuner(all_but(DRAWING), jit_compile=jit)
        .fit(*data, epochs=2, **FIT)
        .history
        for jit in (True, False)
    )
    assert set(all_but(DRAWING)) < set(compiled)
    assert_close(compiled, plain)


@pytest.mark.slow
def test_mixed_precision_and_the_same_seed(make_tuner, data):
    keras.config.set_dtype_policy("mixed_float16")
    histories = [
        make_tuner().fit(*data, epochs=2, **FIT).history for _ in range(2)
    ]
    assert histories[0] == histories[1]
    keras.config.set_dtype_policy("float32")
    exact = make_tuner().fit(*data, epochs=2, **FIT).history
    for name in TERMS:
        np.testing.assert_allclose(
            histories[0][name], exact[name], rtol=0.1, atol=0.02, err_msg=name
        )


GO_ON = """
    import contextlib, json, pathlib, sys
    import keras, numpy as np
    import kerastl
    folder = pathlib.Path(sys.argv[1])
    arrays = dict(np.load(folder / "data.npz"))
    labels = arrays.pop("labels")
    mirrored = "strategy" in globals()
    with strategy.scope() if mirrored else contextlib.nullcontext():
        tuner = keras.saving.load_model(folder / "tuner.keras")
    print(json.dumps(tuner.fit(
        arrays, labels, batch_size=8, verbose=0, shuffle=False
    ).history))
"""


def train_and_save(tuner, data, folder):
    """Trains, saves and trains on."""
    inputs, labels = data
    np.savez(folder / "data.npz", labels=labels, **inputs)
    tuner.fit(*data, epochs=2, **FIT)
    tuner.save(folder / "tuner.keras")
    return tuner.fit(*data, **FIT).history


@pytest.mark.slow
def test_training_goes_on_in_another_process(
    make_tuner, data, tmp_path, run_in_fresh_process
):
    # Files of Keras do not keep where random generators are.
    tuner = make_tuner(all_but(["disturb_label"]))
    here = train_and_save(tuner, data, tmp_path)
    printed = run_in_fresh_process(GO_ON, tmp_path)
    there = json.loads(printed.splitlines()[-1])
    # Was 0.03 % off once in some thousand runs, all else equal. With queues
    # that are not kept it is half, with such a key encoder 0.3 % more.
    one, other = here.pop("bi_tuning"), there.pop("bi_tuning")
    assert other == pytest.approx(one, rel=1e-3)
    assert_close(there, here, rel=1e-4)


@pytest.mark.slow
@pytest.mark.tensorflow_only
def test_two_replicas(make_tuner, data, tmp_path, run_on_two_replicas):
    """Frozen statistics, so that the split is exact."""
    tuner = make_tuner(
        all_but(DRAWING + QUEUEING + JUDGING), batch_norm="freeze"
    )
    here = train_and_save(tuner, data, tmp_path)
    printed = run_on_two_replicas(GO_ON, tmp_path)
    there = json.loads(printed.splitlines()[-1])
    assert_close(there, here)
