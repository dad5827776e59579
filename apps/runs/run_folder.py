"""The folder that one run writes, and resumes from."""

import contextlib
import datetime
import json
import pathlib
import warnings

from kerastl.apps.runs.run_identity import describe_changes
from kerastl.apps.texts import literal
from kerastl.arguments import checked_path
from kerastl.export.utils.atomic_write import is_leftover
from kerastl.export.utils.atomic_write import make_folder
from kerastl.export.utils.atomic_write import remove_leftovers
from kerastl.export.utils.atomic_write import staged_file
from kerastl.export.utils.file_lock import FileLock
from kerastl.export.utils.file_lock import LockedError
from kerastl.export.utils.file_lock import is_locked

# What may change between a run and its resumption: none of it touches the
# weights.
_FREE = frozenset(
    {
        "exports",
        "max_accuracy_drop",
        "threads",
        "jit_compile",
        "target",
        "page",
        "tensorboard",
        "compare",
    }
)
# What may come in with a resumption: it begins where the rest ends.
_ADDABLE = frozenset({"qat"})
# What may lie elsewhere by now: digests tell whether it is the same.
_BY_CONTENT = frozenset({"data", "unlabelled", "weights", "teacher"})
# What may change after a training that diverged, by how far the run has come.
_WAY_OUT = {
    "training": frozenset({"learning_rate", "strength"}),
    "trained": frozenset({"qat"}),
}
_STATUSES = ("training", "trained", "finished")
_LOCK = ".lock"
_STATE = "run.json"


