import keras
import numpy as np
import pytest
from keras import layers

import kerastl

CLASSES = 6


def make_source(kind="dense"):
    keras.utils.set_random_seed(2)
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, strides=2, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D(keepdims=kind == "conv")(x)
    x = layers.Dropout(0.2)(x)
    if kind == "conv":
        x = layers.Conv2D(CLASSES, 1, bias_initializer="normal", name="c")(x)
        x = layers.Reshape((CLASSES,))(x)
        x = layers.Softmax()(x)
    else:
        x = layers.Dense(
            CLASSES, "softmax", bias_initializer="normal", name="predictions"
        )(x)
    return keras.Model(inputs, x)


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    labels = np.arange(20) % 3
    images = (
        generator.uniform(-1, 1, (20, 8, 8, 3)) + labels[:, None, None, None]
    )
    return images.astype("float32"), labels


def _head(model):
    kernel, bias = kerastl.surgery.find_head(model).layer.get_weights()
    return kernel.reshape(kernel.shape[-2:]).T, bias


def _combined(matrix, rows, bias, top_k, softmax=None):
    """Section 4(b), written row by row."""
    made = []
    for similarities in matrix:
        nearest = sorted(range(len(rows)), key=lambda s: -similarities[s])
        nearest = nearest[:top_k]
        shares = {s: similarities[s] for s in nearest}
        if softmax:
            shares = {s: np.exp(v / softmax) for s, v in shares.items()}
        total = sum(shares.values())
        made.append(
            (
                sum(v / total * rows[s] for s, v in shares.items()),
                sum(v / total * bias[s] for s, v in shares.items()),
            )
        )
    return np.array([w for w, _ in made]), np.array([b for _, b in made])


@pytest.mark.parametrize("kind", ["dense", "conv"])
@pytest.mark.parametrize("top_k", [1, 3, None])
def test_mean_posterior(kind, top_k, data):
    source = make_source(kind)
    student = kerastl.replace_head(source, 3)
    made = kerastl.initialize_head(student, source, data=data, top_k=top_k)
    images, labels = data
    posterior = keras.ops.convert_to_numpy(source(images))
    matrix = [posterior[labels == label].mean(axis=0) for label in range(3)]
    np.testing.assert_allclose(made.similarity, matrix, atol=1e-6)
    rows, bias = _combined(matrix, *_head(source), top_k or CLASSES)
    np.testing.assert_allclose(_head(student)[0], rows, atol=1e-5)
    np.testing.assert_allclose(_head(student)[1], bias, atol=1e-6)
    np.testing.assert_allclose(made.combination.sum(axis=1), 1, atol=1e-6)
    cosines = [
        rows[a] @ rows[b] / np.linalg.norm(rows[a]) / np.linalg.norm(rows[b])
        for a in range(3)
        for b in range(a)
    ]
    assert made.mean_cosine == pytest.approx(np.mean(cosines), abs=1e-5)


def test_the_same_classes_keep_their_classifier(data):
    source = make_source()
    student = kerastl.antialias(kerastl.replace_head(source, CLASSES), 1)
    kerastl.initialize_head(student, source, np.eye(CLASSES), top_k=1)
    np.testing.assert_allclose(
        student.predict_on_batch(data[0]),
        source.predict_on_batch(data[0]),
        atol=1e-6,
    )


def test_cosine_of_features_and_weights(data):
    source = make_source()
    images, labels = data
    matrix = kerastl.similarity_matrix("cosine", source, data)
    features = keras.ops.convert_to_numpy(kerastl.surgery.embed(source)(images))
    rows, _ = _head(source)
    for t in range(3):
        mean = features[labels == t].mean(axis=0)
        for s in range(CLASSES):
            expected = mean @ rows[s]
            expected /= np.linalg.norm(mean) * np.linalg.norm(rows[s])
            assert matrix[t, s] == pytest.approx(expected, abs=1e-5)


