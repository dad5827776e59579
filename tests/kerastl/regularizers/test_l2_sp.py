import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.regularizers import L2
from kerastl.regularizers import L2SP

KERNELS = ["stem_conv", "block1_conv", "down_conv", "block2_conv"]


def _kernels(model):
    return {
        name: model.get_layer(name).kernel.numpy().copy()
        for name in [*KERNELS, "predictions"]
    }


def _penalty(model):
    return float(sum(model.losses))


def _shake(model, seed=0):
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        noise = generator.normal(size=variable.shape) * 0.1
        variable.assign(variable.numpy() + noise.astype("float32"))


def _expected(model, start, strength, head_strength):
    now = _kernels(model)
    anchored = sum(np.sum((now[n] - start[n]) ** 2) for n in KERNELS)
    head = np.sum(now["predictions"] ** 2)
    return strength / 2 * anchored + head_strength / 2 * head


def test_distance_from_the_start_and_plain_l2_on_the_head(make_network):
    model = make_network()
    start = _kernels(model)
    assert L2SP(0.6, 0.2).attach(model) is model
    assert _penalty(model) == pytest.approx(
        _expected(model, start, 0.6, 0.2), rel=1e-5
    )
    _shake(model)
    assert _penalty(model) == pytest.approx(
        _expected(model, start, 0.6, 0.2), rel=1e-5
    )


def test_a_step_goes_back_toward_the_start(make_network, images, labels):
    """With a gradient of the penalty alone, w - w0 shrinks by lr * a."""
    model = make_network()
    start = _kernels(model)
    L2SP(0.5, 0.0).attach(model)
    _shake(model)
    shaken = _kernels(model)
    model.compile(
        keras.optimizers.SGD(0.1), lambda y, p: keras.ops.sum(0 * p, axis=-1)
    )
    model.train_on_batch(images, labels)
    for name, value in _kernels(model).items():
        moved = shaken[name] - 0.1 * 0.5 * (shaken[name] - start[name])
        if name == "predictions":
            moved = shaken[name]
        np.testing.assert_allclose(value, moved, atol=1e-5)


def test_all_kinds_of_kernels_and_nothing_else():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.SeparableConv2D(4, 3, name="separable"),
            layers.BatchNormalization(name="bn"),
            layers.Flatten(),
            layers.Dense(5, name="hidden"),
            layers.Dense(2, name="head"),
        ],
        name="net",
    )
    L2SP().attach(model)
    penalised = {v.path for v in model.variables if v.regularizer is not None}
    assert penalised == {
        "net/depthwise/kernel",
        "net/separable/depthwise_kernel",
        "net/separable/pointwise_kernel",
        "net/hidden/kernel",
        "net/head/kernel",
    }
    # As many as without the penalty: the anchors are no weights of the model.
    assert len(model.weights) == 13
    L2SP(batch_norm=True).attach(model)
    _shake(model)
    anchors = {
        v.path
        for v in model.variables
        if getattr(v.regularizer, "anchor", None) is not None
    }
    assert anchors >= {"net/bn/gamma", "net/bn/beta"}
    assert "net/head/kernel" not in anchors


def test_starting_values_of_a_source(make_network):
    source = make_network()
    student = kerastl.replace_head(kerastl.antialias(source), 5)
    _shake(student)
    L2SP(1.0, 0.5).attach(student, source=source)
    distance = sum(
        np.sum((student.get_layer(n).kernel.numpy() - w) ** 2)
        for n, w in _kernels(source).items()
        if n in KERNELS
    )
    head = np.sum(student.get_layer("head").kernel.numpy() ** 2)
    assert _penalty(student) == pytest.approx(distance / 2 + head / 4, rel=1e-5)


def test_named_heads(make_network):
    model = make_network()
    L2SP(1.0, 0.0, head=["block2_conv", "predictions"]).attach(model)
    anchored = {
        v.path.split("/")[0]
        for v in model.variables
        if getattr(v.regularizer, "anchor", None) is not None
    }
    assert anchored == {"stem_conv", "block1_conv", "down_conv"}