class RunFolder:
    """A folder for a run: a new one, or one to resume.

    Making the object only looks, and refuses; `begin` makes the folder, and
    `hold` keeps other processes out of it.

    `run.json` in the folder holds the arguments, the versions, digests of
    what the run is made from and how far it has come: `"training"`,
    `"trained"` (the model is saved; its quantization-aware copy, exports or
    report are missing) or `"finished"`. A folder in which a kill has left no
    `run.json` yet counts as empty.

    Args:
        path: Folder of the run; made if it is missing.
        arguments: Dict of the run's arguments, JSON-able. On resume they have
            to be those that the run began with, but for the ones that leave
            the weights alone (exports, threads and the like); photos,
            weights and teachers may lie elsewhere, whose digests are compared;
            `qat` may be added. Of a training that diverged, the learning rate
            and the strength may change, or `qat` if it was that part.
        versions: Dict of package name to version, kept in `run.json`.
        resume: Continue the run that the folder holds, if it holds one.
        defaults: Dict of what arguments are where nothing is asked for. A run
            of before an argument came has no word on it, and is taken to have
            had its default.

    Raises:
        BlockingIOError: Another process is at work on the run.
        FileExistsError: `path` exists and `resume` is off, or it is a file.
        PermissionError: By `begin`, if the folder cannot be made.
        ValueError: `path` holds something other than a run, or a run that
            was begun with other arguments.

    Example:

    ```python
    folder = RunFolder("runs/clothing", {"epochs": 20}, {"keras": "3.15.1"})
    with folder.hold():
        folder.begin()
        folder.advance("finished")
    ```
    """

    def __init__(self, path, arguments, versions, resume=False, defaults=None):
        self.path = checked_path("output", path)
        self._resume = resume
        self._arguments = _as_json(arguments)
        self._defaults = _as_json(defaults or {})
        self._versions = versions
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(
                "The output of a run is a folder, and there is a file of that "
                f"name. Received: output={str(path)!r}. Choose another name."
            )
        if is_locked(self.path / _LOCK):
            raise self._in_use()
        self._look()

    @property
    def found_none(self):
        """Whether a run was to be resumed, and there is none."""
        return self._resume and not self.resumed

    @property
    def status(self):
        return self._state["status"]

    @property
    def trained(self):
        """Whether training is over and the model is saved."""
        return self.status in ("trained", "finished")

    @contextlib.contextmanager
    def hold(self):
        """Makes the folder, and keeps other processes out until the end.

        Raises:
            BlockingIOError: Another process holds it.
            FileExistsError: Another process has begun a run there meanwhile.
            PermissionError: The folder cannot be made.
            ValueError: As when the object is made.
        """
        self._make()
        try:
            lock = FileLock(self.path / _LOCK)
        except LockedError as error:
            raise self._in_use() from error
        except OSError as error:
            raise self._cannot_be_made(error) from error
        with lock:
            # Another process may have come and gone since the first look.
            self._look()
            remove_leftovers(self.path)
            yield self

    def begin(self):
        """Makes the folder and writes `run.json`."""
        self._make()
        self._save()

    def identify(self, identity):
        """Keeps what the run is made from, or holds it against that.

        Args:
            identity: What `run_identity` returns.

        Raises:
            ValueError: If the run that is resumed was begun with other data
                or weights; it says what changed.
        """
        identity = _as_json(identity)
        before = self._state.get("identity")
        if self.resumed and before is None:
            warnings.warn(
                "The run was begun by a version of kerastl that kept no "
                "digest of its data and weights: whether they are still the "
                "same cannot be told.",
                stacklevel=3,
            )
        if before is not None:
            changes = describe_changes(before, identity)
            if changes:
                raise ValueError(
                    "The run was begun with other data or weights: "
                    f"{'; '.join(changes[:10])}. Put them back, or choose "
                    "another output. "
                    f"Received: output={str(self.path)!r}"
                )
        self._state["identity"] = identity

    def settle(self, name, decide):
        """Decides something once, for the run and all its resumptions.

        Args:
            name: What is decided.
            decide: Function that returns it, JSON-able; not called where the
                run that is resumed has it.
        """
        settled = self._state.setdefault("settled", {})
        if name not in settled:
            settled[name] = _as_json(decide())
        return settled[name]

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

    def load_model(self, name="model.keras"):
        """Returns a model of the run.

        Raises:
            ValueError: If the file is missing or damaged.
        """
        import keras

        try:
            return keras.saving.load_model(self.file(name), compile=False)
        except Exception as error:
            raise self._damaged(name, error) from error

    def write_text(self, name, text):
        """Writes a text file of the run, whole or not at all."""
        path = self.file(name)
        with staged_file(path, path.suffix, overwrite=True) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def read_json(self, name, keys=()):
        """Returns the dict that a JSON file of the run holds.

        Args:
            name: The file.
            keys: Keys that it must have.

        Raises:
            ValueError: If the file is missing or damaged.
        """
        try:
            value = json.loads(self.file(name).read_text(encoding="utf-8"))
            if not isinstance(value, dict):
                raise ValueError("it holds no object")
            missing = [key for key in keys if key not in value]
            if missing:
                raise ValueError(f"it has no {', '.join(missing)}")
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(name, error) from error
        return value

    def _damaged(self, name, error):
        return ValueError(
            f"A file of the run is missing or damaged: {self.file(name)} "
            f"({literal(error)}). Put it back from a copy, or begin the run "
            f"anew in another output. Received: output={str(self.path)!r}"
        )

    def _in_use(self):
        return BlockingIOError(
            "Another process is at work on the run in this folder. Wait until "
            "it is done, or choose another output. "
            f"Received: output={str(self.path)!r}"
        )

    def _look(self):
        """Finds out what there is, and refuses what does not fit."""
        self.resumed = False
        if _is_empty(self.path):
            self._state = {
                "status": "training",
                "began": _now(),
                "arguments": self._arguments,
                "versions": self._versions,
            }
            return
        if not self._resume:
            raise FileExistsError(
                "The output folder exists and is not empty; a run never "
                "writes over another. Choose another output (--output), or "
                "continue the run that is there with resume=True (--resume). "
                f"Received: output={str(self.path)!r}"
            )
        self._check(self._arguments)
        self.resumed = True
        self._state["arguments"] = self._arguments

    def _make(self):
        make_folder(self.path)

    def _cannot_be_made(self, error):
        return PermissionError(
            f"The output folder cannot be made ({error.strerror}). Choose "
            f"another output. Received: output={str(self.path)!r}"
        )

    def _check(self, arguments):
        if not self.file(_STATE).exists():
            raise ValueError(
                "The output folder holds no run to resume: it has no run.json. "
                f"Received: output={str(self.path)!r}. Choose another output."
            )
        state = self.read_json(_STATE, ("status", "began", "arguments"))
        before = state["arguments"]
        if state["status"] not in _STATUSES or not isinstance(before, dict):
            raise self._damaged(_STATE, "its values are none of a run")
        usual = {
            name: value
            for name, value in self._defaults.items()
            if name in arguments
        }
        before = {**usual, **before}
        free = _FREE
        if state.get("diverged"):
            free |= _WAY_OUT.get(state["status"], frozenset())
        changed = [
            f"{name} was {before.get(name)!r}, is {arguments.get(name)!r}"
            for name in sorted({*before, *arguments} - free)
            if _given(before.get(name)) != _given(arguments.get(name))
            and not (name in _ADDABLE and before.get(name) is None)
            and not (
                name in _BY_CONTENT
                and state.get("identity")
                and _may_be(before.get(name), arguments.get(name))
            )
        ]
        if changed:
            raise ValueError(
                "The run was begun with other arguments: "
                + "; ".join(changed)
                + ". Resume it with its own, or choose another output. "
                f"Received: output={str(self.path)!r}"
            )
        self._state = state

    def _save(self):
        self.write_json(_STATE, self._state)


def _given(value):
    """What is not asked for, whichever way that is written, is `None`."""
    return None if value in ({}, []) or value is False else value


def _may_be(before, now):
    """Whether paths may be others' files, moved or spelled anew."""
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_may_be, before, now))
    if not isinstance(before, str) or not isinstance(now, str):
        return False
    # A teacher's preset stands before its file.
    preset, colon, file = now.partition(":")
    if colon and before.startswith(preset + colon):
        return before == now or pathlib.Path(file).exists()
    return before == now or pathlib.Path(now).exists()


def _is_empty(path):
    return not path.exists() or not any(
        entry.name != _LOCK and not is_leftover(entry)
        for entry in path.iterdir()
    )


def _as_json(value):
    """As it comes back from a file: a tuple as a list, a path as text."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value):
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        "An argument of a run cannot be written to its run.json. Pass plain "
        f"numbers, texts, lists and dicts. Received: {value!r}"
    )


def _now():
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
