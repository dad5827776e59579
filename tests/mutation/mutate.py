"""Mutation testing: would the tests notice if a line were wrong?

Changes the source one expression at a time (with the operators of cosmic-ray:
`<` becomes `<=`, `0.9` becomes `1.9`, `a / b` becomes `a * b`) and runs the
tests of that file, and that of the public names and their defaults. A change
that they pass survives: a fault of that kind would have gone unseen. The score
is the share that did not.

    pip install -e ".[test,mutation]"
    python tests/mutation/mutate.py kerastl/losses kerastl/callbacks/lure.py
    python tests/mutation/mutate.py export --sample 20 --jobs 2 \\
        --output tests/mutation/results.json

Of each file `--sample` places are drawn, always the same for the same `--seed`,
and one change at each. What nothing could tell from the line as it is, such as
the size of a cache, is left out where `equivalent.json` gives the reason.

The results of other files in `--output` stay, so that a folder can be measured
at a time. The exit code is 1 if less than `--least` of all is killed.

Networks make tests slow, so nothing is done twice: TensorFlow is imported once,
every change runs in a fork of that process, which reads the changed source in
place of the file, and stops at the first test that fails. Nothing is written to
the source. Tests that start an interpreter of their own are left out, for there
the change is not. Linux and macOS only.
"""

import argparse
import dataclasses
import functools
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
# What holds every public default against the committed index.
NAMES = pathlib.Path("tests/test_public_names.py")
# Without tests of its own a file is known by what reads it.
_MOST_TESTS = 2
# Changes that change nothing that a test could see, each with the reason.
EQUIVALENT = pathlib.Path(__file__).with_name("equivalent.json")
# Of computing. A change may make a loop endless.
_MOST_SECONDS = 300


def module_name(path):
    """Import name of a source file, such as `kerastl.export.evaluate`."""
    tree, *parts = path.with_suffix("").parts
    package, _ = TREES[tree]
    return ".".join([package, *parts])


def tests_of(path):
    """Test files of a source file, relative to the root.

    `test_NAME.py` and `test_NAME_*.py` in the mirrored folder. Without any,
    the tests beside them that call what the file is named after, and those of
    the files that import it; without any of these, of the files that import
    those, and so on.
    """
    found = _own_tests(path)
    if found:
        return found
    found, readers, seen = _tests_that_call(path), [path], {path}
    while readers:
        readers = [
            other
            for other, text in _source_texts().items()
            if other not in seen
            and any(_imports(text, each) for each in readers)
        ]
        seen.update(readers)
        # Those in the same folder first.
        readers.sort(key=lambda other: other.parent != path.parent)
        found += [test for reader in readers for test in _own_tests(reader)]
        if found:
            break
    return list(dict.fromkeys(found))[:_MOST_TESTS]


def _imports(text, path):
    """Whether a source imports the file, or something out of it."""
    package, _, name = module_name(path).rpartition(".")
    return re.search(
        rf"{package}\.{name} import|from {package} import {name}\b", text
    )


def _own_tests(path):
    names = [f"test_{path.stem}.py", f"test_{path.stem}_*.py"]
    folder = _test_folder(path)
    found = {file for name in names for file in folder.glob(name)}
    return sorted(file.relative_to(ROOT) for file in found)


def _tests_that_call(path):
    """Those that call it most: a conformance test calls everything once."""
    camel = "".join(map(str.capitalize, path.stem.split("_")))
    calls = re.compile(rf"\b({path.stem}|{camel})\(", re.IGNORECASE)
    counts = {
        file: len(calls.findall(file.read_text(encoding="utf-8")))
        for file in sorted(_test_folder(path).glob("test_*.py"))
    }
    most = max(counts.values(), default=0)
    return [
        file.relative_to(ROOT)
        for file, count in counts.items()
        if count > most / 2
    ]


def _test_folder(path):
    tree, *folders = path.parts[:-1]
    return ROOT.joinpath(TREES[tree][1], *folders)