def test_fisher_weighs_every_element(make_network):
    model = make_network()
    start = _kernels(model)
    generator = np.random.default_rng(0)
    fisher = {
        f"{name}/kernel": generator.uniform(size=start[name].shape)
        for name in KERNELS
    }
    L2SP(0.4, 0.0, fisher=fisher).attach(model)
    _shake(model)
    expected = 0.2 * sum(
        np.sum(fisher[f"{n}/kernel"] * (_kernels(model)[n] - start[n]) ** 2)
        for n in KERNELS
    )
    assert _penalty(model) == pytest.approx(expected, rel=1e-5)
    copy = kerastl.surgery.copy_model(model)
    assert _penalty(copy) == pytest.approx(expected, rel=1e-5)


def test_a_strength_for_each_layer(make_network):
    model = make_network()
    start = _kernels(model)
    strength = {"down_conv": 0.3, r"(block|down).*": 0.8}
    L2SP(strength, 0.0).attach(model)
    _shake(model)
    now = _kernels(model)
    factors = {"down_conv": 0.3, "block1_conv": 0.8, "block2_conv": 0.8}
    expected = sum(
        factor / 2 * np.sum((now[name] - start[name]) ** 2)
        for name, factor in factors.items()
    )
    assert _penalty(model) == pytest.approx(expected, rel=1e-5)
    assert model.get_layer("stem_conv").kernel.regularizer is None


def test_a_strength_for_no_layer(make_network):
    with pytest.raises(ValueError, match="mean 'down_conv'.*'down_con'"):
        L2SP({"down_con": 0.1}).attach(make_network())
    with pytest.raises(ValueError, match=r"strength\['stem_conv'\]=-1"):
        L2SP({"stem_conv": -1})


def test_anchors_travel_through_surgery(make_network):
    model = make_network()
    start = _kernels(model)
    L2SP(0.6, 0.2).attach(model)
    _shake(model)
    expected = _expected(model, start, 0.6, 0.2)
    for copy in (kerastl.surgery.copy_model(model), kerastl.antialias(model)):
        assert _penalty(copy) == pytest.approx(expected, rel=1e-5)
    cloned = keras.models.clone_model(model)
    with pytest.raises(ValueError, match="copy_model"):
        _penalty(cloned)


@pytest.mark.slow
def test_anchors_travel_through_files(
    make_network, tmp_path, run_in_fresh_process
):
    model = make_network()
    start = _kernels(model)
    L2SP(0.6, 0.2).attach(model)
    _shake(model)
    model.save(tmp_path / "model.keras")
    printed = run_in_fresh_process(
        """
        import json, sys
        import keras
        import kerastl
        model = keras.models.load_model(sys.argv[1])
        print(json.dumps([float(sum(model.losses)), len(model.weights)]))
        """,
        tmp_path / "model.keras",
    )
    penalty, weights = json.loads(printed.splitlines()[-1])
    assert penalty == pytest.approx(_expected(model, start, 0.6, 0.2), rel=1e-5)
    assert weights == len(model.weights)


def test_weight_files_with_and_without_anchors(make_network, tmp_path):
    plain = make_network()
    plain.save_weights(tmp_path / "plain.weights.h5")
    model = make_network()
    start = _kernels(model)
    L2SP(1.0, 1.0).attach(model)
    # A plain file sets the weights and leaves the anchors.
    model.load_weights(tmp_path / "plain.weights.h5")
    assert _penalty(model) == pytest.approx(
        _expected(plain, start, 1.0, 1.0), rel=1e-5
    )
    model.save_weights(tmp_path / "anchored.weights.h5")
    other = make_network()
    other.load_weights(tmp_path / "anchored.weights.h5")
    L2SP(1.0, 1.0).attach(other)
    other.load_weights(tmp_path / "anchored.weights.h5")
    assert _penalty(other) == pytest.approx(_penalty(model), rel=1e-5)


