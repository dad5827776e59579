import zlib

import numpy as np
import pytest

from kerastl.export.runners import measure_file
from kerastl.export.runners.measure_file import measure_interleaved
from kerastl.export.runners.measure_file import measure_latency
from kerastl.export.runners.measure_file import verify
from kerastl.export.runners.measure_file import zipped_size


class Fixed:
    """A runner whose outputs are the images themselves, altered."""

    def __init__(self, change=lambda outputs: outputs, kind=None):
        self.change = change
        self.kind = kind

    def predict(self, images):
        return self.change(images.astype("float32"))


def test_numbers_equal_those_computed_at_once():
    generator = np.random.default_rng(0)
    outputs = generator.random((10, 3)).astype("float32")
    noise = generator.normal(0, 0.3, (10, 3)).astype("float32")
    labels = generator.integers(0, 3, 10)
    table = {
        row.tobytes(): add for row, add in zip(outputs, noise, strict=True)
    }

    def change(rows):
        return rows + np.stack([table[row.tobytes()] for row in rows])

    batches = [(outputs[:7], labels[:7]), (outputs[7:], labels[7:])]
    result = verify(Fixed(), Fixed(change), batches)
    received = outputs + noise
    difference = np.abs(received - outputs)
    assert result.num_images == 10
    assert result.max_abs_difference == pytest.approx(difference.max())
    assert result.mean_abs_difference == pytest.approx(difference.mean())
    agreement = received.argmax(1) == outputs.argmax(1)
    assert 0 < agreement.mean() < 1
    assert result.top1_agreement == agreement.mean()
    assert result.accuracy == (received.argmax(1) == labels).mean()
    assert result.keras_accuracy == (outputs.argmax(1) == labels).mean()
    assert result.accuracy_drop == pytest.approx(
        result.keras_accuracy - result.accuracy
    )


def test_without_labels_there_is_no_accuracy():
    result = verify(Fixed(), Fixed(), [(np.eye(3), None)])
    assert result.top1_agreement == 1
    assert result.accuracy is result.keras_accuracy is None
    assert result.accuracy_drop is None


def one_nan(outputs):
    outputs = outputs.copy()
    outputs[1, 2] = np.nan
    return outputs


def test_nan_in_the_file_is_an_error():
    with pytest.raises(ValueError, match="file returns NaN.* 1 of 3 images"):
        verify(Fixed(), Fixed(one_nan), [(np.eye(3), None)])


def test_nan_in_the_model_is_an_error_of_the_model():
    """It would compare as equal: no number is larger than NaN."""
    for file in (Fixed(), Fixed(one_nan)):
        with pytest.raises(ValueError, match="itself returns NaN.* 1 of 3"):
            verify(Fixed(one_nan), file, [(np.eye(3), None)])


def test_infinite_outputs_are_compared():
    outputs = np.array([[0.0, np.inf], [-np.inf, 1.0]])
    result = verify(Fixed(), Fixed(), [(outputs, None)])
    assert (result.max_abs_difference, result.mean_abs_difference) == (0, 0)
    finite = Fixed(lambda outputs: np.clip(outputs, -9, 9))
    result = verify(Fixed(), finite, [(outputs, None)])
    assert result.max_abs_difference == np.inf


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"Received: \(3, 2\)"):
        verify(Fixed(), Fixed(lambda x: x[:, :2]), [(np.eye(3), None)])


def test_one_logit_means_yes_above_zero():
    outputs = np.array([[-2.0], [0.2], [0.4], [3.0]])
    labels = np.array([0, 1, 1, 1])
    halved = Fixed(lambda outputs: outputs / 2, "logits")
    result = verify(Fixed(kind="logits"), halved, [(outputs, labels)])
    assert (result.accuracy, result.keras_accuracy) == (1, 1)
    assert result.top1_agreement == 1


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

    monkeypatch.setattr("kerastl.export.runners.measure_file._FEWEST_RUNS", 200)
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


X86 = "processor : 0\nmodel name : A : CPU\nflags : fpu avx2 avx512_vnni\n"
ARM = "processor : 0\nFeatures : fp asimd asimddp\n"


@pytest.fixture
def information(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(measure_file, "_INFORMATION", path)
    return path


def test_what_the_system_tells(information):
    information.write_text(X86)
    assert measure_file.processor_name() == "A : CPU"
    assert measure_file.integer_dot_products() == ["avx512_vnni"]
    information.write_text(ARM)
    assert measure_file.integer_dot_products() == ["asimddp"]
    information.write_text("flags : fpu sse\n")
    assert measure_file.integer_dot_products() == []


def test_where_the_system_tells_nothing(information):
    assert measure_file.processor_name()
    assert measure_file.integer_dot_products() is None
