"""The README's figures of files and of blurred networks are the results'."""

import re
import statistics

import numpy as np
import pytest
from scipy import stats

from .readme_pages import README
from .readme_pages import results
from .readme_pages import rows


@pytest.mark.parametrize("row", rows("network | file"), ids=lambda row: row[0])
def test_edge_table_has_the_figures_of_the_results(row):
    names = {
        "as trained": "float",
        "trained on": "tuned",
        "half pruned": "pruned",
        "32 clusters": "clustered",
        "QAT": "qat",
        "half pruned + QAT": "pruned_qat",
        "32 clusters + QAT": "clustered_qat",
    }
    format, scheme = row[1].split(":")
    (found,) = (
        each
        for each in results("edge_files.json")["files"]
        if (each["network"], each["format"], each["scheme"])
        == (names[row[0]], format, scheme)
    )
    assert row[2:] == [
        f"{found['accuracy']:.1f}",
        f"{found['consistency']:.1f}",
        f"{found['size_bytes'] / 1000:.0f} kB",
        f"{found['zipped_bytes'] / 1000:.0f} kB",
        f"{found['latency_ms']:.2f} ms",
    ]


def test_refined_files_have_the_figures_of_the_results():
    found = results("refined_int8.json")
    networks = found["networks"]
    files = {
        (each["network"], each["format"], each["scheme"], each["refine"]): each
        for each in found["files"]
    }
    expected = []
    for (*file, refine), refined in files.items():
        if refine == "none":
            continue
        plain = files[*file, "none"]
        name = "{1}:{2}".format(*file)
        cells = [file[0], name if refine == "auto" else f"{name}, all"]
        for key, form in (
            ("same_class", "{:.1f} %"),
            ("mean_difference", "{:.4f}"),
            ("points_lost", "{:z.1f}"),
        ):
            cells += [form.format(plain[key]), form.format(refined[key])]
        seeds = networks[file[0]]["seeds"]
        expected.append([*cells, f"{refined['kept']} of {seeds}"])
        # At most each gets a bias, which an ONNX file dequantizes.
        biases = max(
            run["refined_layers"]
            for run in found["runs"]
            if run["network"] == file[0] and run["refine"] == refine
        )
        nodes = biases if file[1] == "onnx" else 0
        assert refined["operators"] <= plain["operators"] + nodes
        # The kernel that scales the images brings a bias and a name.
        more = max(0.001 * plain["size_bytes"], 150) + 1000 * biases
        assert refined["size_bytes"] <= plain["size_bytes"] + more
    assert rows("network | int8 file") == expected
    text = " ".join(README.split())
    for photos in {run["photos"] for run in found["runs"]}:
        assert f"{photos} photos" in text
    assert f"{found['calibration']} calibration images" in text


def test_cost_of_refining_is_that_of_the_results():
    found = {
        (each["format"], each["refine"]): each
        for each in results("refined_cost.json")["files"]
    }
    factors = [
        found[format, "auto"]["processor_seconds"]
        / found[format, "none"]["processor_seconds"]
        for format in ("tflite", "onnx")
    ]
    assert max(factors) <= 3
    text = " ".join(README.split())
    assert (
        "takes {:.1f} times the processor's time of a plain export as TFLite "
        "and {:.1f} times as ONNX".format(*factors)
        in text
    )
    sizes = [
        found[format, refine]["peak_bytes"] / 1e9
        for format in ("tflite", "onnx")
        for refine in ("auto", "none")
    ]
    assert (
        "holds {:.1f} GB at most ({:.1f} GB for the plain file) as TFLite, and "
        "{:.1f} GB ({:.1f} GB) as ONNX".format(*sizes)
        in text
    )