@pytest.mark.slow
def test_detached_model_needs_no_kerastl(
    make_network, images, labels, tmp_path, run_in_fresh_process
):
    model = make_network()
    penalty = L2SP(5.0, 5.0)
    penalty.attach(model)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, labels, verbose=0)
    penalty.detach(model)
    assert model.losses == []
    model.save(tmp_path / "model.keras")
    printed = run_in_fresh_process(
        """
        import sys
        import keras
        model = keras.models.load_model(sys.argv[1])
        print("kerastl" in sys.modules, len(model.losses))
        """,
        tmp_path / "model.keras",
    )
    assert printed.splitlines()[-1] == "False 0"


def test_attach_after_compile_and_after_fit(make_network, images, labels):
    model = make_network()
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    plain = model.fit(images, labels, verbose=0).history["loss"][0]
    L2(2.0, 2.0).attach(model)
    squares = sum(np.sum(w**2) for w in _kernels(model).values())
    loss = model.fit(images, labels, verbose=0).history["loss"][0]
    assert loss == pytest.approx(plain + squares, rel=1e-4)
    kerastl.regularizers.detach(model)
    again = model.fit(images, labels, verbose=0).history["loss"][0]
    assert again == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_trains_in_every_mode(
    make_network, images, labels, jit_compile, policy
):
    keras.config.set_dtype_policy(policy)
    model = make_network()
    start = _kernels(model)
    _shake(model)
    L2SP(0.6, 0.2).attach(model, source=None)
    start = _kernels(model)
    model.compile(
        keras.optimizers.SGD(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=jit_compile,
    )
    history = model.fit(images, labels, verbose=0, epochs=2).history
    assert np.isfinite(history["loss"]).all()
    assert _penalty(model) == pytest.approx(
        _expected(model, start, 0.6, 0.2), rel=1e-3
    )


def test_errors(make_network):
    model = make_network()
    with pytest.raises(ValueError, match="Received: strength=-1"):
        L2SP(-1)
    with pytest.raises(ValueError, match="Did you mean 'predictions'"):
        L2SP(head="prediction").attach(model)
    with pytest.raises(ValueError, match="Received: nothing for"):
        L2SP(fisher={}).attach(model)
    other = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="elsewhere")]
    )
    with pytest.raises(ValueError, match="in common"):
        L2SP().attach(model, source=other)
    with pytest.raises(ValueError, match="no weights yet"):
        L2SP().attach(keras.Sequential([layers.Dense(3)]))
    other.layers[0].kernel_regularizer = keras.regularizers.L1(0.1)
    with pytest.raises(ValueError, match="has a regularizer already"):
        L2().attach(other)
    # Nothing was attached on the way to an error.
    assert model.losses == []


def _squares(model, source, names):
    """Half the squared distance of the kernels of two backbones."""
    total = 0.0
    for mine, theirs in names:
        for layer in ("first_conv", "second_conv"):
            gap = model.get_layer(mine).get_layer(layer).kernel.numpy()
            start = source if theirs is None else source.get_layer(theirs)
            gap = gap - start.get_layer(layer).kernel.numpy()
            total += 0.5 * float(np.sum(gap.astype("float64") ** 2))
    return total


