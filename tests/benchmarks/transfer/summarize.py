"""What the rows say: the best setting of each method, and paired differences.

    python tests/benchmarks/transfer/summarize.py

prints, for every data set, network and number of shots, each method with the
setting that its mean validation accuracy chose, its test accuracy, and the
difference to plain fine-tuning on the same seeds with its 95 % interval.

    python tests/benchmarks/transfer/summarize.py --write

also writes summary.json: every setting as it is, nothing chosen, judged on the
validation and test images together. The README's table is made from it, and
apps/choice/evidence.json, which `kerastl choose` reads. readme_tables.py prints
the tables.
"""

import argparse
import collections
import functools
import json
import pathlib
import statistics

from grid import FIELDS
from grid import NETWORKS
from results import Results
from scipy import stats

from kerastl import apps

#: What the product takes with it.
EVIDENCE = pathlib.Path(__file__).parents[3] / "apps/choice/evidence.json"
#: What makes a task; the rest of a cell, but for the seed, is a setting.
_TASK = ("data", "network", "shots", "image_size", "epochs")
_METHOD = (
    "method",
    "antialias",
    "head",
    "optimizer",
    "soup",
    "teacher",
    "unlabelled",
    "augment",
    "label_smoothing",
    "keep",
    "head_learning_rate",
)
#: What every difference is to.
BASELINE = {
    "method": "fine_tune",
    "antialias": 0,
    "head": "fitted",
    "optimizer": "adam",
    "soup": 1,
    "teacher": "",
    "unlabelled": 0,
    "augment": "light",
    "label_smoothing": 0.0,
    "keep": "last",
    "head_learning_rate": 1.0,
}
#: The product's for a MobileNet of width 0.35, rounded. Rows of other networks
#: have the product's own, which is written as 0.
DEFAULT_RATE = 0.0005
#: As many as `kerastl finetune` takes; shorter trainings are told apart.
EPOCHS = 20
# Of images: whatever it is, a network has the same features.
_ANY_SIZE = 96
#: How the product trains, whatever the method.
USUAL = {
    "epochs": EPOCHS,
    "head": "fitted",
    "optimizer": "adam",
    "batch_norm": "",
    "strength": 1.0,
    "soup": 1,
    "augment": "light",
    "label_smoothing": 0.0,
    "keep": "last",
    "head_learning_rate": 1.0,
}


def summarize(rows, part="test"):
    """Returns a dict a method and task, best test accuracy first.

    Args:
        rows: Dicts as `results.Results` has them.
        part: The images that settings are judged on.
    """
    tasks = collections.defaultdict(list)
    for row in rows:
        tasks[tuple(row[name] for name in _TASK)].append(row)
    found = []
    for task, members in tasks.items():
        methods = collections.defaultdict(list)
        for row in members:
            methods[tuple(row[name] for name in _METHOD)].append(row)
        chosen = {name: choose(each) for name, each in methods.items()}
        base = chosen.get(tuple(BASELINE[name] for name in _METHOD))
        lines = [
            {
                **dict(zip(_TASK, task, strict=True)),
                **dict(zip(_METHOD, name, strict=True)),
                **_describe(rows_, base, part),
            }
            for name, rows_ in chosen.items()
            if rows_
        ]
        found += sorted(lines, key=lambda line: -line["accuracy"])
    return found


def choose(rows):
    """The rows of the setting whose mean validation accuracy is the best.

    A setting counts if it has all the seeds that any setting has; one that
    exploded with any seed does not count.
    """
    settings = collections.defaultdict(dict)
    rest = [name for name in FIELDS if name not in (*_TASK, *_METHOD, "seed")]
    for row in rows:
        key = tuple(row[name] for name in rest)
        settings[key][row["seed"]] = row
    most = max(len(seeds) for seeds in settings.values())
    whole = [
        seeds
        for seeds in settings.values()
        if len(seeds) == most
        and all(row["status"] == "done" for row in seeds.values())
    ]
    if not whole:
        return {}
    return max(
        whole,
        key=lambda seeds: statistics.fmean(
            row["validation"] for row in seeds.values()
        ),
    )


def describe_settings(rows):
    """Returns a dict a task and setting, as it is: nothing is chosen.

    The validation and test images count together, unless an epoch was chosen
    on the former. Differences are to `BASELINE` at its own learning rate.
    """
    rest = [name for name in FIELDS if name not in (*_TASK, "seed")]
    found = collections.defaultdict(dict)
    for row in rows:
        if row["status"] == "done":
            key = tuple(row[name] for name in (*_TASK, *rest))
            found[key][row["seed"]] = {**row, "both": both(row)}
    baselines = {}
    for key, seeds in found.items():
        cell = dict(zip((*_TASK, *rest), key, strict=True))
        if is_usual(cell, {**BASELINE, "strength": 1.0}):
            baselines[key[: len(_TASK)]] = seeds
    return [
        {
            **dict(zip((*_TASK, *rest), key, strict=True)),
            **_describe(
                seeds,
                baselines.get(key[: len(_TASK)]),
                "test" if "best" in key else "both",
            ),
        }
        for key, seeds in sorted(found.items(), key=lambda item: str(item[0]))
    ]


