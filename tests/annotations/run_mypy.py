"""Runs mypy on the package as it is when it is installed.

Its folders have other names in the repository, where mypy does not find
`kerastl.apps`: `python -m tests.annotations.run_mypy` links them to their
places in a temporary folder, and prints what mypy says.
"""

import pathlib
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
_PROJECT = ROOT / "pyproject.toml"


def install(folder):
    """Links the package into a folder, file by file, as it is installed."""
    setuptools = tomllib.loads(_PROJECT.read_text())["tool"]["setuptools"]
    places = setuptools["package-dir"]
    for package in setuptools["packages"]:
        known = max(
            (name for name in places if f"{package}.".startswith(f"{name}.")),
            key=len,
        )
        inner = package.removeprefix(known).strip(".").split(".")
        source = ROOT.joinpath(places[known], *filter(None, inner))
        made = folder.joinpath(*package.split("."))
        made.mkdir(parents=True, exist_ok=True)
        for file in source.glob("*.py"):
            (made / file.name).symlink_to(file)


def run_mypy(folder, *arguments):
    """What mypy says of the installed package, and its exit code.

    Args:
        folder: An empty folder.
        *arguments: More arguments, such as scripts.
    """
    install(folder)
    # In a process of its own: what it knows of NumPy takes 400 MB.
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            f"--config-file={_PROJECT}",
            f"--cache-dir={folder / 'cache'}",
            "--no-error-summary",
            str(folder / "kerastl"),
            str(folder / "kerastl_command_line"),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
    )
    report = finished.stdout + finished.stderr
    return report.replace(f"{folder}/", ""), finished.returncode


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        said, code = run_mypy(pathlib.Path(temporary))
    print(said or "mypy: nothing to say")
    sys.exit(code)
