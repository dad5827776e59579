import pytest

from kerastl.export.measure import measure_latency


class Counter:
    """A runner that counts how often it ran."""

    def __init__(self):
        self.count = 0

    def prepare(self, image):
        def run():
            self.count += 1

        return run


def test_the_warm_up_is_not_timed():
    runner = Counter()
    measured = measure_latency(runner, None)
    assert measured["runs"] == 200
    assert runner.count > measured["runs"]
    assert 0 < measured["latency_ms"] <= measured["latency_p90_ms"]


def test_a_slow_model_is_timed_often_enough(monkeypatch):
    """On a clock that moves five seconds each time it is read."""
    ticks = iter(range(0, 10**6, 5))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    measured = measure_latency(Counter(), None)
    assert measured["runs"] == 20
    assert measured["latency_ms"] == pytest.approx(5000)
