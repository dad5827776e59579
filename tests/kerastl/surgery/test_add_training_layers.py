import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl import surgery
from kerastl.layers import DropConnectDense
from kerastl.layers import GaussianSmoothing2D
from kerastl.layers import StochNorm
from kerastl.surgery import add_curriculum_smoothing
from kerastl.surgery import add_drop_connect
from kerastl.surgery import add_stoch_norm
from kerastl.surgery.graph import hidden_layers
from kerastl.surgery.graph import walk

REWRITINGS = {
    "stoch_norm": lambda model: surgery.add_stoch_norm(model, seed=1),
    "smoothing": lambda model: surgery.add_curriculum_smoothing(model),
    "adaptive": lambda model: surgery.adapt_blurs(
        kerastl.antialias(model), groups=2
    ),
    "drop_connect": lambda model: surgery.add_drop_connect(model, seed=1),
    "depth": lambda model: surgery.add_stochastic_depth(model, seed=1),
}


def _all(model):
    for rewrite in REWRITINGS.values():
        model = rewrite(model)
    return model


@pytest.fixture(params=REWRITINGS)
def rewriting(request):
    return request.param


@pytest.fixture
def make_student(make_network, randomise):
    def make(rewriting):
        keras.utils.set_random_seed(4)
        rewrite = _all if rewriting == "all" else REWRITINGS[rewriting]
        return rewrite(randomise(make_network()))

    return make


@pytest.fixture
def make_tuner(make_student):
    def make(rewriting, jit_compile=False):
        tuner = kerastl.FineTuner(make_student(rewriting))
        tuner.compile(
            keras.optimizers.SGD(0.01, 0.9),
            "sparse_categorical_crossentropy",
            jit_compile=jit_compile,
        )
        return tuner

    return make


def _fit(tuner, images, labels, epochs=2):
    return tuner.fit(
        images, labels, batch_size=8, epochs=epochs, shuffle=False, verbose=0
    ).history["loss"]


def test_inference_stays_what_it_was(
    rewriting, make_student, make_network, randomise, images, predict
):
    keras.utils.set_random_seed(4)
    model = randomise(make_network())
    if rewriting == "adaptive":
        model = kerastl.antialias(model)
    expected = predict(model, images)
    student = make_student(rewriting)
    for layer in student.layers:
        if isinstance(layer, kerastl.layers.GaussianSmoothing2D):
            layer.sigma.assign(0.1)
    np.testing.assert_allclose(predict(student, images), expected, atol=1e-5)
    folded = surgery.fold_training_layers(student)
    np.testing.assert_allclose(predict(folded, images), expected, atol=1e-5)
    if rewriting != "adaptive":
        assert [type(layer) for layer in folded.layers] == [
            type(layer) for layer in model.layers
        ]
        assert [layer.name for layer in folded.layers] == [
            layer.name for layer in model.layers
        ]


def test_the_fold_of_a_trained_network_computes_the_same(
    rewriting, make_tuner, images, labels, predict
):
    tuner = make_tuner(rewriting)
    _fit(tuner, images, labels)
    folded = surgery.fold_training_layers(tuner.student)
    assert len(folded.trainable_variables) == len(
        tuner.student.trainable_variables
    )
    np.testing.assert_allclose(
        predict(folded, images), predict(tuner.student, images), atol=1e-5
    )


@pytest.mark.tensorflow_only
def test_xla_trains_all_together(make_tuner, images, labels):
    tuner = make_tuner("all", jit_compile=True)
    before = [w.numpy() for w in tuner.trainable_variables]
    (loss,) = _fit(tuner, images, labels, 1)
    # Other draws than without XLA, so not the same numbers.
    (plain,) = _fit(make_tuner("all"), images, labels, 1)
    assert loss == pytest.approx(plain, rel=0.3)
    for old, new in zip(before, tuner.trainable_variables, strict=True):
        assert np.abs(new.numpy() - old).max() > 0, new.path


def test_mixed_precision_trains_all_together(make_tuner, images, labels):
    exact = _fit(make_tuner("all"), images, labels, 1)
    keras.config.set_dtype_policy("mixed_float16")
    half = _fit(make_tuner("all"), images, labels, 1)
    np.testing.assert_allclose(half, exact, rtol=0.05)


def test_same_seed_same_result(make_tuner, images, labels):
    first, second = make_tuner("all"), make_tuner("all")
    assert _fit(first, images, labels) == _fit(second, images, labels)
    assert len(set(_fit(first, images, labels, 3))) == 3


