"""A network whose input is in a dict trains as with the bare tensor."""

import warnings

import keras
import numpy as np
import pytest

import kerastl
from kerastl import losses

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.uniform(0, 255, (24, 8, 8, 3)).astype("float32")
LABELS = np.arange(24) % 3


def network(in_dict, classes=3):
    """The same weights each time."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3), name="photo")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, name="tap")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(classes, "softmax", name="head")(x)
    return keras.Model({"photo": inputs} if in_dict else inputs, outputs)


def fit(terms, x=IMAGES, y=LABELS):
    def train(in_dict):
        student = network(in_dict)
        tuner = kerastl.FineTuner(student, network(in_dict), taps=["tap"])
        tuner.compile(
            keras.optimizers.SGD(0.1),
            "sparse_categorical_crossentropy",
            transfer_losses=terms(in_dict),
            metrics=["accuracy"],
            jit_compile=False,
        )
        history = tuner.fit(
            x, y, batch_size=8, shuffle=False, verbose=0, epochs=2
        )
        return {**history.history, "answers": student_answers(tuner)}

    return train


def student_answers(tuner):
    return tuner.predict(IMAGES, verbose=0)


def stored(in_dict):
    source = network(in_dict)
    found = kerastl.store_source_features(
        kerastl.FineTuner(network(in_dict), source, taps=["tap"]),
        kerastl.data.ArrayBatches((IMAGES, LABELS), 8, shuffle=False),
    )
    x, _ = found[0]
    return {"stored": x["source_features"]["tap"]}


def measured(in_dict):
    model = network(in_dict)
    kerastl.reestimate_batch_norm(model, IMAGES)
    return dict(enumerate(model.get_weights()))


def with_head(change):
    def answers(in_dict):
        model = network(in_dict)
        change(model)
        return dict(enumerate(model.get_weights()))

    return answers


def relation(in_dict):
    return {
        "relation": losses.class_relation(
            network(in_dict, classes=5), (IMAGES, LABELS)
        )
    }


def attacked(in_dict):
    return {
        "images": kerastl.adversarial_images(network(in_dict), IMAGES, LABELS)
    }


UNLABELLED = kerastl.data.ArrayBatches(
    ({"images": IMAGES, "unlabelled": IMAGES[::-1]}, LABELS), 8, shuffle=False
)
USES = {
    "no terms": fit(lambda in_dict: []),
    "delta": fit(lambda in_dict: [losses.DELTA(0.1)]),
    "pseudo labels": fit(
        lambda in_dict: [losses.PseudoLabels(1.0, threshold=0.1)],
        UNLABELLED,
        None,
    ),
    "teacher": fit(
        lambda in_dict: [losses.TeacherDistillation(network(in_dict), 1.0)]
    ),
    "stored features": stored,
    "batch norm": measured,
    "imprint": with_head(lambda m: kerastl.imprint_head(m, (IMAGES, LABELS))),
    "fit head": with_head(lambda m: kerastl.fit_head(m, (IMAGES, LABELS))),
    "relation": relation,
    "attack": attacked,
}


@pytest.mark.parametrize("use", USES)
def test_it_computes_the_same_and_keras_warns_of_nothing(use):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The structure of")
        found = USES[use](True)
    expected = USES[use](False)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)
