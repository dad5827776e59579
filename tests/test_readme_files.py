"""The README's figures of files and of blurred networks are the results'."""

import re
import statistics

import pytest

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
    assert rows("network | int8 file") == [
        [
            file["network"],
            f"{file['format']}:{file['scheme']}",
            file["refine"],
            f"{file['same_class']:.1f} %",
            f"{file['mean_difference']:.4f}",
            f"{file['points_lost']:.1f}",
            f"{file['processor_seconds']:.0f} s",
        ]
        for file in found["files"]
    ]
    text = " ".join(README.split())
    assert f"compared with the Keras model on {found['photos']} photos" in text
    assert f"{found['calibration']} calibration images" in text
    plain = {
        (file["network"], file["format"], file["scheme"]): file
        for file in found["files"]
        if file["refine"] == "none"
    }
    for refined in found["files"]:
        if refined["refine"] == "none":
            continue
        key = refined["network"], refined["format"], refined["scheme"]
        other = plain[key]
        assert refined["kept"] == found["seeds"]
        assert refined["operators"] <= other["operators"]
        assert refined["size_bytes"] <= 1.001 * other["size_bytes"]


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
