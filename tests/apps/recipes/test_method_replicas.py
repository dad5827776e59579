"""Every method on two replicas."""

import json
import pathlib

import numpy as np
import pytest

pytestmark = [pytest.mark.tensorflow_only, pytest.mark.slow]

# One process for all methods: starting takes as long as training.
TRAIN_ALL = """
    import contextlib, json, sys

    # Takes longer than the few steps that gain from it.
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": True}
    )
    import keras, numpy as np
    from kerastl import apps
    from kerastl.apps.runs.train_network import make_tuner

    sys.path.insert(0, sys.argv[1])
    from tests.apps.recipes import toys

    def train(names, scope):
        keras.utils.set_random_seed(1234)
        recipe = apps.get_recipe(names)
        with scope:
            setting = toys.make_setting()
            tuner = make_tuner(recipe, setting, jit_compile=False)

        def draw(epoch, logs=None):
            # Keras looks at a batch before the first epoch of two replicas.
            setting.data.next_epoch = epoch

        drawing = keras.callbacks.LambdaCallback(on_epoch_begin=draw)
        return tuner, toys.fit(tuner, recipe, setting, drawing)

    found = {}
    for names in sys.argv[2:]:
        tuner, history = train(names, strategy.scope())
        apart = []
        for variable in [*tuner.variables, *tuner.optimizer.variables]:
            one, two = strategy.experimental_local_results(variable.value)
            if not np.array_equal(one.numpy(), two.numpy()):
                apart.append(variable.path)
        found[names] = {"history": history, "apart": apart}
        if names == "linear_probe":
            probe = tuner
    alone, history = train("linear_probe", contextlib.nullcontext())
    found["linear_probe"]["expected"] = history
    weights = zip(probe.get_weights(), alone.get_weights(), strict=True)
    found["linear_probe"]["distance"] = max(
        float(np.abs(one - other).max()) for one, other in weights
    )
    print(json.dumps(found))
"""


def test_two_replicas_stay_the_same(groups, terms_of, run_on_two_replicas):
    project = pathlib.Path(__file__).parents[3]
    printed = run_on_two_replicas(TRAIN_ALL, project, *groups)
    found = json.loads(printed.splitlines()[-1])
    assert list(found) == groups
    for names, result in found.items():
        # Keras's BatchNormalization keeps the statistics of each replica, and
        # saves those of the first.
        apart = [path.partition("/moving_")[1] for path in result["apart"]]
        assert all(apart), (names, result["apart"])
        assert terms_of(names) < set(result["history"]), names
        for column, values in result["history"].items():
            assert np.isfinite(values).all(), (names, column)
    # Frozen statistics: the mean over the replicas is that over the batch.
    probe = found["linear_probe"]
    assert probe["apart"] == []
    assert probe["distance"] < 1e-5
    np.testing.assert_allclose(
        probe["history"]["loss"], probe["expected"]["loss"], rtol=1e-5
    )