def test_softmax_and_norm():
    source = make_source()
    student = kerastl.replace_head(source, 3)
    matrix = np.random.default_rng(1).normal(size=(3, CLASSES))
    arguments = {"normalization": "softmax", "temperature": 0.3, "top_k": 2}
    kerastl.initialize_head(student, source, matrix, **arguments)
    rows, bias = _combined(matrix, *_head(source), 2, softmax=0.3)
    np.testing.assert_allclose(_head(student)[0], rows, atol=1e-5)
    kerastl.initialize_head(
        student, source, matrix, match_norm=True, **arguments
    )
    scaled = _head(student)[0]
    norm = np.linalg.norm(_head(source)[0], axis=1).mean()
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), norm, rtol=1e-5)
    np.testing.assert_allclose(
        scaled / norm, rows / np.linalg.norm(rows, axis=1)[:, None], atol=1e-5
    )
    np.testing.assert_allclose(_head(student)[1], bias, atol=1e-6)


def test_given_embeddings():
    generator = np.random.default_rng(2)
    target, source = (
        generator.normal(size=(3, 4)),
        generator.normal(size=(6, 4)),
    )
    matrix = kerastl.similarity_matrix((target, source))
    expected = target[1] @ source[4]
    expected /= np.linalg.norm(target[1]) * np.linalg.norm(source[4])
    assert matrix.shape == (3, 6)
    assert matrix[1, 4] == pytest.approx(expected)


@pytest.mark.parametrize("unit", [True, False])
def test_imprinted_weights(data, unit):
    student = kerastl.replace_head(make_source(), 3)
    images, labels = data
    features = keras.ops.convert_to_numpy(
        kerastl.surgery.embed(student)(images)
    )
    if unit:
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = np.stack([features[labels == t].mean(axis=0) for t in range(3)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    batches = [
        (images[:12], labels[:12]),
        (images[12:], np.eye(3)[labels[12:]]),
    ]
    options = {} if unit else {"unit_features": False}
    cosine = kerastl.imprint_head(student, batches, scale=2.0, **options)
    np.testing.assert_allclose(_head(student)[0], 2 * means, atol=1e-5)
    np.testing.assert_array_equal(_head(student)[1], 0)
    gram = means @ means.T
    assert cosine == pytest.approx((gram.sum() - 3) / 6, abs=1e-5)


def test_half_precision(data):
    keras.config.set_dtype_policy("mixed_float16")
    source = make_source()
    student = kerastl.replace_head(source, 3)
    made = kerastl.initialize_head(student, source, data=data)
    np.testing.assert_allclose(
        _head(student)[0],
        made.combination @ _head(source)[0],
        atol=1e-5,
    )
    assert _head(student)[0].dtype == "float32"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "needs `data`"),
        ({"similarity": "posterio"}, "mean 'posterior'"),
        ({"similarity": "path"}, "needs `target_classes`"),
        ({"similarity": np.ones((2, 6))}, r"\(3, 6\).*shape \(2, 6\)"),
        ({"similarity": np.full((3, 6), np.nan)}, "finite=False"),
        ({"similarity": (np.ones((3, 2)), np.ones((6, 3)))}, "same length"),
        ({"similarity": -np.ones((3, 6))}, "normalization='softmax'"),
        ({"similarity": np.zeros((3, 6))}, "target class 0"),
        ({"top_k": 7}, "top_k=7"),
        ({"normalization": "max"}, "normalization='max'"),
    ],
)
def test_errors(arguments, message):
    source = make_source()
    student = kerastl.replace_head(source, 3)
    before = _head(student)[0]
    with pytest.raises(ValueError, match=message):
        kerastl.initialize_head(student, source, **arguments)
    np.testing.assert_array_equal(_head(student)[0], before)


def test_models_that_do_not_fit(data):
    source = make_source()
    headless = keras.Model(source.input, source.layers[-2].output)
    student = kerastl.replace_head(source, 3)
    with pytest.raises(ValueError, match="no classifier"):
        kerastl.initialize_head(student, headless, data=data)
    wide = kerastl.replace_head(
        keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3)]), 3
    )
    with pytest.raises(ValueError, match="4 features in the student, 5"):
        kerastl.initialize_head(wide, source, data=data)
    images, labels = data
    with pytest.raises(ValueError, match="at least one image"):
        kerastl.imprint_head(student, (images, labels % 2))