_GO_ON = """
    import contextlib, json, sys
    import keras, numpy as np
    import kerastl
    folder = sys.argv[1]
    data = np.load(folder + "/data.npz")
    mirrored = "strategy" in globals()
    with strategy.scope() if mirrored else contextlib.nullcontext():
        tuner = keras.models.load_model(folder + "/tuner.keras")
    print(json.dumps(tuner.fit(
        data["images"], data["labels"], batch_size=8, verbose=0, epochs=2,
        shuffle=False,
    ).history["loss"]))
"""


def _trained_and_saved(make_tuner, images, labels, folder):
    np.savez(folder / "data.npz", images=images, labels=labels)
    tuner = make_tuner("all")
    _fit(tuner, images, labels)
    tuner.save(folder / "tuner.keras")
    # Keras does not save the state of generators: a loaded model draws from
    # its seeds on.
    for layer in hidden_layers(tuner):
        if hasattr(layer, "seed_generator"):
            fresh = keras.random.SeedGenerator(layer.seed)
            layer.seed_generator.state.assign(fresh.state)
    return tuner


def test_training_goes_on_in_another_process(
    make_tuner, images, labels, tmp_path, run_in_fresh_process
):
    tuner = _trained_and_saved(make_tuner, images, labels, tmp_path)
    printed = run_in_fresh_process(_GO_ON, tmp_path)
    np.testing.assert_allclose(
        json.loads(printed.splitlines()[-1]),
        _fit(tuner, images, labels),
        rtol=1e-4,
    )


@pytest.mark.tensorflow_only
@pytest.mark.slow
def test_two_replicas_train(
    make_tuner, images, labels, tmp_path, run_on_two_replicas
):
    _trained_and_saved(make_tuner, images, labels, tmp_path)
    printed = run_on_two_replicas(_GO_ON, tmp_path)
    first, second = json.loads(printed.splitlines()[-1])
    # Draws and batch statistics are each replica's own.
    assert np.isfinite([first, second]).all() and first != second


def test_only_the_classifier_changes(small_cnn):
    model = add_drop_connect(small_cnn(), rate=0.3, seed=5)
    head = model.get_layer("head")
    assert type(head) is DropConnectDense
    assert (head.rate, head.seed, head.units) == (0.3, 5, 4)


def test_a_network_without_a_dense_classifier(chain):
    with pytest.raises(ValueError, match="kerastl.replace_head"):
        add_drop_connect(chain(layers.Conv2D(4, 3)))


def test_every_normalization_draws_for_itself(small_cnn, make_network):
    model = add_stoch_norm(make_network(), p=0.3, seed=10)
    found = [x for x in model.layers if isinstance(x, StochNorm)]
    assert [x.name for x in found] == [
        "stem_bn",
        "block1_bn",
        "down_bn",
        "block2_bn",
    ]
    assert {x.p for x in found} == {0.3}
    assert len({x.seed for x in found}) == 4
    nested = add_stoch_norm(small_cnn()).get_layer("backbone")
    assert type(nested.get_layer("stem_bn")) is StochNorm


def test_statistics_are_measured_anew_as_without(make_network, images):
    model = make_network()
    changed = add_stoch_norm(model, p=0.5)
    for each in (model, changed):
        kerastl.reestimate_batch_norm(each, images)
    for one, other in zip(model.weights, changed.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, err_msg=one.path)


def test_errors_of_stochastic_normalization(small_cnn):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="the model has none"):
        add_stoch_norm(model)
    with pytest.raises(ValueError, match="p=2"):
        add_stoch_norm(small_cnn(), p=2)


def test_filters_go_between_convolution_and_normalization(small_cnn):
    model = add_curriculum_smoothing(small_cnn(), sigma=0.8)
    calls = list(walk(model))
    producers = {id(t): n for _, n in calls for t in n.outputs}
    places = {}
    for graph, node in calls:
        if isinstance(node.operation, GaussianSmoothing2D):
            assert float(node.operation.sigma) == pytest.approx(0.8)
            (reader,) = graph.readers(node.outputs[0])
            front = producers[id(node.inputs[0])].operation.name
            places[front] = reader.operation.name
    # Not behind the 1x1 shortcut.
    assert places == {"stem": "stem_bn", "dw": "max"}


def test_a_shared_convolution_has_one_filter(images):
    inputs = keras.Input((8, 8, 3))
    convolution = layers.Conv2D(3, 3, padding="same", name="shared")
    outputs = convolution(convolution(inputs))
    model = add_curriculum_smoothing(keras.Model(inputs, outputs))
    names = [layer.name for layer in model.layers]
    assert names.count("shared_smoothing") == 1


def test_errors_of_curriculum_smoothing(chain):
    with pytest.raises(ValueError, match="the model has none"):
        add_curriculum_smoothing(chain(layers.Conv2D(4, 5)))
    with pytest.raises(ValueError, match="sigma=0"):
        add_curriculum_smoothing(chain(layers.Conv2D(4, 3)), sigma=0)
