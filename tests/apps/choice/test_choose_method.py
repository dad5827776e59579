import types

import numpy as np
import pytest

from kerastl.apps.choice import choose_method as module
from kerastl.apps.choice.evidence import expected_gains


@pytest.fixture
def choose(monkeypatch):
    """Chooses for photos of which LDA names so many, without a network."""

    def run(shots, probe):
        monkeypatch.setattr(module, "look", lambda source, data: (None, None))
        monkeypatch.setattr(
            module, "discriminant_accuracy", lambda features, labels: probe
        )
        data = types.SimpleNamespace(
            parts={"train": np.zeros(10 * shots)}, num_classes=10
        )
        return module.choose_method(None, data)

    return run


def test_where_it_was_measured_the_best_method_is_taken(choose):
    method, reason = choose(25, 0.66)
    gains = expected_gains(25, 66.0)
    assert method == max(gains, key=lambda name: gains[name].points)
    assert method == "averaged_imprinting"
    assert f"{gains[method].points:+.1f} ± " in reason
    assert "25 photos a class" in reason
    assert "66 %" in reason


@pytest.mark.parametrize("shots, probe", [(400, 0.66), (1, 0.02)])
def test_far_from_all_that_was_measured_it_is_fine_tuning(choose, shots, probe):
    method, reason = choose(shots, probe)
    assert method == "fine_tune"
    assert "nothing is expected to gain" in reason