@functools.cache
def _source_texts():
    return {
        file: (ROOT / file).read_text(encoding="utf-8")
        for file in source_files([ROOT / tree for tree in TREES])
    }


def measure(path, count, seed, jobs, before=None):
    """Runs the tests of one file on changes of it.

    Args:
        path: Source file, relative to the root.
        count: Places to draw; `None` takes all.
        seed: Seed of the draws.
        jobs: Processes at a time.
        before: The figures of the same changes, of which only those that
            survived are tried again.

    Returns:
        Dict of figures, with the changes that survived.

    Raises:
        RuntimeError: If a test that failed also fails without any change.
    """
    source = (ROOT / path).read_text(encoding="utf-8")
    name = path.as_posix()
    drawn, places = draw_mutants(source, count, f"{seed}/{name}")
    known = equivalent_changes().get(name, [])
    equal = [mutant for mutant in drawn if _is_among(mutant, known)]
    drawn = [mutant for mutant in drawn if mutant not in equal]
    tried = drawn
    if before is not None:
        again = {(row["line"], row["operator"]) for row in before["survived"]}
        tried = [one for one in drawn if (one.line, one.operator) in again]
    tests = [*tests_of(path), NAMES]

    def run(sources, tests):
        module = module_name(path)
        return run_mutants(
            ROOT / path, module, sources, tests, jobs, _MOST_SECONDS
        )

    started = time.monotonic()
    survived, killers = list(tried), set()
    if tests and tried:
        for index, code, failed in run([one.source for one in tried], tests):
            # 5: no test was collected, which no change of ours can cause.
            if code not in (0, 5):
                survived.remove(tried[index])
                killers.add(failed)
        _check_killers(run, source, sorted(killers), tests)
    return {
        "tests": [file.as_posix() for file in tests],
        "places": places,
        "equivalent": len(equal),
        "drawn": len(drawn),
        "killed": len(drawn) - len(survived),
        "seconds": round(time.monotonic() - started, 1),
        "survived": [
            {
                name: value
                for name, value in dataclasses.asdict(mutant).items()
                if name != "source"
            }
            for mutant in survived
        ],
    }


def _check_killers(run, source, killers, tests):
    """Runs the tests that failed on the source as it is: they must pass."""
    named = [name for name in killers if name]
    if len(named) < len(killers):
        # It failed where tests are imported, or was too slow.
        named = [*named, *tests, "--collect-only"] if not named else named
    for _, code, failed in run([source], named) if named else ():
        if code != 0:
            raise RuntimeError(
                "The tests must pass before anything is changed. Received: "
                f"exit code {code} of {failed or ' '.join(map(str, named))}"
            )


def equivalent_changes():
    """The changes that count neither as killed nor as survived, by file.

    Returns:
        Dict of path to a list of dicts of `before` and `after`, the line as
        it is and as it is changed, and the `reason`.
    """
    return json.loads(EQUIVALENT.read_text(encoding="utf-8"))


def _is_among(mutant, changes):
    lines = {"before": mutant.before, "after": mutant.after}
    return any(lines.items() <= change.items() for change in changes)


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
    """Share killed, of all and by folder, of `measure`'s figures by path.

    Folders are those of `kerastl`, and `export` and `apps` as a whole.
    """
    sums = {}
    for path, row in files.items():
        tree, *inner = pathlib.PurePosixPath(path).parent.parts
        folder = "/".join([tree, *inner[: tree == "kerastl"]])
        for key in ("all", folder):
            drawn, killed = sums.get(key, (0, 0))
            sums[key] = drawn + row["drawn"], killed + row["killed"]
    return {
        key: round(killed / drawn, 4)
        for key, (drawn, killed) in sorted(sums.items())
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
    parser.add_argument(
        "--again",
        action="store_true",
        help="try the changes that survived, of files that are as they were "
        "when --output was written",
    )
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
        count, before = options.sample or None, None
        if options.again:
            before = files[path.as_posix()]
            count = before["drawn"] + before["equivalent"]
        row = measure(path, count, options.seed, options.jobs, before)
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