def test_what_other_ranges_gain_is_that_of_the_results():
    found = {}
    hard_swish = {}
    for each in results("activation_ranges.json"):
        key = each["format"], each["scheme"], each["choice"]
        if each["network"] == "MobileNetV2 0.35":
            found.setdefault(key, []).append(each)
        elif each["network"] == "MobileNetV3 Small":
            hard_swish[key] = each["mean_difference"]

    def mean(key, format, choice):
        return statistics.fmean(
            each[key] for each in found[format, "int8", choice]
        )

    def less(format, choice):
        own = mean("mean_difference", format, "min/max")
        return 100 - 100 * mean("mean_difference", format, choice) / own

    def more(format):
        mse = mean("same_class", format, "MSE")
        return mse - mean("same_class", format, "min/max")

    text = " ".join(README.split())
    assert (
        "lowers the mean difference of MobileNetV2's files by "
        f"{less('tflite', 'MSE'):.0f} % (TFLite) and "
        f"{less('onnx', 'MSE'):.0f} % (ONNX), and gives "
        f"{more('tflite'):.1f} and {more('onnx'):.1f} points more the same "
        "class"
    ) in text
    worse, own = (
        hard_swish["tflite", "int8", choice]
        for choice in ("99.99 %", "min/max")
    )
    assert (
        "difference of MobileNetV3 Small's TFLite file "
        f"{worse / own:.1f} times as large"
    ) in text
    slower = mean("refining_seconds", "tflite", "AdaRound") / mean(
        "refining_seconds", "tflite", "min/max"
    )
    assert (
        "AdaRound in the place of GPTQ takes "
        f"{slower:.1f} times as long to refine, and differs by "
        f"{mean('mean_difference', 'tflite', 'AdaRound'):.4f} where GPTQ "
        f"differs by {mean('mean_difference', 'tflite', 'min/max'):.4f}"
    ) in text


def test_files_of_other_tools_have_the_figures_of_the_results():
    found = [
        each for each in results("int8_peers.json") if "failed" not in each
    ]
    files = {}
    for each in found:
        files.setdefault(each["file"], []).append(each)
    assert {len(seeds) for seeds in files.values()} == {3}
    assert rows("written by") == [
        [
            file,
            *(
                f"{statistics.fmean(each[key] for each in seeds):.1f}"
                for key in ("same_class", "points_lost")
            ),
        ]
        for file, seeds in files.items()
    ]


def test_files_of_four_bits_have_the_figures_of_the_results():
    groups = {}
    for cell in results("four_bits.json"):
        for file in cell["files"]:
            key = cell["network"], file["scheme"], file["refine"]
            groups.setdefault(key, []).append(file)
    assert {len(seeds) for seeds in groups.values()} == {3}

    def mean(key, each):
        return statistics.fmean(file[each] for file in groups[key])

    expected = [
        [
            key[0],
            f"tflite:{key[1]}",
            key[2],
            f"{mean(key, 'same_class'):.1f} %",
            f"{mean(key, 'points_lost'):.1f}",
            f"{mean(key, 'size_bytes') / 1e6:.2f} MB",
            f"{mean(key, 'latency_ratio'):.2f}",
        ]
        for key in sorted(groups, key=lambda key: -float(key[0].split()[1]))
    ]
    assert rows("fine-tuned network") == expected


@pytest.mark.parametrize(
    "row", rows("network | accuracy"), ids=lambda row: row[0]
)
def test_repair_table_has_the_figures_of_the_results(row):
    names = {
        "original": "original",
        "original, fine-tuned on": "fine_tuned_original",
        "blurred, untouched": "blurred",
        "blurred, BatchNorm re-estimated": "reestimated",
        "blurred, fine-tuned": "fine_tuned",
        "blurred, KTFT": "ktft",
    }
    (found,) = (
        each
        for each in results("blur_repair.json")["table"]
        if each["method"] == names[row[0]]
    )
    expected = []
    for key in ("accuracy", "shifted_accuracy", "consistency"):
        interval = found[f"{key}_interval"]
        spread = f" ± {interval:.1f}" if interval else ""
        expected.append(f"{found[key]:.1f}{spread}")
    assert row[1:] == expected


