import keras
import numpy as np
import pytest

import kerastl
from kerastl import apps
from kerastl.apps.runs.prepare_student import save_class_means
from kerastl.apps.runs.prepare_student import suggest_for_run
from kerastl.surgery import class_means
from kerastl.surgery import embed

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def digits():
    return apps.load_digits_pair(shots=8, image_size=24)


def test_what_is_kept_makes_a_suggestion(digits, tmp_path):
    source = apps.ResNet8(input_shape=(24, 24, 3), classes=5)
    path = tmp_path / "model.keras"
    assert suggest_for_run(path, source, digits.target) is None
    save_class_means(tmp_path / "class_means.npz", source, digits.source)
    found = suggest_for_run(str(path), source, digits.target)
    expected = kerastl.suggest_hyperparameters(
        *(
            class_means(embed(source), data.images("train"))[0]
            for data in (digits.source, digits.target)
        ),
        *(
            np.bincount(data.parts["train"].labels)
            for data in (digits.source, digits.target)
        ),
    )
    assert found.similarity == pytest.approx(expected.similarity, rel=1e-5)
    assert 0 < found.similarity < 1
    same = suggest_for_run(path, source, digits.source)
    assert same.similarity == pytest.approx(1, abs=1e-4)


def test_other_weights_have_none(digits, tmp_path):
    source = apps.ResNet8(input_shape=(24, 24, 3), classes=5)
    save_class_means(tmp_path / "class_means.npz", source, digits.source)
    inputs = keras.Input((24, 24, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    path = tmp_path / "model.keras"
    assert suggest_for_run(path, other, digits.target) is None
    for weights in (None, source, "imagenet"):
        assert suggest_for_run(weights, source, digits.target) is None