def is_usual(line, values):
    """Whether a setting has these values, and its method's own rate."""
    rate = apps.get_recipe(line["method"]).highest_rate(DEFAULT_RATE)
    return line["learning_rate"] in (rate, 0.0) and has(line, values)


def has(row, values):
    """Whether a row, or a setting, has these values."""
    return all(row[name] == value for name, value in values.items())


def evidence(settings):
    """What `kerastl choose` knows: what methods gain as the product has them.

    A row a task and method that at least two seeds speak of. Two seeds say
    little of how far seeds lie apart: that is taken from all rows together.

    Args:
        settings: What `describe_settings` returns.
    """
    usual = {**USUAL, "antialias": 0}
    kept = [
        line
        for line in settings
        if is_usual(line, usual)
        and line.get("gain_interval") is not None
        and (line["method"] != BASELINE["method"] or line["teacher"])
    ]
    squares = sum(
        line["gain_spread"] ** 2 * (line["common"] - 1) for line in kept
    )
    spread = (squares / sum(line["common"] - 1 for line in kept)) ** 0.5
    probes = {
        tuple(line[name] for name in _TASK): line["accuracy"]
        for line in kept
        if line["method"] == "linear_probe"
    }
    return [
        {
            "data": line["data"],
            "network": line["network"],
            "shots": line["shots"],
            "probe": round(probes[task], 2),
            "features": num_features(line["network"]),
            "method": line["method"],
            "teacher": line["teacher"],
            "unlabelled": line["unlabelled"],
            "gain": round(line["gain"], 2),
            "error": round(spread / line["common"] ** 0.5, 2),
            "seeds": line["common"],
        }
        for line in kept
        if (task := tuple(line[name] for name in _TASK)) in probes
    ]


@functools.cache
def num_features(network):
    """How many features a network has, a key of `grid.NETWORKS`."""
    preset, arguments = NETWORKS[network]
    size = (_ANY_SIZE, _ANY_SIZE, 3)
    source = apps.get_preset(preset).build(
        None, input_shape=size, include_top=False, **arguments
    )
    return source.output_shape[-1]


def both(row):
    """Accuracy on the validation and test images together."""
    counts = row["validation_images"], row["test_images"]
    right = row["validation"] * counts[0] + row["test"] * counts[1]
    return right / sum(counts)


def interval(values):
    """Half the 95 % interval of the mean, by Student's t; `None` of one."""
    if len(values) < 2:
        return None
    spread = statistics.stdev(values) / len(values) ** 0.5
    return float(stats.t.ppf(0.975, len(values) - 1) * spread)


def _describe(seeds, base, part):
    values = [row[part] for row in seeds.values()]
    first = next(iter(seeds.values()))
    line = {
        "seeds": len(values),
        "learning_rate": first["learning_rate"],
        "strength": first["strength"],
        "accuracy": statistics.fmean(values),
        "interval": interval(values),
    }
    common = sorted(set(seeds) & set(base or ()))
    if common:
        gaps = [seeds[seed][part] - base[seed][part] for seed in common]
        line["gain"] = statistics.fmean(gaps)
        line["gain_interval"] = interval(gaps)
        line["common"] = len(common)
        if len(common) > 1:
            line["gain_spread"] = statistics.stdev(gaps)
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results",
        type=pathlib.Path,
        default=pathlib.Path(__file__).with_name("results.csv"),
    )
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = Results(options.results).rows
    settings = describe_settings(rows)
    if options.write:
        for path, value in (
            (options.results.with_name("summary.json"), settings),
            (EVIDENCE, evidence(settings)),
        ):
            path.write_text(json.dumps(value, indent=1) + "\n")
    for line in summarize(rows):
        print(
            f"{line['data']} {line['shots']:3d} shots  {line['method']:20s} "
            f"blur {line['antialias']} head {line['head']:7s} "
            f"{line['optimizer']:4s} soup {line['soup']} "
            f"{line['augment']} smoothing {line['label_smoothing']:g} "
            f"keep {line['keep']} head rate {line['head_learning_rate']:g} "
            f"rate {line['learning_rate']:<6g} {line['seeds']} seeds  "
            f"{_with(line, 'accuracy', 'interval')}  "
            f"{_with(line, 'gain', 'gain_interval', '+')}"
        )


def _with(line, name, spread, sign=""):
    if name not in line:
        return ""
    more = line[spread]
    text = f"{line[name]:{sign}.1f}"
    return text if more is None else f"{text} ± {more:.1f}"


if __name__ == "__main__":
    main()
