"""What the README says is what is there."""

import json
import pathlib
import re
import statistics

import pytest

from kerastl import apps
from kerastl import export

from .method_table import method_table

ROOT = pathlib.Path(__file__).parents[1]
#: The start, and the rooms' own.
PAGES = {
    name: (ROOT / name / "README.md").read_text()
    for name in ("", "kerastl", "apps", "export", "tests", "tests/benchmarks")
}
README = "\n".join(PAGES.values())


def rows(first_cell):
    """The cells of the table whose header begins with a cell."""
    lines = README.splitlines()
    start = next(
        number
        for number, line in enumerate(lines)
        if line.startswith(f"| {first_cell} |")
    )
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return table
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def results(name):
    return json.loads((ROOT / "tests/benchmarks" / name).read_text())


def test_links_lead_somewhere():
    links = [
        ROOT / name / link
        for name, text in PAGES.items()
        for link in re.findall(r"\]\(([^)#]+)\)", text)
    ]
    assert len(links) > 40
    assert [str(link) for link in links if not link.exists()] == []


def test_files_of_tests_that_are_named_are_there():
    named = set()
    for text in (README, (ROOT / ".ci/run").read_text()):
        named.update(re.findall(r"\btests/[\w/.]*\w", text))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_start_is_short_and_leads_to_every_room():
    start = PAGES[""]
    assert len(start.splitlines()) <= 160
    for name in list(PAGES)[1:]:
        assert f"]({name}/README.md)" in start


def test_method_table_is_the_table_of_recipes():
    assert method_table() in PAGES["kerastl"], (
        "run `python -m tests.method_table`"
    )


def test_costs_are_those_that_were_measured():
    measured = results("method_cost.json")["methods"]
    assert {
        name: recipe.cost
        for name, recipe in apps.RECIPES.items()
        if recipe.trains
    } == {
        "fine_tune": 1.0,
        **{name: row["ratio"] for name, row in measured.items()},
    }


def test_every_scheme_is_explained():
    named = {
        name for row in rows("scheme") for name in re.findall("`(.+?)`", row[0])
    }
    assert named == {
        f"{format}:{scheme}"
        for format, schemes in export.SCHEMES.items()
        for scheme in schemes
    }


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


def test_methods_as_they_stand_have_the_figures_of_the_results():
    runs = results("method_accuracy.json")["runs"]
    digits = {
        run["method"]: run["accuracy"]
        for run in runs
        if run["data"] == "digits"
    }
    # Methods that came later are on the grid of tests/benchmarks/transfer, and
    # `shift_consistency` beside the blurs.
    later = {
        *("reestimate", "averaged_imprinting", "self_training"),
        "shift_consistency",
    }
    assert set(digits) == set(apps.RECIPES) - later
    # Of the two networks of plain fine-tuning, the one without classifier.
    photos = {
        run["method"]: run
        for run in runs
        if run["data"] == "clothing10"
        and (run["network"], run["method"]) != ("MobileNet 0.25", "fine_tune")
    }
    assert set(photos) == set(digits)
    ktft, plain, imprinting, rifle, lure, tcr = (
        photos[name]["accuracy"]
        for name in "ktft fine_tune imprinting rifle lure tcr".split()
    )
    text = " ".join(README.split())
    assert (
        f"`ktft` comes to {ktft} % and is {photos['ktft']['consistency']} % "
        f"consistent, where `fine_tune` has {plain} % and "
        f"{photos['fine_tune']['consistency']} %"
    ) in text
    assert f"has {imprinting} %." in text
    assert f"eight epochs: {rifle}, {lure} and {tcr} %." in text


