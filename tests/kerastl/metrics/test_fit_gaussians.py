import keras
import numpy as np
import pytest

import kerastl
from kerastl.metrics import fit_gaussians
from kerastl.metrics import mahalanobis_score

TAPS = ["block1_add", "pool"]


def pooled(model, images, tap):
    extractor = kerastl.surgery.feature_extractor(model, [tap])
    features = keras.ops.convert_to_numpy(extractor(images)[tap])
    if features.ndim == 4:
        features = features.mean(axis=(1, 2))
    return features.astype("float64")


def test_gaussians_are_those_of_ledoit_and_wolf(make_network, images):
    covariance = pytest.importorskip("sklearn.covariance")
    model = make_network()
    gaussians = fit_gaussians(model, images, TAPS, batch_size=7)
    assert list(gaussians) == TAPS
    for tap, gaussian in gaussians.items():
        rows = pooled(model, images, tap)
        expected = covariance.LedoitWolf().fit(rows)
        np.testing.assert_allclose(gaussian.mean, rows.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(
            np.linalg.inv(gaussian.precision), expected.covariance_, rtol=1e-3
        )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_scores(make_network, images, reduction):
    model = make_network()
    gaussians = fit_gaussians(model, images[:16], TAPS)
    scores = mahalanobis_score(model, images, gaussians, reduction, 5)
    for index in (0, 23):
        distances = []
        for tap in TAPS:
            away = pooled(model, images[index : index + 1], tap)[0]
            away = away - gaussians[tap].mean
            distances.append(np.sqrt(away @ gaussians[tap].precision @ away))
        expected = getattr(np, reduction)(distances)
        assert scores[index] == pytest.approx(expected, rel=1e-3)


def test_fewer_images_than_channels(make_network, images):
    gaussians = fit_gaussians(make_network(), images[:3])
    assert all(np.isfinite(g.precision).all() for g in gaussians.values())
    # Features that never change have an inverse too.
    same = fit_gaussians(make_network(), np.repeat(images[:1], 4, axis=0))
    assert all(np.isfinite(g.precision).all() for g in same.values())


def test_errors(make_network, images):
    model = make_network()
    with pytest.raises(ValueError, match="at least two normal images"):
        fit_gaussians(model, images[:1])
    gaussians = fit_gaussians(model, images, TAPS)
    with pytest.raises(ValueError, match="reduction='max'"):
        mahalanobis_score(model, images, gaussians, "max")
    with pytest.raises(ValueError, match="12 features at 'pool'.*of 8"):
        mahalanobis_score(model, images, {"pool": gaussians["block1_add"]})
