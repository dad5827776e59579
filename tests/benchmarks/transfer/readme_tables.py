"""The tables of the READMEs, made from the rows.

    python tests/benchmarks/transfer/readme_tables.py

prints them.
"""

from results import Results
from run_grid import RESULTS
from summarize import BASELINE
from summarize import DEFAULT_RATE
from summarize import EPOCHS
from summarize import USUAL
from summarize import describe_settings
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
_NETWORK = "mobilenet_v2_0.35"
_SHORT = {"clothing10": "clothing", "sign_digits10": "signs"}
_README_TASKS = (
    ("clothing, 5 a class", "clothing10", 5),
    ("10", "clothing10", 10),
    ("25", "clothing10", 25),
    ("signs, 5 a class", "sign_digits10", 5),
    ("10", "sign_digits10", 10),
    ("25", "sign_digits10", 25),
)


def unlabelled_table(settings):
    """What photos without labels bring, for kerastl/README.md.

    Args:
        settings: What `describe_settings` returns.
    """
    return readme_table(settings, _UNLABELLED_ROWS)


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
            wanted = {**usual, "data": data, "shots": shots, **changes}
            found = [
                line
                for line in settings
                if all(line[name] == value for name, value in wanted.items())
                and line["seeds"] >= 3
            ]
            cells.append(_cell(found[0], bool(changes)) if found else "")
        lines.append(_cells(cells))
    return "\n".join(lines)


def networks_table(settings):
    """The methods of few photos in other networks, for the same page.

    Args:
        settings: What `describe_settings` returns.
    """
    found = {}
    for line in settings:
        if line["network"] != _NETWORK and is_usual(line, _PLAIN):
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
    settings = describe_settings(Results(RESULTS).rows)
    for table in (
        readme_table,
        unlabelled_table,
        methods_table,
        networks_table,
    ):
        print(table(settings), end="\n\n")


if __name__ == "__main__":
    main()
