"""Mutation testing: would the tests notice if a line were wrong?

Changes the source one expression at a time (with the operators of cosmic-ray:
`<` becomes `<=`, `0.9` becomes `1.9`, `a / b` becomes `a * b`) and runs the
tests of that file. A change that they pass survives: a fault of that kind
would have gone unseen. The score is the share that did not.

    pip install -e ".[test,mutation]"
    python tests/mutation/mutate.py kerastl/losses kerastl/callbacks/lure.py
    python tests/mutation/mutate.py export --sample 20 --jobs 2 \\
        --output tests/mutation/results.json

Of each file `--sample` places are drawn, always the same for the same `--seed`,
and one change at each. The results of other files in `--output` stay, so that
a folder can be measured at a time. The exit code is 1 if less than `--least`
of all is killed.

Networks make tests slow, so nothing is done twice: TensorFlow is imported once,
every change runs in a fork of that process, which reads the changed source in
place of the file, and stops at the first test that fails. Nothing is written to
the source. Not seen is what a test looks at in an interpreter of its own.
Linux and macOS only.
"""

import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import re
import sys
import time

from draw_mutants import draw_mutants
from run_mutants import run_mutants

ROOT = pathlib.Path(__file__).parents[2]
# Folder of the source, its import name, and the folder of its tests.
TREES = {
    "kerastl": ("kerastl", "tests/kerastl"),
    "export": ("kerastl.export", "tests/export"),
    "apps": ("kerastl.apps", "tests/apps"),
}
# Without tests of its own a file is known by what reads it.
_MOST_READERS = 3
# A change may make a loop endless: so many times the tests' own time.
_PATIENCE = 5
_LEAST_SECONDS = 30


def module_name(path):
    """Import name of a source file, such as `kerastl.export.stage`."""
    tree, *parts = path.with_suffix("").parts
    package, _ = TREES[tree]
    return ".".join([package, *parts])


def tests_of(path):
    """Test files of a source file, relative to the root.

    `test_NAME.py` and `test_NAME_*.py` in the mirrored folder; without any,
    those of the files beside it that import it.
    """
    own = _own_tests(path)
    if own:
        return own
    readers = re.compile(rf"^from {re.escape(module_name(path))} import", re.M)
    found = []
    for other in sorted((ROOT / path.parent).glob("*.py")):
        text = other.read_text(encoding="utf-8")
        if other.name != "__init__.py" and readers.search(text):
            found += _own_tests(other.relative_to(ROOT))
    return found[:_MOST_READERS]


def _own_tests(path):
    tree, *folders = path.parts[:-1]
    folder = ROOT.joinpath(TREES[tree][1], *folders)
    names = [f"test_{path.stem}.py", f"test_{path.stem}_*.py"]
    found = {file for name in names for file in folder.glob(name)}
    return sorted(file.relative_to(ROOT) for file in found)


def measure(path, count, seed, jobs):
    """Runs the tests of one file on changes of it.

    Args:
        path: Source file, relative to the root.
        count: Places to draw; `None` takes all.
        seed: Seed of the draws.
        jobs: Processes at a time.

    Returns:
        Dict of figures, with the changes that survived.

    Raises:
        RuntimeError: If the tests fail without any change.
    """
    source = (ROOT / path).read_text(encoding="utf-8")
    drawn, places = draw_mutants(source, count, f"{seed}/{path.as_posix()}")
    tests = tests_of(path)

    def run(sources, jobs, limit):
        name = module_name(path)
        return run_mutants(ROOT / path, name, sources, tests, jobs, limit)

    started = time.monotonic()
    killed = set()
    if tests and drawn:
        [(_, code)] = run([source], 1, 3600)
        if code != 0:
            raise RuntimeError(
                "The tests must pass before anything is changed. Received: "
                f"exit code {code} of {' '.join(map(str, tests))}"
            )
        own = time.monotonic() - started
        limit = max(_LEAST_SECONDS, _PATIENCE * jobs * own)
        sources = [mutant.source for mutant in drawn]
        for index, code in run(sources, jobs, limit):
            # 5: no test was collected, which no change of ours can cause.
            if code not in (0, 5):
                killed.add(index)
    return {
        "tests": [file.as_posix() for file in tests],
        "places": places,
        "drawn": len(drawn),
        "killed": len(killed),
        "seconds": round(time.monotonic() - started, 1),
        "survived": [
            {
                name: value
                for name, value in dataclasses.asdict(mutant).items()
                if name != "source"
            }
            for index, mutant in enumerate(drawn)
            if index not in killed
        ],
    }


def source_files(names):
    """The source files in files and folders, relative to the root."""
    found = []
    for name in names:
        path = pathlib.Path(name).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            raise FileNotFoundError(
                f"Expected a file or folder in {', '.join(TREES)}. "
                f"Received: {name}"
            )
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        found += [
            file.relative_to(ROOT)
            for file in files
            if file.name not in ("__init__.py", "__main__.py")
        ]
    return list(dict.fromkeys(found))


def scores(files):
    """Share killed, of all and by folder, of `measure`'s figures by path."""
    sums = {}
    for path, row in files.items():
        for folder in ("all", pathlib.PurePosixPath(path).parent.as_posix()):
            drawn, killed = sums.get(folder, (0, 0))
            sums[folder] = drawn + row["drawn"], killed + row["killed"]
    return {
        folder: round(killed / drawn, 4)
        for folder, (drawn, killed) in sorted(sums.items())
        if drawn
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", help="source files or folders")
    parser.add_argument("--sample", type=int, default=10, help="0 takes all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args(arguments)
    paths = source_files(options.paths)
    os.chdir(ROOT)
    # What all the forks share. Not kerastl: that is what changes.
    for name in ("numpy", "tensorflow", "keras", "pytest", "hypothesis"):
        importlib.import_module(name)
    files = {}
    if options.output is not None and options.output.exists():
        files = json.loads(options.output.read_text("utf-8"))["files"]
    measured = {}
    for path in paths:
        row = measure(path, options.sample or None, options.seed, options.jobs)
        measured[path.as_posix()] = row
        print(
            f"{path}: {row['killed']} of {row['drawn']} killed, "
            f"{row['seconds']:.0f} s",
            *(
                f"  line {each['line']}, {each['operator']}:\n"
                f"    {each['before']}\n    {each['after']}"
                for each in row["survived"]
            ),
            sep="\n",
            flush=True,
        )
        if options.output is not None:
            files[path.as_posix()] = {"seed": options.seed, **row}
            text = {"scores": scores(files), "files": files}
            part = options.output.with_suffix(".part")
            part.write_text(json.dumps(text, indent=1) + "\n", "utf-8")
            part.replace(options.output)
    found = scores(measured)
    print(
        *(f"{folder}: {share:.1%}" for folder, share in found.items()), sep="\n"
    )
    return int(found.get("all", 1.0) < options.least)


if __name__ == "__main__":
    sys.exit(main())
