"""The folder that one run writes, and resumes from."""

import contextlib
import datetime
import json
import pathlib

from kerastl.export.stage import make_folder
from kerastl.export.stage import staged_file

# What may change between a run and its resumption: none of it touches the
# weights.
_FREE = frozenset(
    {"exports", "max_accuracy_drop", "threads", "jit_compile", "target"}
)
# What may come in with a resumption: it begins where the rest ends.
_ADDABLE = frozenset({"qat"})
# What may change after a training that diverged, by how far the run has come.
_WAY_OUT = {
    "training": frozenset({"learning_rate", "strength"}),
    "trained": frozenset({"qat"}),
}


class RunFolder:
    """A folder for a run: a new one, or one to resume.

    Making the object only looks, and refuses; `begin` makes the folder.

    `run.json` in the folder holds the arguments, the versions and how far
    the run has come: `"training"`, `"trained"` (the model is saved; its
    quantization-aware copy, exports or report are missing) or `"finished"`.

    Args:
        path: Folder of the run; made if it is missing.
        arguments: Dict of the run's arguments, JSON-able. On resume they have
            to be those that the run began with, but for the ones that leave
            the weights alone (exports, threads and the like); `qat` may be
            added. Of a training that diverged, the learning rate and the
            strength may change, or `qat` if it was that part.
        versions: Dict of package name to version, kept in `run.json`.
        resume: Continue the run that the folder holds, if it holds one.

    Raises:
        FileExistsError: `path` exists and `resume` is off, or it is a file.
        PermissionError: By `begin`, if the folder cannot be made.
        ValueError: `path` holds something other than a run, or a run that
            was begun with other arguments.

    Example:

    ```python
    folder = RunFolder("runs/clothing", {"epochs": 20}, {"keras": "3.15.1"})
    folder.begin()
    folder.advance("finished")
    ```
    """

    def __init__(self, path, arguments, versions, resume=False):
        self.path = pathlib.Path(path)
        self.resumed = False
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(
                "The output of a run is a folder, and there is a file of that "
                f"name. Received: output={str(path)!r}. Choose another name."
            )
        if self.path.exists() and any(self.path.iterdir()):
            if not resume:
                raise FileExistsError(
                    "The output folder exists and is not empty; a run never "
                    "writes over another. Choose another output, or continue "
                    "the run that is there with resume=True (--resume). "
                    f"Received: output={str(path)!r}"
                )
            self._check(arguments)
            self.resumed = True
            self._state["arguments"] = arguments
        else:
            self._state = {
                "status": "training",
                "began": _now(),
                "arguments": arguments,
                "versions": versions,
            }

    @property
    def status(self):
        return self._state["status"]

    @property
    def trained(self):
        """Whether training is over and the model is saved."""
        return self.status in ("trained", "finished")

    def begin(self):
        """Makes the folder and writes `run.json`."""
        make_folder(self.path)
        self._save()

    @property
    def began(self):
        return self._state["began"]

    def file(self, name):
        """Returns the path of a file of the run."""
        return self.path / name

    def advance(self, status):
        """Records how far the run has come."""
        self._state["status"] = status
        self._state.pop("diverged", None)
        self._save()

    @contextlib.contextmanager
    def noting_divergence(self):
        """Records a training that diverges: it may go on in another way."""
        try:
            yield
        except FloatingPointError:
            self._state["diverged"] = True
            self._save()
            raise

    def write_json(self, name, value):
        """Writes a JSON file of the run, whole or not at all."""
        text = json.dumps(value, indent=2, allow_nan=False, default=_plain)
        self.write_text(name, text + "\n")

    def save_model(self, model, name="model.keras"):
        """Writes a `.keras` file of the run, whole or not at all."""
        path = self.file(name)
        with staged_file(path, ".keras", overwrite=True) as temporary:
            model.save(temporary)

    def write_text(self, name, text):
        """Writes a text file of the run, whole or not at all."""
        path = self.file(name)
        with staged_file(path, path.suffix, overwrite=True) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def read_json(self, name):
        """Returns what a JSON file of the run holds."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))

    def _check(self, arguments):
        try:
            self._state = self.read_json("run.json")
            before = self._state["arguments"]
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                "The output folder holds no run to resume: its run.json is "
                f"missing or unreadable. Received: output={str(self.path)!r}. "
                "Choose another output."
            ) from error
        # Through JSON, so that a tuple equals the list it was saved as.
        free = _FREE
        if self._state.get("diverged"):
            free |= _WAY_OUT.get(self.status, frozenset())
        now = json.loads(json.dumps(arguments, default=_plain))
        changed = [
            f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
            for name in sorted({*before, *now} - free)
            if before.get(name) != now.get(name)
            and not (name in _ADDABLE and before.get(name) is None)
        ]
        if changed:
            raise ValueError(
                "The run was begun with other arguments: "
                + "; ".join(changed)
                + ". Resume it with its own, or choose another output. "
                f"Received: output={str(self.path)!r}"
            )

    def _save(self):
        self.write_json("run.json", self._state)


def _plain(value):
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Not a JSON value: {type(value).__name__}")


def _now():
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
