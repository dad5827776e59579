"""The recipes that start the classifier better: from what, and the report."""

import io
import json

import keras
import numpy as np
import pytest
import rich.console

import kerastl
from kerastl import apps
from kerastl.apps.presets.imagenet import imagenet_classes
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.runs.measure_network import ClassMeans
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.prepare_student import save_class_means
from kerastl.apps.runs.train_network import train_network
from kerastl.surgery.wordnet import WordNet

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


@pytest.fixture(scope="module")
def digits():
    return apps.load_digits_pair(shots=8, image_size=24, batch_size=20).target


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A trained source, as a run leaves it behind."""
    path = tmp_path_factory.mktemp("source") / "model.keras"
    keras.utils.set_random_seed(3)
    source = apps.ResNet8(input_shape=(24, 24, 3), classes=5)
    data = apps.load_digits_pair(image_size=24).source
    source.compile(
        keras.optimizers.SGD(0.05, 0.9), "sparse_categorical_crossentropy"
    )
    source.fit(data.train, epochs=1, verbose=0)
    source.save(path)
    save_class_means(path.with_name("class_means.npz"), source, data)
    path.with_name("labels.txt").write_text("0\n1\n2\n3\n4\n")
    return path


def _needs_wordnet():
    try:
        WordNet()
    except FileNotFoundError:
        pytest.skip("needs the dictionary: apt-get install wordnet-base")


def _setting(weights, digits, **arguments):
    source = apps.ResNet8(weights=weights, input_shape=(24, 24, 3))
    student, _ = prepare_student(source, num_classes=5, kernel_size=3, seed=0)
    return Setting(student, source, digits, 2, 2, 0.01, **arguments)


@pytest.mark.parametrize("method", ["imprinting", "similarity+rifle"])
def test_a_recipe_trains(method, weights, digits):
    setting, findings = _setting(weights, digits), {}
    _, history = train_network(
        setting.student,
        setting.source,
        apps.get_recipe(method),
        digits,
        2,
        learning_rate=0.01,
        validate=False,
        findings=findings,
    )
    assert np.isfinite(history["loss"]).all()
    assert ("similarity" in findings) == method.startswith("similarity")


def test_what_similarity_starts_from(weights, digits):
    setting = _setting(weights, digits, source_classes=list("01234"))
    student = apps.get_recipe("similarity").surgery(setting)
    assert student is setting.student
    other = _setting(weights, digits)
    made = kerastl.initialize_head(
        other.student, other.source, data=digits.calibration
    )
    np.testing.assert_allclose(
        student.get_layer("head").kernel, other.student.get_layer("head").kernel
    )
    found = json.loads(json.dumps(setting.findings["similarity"]))
    assert found["target_classes"] == list("56789")
    assert found["source_classes"] == list("01234")
    assert found["mean_cosine"] == pytest.approx(made.mean_cosine)
    np.testing.assert_allclose(found["matrix"], made.similarity, atol=1e-4)


def test_semantic_similarity(weights, digits):
    _needs_wordnet()
    setting = _setting(weights, digits, source_classes=list("01234"))
    apps.get_recipe("semantic_similarity").surgery(setting)
    matrix = kerastl.similarity_matrix(
        "wu_palmer", target_classes="56789", source_classes="01234"
    )
    found = setting.findings["similarity"]
    np.testing.assert_allclose(found["matrix"], matrix, atol=1e-4)
    with pytest.raises(ValueError, match="labels.txt.*no names"):
        apps.get_recipe("semantic_similarity").surgery(
            _setting(weights, digits)
        )


def test_classes_that_wordnet_does_not_know(weights, digits, monkeypatch):
    _needs_wordnet()
    monkeypatch.setattr(
        digits, "class_names", ["5", "longsleeve", "7", "8", "9"]
    )
    setting = _setting(weights, digits, source_classes=list("01234"))
    with pytest.warns(UserWarning, match="classes longsleeve:"):
        apps.get_recipe("semantic_similarity").surgery(setting)
    posterior = kerastl.similarity_matrix(
        "posterior", setting.source, digits.calibration
    )
    words = kerastl.similarity_matrix(
        "wu_palmer", target_classes="5789", source_classes="01234"
    )
    expected = np.stack([words[0], posterior[1], *words[1:]])
    np.testing.assert_allclose(
        setting.findings["similarity"]["matrix"], expected, atol=1e-4
    )


def test_the_baseline_reads_the_embedding_of_a_source_with_head(
    weights, digits
):
    """Not the source's predictions, which know other classes."""
    images = digits.images("test", limit=20)[0]
    scores = [
        ClassMeans(
            apps.ResNet8(
                weights=weights, input_shape=(24, 24, 3), include_top=top
            ),
            digits.calibration,
            5,
        )(images)
        for top in (True, False)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_a_run_reports_the_similarity(weights, digits, tmp_path):
    console = rich.console.Console(file=io.StringIO(), width=200)
    result = apps.fine_tune(
        digits,
        preset="resnet8",
        weights=str(weights),
        method="similarity",
        epochs=1,
        exports=[],
        output=tmp_path / "run",
        console=console,
    )
    assert "similarity to the source 0." in console.file.getvalue()
    found = result.report["similarity"]
    assert found["source_classes"] == list("01234")
    html = (tmp_path / "run" / "report.html").read_text()
    assert "Similar classes" in html and "Similarity of the classes" in html
    assert "Mean cosine" in html


def test_weights_without_a_classifier(weights, digits, tmp_path):
    headless = apps.ResNet8(
        weights=weights, input_shape=(24, 24, 3), include_top=False
    )
    path = tmp_path / "notop.weights.h5"
    headless.save_weights(path)
    with pytest.raises(ValueError, match="'similarity' reads the classifier"):
        apps.fine_tune(
            digits,
            preset="resnet8",
            weights=str(path),
            method="similarity",
            output=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_imagenet_classes():
    classes = imagenet_classes()
    synsets = list(classes)
    assert len(set(synsets)) == 1000 and synsets == sorted(synsets)
    assert classes["n01440764"] == "tench"
    assert list(classes.values())[999] == "toilet tissue"
    _needs_wordnet()
    wordnet = WordNet()
    assert all(wordnet.knows(synset) for synset in synsets)
