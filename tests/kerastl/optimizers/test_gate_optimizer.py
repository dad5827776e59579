"""Rates of what decides: what each weight really moves."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.optimizers import gate_optimizer
from kerastl.optimizers import layer_decay_optimizer
from kerastl.optimizers import staged_unfreezing_optimizer
from kerastl.optimizers.grouped_optimizer import optimizer_parts
from kerastl.surgery import add_block_routing
from kerastl.surgery import add_gated_filters

RATE = 0.125


def _filters(network):
    return add_gated_filters(network, units=4, seed=0)


def _blocks(network):
    return add_block_routing(network, seed=0)


def _decides(path):
    name = path.split("/")[0]
    endings = ("_gate_project", "_gate_logits", "recurrent_gate")
    return name.endswith(endings) or name.startswith("policy_")


@pytest.fixture
def make_model(make_model):
    def make(optimizer, gated=_filters, *arguments, **options):
        return make_model(optimizer, gated, *arguments, **options)

    return make


def _sgd(model):
    return keras.optimizers.SGD(RATE)


def _with_factor(factor, base=_sgd):
    return lambda model: gate_optimizer(model, base(model), factor)


def _assert_scaled(steps, reference, factor, rtol=1e-4, atol=1e-7):
    """Gates moved `factor` times as far as in `reference`, the rest as far."""
    assert {path for path in steps if _decides(path)}
    moved = [path for path in steps if _decides(path) and np.any(steps[path])]
    assert moved
    for path, change in steps.items():
        expected = reference[path] * (factor if _decides(path) else 1)
        np.testing.assert_allclose(
            change, expected, rtol, atol * max(1, factor), err_msg=path
        )


def _rates(optimizer):
    """Learning rate of the network, and of the gates."""
    network, gates = optimizer.optimizers[::-1]
    assert gates.name == f"{network.name}_gates"
    return [float(part.learning_rate) for part in (network, gates)]


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("gated, factor", [(_filters, 10.0), (_blocks, 0.25)])
def test_a_step_of_the_gates_is_scaled(
    make_model, images, labels, step, gated, factor, jit_compile
):
    if jit_compile and keras.backend.backend() != "tensorflow":
        pytest.skip("JAX always compiles")
    # XLA draws other noise.
    plain = make_model(_sgd, gated, jit_compile)
    model = make_model(_with_factor(factor), gated, jit_compile)
    reference = step(plain, images, labels)
    _assert_scaled(step(model, images, labels), reference, factor)


def test_one_is_the_optimizer_itself(make_model, images, labels, step):
    def momentum(model):
        return keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=0.01)

    expected = make_model(momentum, _blocks, tuner=True)
    found = make_model(_with_factor(1.0, momentum), _blocks, tuner=True)
    for _ in range(3):
        reference = step(expected, images, labels)
        _assert_scaled(step(found, images, labels), reference, 1, atol=1e-6)


def test_a_schedule_is_kept(make_model, images, labels, step):
    cosine = keras.optimizers.schedules.CosineDecay(RATE, 4)
    model = make_model(
        _with_factor(10, lambda model: keras.optimizers.Adam(cosine))
    )
    for number in range(4):
        rate = float(cosine(number))
        np.testing.assert_allclose(float(model.optimizer.learning_rate), rate)
        np.testing.assert_allclose(_rates(model.optimizer), [rate, 10 * rate])
        model.train_on_batch(images, labels)
    moved = step(model, images, labels)
    assert not any(map(np.any, moved.values()))
    longer = keras.optimizers.schedules.CosineDecay(RATE, 10)
    model.optimizer.learning_rate = longer
    rate = float(longer(5))
    np.testing.assert_allclose(_rates(model.optimizer), [rate, 10 * rate])


def test_the_gates_follow_a_rate_that_is_set(make_model, images, labels, step):
    reference = step(make_model(_sgd), images, labels)
    model = make_model(_with_factor(10))
    model.optimizer.learning_rate = RATE / 2
    steps = step(model, images, labels)
    half = {path: change / 2 for path, change in reference.items()}
    _assert_scaled(steps, half, 10)
    np.testing.assert_allclose(_rates(model.optimizer), [RATE / 2, 5 * RATE])


def test_they_follow_the_callbacks_of_keras(make_model, images, labels):
    # It gives every part of the optimizer the same rate.
    scheduler = keras.callbacks.LearningRateScheduler(
        lambda epoch: RATE / 2**epoch
    )
    model = make_model(_with_factor(0.5))
    history = model.fit(
        images,
        labels,
        batch_size=12,
        epochs=3,
        callbacks=[scheduler],
        verbose=0,
    ).history
    network, gates = (
        history[f"learning_rate_{part.name}"]
        for part in model.optimizer.optimizers[::-1]
    )
    np.testing.assert_allclose(network, [RATE, RATE / 2, RATE / 4])
    np.testing.assert_allclose(gates, [RATE / 2, RATE / 4, RATE / 8])


def test_a_learning_rate_can_be_searched(make_model, images, labels):
    model = make_model(_with_factor(10))
    search = kerastl.find_learning_rate(
        model, (images, labels), highest=10.0, steps=6
    )
    assert 0 < search.suggestion < 10
    np.testing.assert_allclose(_rates(model.optimizer), [RATE, 10 * RATE])


def test_mixed_precision(make_model, images, labels, step):
    keras.config.set_dtype_policy("mixed_float16")

    def scaled_step(optimizer):
        model = make_model(optimizer)
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        model.optimizer.initial_scale = 2.0
        model.optimizer.learning_rate = RATE / 2
        return step(model, images, labels)

    _assert_scaled(
        scaled_step(_with_factor(4)), scaled_step(_sgd), 4, 0.02, 1e-5
    )


def test_every_weight_has_one_optimizer(make_model, images, labels):
    model = make_model(_with_factor(10), _blocks, tuner=True)
    parts = optimizer_parts(model.optimizer, model.trainable_variables)
    gates, network = ([v.path for v in held] for _, held in parts)
    assert all(map(_decides, gates)) and not any(map(_decides, network))
    assert sorted([*gates, *network]) == sorted(
        variable.path for variable in model.trainable_variables
    )


def _decayed(model):
    return layer_decay_optimizer(model, _sgd(model), decay=0.5)


def _staged(model):
    return staged_unfreezing_optimizer(model, _sgd(model), 1)


@pytest.mark.parametrize(
    "base, gated", [(_decayed, _filters), (_staged, _blocks)]
)
def test_on_top_of_rates_by_layer(
    make_model, images, labels, step, base, gated
):
    plain = make_model(base, gated)
    scaled = make_model(_with_factor(4.0, base), gated)
    reference, steps = (
        step(model, images, labels) for model in (plain, scaled)
    )
    if base is _staged:
        # First the head alone.
        assert {path for path in steps if np.any(steps[path])} == {
            "predictions/kernel",
            "predictions/bias",
        }
        for model in (plain, scaled):
            model.optimizer.iterations.assign(9)
            for part in model.optimizer.optimizers:
                part.iterations.assign(9)
        scaled.set_weights(plain.get_weights())
        reference, steps = (
            step(model, images, labels) for model in (plain, scaled)
        )
    _assert_scaled(steps, reference, 4.0)
    with pytest.raises(AttributeError, match="several learning rates"):
        scaled.optimizer.learning_rate = 0.1


def _gate_layers(model):
    """Names of the layers with a rate of their own."""
    optimizer = gate_optimizer(model, "sgd")
    (gates, held), _ = optimizer_parts(optimizer, model.trainable_variables)
    assert gates.name.endswith("_gates")
    return {variable.path.split("/")[-2] for variable in held}


def test_a_policy_of_ones_own(make_network):
    inside = keras.Sequential(
        [
            keras.Input((8, 8, 8)),
            layers.Conv2D(4, 3, name="inner_conv"),
            layers.BatchNormalization(name="inner_bn"),
        ],
        name="policy_model",
    )

    def policy(image):
        return inside(layers.Conv2D(8, 3, 2, "same", name="outer_conv")(image))

    routed = add_block_routing(make_network(), policy=policy)
    # A gated network may lie in another model, which has layers of its own.
    whole = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(3, 1, name="before"), routed]
    )
    for model in (routed, whole):
        assert _gate_layers(model) == {
            "outer_conv",
            "inner_conv",
            "inner_bn",
            "block1_add_gate_logits",
            "block2_add_gate_logits",
        }


def test_what_a_policy_shares_with_the_network_is_not_its_own():
    inputs = keras.Input((8, 8, 3))
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = shared(inputs)
    looked_at = layers.Conv2D(4, 3, name="own")(shared(layers.ReLU()(inputs)))
    pooled = layers.GlobalAveragePooling2D()(looked_at)
    gates = kerastl.layers.BinaryGates()(layers.Dense(1, name="logits")(pooled))
    tuned = layers.Conv2D(4, 3, padding="same", name="tuned")(x)
    mixed = kerastl.layers.MixByGates()([tuned, x, gates])
    # Gates that are looked at are gates still.
    model = keras.Model(inputs, [mixed, gates])
    assert _gate_layers(model) == {"own", "logits"}


def test_it_goes_on_in_another_process(
    make_network, make_model, images, labels, tmp_path, run_in_fresh_process
):
    def base(model):
        return keras.optimizers.SGD(0.01, momentum=0.9)

    # The second one's cell has a name that the loaded one's will not have.
    _filters(make_network())
    model = make_model(_with_factor(3.0, base), tuner=True)
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
        losses = [
            float(model.train_on_batch(
                data["images"], data["labels"], return_dict=True
            )["loss"])
            for _ in range(4)
        ]
        model.optimizer.learning_rate = 0.5
        model.train_on_batch(data["images"], data["labels"])
        gates, network = model.optimizer.optimizers
        print(json.dumps([losses, float(gates.learning_rate)]))
        """,
        tmp_path,
    )
    found, rate = json.loads(printed.splitlines()[-1])
    assert rate == 1.5
    expected = []
    model.reset_metrics()
    for _ in range(4):
        logs = model.train_on_batch(images, labels, return_dict=True)
        expected.append(float(logs["loss"]))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_errors(make_network):
    network = make_network()
    base = keras.optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="no gates that train.*'network'"):
        gate_optimizer(network, base)
    gated = _filters(network)
    with pytest.raises(ValueError, match="factor=0"):
        gate_optimizer(gated, base, factor=0)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    for wrong in (scaled, gate_optimizer(gated, base)):
        with pytest.raises(ValueError, match="neither scales the loss"):
            gate_optimizer(gated, wrong)
    with pytest.raises(ValueError, match="must be in a.*OptimizerMap"):
        gate_optimizer(gated, keras.optimizers.MultiOptimizer(_sgd))
    with pytest.raises(ValueError, match="Only functional and sequential"):
        gate_optimizer(kerastl.FineTuner(gated), base)
    gated.trainable = False
    with pytest.raises(ValueError, match="no gates that train"):
        gate_optimizer(gated, base)


def test_a_gate_with_the_path_of_a_weight_of_the_network(make_network):
    gated = add_gated_filters(make_network(), ["stem_conv"], units=2)
    inner = keras.Model(gated.input, gated.get_layer("pool").output)
    inputs = keras.Input((16, 16, 3))
    name = "stem_conv_gate_logits"
    outputs = keras.layers.Dense(3, name=name)(inner(inputs))
    with pytest.raises(ValueError, match="two weights of path"):
        gate_optimizer(keras.Model(inputs, outputs), "sgd")
