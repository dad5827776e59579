import zlib

import pytest

from kerastl.export.measure import measure_interleaved
from kerastl.export.measure import measure_latency
from kerastl.export.measure import zipped_size


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
    # Five runs of warm-up, and nothing else that is not counted.
    assert runner.count == 205
    assert 0 < measured["latency_ms"] <= measured["latency_p90_ms"]


def test_a_slow_model_is_timed_often_enough(monkeypatch):
    """On a clock that moves five seconds each time it is read."""
    ticks = iter(range(0, 10**6, 5))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    measured = measure_latency(Counter(), None)
    assert measured["runs"] == 20
    assert measured["latency_ms"] == pytest.approx(5000)


def test_several_are_timed_in_turn():
    order = []
    runs = [lambda name=name: order.append(name) for name in "ab"]
    measured = measure_interleaved(runs)
    assert [each["runs"] for each in measured] == [200, 200]
    # The warm-up, then blocks of five, each behind one that is not counted.
    assert "".join(order) == "aaaaabbbbb" + 40 * "aaaaaabbbbbb"
    assert all(0 < each["latency_ms"] for each in measured)


def test_the_slower_of_two_is_told(monkeypatch):
    """On a clock that only the functions move, by 1 and by 3 ms."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def take(seconds):
        now[0] += seconds

    quick, slow = measure_interleaved(
        [lambda: take(0.001), lambda: take(0.003)]
    )
    assert quick["latency_ms"] == pytest.approx(1)
    assert slow["latency_ms"] == pytest.approx(3)
    assert quick["runs"] == slow["runs"]


@pytest.mark.parametrize(
    ("quick", "slow", "milliseconds"),
    [
        # 22 of 200 are slow: a tenth is, and the 85th percentile is not.
        (178, 22, 1000),
        (190, 10, 10),
    ],
)
def test_p90_is_the_value_that_nine_of_ten_runs_stay_under(
    monkeypatch, quick, slow, milliseconds
):
    """Runs of 10 ms, then runs of 1 s, on a clock that the runs move."""
    warm_up = 5
    durations = iter([0.01] * (warm_up + quick) + [1.0] * slow)
    now = [0.0]

    class Runner:
        def prepare(self, image):
            def run():
                now[0] += next(durations)

            return run

    monkeypatch.setattr("kerastl.export.measure._FEWEST_RUNS", 200)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    measured = measure_latency(Runner(), None)
    assert measured["latency_ms"] == pytest.approx(10)
    assert measured["latency_p90_ms"] == pytest.approx(milliseconds)


@pytest.mark.parametrize("seconds, runs", [(1.0, 35), (2.0, 65), (0.1, 20)])
def test_each_is_timed_for_its_seconds(monkeypatch, seconds, runs):
    """On a clock that only the runs move, by a thirtieth of a second."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def take():
        now[0] += 1 / 32

    [alone] = measure_interleaved([take], seconds)
    assert alone["runs"] == runs
    # Of six runs five count, and two have twice the time.
    both = measure_interleaved([take, take], seconds)
    assert [each["runs"] for each in both] == [
        {1.0: 30, 2.0: 55, 0.1: 20}[seconds]
    ] * 2


def test_a_file_is_zipped_as_small_as_it_gets(tmp_path):
    content = b"".join(str(n * n).encode() for n in range(9000))
    (tmp_path / "a.bin").write_bytes(content)
    sizes = [len(zlib.compress(content, level)) for level in (8, 9)]
    assert zipped_size(tmp_path / "a.bin") == sizes[1] <= sizes[0]
