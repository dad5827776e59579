"""The tables of the READMEs, made from the rows.

    python tests/benchmarks/transfer/readme_tables.py

prints them.
"""

import statistics

from results import Results
from run_grid import RESULTS
from summarize import BASELINE
from summarize import DEFAULT_RATE
from summarize import EPOCHS
from summarize import USUAL
from summarize import both
from summarize import describe_settings
from summarize import has
from summarize import interval
from summarize import is_usual

#: What `finetune` takes by itself.
AVERAGED = {
    "method": "averaged_imprinting",
    "learning_rate": 2 * DEFAULT_RATE,
}
#: The README's rows: a label, and what the setting has.
_README_ROWS = (
    (
        "usual: drawn classifier, SGD, BatchNorm of the batch",
        {"head": "drawn", "optimizer": "sgd", "learning_rate": 0.003},
    ),
    ("`linear_probe`", {"method": "linear_probe"}),
    ("`fine_tune`", {}),
    ("`fine_tune`, mean of three (`--soup 3`)", {"soup": 3}),
    (
        "`averaged_imprinting`",
        AVERAGED,
    ),
    (
        "`self_training` on photos nobody sorted (`--unlabelled`)",
        {**AVERAGED, "method": "self_training", "unlabelled": 1},
    ),
    (
        "`averaged_imprinting`, taught by a bigger network (`--teacher`)",
        {**AVERAGED, "teacher": "mobilenet_v2_1.0"},
    ),
    (
        "the same on photos nobody sorted (`--teacher --unlabelled`)",
        {**AVERAGED, "teacher": "mobilenet_v2_1.0", "unlabelled": 1},
    ),
)
#: The rows of what is learned from photos without labels.
_UNLABELLED_ROWS = (
    ("`averaged_imprinting`, without them", AVERAGED),
    (
        "`self_training`",
        {**AVERAGED, "method": "self_training", "unlabelled": 1},
    ),
    (
        "`averaged_imprinting`, taught by a bigger network (`--teacher`)",
        {**AVERAGED, "teacher": "mobilenet_v2_1.0", "unlabelled": 1},
    ),
)
#: What transfer is held to be, and the simplest that it is held against.
_SEED_METHODS = (
    "fine_tune",
    "linear_probe",
    "ktft",
    "adafilter",
    "rifle",
    "delta",
    "l2",
    "l2_sp",
)
#: Their rows, alone and in a network that is blurred before every stride.
_SEED_ROWS = tuple(
    (f"{label}{blurred}", {**changes, "antialias": taps})
    for taps, blurred in ((0, ""), (3, ", anti-aliased"))
    for label, changes in (
        *((f"`{name}`", {"method": name}) for name in _SEED_METHODS),
        ("`averaged_imprinting`", AVERAGED),
    )
)
_NETWORK = "mobilenet_v2_0.35"
#: Networks whose weights come from little, see small_sources.py.
SMALL = {
    "resnet8_clothing": "ResNet-8 of clothing, signs",
    "resnet8_signs": "ResNet-8 of signs, clothing",
    "resnet8_digits": "ResNet-8 of digits 0 to 4, digits 5 to 9",
    "mobilenet_v2_0.35_clothing": "MobileNetV2 0.35 of clothing, signs",
    "mobilenet_v2_0.35_signs": "MobileNetV2 0.35 of signs, clothing",
}
_SHORT = {"clothing10": "clothing", "sign_digits10": "signs"}
_README_TASKS = (
    ("clothing, 5 a class", "clothing10", 5),
    ("10", "clothing10", 10),
    ("25", "clothing10", 25),
    ("50", "clothing10", 50),
    ("signs, 5 a class", "sign_digits10", 5),
    ("10", "sign_digits10", 10),
    ("25", "sign_digits10", 25),
    ("50", "sign_digits10", 50),
)


def unlabelled_table(settings):
    """What photos without labels bring, for kerastl/README.md.

    Args:
        settings: What `describe_settings` returns.
    """
    return readme_table(settings, _UNLABELLED_ROWS)


def seed_methods_table(settings):
    """The methods of the papers, alone and anti-aliased, for the benchmarks.

    Args:
        settings: What `describe_settings` returns.
    """
    return readme_table(settings, _SEED_ROWS)


def readme_table(settings, rows=_README_ROWS):
    """The README's table of few photos, as Markdown.

    Args:
        settings: What `describe_settings` returns.
        rows: A label and what the setting has, row by row.
    """
    heads = ["start and training", *(head for head, _, _ in _README_TASKS)]
    lines = [_cells(heads), "|---" * len(heads) + "|"]
    usual = {
        **BASELINE,
        "network": _NETWORK,
        "epochs": EPOCHS,
        "batch_norm": "",
        "learning_rate": DEFAULT_RATE,
        "strength": 1.0,
    }
    for label, changes in rows:
        cells = [label]
        for _, data, shots in _README_TASKS:
            task = {"data": data, "shots": shots}
            wanted = {**usual, **task, **changes}
            found = [
                line
                for line in settings
                if has(line, wanted) and line["seeds"] >= 3
            ]
            plain = wanted == {**usual, **task}
            cells.append(_cell(found[0], not plain) if found else "")
        lines.append(_cells(cells))
    return "\n".join(lines)


