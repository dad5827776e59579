"""Measures what a grid says, and appends a row a run to a committed CSV.

    python tests/benchmarks/transfer/run_grid.py GRID.toml \\
        --data clothing10=FOLDER --weights mobilenet_v2_0.35=FILE

Cells that are in the CSV are not run again; a run that was killed goes on
where it was. PROTOCOL.md says how the rows are to be read.
"""

import argparse
import functools
import os
import pathlib
import time
import traceback
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from executors import EXECUTORS
from grid import Cell
from grid import read_grid
from results import Results

RESULTS = pathlib.Path(__file__).with_name("results.csv")


def run_one(cell, folders, weights, revision):
    # In the process that runs it, which may have to import TensorFlow first.
    from run_cell import run_cell

    try:
        return run_cell(cell, folders, weights, revision)
    except Exception:
        # Hours of other cells wait behind it.
        return Failure(cell, traceback.format_exc())


class Failure(NamedTuple):
    """A cell that ended in an error: it gets no row, and is run again."""

    cell: Cell
    error: str


def run_grid(cells, results, execute, jobs, folders, weights, say=print):
    """Runs the cells that `results` lacks.

    Args:
        cells: List of `grid.Cell`.
        results: The `results.Results` to append to.
        execute: One of `executors.EXECUTORS`.
        jobs: Tasks that run beside each other.
        folders: Folder of each data set by its name.
        weights: Weight file of each network by its name.
        say: Called with a line of text for every row.

    Raises:
        RuntimeError: At the end, if a cell ended in an error, which was said.
    """
    from run_cell import git_revision

    check_places(cells, folders, weights)
    missing = [cell for cell in cells if cell not in results]
    say(f"{len(cells) - len(missing)} of {len(cells)} cells are there")
    task = functools.partial(
        run_one, folders=folders, weights=weights, revision=git_revision()
    )
    started = time.monotonic()
    failed = 0
    for done, row in enumerate(execute(task, missing, jobs), start=1):
        if isinstance(row, Failure):
            failed += 1
            say(f"{done}/{len(missing)} {row.cell} failed:\n{row.error}")
            continue
        results.append(row)
        left = (time.monotonic() - started) / done * (len(missing) - done)
        say(
            f"{done}/{len(missing)} {row['data']} {row['method']} "
            f"{row['shots']} shots seed {row['seed']} "
            f"rate {row['learning_rate']:g}: {row['status']} "
            f"{row.get('validation', '-')} {row.get('test', '-')} "
            f"({row['seconds']} s; about {left / 60:.0f} min left)"
        )
    if failed:
        raise RuntimeError(
            f"{failed} of {len(missing)} cells ended in an error, see above. "
            "The others have their rows."
        )


def check_places(cells, folders, weights):
    """Refuses cells whose data or weights the command line does not tell."""
    for kind, known, names in (
        ("data", folders, {cell.data for cell in cells} - {"digits"}),
        (
            "weights",
            weights,
            {name for cell in cells for name in cell.networks},
        ),
    ):
        for name in sorted(names):
            path = pathlib.Path(known.get(name, ""))
            if name not in known or not path.exists():
                raise ValueError(
                    f"The grid needs {kind} {name!r}. Give its place: "
                    f"--{kind} {name}=PATH. Received: {known.get(name)!r}"
                )


def _places(pairs):
    return dict(pair.split("=", 1) for pair in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", type=pathlib.Path)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--executor", choices=EXECUTORS, default="joblib")
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    run_grid(
        read_grid(options.grid),
        Results(options.results),
        EXECUTORS[options.executor],
        options.jobs,
        _places(options.data),
        _places(options.weights),
        say=functools.partial(print, flush=True),
    )


if __name__ == "__main__":
    main()
