"""Learning rates by layer: what each weight really moves."""

import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.optimizers import layer_decay_optimizer
from kerastl.optimizers import staged_unfreezing_optimizer

RATE = 0.125


def _group(path):
    name = path.split("/")[0].split("_")[0]
    return "head" if name == "predictions" else name


def _plain(model):
    return keras.optimizers.SGD(RATE, momentum=0.9)


def _factors(steps, reference):
    """Ratio of each group's steps to those at the full rate."""
    found = {}
    for path, change in steps.items():
        scale = np.linalg.norm(reference[path])
        if scale > 1e-6:
            ratio = np.linalg.norm(change) / scale
            found.setdefault(_group(path), []).append(ratio)
    for ratios in found.values():
        np.testing.assert_allclose(ratios, ratios[0], rtol=0.02)
    return {group: ratios[0] for group, ratios in found.items()}


def _decayed(model):
    groups = kerastl.surgery.layer_groups(model)
    assert len(groups) == 3
    return layer_decay_optimizer(model, _plain(model), decay=0.5)


@pytest.mark.parametrize("tuner", [False, True])
def test_layer_decay_scales_the_first_step(
    make_model, images, labels, step, tuner
):
    reference = step(make_model(_plain, tuner=tuner), images, labels)
    model = make_model(_decayed, tuner=tuner)
    factors = _factors(step(model, images, labels), reference)
    assert factors == pytest.approx(
        {
            "stem": 0.25,
            "block1": 0.25,
            "down": 0.5,
            "block2": 0.5,
            "head": 1,
        },
        rel=0.02,
    )


def _schedule(model):
    cosine = keras.optimizers.schedules.CosineDecay(RATE, 20)
    return staged_unfreezing_optimizer(
        model, keras.optimizers.Adam(cosine), steps_per_stage=2
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_stages_unfreeze_in_one_compiled_step(
    make_model, images, labels, step, jit_compile
):
    if jit_compile and keras.backend.backend() != "tensorflow":
        pytest.skip("JAX always compiles")
    model = make_model(_schedule, jit_compile=jit_compile)
    moved = []
    for _ in range(7):
        steps = step(model, images, labels)
        moved.append({_group(path) for path in steps if np.any(steps[path])})
    head, top = {"head"}, {"down", "block2"}
    low = {"stem", "block1"}
    middle = head | top
    assert moved[:2] == [head, head]
    assert moved[2:4] == [middle, middle]
    assert moved[4:] == [middle | low] * 3


def test_mixed_precision_and_weight_decay(make_model, images, labels, step):
    keras.config.set_dtype_policy("mixed_float16")
    model = make_model(
        lambda model: staged_unfreezing_optimizer(
            model, keras.optimizers.SGD(RATE, weight_decay=0.1), 3
        )
    )
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    model.optimizer.initial_scale = 2.0
    for _ in range(3):
        steps = step(model, images, labels)
        assert all(
            not np.any(change)
            for path, change in steps.items()
            if _group(path) != "head"
        )


def test_it_goes_on_in_another_process(
    make_model, images, labels, tmp_path, run_in_fresh_process
):
    model = make_model(_schedule, tuner=True)
    for _ in range(3):
        model.train_on_batch(images, labels)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_in_fresh_process(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        model = keras.models.load_model(sys.argv[1] + "/model.keras")
        data = np.load(sys.argv[1] + "/data.npz")
        print(json.dumps([
            float(model.train_on_batch(
                data["images"], data["labels"], return_dict=True
            )["loss"])
            for _ in range(4)
        ]))
        """,
        tmp_path,
    )
    expected = []
    model.reset_metrics()
    for _ in range(4):
        logs = model.train_on_batch(images, labels, return_dict=True)
        expected.append(float(logs["loss"]))
    np.testing.assert_allclose(
        json.loads(printed.splitlines()[-1]), expected, rtol=1e-4
    )


def test_errors(make_network):
    model = make_network()
    base = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="decay=0"):
        layer_decay_optimizer(model, base, decay=0)
    with pytest.raises(ValueError, match="steps_per_stage=0"):
        staged_unfreezing_optimizer(model, base, 0)
    wrapped = keras.optimizers.LossScaleOptimizer(base)
    with pytest.raises(ValueError, match="must be a plain"):
        layer_decay_optimizer(model, wrapped)


def test_two_backbones_share_paths(make_two_streams):
    model = make_two_streams()
    rgb, ir = model.get_layer("rgb"), model.get_layer("ir")
    head = [model.get_layer("predictions")]
    lower, upper = (
        [net.get_layer(f"{name}_{kind}") for net in (rgb, ir) for kind in kinds]
        for name, kinds in (
            ("first", ("conv", "bn")),
            ("second", ("conv", "bn")),
        )
    )
    base = keras.optimizers.SGD(0.1)
    optimizer = layer_decay_optimizer(model, base, 0.5, [lower, upper, head])
    optimizer.build(model.trainable_variables)
    rates = {
        id(variable): float(part.learning_rate)
        for part in optimizer.optimizers
        for variable in part._trainable_variables
    }
    for net in (rgb, ir):
        assert rates[id(net.get_layer("first_conv").kernel)] == pytest.approx(
            0.025
        )
        assert rates[id(net.get_layer("second_bn").gamma)] == pytest.approx(
            0.05
        )
    # One stream after the other: Keras cannot tell them apart.
    groups = [rgb.layers[1:], ir.layers[1:], head]
    with pytest.raises(ValueError, match="several weights of path 'first"):
        layer_decay_optimizer(model, base, 0.5, groups)
    with pytest.raises(ValueError, match="several weights of path 'first"):
        staged_unfreezing_optimizer(model, base, 3, groups=[lower[:2], head])
