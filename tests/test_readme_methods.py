"""The README's figures of methods are the results'."""

import itertools
import json
import statistics

from kerastl import apps

from .readme_pages import PAGES
from .readme_pages import README
from .readme_pages import ROOT
from .readme_pages import results
from .readme_pages import rows


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
    for table in (
        readme_tables.seed_methods_table,
        readme_tables.methods_table,
        readme_tables.networks_table,
        readme_tables.small_sources_table,
    ):
        assert table(settings) in PAGES["tests/benchmarks"]
    assert readme_tables.options_table(rows) in PAGES["tests/benchmarks"]
    assert readme_tables.unlabelled_table(settings) in PAGES["kerastl"]


def test_what_gains_in_a_blurred_network_is_what_the_rows_say(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks/transfer")
    import readme_tables
    import summarize

    found = {}
    for row in summarize.Results(
        ROOT / "tests/benchmarks/transfer/results.csv"
    ).rows:
        usual = row["network"] == "mobilenet_v2_0.35" and row["strength"] == 1
        if row["antialias"] == 3 and usual and row["status"] == "done":
            task = row["method"], row["data"], row["shots"]
            found.setdefault(task, {})[row["seed"]] = summarize.both(row)

    def gain(method, data, shots):
        one, other = (
            found[name, data, shots] for name in (method, "fine_tune")
        )
        assert one.keys() == other.keys()
        return readme_tables.mean_gap([one[k] - other[k] for k in one])

    text = " ".join(PAGES["tests/benchmarks"].split())
    said = [
        gain(*task)
        for task in (
            ("ktft", "clothing10", 10),
            ("ktft", "sign_digits10", 5),
            ("averaged_imprinting", "clothing10", 25),
            ("averaged_imprinting", "sign_digits10", 25),
        )
    ]
    seeds = {each.partition(" (")[2] for each in said}
    assert len(seeds) == 1
    assert (
        "gains at every number of photos, {} points with ten clothes and {} "
        "with five signs, elsewhere less than chance could; and "
        "`averaged_imprinting` {} and {} with 25 of either ({}:".format(
            *(each.partition(" (")[0] for each in said), *seeds
        )
    ) in text
    others = [
        gain("ktft", data, shots)
        for data in ("clothing10", "sign_digits10")
        for shots in (5, 10, 25)
        if (data, shots) not in (("clothing10", 10), ("sign_digits10", 5))
    ]
    for each in others:
        points, spread = each.partition(" (")[0].split(" ± ")
        assert 0 < float(points) < float(spread)


def test_what_is_taken_by_default_gains_what_the_rows_say(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks/transfer")
    import readme_tables
    import summarize

    gains, unclear = {}, set()
    for row in results("transfer/summary.json"):
        own = row["method"] == "averaged_imprinting" and not row["teacher"]
        if own and summarize.is_usual(row, {**summarize.USUAL, "antialias": 0}):
            # Those of small sources are told apart.
            if row["network"] in readme_tables.SMALL:
                continue
            gains.setdefault(row["network"], []).append(round(row["gain"]))
            if abs(row["gain"]) < row["gain_interval"]:
                unclear.add((row["network"], row["data"], row["shots"]))
    usual = gains.pop("mobilenet_v2_0.35")
    assert (min(usual), max(usual)) == (1, 6)
    known = {task[1:] for task in unclear if task[0] == "mobilenet_v2_0.35"}
    assert known == {("clothing10", 10)}
    others = [*itertools.chain.from_iterable(gains.values())]
    assert (len(gains), min(others), max(others)) == (2, 0, 4)
    text = " ".join(PAGES[""].split())
    assert (
        "gained one to six points everywhere, though with ten clothes a class "
        "its interval holds zero"
    ) in text
    assert "networks](tests/benchmarks/README.md) zero to four" in text
    assert "from the few features of a ResNet-8 it is not taken" in text


def test_what_small_sources_bring_is_what_the_rows_say(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks/transfer")
    import summarize

    means, gains = {}, {}
    for row in results("transfer/summary.json"):
        if not row["network"].startswith("resnet8_"):
            continue
        if summarize.is_usual(row, {**summarize.USUAL, "antialias": 0}):
            gains.setdefault(row["method"], []).append(round(row["gain"]))
        elif row["method"] == "fine_tune" and row["shots"] == 25:
            task = row["data"], row["learning_rate"]
            means[task] = f"{row['accuracy']:.1f}"
    for method in ("averaged_imprinting", "self_training"):
        assert len(gains[method]) == 9
        assert min(gains[method]) == -11
    data = "sign_digits10", "clothing10", "digits"
    now, before = (
        "{}, {} and {}".format(*(means[name, rate] for name in data))
        for rate in (0.003, 0.001)
    )
    text = " ".join(PAGES["tests/benchmarks"].split())
    assert f"signs, clothing and digits {now} where they had {before}" in text
    assert "one loses up to eleven points, with photos that nobody" in text
    wide = [
        row["gain"]
        for row in results("transfer/summary.json")
        if row["network"].startswith("mobilenet_v2_0.35_")
        and row["method"] == "averaged_imprinting"
    ]
    assert (len(wide), round(max(wide))) == (6, 5)
    assert f"up to five points, and lost {-min(wide):.1f} at most" in text
    assert apps.get_preset("resnet8").learning_rate == 0.003


def test_what_published_weights_cost_is_what_the_rows_say():
    found = {}
    for row in results("transfer/summary.json"):
        if row["strength"] == 10 and row["network"] == "mobilenet_0.25":
            found.setdefault(row["method"], set()).add(round(-row["gain"]))
    assert found["co_tuning"] == {3, 19}
    assert found["distillation"] == {2, 3}
    text = " ".join(PAGES["tests/benchmarks"].split())
    assert (
        "weights lost 3 to 19 points and 2 to 3 (rows of `strength` 10)" in text
    )


def test_what_self_training_gains_is_what_the_rows_say(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests/benchmarks/transfer")
    import summarize

    found = {}
    for row in summarize.Results(
        ROOT / "tests/benchmarks/transfer/results.csv"
    ).rows:
        usual = {**summarize.USUAL, "network": "mobilenet_v2_0.35"}
        usual |= {"learning_rate": 0.001, "antialias": 0, "teacher": ""}
        if summarize.has(row, usual):
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
    places = ("strided", "after", "kernel", "kernel, stem left")
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
                    for place in places[1:3]
                ),
                "",
            ]
    summary = results("blur_place.json")["summary"]
    for data, method in (
        ("clothing", "averaged_imprinting"),
        ("digits", "digits"),
    ):
        for measure in ("accuracy", "consistency", "noisy"):
            assert table.pop(f"{data}: {measure}") == [
                f"{summary[method][place]['mean'][measure]:.1f}"
                for place in places
            ]
    assert not table
    text = " ".join(PAGES["kerastl"].split())
    for method, place, other, measure in (
        ("averaged_imprinting", "after", "strided", "accuracy"),
        ("averaged_imprinting", "kernel, stem left", "after", "consistency"),
        ("averaged_imprinting", "kernel, stem left", "after", "noisy"),
        ("digits", "kernel", "strided", "consistency"),
        ("digits", "kernel, stem left", "after", "consistency"),
        (
            "averaged_imprinting+shift_consistency",
            "kernel, stem left",
            "strided",
            "consistency",
        ),
        (
            "digits+shift_consistency",
            "kernel, stem left",
            "strided",
            "consistency",
        ),
    ):
        found = summary[method][place]
        assert found["seeds"] == 5
        gap = found[f"minus {other}"]
        said = f"{gap['mean'][measure]:+.1f} ± {gap['interval'][measure]:.1f}"
        assert said in text, (method, place, other, measure, said)


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
        quantile = {5: 2.776}[len(gaps)]
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


def test_patience_with_a_teacher_has_the_figures_of_the_results():
    gaps = {}
    for row in results("patient_teacher.json"):
        seeds = gaps.setdefault(row["epochs"], [])
        seeds.append(row["teacher"] - row["student"])
    assert {epochs: len(seeds) for epochs, seeds in gaps.items()} == {
        20: 5,
        100: 5,
    }
    short, long = (statistics.fmean(gaps[epochs]) for epochs in (20, 100))
    # Student's t of four degrees of freedom.
    half = 2.776 * statistics.stdev(gaps[100]) / 5**0.5
    text = " ".join(PAGES["kerastl"].split())
    assert (
        f"{short:.1f} points below after 20 epochs, {long:.1f} ± {half:.1f} "
        "after 100"
    ) in text


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