def networks_table(settings):
    """The methods of few photos in other networks, for the same page.

    Args:
        settings: What `describe_settings` returns.
    """
    found = {}
    for line in settings:
        other = line["network"] not in (_NETWORK, *SMALL)
        if other and line["seeds"] > 1 and is_usual(line, _PLAIN):
            names = line["network"], line["method"]
            found.setdefault(names, {})[line["data"], line["shots"]] = line
    tasks = [
        (data, shots)
        for _, data, shots in _README_TASKS
        if any((data, shots) in cells for cells in found.values())
    ]
    heads = ["network, training"]
    heads += [f"{_SHORT[data]}, {shots} a class" for data, shots in tasks]
    lines = [_cells(heads), "|---" * len(heads) + "|"]
    for (network, method), cells in sorted(found.items()):
        compared = method != BASELINE["method"]
        lines.append(
            _cells(
                [
                    f"{network}, `{method}`",
                    *(
                        _cell(cells[task], compared) if task in cells else ""
                        for task in tasks
                    ),
                ]
            )
        )
    return "\n".join(lines)


def small_sources_table(settings):
    """What the defaults gain where the source knows little, for the same page.

    Args:
        settings: What `describe_settings` returns.
    """
    methods = ("fine_tune", "linear_probe", AVERAGED["method"], "self_training")
    heads = ["weights from, photos", *(f"`{method}`" for method in methods)]
    lines = [_cells(heads), "|---" * len(heads) + "|"]
    found = {
        (line["network"], line["shots"], line["method"]): line
        for line in settings
        if line["network"] in SMALL
        and line["seeds"] > 1
        and is_usual(line, {**_PLAIN, "unlabelled": line["unlabelled"]})
    }
    for network, task in SMALL.items():
        for shots in sorted({key[1] for key in found if key[0] == network}):
            cells = [f"{task}, {shots} a class"]
            for method in methods:
                line = found.get((network, shots, method))
                cells.append(_cell(line, method != methods[0]) if line else "")
            lines.append(_cells(cells))
    return "\n".join(lines)


#: The options of a training, and what a row with one of them has.
_OPTIONS = (
    *(
        (f"`--augment {augment}`", {"augment": augment})
        for augment in (
            "strong",
            "rand_augment",
            "random_erasing",
            "mixup",
            "cutmix",
        )
    ),
    ("`--label-smoothing 0.1`", {"label_smoothing": 0.1}),
    ("`--head-learning-rate 10`", {"head_learning_rate": 10.0}),
    ("`--keep best`", {"keep": "best"}),
)


def options_table(rows):
    """What one option at a time changes, for tests/benchmarks/README.md.

    Differences are to the default on the same seeds; where the validation
    images chose an epoch, on the test images alone.

    Args:
        rows: Dicts as `results.Results` has them.
    """
    usual = {**_PLAIN, **AVERAGED, "network": _NETWORK, "status": "done"}
    tasks = [(data, 25) for data in _SHORT]
    heads = ["option, 20 epochs"]
    heads += [f"{_SHORT[data]}, {shots} a class" for data, shots in tasks]
    lines = [_cells(heads), "|---" * len(heads) + "|"]
    for label, changes in _OPTIONS:
        judged = both if "keep" not in changes else _on_test
        cells = [label]
        for data, shots in tasks:
            task = {"data": data, "shots": shots}
            base, changed = (
                {row["seed"]: judged(row) for row in rows if has(row, wanted)}
                for wanted in ({**usual, **task}, {**usual, **task, **changes})
            )
            gaps = [changed[seed] - base[seed] for seed in changed]
            cells.append(mean_gap(gaps) if len(gaps) > 1 else "")
        lines.append(_cells(cells))
    return "\n".join(lines)


def _on_test(row):
    return row["test"]


def mean_gap(gaps):
    """The mean of paired differences, its interval and their number."""
    gain = statistics.fmean(gaps)
    return _gain({"gain": gain, "gain_interval": interval(gaps)}) + (
        f" ({len(gaps)} seeds)"
    )


def methods_table(settings):
    """Every method where most were measured, for tests/benchmarks/README.md.

    Args:
        settings: What `describe_settings` returns.
    """
    heads = ["method", "blur taps", "accuracy", "difference", "seeds"]
    lines = [_cells(heads), "|---" * len(heads) + "|"]
    found = [
        line
        for line in settings
        if is_usual(line, _METHODS_AT) and line["seeds"] > 1
    ]
    found.sort(key=lambda line: (line["antialias"], -line["gain"]))
    for line in found:
        plain = line["method"] == BASELINE["method"] and not line["antialias"]
        lines.append(
            _cells(
                [
                    f"`{line['method']}`",
                    str(line["antialias"] or ""),
                    f"{line['accuracy']:.1f}",
                    "" if plain else _gain(line),
                    str(line["common"]),
                ]
            )
        )
    return "\n".join(lines)


#: As the product trains, without a blur or a teacher.
_PLAIN = {**USUAL, "antialias": 0, "teacher": "", "unlabelled": 0}
#: Where most methods were measured.
_METHODS_AT = {
    **USUAL,
    "data": "clothing10",
    "network": _NETWORK,
    "shots": 25,
    "teacher": "",
}


def _cells(cells):
    return f"| {' | '.join(cells)} |"


def _cell(line, compared):
    text = f"{line['accuracy']:.1f}"
    if not compared:
        return text
    return f"{text} ({_gain(line)})"


def _gain(line):
    # No minus before what rounds to zero.
    return f"{round(line['gain'], 1) + 0.0:+.1f} ± {line['gain_interval']:.1f}"


def main():
    rows = Results(RESULTS).rows
    settings = describe_settings(rows)
    for table in (
        readme_table,
        unlabelled_table,
        seed_methods_table,
        methods_table,
        networks_table,
        small_sources_table,
    ):
        print(table(settings), end="\n\n")
    print(options_table(rows))


if __name__ == "__main__":
    main()
