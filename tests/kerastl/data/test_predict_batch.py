"""What is measured batch by batch is the same on two replicas as on one."""

import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.data.predict_batch import predict_batch


def test_structures_stay(make_network, images):
    model = make_network()
    expected = model.predict(images, verbose=0)
    model = keras.Model(model.inputs, {"scores": model.outputs})
    found = predict_batch(model, images)
    assert list(found) == ["scores"]
    np.testing.assert_allclose(found["scores"][0], expected, atol=1e-6)


@pytest.mark.tensorflow_only
def test_two_replicas(
    make_network, images, labels, tmp_path, run_on_two_replicas
):
    model = make_network()
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    printed = run_on_two_replicas(
        """
        import json, sys
        import keras, numpy as np
        import kerastl
        from kerastl.data.predict_batch import predict_batch
        folder = sys.argv[1]
        data = np.load(folder + "/data.npz")
        with strategy.scope():
            model = keras.models.load_model(folder + "/model.keras")
            fisher = kerastl.estimate_fisher(model, data["images"], limit=3)
        scores = predict_batch(model, data["images"])
        print(json.dumps([
            strategy.num_replicas_in_sync, scores.tolist(),
            [float(value.sum()) for value in fisher.values()],
        ]))
        """,
        tmp_path,
    )
    replicas, scores, fisher = json.loads(printed.splitlines()[-1])
    assert replicas == 2
    np.testing.assert_allclose(
        scores, model.predict(images, verbose=0), atol=1e-6
    )
    expected = kerastl.estimate_fisher(model, images, limit=3)
    np.testing.assert_allclose(
        fisher, [value.sum() for value in expected.values()], rtol=1e-4
    )