def test_repair_is_paired_by_seed_as_the_readme_says():
    runs = results("blur_repair.json")["runs"]

    def gain(method, other, key):
        pairs = [
            [run[key] for run in runs if run["method"] == name]
            for name in (method, other)
        ]
        gains = np.subtract(*pairs)
        error = stats.sem(gains) * stats.t.ppf(0.975, len(gains) - 1)
        return f"{abs(gains.mean()):.1f} ± {error:.1f}"

    text = " ".join(README.split())
    accuracy, shifted, steadier = (
        gain("ktft", "fine_tuned", key)
        for key in ("accuracy", "shifted_accuracy", "consistency")
    )
    assert (
        f"KTFT is ahead of fine-tuning by {accuracy} points, under shifts by "
        f"{shifted}, and {steadier} points steadier"
    ) in text
    original = "fine_tuned_original"
    as_steady = gain("ktft", original, "consistency")
    below = gain("ktft", original, "shifted_accuracy")
    assert f"({as_steady}), no steadier, and {below} points below" in text


def test_files_of_the_repaired_network_lose_what_the_readme_says():
    (found,) = results("blur_repair.json")["export"]
    plain, plain_onnx, aware, aware_onnx = (
        f"{100 * file['accuracy_drop']:.2f}" for file in found["files"]
    )
    text = " ".join(README.split())
    assert f"lose {plain} points as TFLite and {plain_onnx} as ONNX." in text
    assert f"they lose {aware} and {aware_onnx} (" in text
    assert f"on {found['images']} photos" in text
    assert found["qat"] == 10 and "With ten epochs of `--qat`" in text
    assert max(float(aware), float(aware_onnx)) <= 1.0


def test_attempts_table_has_the_figures_of_the_results():
    keys = ("shifted_accuracy", "consistency")
    assert rows("attempt") == [
        [
            found["attempt"],
            str(found["runs"]),
            *(f"{found[f'validation_{key}']:.1f}" for key in keys),
            *(f"{found[f'test_{key}']:.1f}" for key in keys),
        ]
        for found in results("ktft_attempts.json")["table"]
    ]


def test_short_epochs_have_the_figures_of_the_results():
    ratios = {
        str(row["images"]): f"{row['with / without']:.1f}"
        for row in results("short_epochs.json")["epochs"]
    }
    text = " ".join(README.split())
    found = re.search(r"(\d+) photos \(.*?\) take (\S+) times", text)
    also = re.search(r"need, (\d+) photos (\S+) times", text)
    for sentence in (found, also):
        assert ratios[sentence[1]] == sentence[2]


def test_sentences_on_the_attempts_have_the_figures_of_the_results():
    found = results("ktft_attempts.json")
    first = next(
        run
        for run in found["runs"]
        if (run["attempt"], run["seed"]) == ("KTFT", 0)
    )
    one, two, three, four = (
        f"{first[part][key]:.1f}"
        for part in ("validation", "test")
        for key in ("shifted_accuracy", "consistency")
    )
    original, unlabelled = (
        next(row for row in found["table"] if row["attempt"] == name)
        for name in ("the original", "terms without labels")
    )
    text = " ".join(README.split())
    assert (
        f"KTFT itself has {one} and {two} on the validation photos, {three} "
        f"and {four} on the test photos."
    ) in text
    for part in ("validation", "test"):
        key = f"{part}_accuracy"
        assert (
            f"{unlabelled[key]:.1f} % against {original[key]:.1f} % on the "
            f"{part} photos"
        ) in text
    # Every seed is above the original, in both figures.
    (before,) = (
        run for run in found["runs"] if run["attempt"] == "the original"
    )
    seeds = [
        run for run in found["runs"] if run["attempt"] == "terms without labels"
    ]
    assert len(seeds) == 3
    for key in ("shifted_accuracy", "consistency"):
        assert before["validation"][key] < min(
            run["validation"][key] for run in seeds
        )
