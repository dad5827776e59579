"""Exports that refine, and keep what is better."""

import dataclasses

import keras
import numpy as np
import pytest

import kerastl
from kerastl import export
from kerastl.export.conversion import pipeline
from kerastl.export.conversion.converters import get_scheme
from kerastl.export.refinement import write_refined as module
from kerastl.export.refinement.record import LayerRecord
from kerastl.export.refinement.record import RefinementRecord
from kerastl.export.refinement.write_refined import Written
from kerastl.export.refinement.write_refined import write_refined
from kerastl.export.runners.inference_model import lower
from kerastl.surgery.find_kernels import find_kernels

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def logits(cnn):
    """A network whose kernels have outliers, and no softmax to saturate."""
    model = kerastl.surgery.copy_model(cnn)
    generator = np.random.default_rng(0)
    for kernel in find_kernels(model, depthwise=True):
        weights = kernel.numpy()
        kernel.variable.assign(
            weights * (1 + 9 * (generator.random(weights.shape) < 0.1))
        )
    head = model.get_layer("head")
    plain = keras.layers.Dense(head.units, name="logits")
    outputs = plain(head.input)
    plain.set_weights(head.get_weights())
    return keras.Model(model.inputs, outputs)


@pytest.fixture(scope="module")
def reports(logits, calibration, evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("refined")

    def write(to_file, name, scheme, refine):
        return to_file(
            logits,
            folder / name,
            scheme,
            calibration=calibration,
            evaluation=evaluation,
            refine=refine,
        )

    return {
        (to_file.__name__, scheme, refine): write(
            to_file, f"{scheme}_{refine}.{suffix}", scheme, refine
        )
        for to_file, suffix, scheme in (
            (export.to_tflite, "tflite", "int8"),
            (export.to_tflite, "tflite", "int8_per_tensor"),
            (export.to_onnx, "onnx", "int8"),
        )
        for refine in ("none", "auto")
    }


@pytest.mark.parametrize(
    "format, scheme",
    [
        ("to_tflite", "int8"),
        ("to_tflite", "int8_per_tensor"),
        pytest.param("to_onnx", "int8", marks=pytest.mark.exact_onnx_int8),
    ],
)
def test_refined_files_are_nearer_and_cost_the_same(reports, format, scheme):
    plain, refined = (
        reports[format, scheme, refine] for refine in ("none", "auto")
    )
    assert plain.refinement is None
    record = refined.refinement
    assert record.kept
    assert record.steps == ["pixels", "rounding", "bias"]
    assert (record.num_images, record.num_held_out) == (64, 16)
    assert refined.mean_abs_difference < 0.9 * plain.mean_abs_difference
    # The scaling of the images is one kernel, and not a product and a sum.
    assert refined.ops.get("CONV_2D") == plain.ops.get("CONV_2D")
    assert sum(refined.ops.values()) <= sum(plain.ops.values())
    assert refined.partitions == plain.partitions
    assert refined.size_bytes <= 1.02 * plain.size_bytes
    assert refined.input == plain.input
    assert record.gains["bias"] > 1
    assert "refined" in str(refined)


def test_the_record_is_plain_values(reports):
    found = reports["to_tflite", "int8", "auto"].to_dict()["refinement"]
    assert {"flow", "rounding", "bias", "files"} == set(found["seconds"])
    assert found["layers"][0]["layer"] == "rescale"
    assert (
        found["refined"]["mean_abs_difference"]
        < found["plain"]["mean_abs_difference"]
    )


@pytest.mark.parametrize("num_images", [1, 9])
def test_with_few_images_nothing_is_tried(
    cnn, calibration, tmp_path, num_images
):
    with pytest.warns(UserWarning, match="Only .* in `calibration`"):
        report = export.to_tflite(
            cnn, tmp_path / "a.tflite", calibration=calibration[0][:num_images]
        )
    record = report.refinement
    assert not record.kept and not record.layers
    assert record.reason == (
        f"it takes at least 10 calibration images, and {num_images} were given"
    )


def test_a_file_that_is_no_better_is_not_kept(cnn, calibration, tmp_path):
    """A second file that is worse, whatever the weights."""
    lowered = lower(cnn)
    written = []

    def write(candidate, output_name, scheme, images, path):
        """The second time as a converter that calibrates on grey images."""
        model = candidate.model
        export.to_tflite(
            model,
            path,
            calibration=np.clip(images, 120, 136) if written else images,
            refine="none",
        )
        written.append(path.read_bytes())
        return []

    truth, judges = export.load(cnn), []

    class Recorder:
        kind = truth.kind

        def predict(self, images):
            judges.append(images)
            return truth.predict(images)

    path = tmp_path / "a.tflite"
    kept, plain, record = write_refined(
        write,
        lowered,
        "probabilities",
        get_scheme("int8", "tflite"),
        calibration[0],
        path,
        ("rounding", "bias"),
        Recorder(),
    )
    # Of the photos themselves a trained network is too sure.
    held = calibration[0][4::5]
    assert len(held) == 16 and [len(each) for each in judges] == [16] * 10
    blends = np.concatenate(judges)
    for number, distance in ((0, 1), (4, 7), (9, 14)):
        others = np.roll(held, distance, axis=0)
        np.testing.assert_allclose(
            blends[16 * number :][:16],
            0.6 * held + 0.4 * others,
            rtol=1e-5,
            atol=1e-3,
        )
    assert kept.lowered is lowered and plain is None and not record.kept
    assert "no less" in record.reason
    assert (
        record.refined["mean_abs_difference"]
        > record.plain["mean_abs_difference"]
    )
    assert path.read_bytes() == written[0]
    assert [each.name for each in tmp_path.iterdir()] == ["a.tflite"]


def test_a_refined_file_that_loses_too_much_gives_way(
    cnn, calibration, evaluation, tmp_path, monkeypatch
):
    def write_worse(write, lowered, name, scheme, images, path, steps, truth):
        """As a refinement that confuses the classes, unseen by blends."""
        plain = path.with_name(f"plain-{path.name}")
        notes = write(lowered, name, scheme, images, plain)
        model = kerastl.surgery.copy_model(lowered.model)
        head = model.get_layer("head")
        head.set_weights([np.roll(w, 1, -1) for w in head.get_weights()])
        write(
            dataclasses.replace(lowered, model=model),
            name,
            scheme,
            images,
            path,
        )
        return (
            Written(lowered, [], path),
            Written(lowered, notes, plain),
            RefinementRecord([*steps], kept=True),
        )

    options = dict(calibration=calibration, evaluation=evaluation)
    export.to_tflite(cnn, tmp_path / "plain.tflite", refine="none", **options)
    monkeypatch.setattr(pipeline, "write_refined", write_worse)
    report = export.to_tflite(
        cnn, tmp_path / "a.tflite", max_accuracy_drop=0.05, **options
    )
    assert report.accuracy_drop <= 0.05
    record = report.refinement
    assert not record.kept
    assert record.reason.startswith("the refined file loses ")
    assert (tmp_path / "a.tflite").read_bytes() == (
        tmp_path / "plain.tflite"
    ).read_bytes()
    report = export.to_tflite(cnn, tmp_path / "b.tflite", **options)
    assert report.refinement.kept and report.accuracy_drop > 0.05


def test_quantization_aware_networks_are_left(cnn, calibration, tmp_path):
    aware = export.quantization_aware(cnn, calibration=calibration)
    report = export.to_tflite(
        aware, tmp_path / "a.tflite", calibration=calibration
    )
    assert report.refinement is None


@pytest.mark.parametrize(
    "refine, message",
    [("all", "no refinement of that name"), (("bais",), "mean 'bias'")],
)
def test_unknown_names_are_refused(cnn, calibration, tmp_path, refine, message):
    with pytest.raises(ValueError, match=message):
        export.to_tflite(
            cnn, tmp_path / "a.tflite", calibration=calibration, refine=refine
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "gains, is_less",
    [
        # By the standard error of the mean, which is 1 / sqrt(3) of these.
        ([1 - 1.7, 1, 1 + 1.7], True),
        ([1 - 1.8, 1, 1 + 1.8], False),
        ([0.0, 0.0, 0.0], False),
        ([0.1, 0.1, 0.1], True),
        ([-1.0, -1.1, -1.2], False),
    ],
)
def test_a_gain_must_be_larger_than_its_chance(gains, is_less):
    before = np.full(3, 5.0)
    assert module._is_less(before - gains, before, 3) is is_less


def test_blends_of_one_image_count_once():
    """Twice the same is no more than once."""
    gains = np.array([1 - 1.8, 1, 1 + 1.8])
    before, gains = np.full(6, 5.0), np.tile(gains, 2)
    assert not module._is_less(before - gains, before, 3)
    # What the blends of an image say together is what counts.
    gains = np.array([3.0, -3.0, 3.0, -1.0, 5.0, -1.0])
    assert module._is_less(before - gains, before, 3)
    assert not module._is_less(before - gains, before, 6)


def test_a_gain_is_over_the_step_before():
    records = [
        LayerRecord("a", plain_error=8.0, errors={"one": 4.0, "two": 1.0}),
        LayerRecord("b", plain_error=9.0, errors={"two": 1.0}),
        LayerRecord("c", plain_error=0.0, errors={"one": 0.0, "two": 0.0}),
        LayerRecord("d"),
        # Of nothing, or to nothing, there is no factor.
        LayerRecord("e", plain_error=4.0, errors={"one": 0.0}),
        LayerRecord("f", plain_error=0.0, errors={"one": 4.0}),
    ]
    steps = ["pixels", "one", "two"]
    assert module._gain("one", steps, records) == pytest.approx(2)
    assert module._gain("two", steps, records) == pytest.approx(6)
    assert module._gain("pixels", steps, records) == 1


def test_every_fifth_image_judges(cnn):
    images = np.arange(12)
    fit, held, judges = module._split(images, cnn)
    np.testing.assert_array_equal(held, [4, 9])
    np.testing.assert_array_equal(fit, np.setdiff1d(images, [4, 9]))
    np.testing.assert_array_equal(judges, held)


def test_at_most_a_hundred_images_flow_and_forty_judge():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    images = np.arange(300)
    fit, held, judges = module._split(images, model)
    assert (len(fit), len(held), len(judges)) == (80, 20, 40)
    flow = np.sort(np.concatenate([fit, held]))
    # Spread over all, the first and the last among them.
    assert (flow[0], flow[-1]) == (0, 299)
    assert set(np.diff(flow)) <= {3, 4}
    assert (held[0], held[-1]) == (flow[4], flow[99])
    # Files are judged on what nothing was fitted to.
    assert not set(judges) & set(fit)
    assert (judges[0], judges[-1]) == (1, 299)
    hundred = module._split(np.arange(100), model)
    np.testing.assert_array_equal(hundred[1], np.arange(4, 100, 5))
    np.testing.assert_array_equal(hundred[2], hundred[1])
    more = module._split(np.arange(121), model)
    assert len(more[0]) == 80 and len(more[2]) == 40


def test_fewer_images_flow_through_a_large_network(monkeypatch):
    class Large:
        def __init__(self, model):
            pass

        def num_images_within(self, num_bytes):
            assert num_bytes == 200_000_000
            return self.number

    monkeypatch.setattr(module, "Schedule", Large)
    for number, expected in ((25, 25), (3, 10), (500, 100)):
        Large.number = number
        fit, held, _ = module._split(np.arange(200), None)
        assert len(fit) + len(held) == expected


@pytest.mark.parametrize(
    "most, distances", [(160, [1, 2, 3, 4]), (15, [1, 2, 3]), (4, [2])]
)
def test_images_are_blended_with_others_at_equal_distances(
    monkeypatch, most, distances
):
    monkeypatch.setattr(module, "_MOST_BLENDS", most)
    images = np.float32([[0], [10], [20], [30], [50]])
    found = np.concatenate([*module._blends(images)])
    expected = [
        0.6 * images[place] + 0.4 * images[(place - distance) % 5]
        for distance in distances
        for place in range(5)
    ]
    np.testing.assert_allclose(found, expected)
    assert found.dtype == np.float32


def test_of_two_images_there_is_one_pair():
    [found] = module._blends(np.float32([[0], [10]]))
    np.testing.assert_allclose(found, [[4], [6]])