def test_few_photos_tables_are_those_of_the_rows(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks/transfer")
    import readme_tables
    import summarize

    rows = summarize.Results(
        ROOT / "tests/benchmarks/transfer/results.csv"
    ).rows
    settings = summarize.describe_settings(rows)
    assert settings == results("transfer/summary.json")
    known = ROOT / "apps/choice/evidence.json"
    assert summarize.evidence(settings) == json.loads(known.read_text())
    table = readme_tables.readme_table(settings)
    assert "averaged_imprinting" in table
    assert table in PAGES[""]
    assert readme_tables.methods_table(settings) in PAGES["tests/benchmarks"]
    assert readme_tables.unlabelled_table(settings) in PAGES["kerastl"]


def test_what_self_training_gains_is_what_the_rows_say(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks/transfer")
    import summarize

    found = {}
    for row in summarize.Results(
        ROOT / "tests/benchmarks/transfer/results.csv"
    ).rows:
        usual = (row["learning_rate"], row["epochs"], row["soup"])
        if usual == (0.001, 20, 1) and not (row["antialias"] or row["teacher"]):
            task = row["data"], row["shots"], row["seed"]
            found.setdefault(row["method"], {})[task] = summarize.both(row)
    own, other = found["self_training"], found["averaged_imprinting"]
    gaps = {}
    for *task, seed in own:
        gap = own[*task, seed] - other[*task, seed]
        gaps.setdefault(tuple(task), []).append(gap)
    assert len(gaps) == 6 and {len(each) for each in gaps.values()} == {5}
    clear = gaps.pop(("clothing10", 10))
    means = [statistics.fmean(each) for each in gaps.values()]
    for mean, each in zip(means, gaps.values(), strict=True):
        assert abs(mean) < summarize.interval(each)
    text = " ".join(PAGES["kerastl"].split())
    assert (
        f"gained {statistics.fmean(clear):.1f} ± "
        f"{summarize.interval(clear):.1f} points with ten clothes a class and "
        f"{min(means):.1f} to {max(means):+.1f} elsewhere"
    ) in text


def test_strength_table_has_the_figures_of_the_results():
    tasks = {}
    for row in results("feature_strength.json")["table"]:
        figures = [
            "–" if row[key] is None else f"{row[key]:.1f}"
            for key in ("validation", "accuracy", "consistency")
        ]
        tasks.setdefault(row["data"], []).append(
            (row["method"], row["strength"], figures)
        )
    assert rows("held by") == [
        [f"`{method}`", f"{strength:g}" * (method != "fine_tune"), *one, *two]
        for (method, strength, one), (_, _, two) in zip(
            tasks["clothing10"], tasks["digits"], strict=True
        )
    ]


def test_hard_networks_meet_the_gate_as_the_results_say():
    kept = {
        name: [len(file["layers_in_float"]) for file in network["files"]]
        for name, network in results("selective_precision.json")[
            "networks"
        ].items()
        if all(file["met"] for file in network["files"])
    }
    assert kept == {
        "MobileNetV3 Small": [0, 0],
        "EfficientNetB0": [14, 0],
        "DenseNet121": [0, 0],
    }
    assert "TFLite with 14 layers in float" in " ".join(README.split())


def test_stored_features_have_the_figures_of_the_results():
    found = results("stored_features.json")
    top = found["top"]["epoch / epoch of the top alone"]
    assert f"costs {top['whole']:.1f} times as much" in " ".join(README.split())
    assert round(top["stored"], 1) == 1.0
    source = found["source"]["epoch / plain epoch"]
    assert source["ktft stored"] >= source["ktft"]


def test_inspection_has_the_figures_of_the_results():
    found = results("inspect_photos.json")
    text = " ".join(README.split())
    labels = [draw["found"] for draw in found["labels"]]
    assert f"Of {found['swapped']} labels that were swapped among" in text
    assert f"{found['photos']:,} photos of clothing" in text
    assert f"{min(labels)} to {max(labels)} are among the first" in text
    assert len(labels) == 10
    assert f"ten draws, {sum(labels) / 10:.1f} on average" in text
    # Nothing was chosen on the last four.
    assert f"{sum(labels[6:]) / 4:.1f} over the four" in text
    assert all(draw["found"] == found["leaked"] for draw in found["copies"])
    assert f"of {found['leaked']} copies from training to test all" in text


def test_places_of_a_blur_have_the_figures_of_the_results():
    table = {name: cells for name, *cells in rows("3-tap blurs")}
    places = ("strided", "after", "kernel")
    for network, found in results("antialias_latency.json")["networks"].items():
        assert table.pop(f"int8 latency, {network}") == [
            "1",
            *(
                f"{found['ratios'][f'{place} / strided']['round_median']:.2f}"
                for place in places[1:]
            ),
        ]
    steps = results("antialias_step.json")["networks"]
    for network, found in steps.items():
        for way in dict.fromkeys(
            name.partition(":")[0] for name in found["step_ms"]["processor"]
        ):
            ratios = found["ratios"]["processor"]
            name = f"training step, {network.partition(',')[0]}, {way}"
            assert table.pop(name) == [
                "1",
                *(
                    f"{ratios[f'{way}: {place} / strided']['median']:.2f}"
                    for place in places[1:]
                ),
            ]
    summary = results("blur_place.json")["summary"]
    for data, method in (
        ("clothing", "averaged_imprinting"),
        ("digits", "digits"),
    ):
        for measure in ("accuracy", "consistency"):
            assert table.pop(f"{data}: {measure}") == [
                f"{summary[method][place]['mean'][measure]:.1f}"
                for place in places
            ]
    assert not table


def test_steadiness_without_a_blur_is_what_was_measured():
    text = " ".join(PAGES["kerastl"].split())
    found = {}
    for row in results("blur_place.json")["rows"]:
        place = found.setdefault((row["method"], row["variant"]), {})
        place[row["seed"]] = row

    def difference(method, variant, measure):
        one = found[f"{method}+shift_consistency", "strided"]
        other = found[method, variant]
        assert one.keys() == other.keys()
        gaps = [
            one[seed][measure] - other[seed][measure] for seed in sorted(one)
        ]
        quantile = {3: 4.303, 4: 3.182}[len(gaps)]
        half = quantile * statistics.stdev(gaps) / len(gaps) ** 0.5
        return f"{statistics.fmean(gaps):+.1f} ± {half:.1f}"

    for label, method in (
        ("clothing", "averaged_imprinting"),
        ("digits", "digits"),
    ):
        for measure in ("accuracy", "consistency"):
            one = found[f"{method}+shift_consistency", "strided"]
            mean = statistics.fmean(row[measure] for row in one.values())
            cells = (
                f"| {label}: {measure} | {mean:.1f} "
                f"| {difference(method, 'strided', measure)} "
                f"| {difference(method, 'after', measure)} |"
            )
            assert cells in text
    cost = results("method_cost.json")["methods"]["shift_consistency"]
    assert f"takes {cost['ratio']:.2f} times as long" in text


def test_uneven_classes_have_the_figures_of_the_results():
    rows = results("uneven.json")
    for label, data in (("clothing", "clothing10"), ("signs", "sign_digits10")):
        found = [row for row in rows if row["data"] == data]
        assert len(found) == 5
        plain = [row["plain"]["balanced"] for row in found]
        cells = [f"| {label} | {statistics.fmean(plain):.1f}"]
        for kind in ("adjusted", "weighted"):
            values = [row[kind]["balanced"] for row in found]
            gaps = [b - a for a, b in zip(plain, values, strict=True)]
            half = 2.776 * statistics.stdev(gaps) / len(gaps) ** 0.5
            cells.append(
                f"{statistics.fmean(values):.1f} "
                f"({statistics.fmean(gaps):+.1f} ± {half:.1f})"
            )
        assert " | ".join(cells) + " |" in PAGES["apps"]


def test_what_a_teacher_costs_has_the_figures_of_the_results():
    text = " ".join(PAGES["kerastl"].split())
    gaps = [
        row["alone"] - row["among_strangers"]
        for row in results("strangers.json")
    ]
    assert len(gaps) == 3
    half = 4.303 * statistics.stdev(gaps) / 3**0.5
    mean = statistics.fmean(gaps)
    assert f"cost {mean:.1f} points (± {half:.1f}, three seeds" in text
    cost = results("teacher_cost.json")
    assert f"takes {cost['of_plain']:.1f} times a plain one" in text
    assert f"which is {cost['ratio']:.2f} times what" in text


def test_how_near_a_student_comes_is_what_was_measured():
    text = " ".join(PAGES["kerastl"].split())
    found = results("taught_int8.json")
    assert len(found) == 5
    below, later = (
        statistics.fmean(row["teacher"] - row[name] for row in found)
        for name in ("student", "longer")
    )
    assert (
        f"ends {below:.1f} points below its teacher, and after 60 epochs in "
        f"place of 20, {later:.1f} (five seeds)"
    ) in text
    files = [row for row in found if "int8" in row]
    assert len(files) == 3
    same = statistics.fmean(row["int8"]["same"] for row in files)
    assert f"names {same:.1f} % of the photos as the network does" in text
    changes = [
        statistics.fmean(
            row[name]["accuracy"] - row["int8"]["accuracy"] for row in files
        )
        for name in ("qat_20", "taught_qat_20")
    ]
    assert max(map(abs, changes)) < 0.1
    assert "changed its accuracy by less than 0.1 points" in text


def test_what_an_ensemble_teaches_is_what_was_measured():
    text = " ".join(PAGES["kerastl"].split())
    found = results("ensemble.json")
    assert len(found) == 3
    together, taught, alone = (
        statistics.fmean(row[name] for row in found)
        for name in ("ensemble", "taught", "self_training")
    )
    assert (
        f"together of ten clothes a class is right for {together:.1f} %" in text
    )
    assert f"sorted names {taught:.1f} %" in text
    assert f"`self_training` by itself {alone:.1f} %" in text