def test_two_backbones_are_each_held_at_their_own_start(make_two_streams):
    source = make_two_streams()
    student = kerastl.surgery.copy_model(source)
    L2SP(1.0, 0.0).attach(student, source=source)
    assert _penalty(student) == 0.0
    kernel = student.get_layer("ir").get_layer("first_conv").kernel
    kernel.assign(kernel + 0.5)
    expected = 0.5 * 0.25 * kernel.numpy().size
    assert _penalty(student) == pytest.approx(expected, rel=1e-5)
    # In another order, and one level down.
    inputs = keras.Input((16, 16, 3))
    outer = keras.Sequential([inputs, kerastl.surgery.copy_model(source)])
    L2SP(1.0, 0.0).attach(outer, source=make_two_streams(("ir", "rgb")))
    other = make_two_streams(("ir", "rgb"))
    expected = _squares(outer.layers[-1], other, [("ir", "ir"), ("rgb", "rgb")])
    assert expected > 1
    # The head has the same shape and a start, too.
    kernels = outer.layers[-1].layers[-1].kernel, other.layers[-1].kernel
    expected += 0.5 * float(np.sum((kernels[0] - kernels[1]) ** 2))
    assert _penalty(outer) == pytest.approx(expected, rel=1e-5)


def test_two_backbones_from_one_or_from_one_of_two(make_two_streams):
    student = make_two_streams()
    source = make_two_streams(("net", "other")).get_layer("net")
    L2SP(1.0, 0.0).attach(student, source=source)
    expected = _squares(student, source, [("rgb", None), ("ir", None)])
    assert _penalty(student) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="Name the nested models alike"):
        L2SP(1.0).attach(student, source=make_two_streams(("a", "b")))


def test_strength_and_head_by_path(make_two_streams):
    student = make_two_streams()
    L2SP({"rgb/.*": 1.0, "second_conv": 10.0}, 0.5).attach(student)

    def strength(layer):
        penalty = layer.kernel.regularizer
        return None if penalty is None else penalty.strength

    rgb, ir = student.get_layer("rgb"), student.get_layer("ir")
    assert strength(rgb.get_layer("second_conv")) == 1.0
    assert strength(ir.get_layer("second_conv")) == 10.0
    assert strength(ir.get_layer("first_conv")) is None
    assert strength(student.get_layer("predictions")) == 0.5

    L2SP(1.0, 0.25, head="ir/second_conv").attach(student)
    assert strength(ir.get_layer("second_conv")) == 0.25
    assert strength(rgb.get_layer("second_conv")) == 1.0
    # A name means all that have it.
    L2SP(1.0, 0.25, head="second_conv").attach(student)
    assert strength(rgb.get_layer("second_conv")) == 0.25
    assert strength(ir.get_layer("second_conv")) == 0.25


def test_the_fisher_information_of_two_backbones(make_two_streams, images):
    model = make_two_streams()
    apart = make_two_streams(apart=True)
    apart.set_weights(model.get_weights())
    options = {"labels": "expected", "limit": 2}
    found = kerastl.estimate_fisher(model, images, **options)
    expected = kerastl.estimate_fisher(apart, images, **options)
    assert len(found) == len(model.trainable_variables)
    for name in ("rgb", "ir"):
        np.testing.assert_allclose(
            found[f"{name}/first_conv/kernel"],
            expected[f"{name}_first_conv/kernel"],
            rtol=1e-4,
            atol=1e-9,
        )
    L2SP(1.0, fisher=found).attach(model)
    for name in ("rgb", "ir"):
        kernel = model.get_layer(name).get_layer("first_conv").kernel
        np.testing.assert_array_equal(
            kernel.regularizer.importance, found[f"{name}/first_conv/kernel"]
        )
    with pytest.raises(ValueError, match="Name the nested models alike"):
        L2SP(1.0, fisher=found).attach(make_two_streams(("a", "b")))


def test_two_mobilenets_in_one_model():
    def backbone(name):
        return keras.applications.MobileNetV2(
            alpha=0.35,
            input_shape=(32, 32, 3),
            include_top=False,
            weights=None,
            pooling="avg",
            name=name,
        )

    inputs = keras.Input((32, 32, 3))
    both = [backbone("rgb")(inputs), backbone("ir")(inputs)]
    x = keras.layers.Concatenate()(both)
    source = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    student = kerastl.surgery.copy_model(source)
    L2SP(1.0, 0.0).attach(student, source=source)
    assert _penalty(student) == 0.0
