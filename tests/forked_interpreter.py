"""Fresh Python processes in which TensorFlow and Keras are imported already.

To import them takes longer than most of what such a process has to show. So
one process imports them, once, and forks one for every source that is to run:
nothing of kerastl, and nothing of another test, is in it.

    python tests/forked_interpreter.py

reads a line of JSON for every source, and answers with its exit code.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import traceback

# What packages set where they are imported, in the process that asks: tf2onnx
# does with the first ONNX file.
_SET_BY_PACKAGES = {
    "HDF5_PLUGIN_PATH",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "PYTEST_CURRENT_TEST",
    "TF_CPP_MIN_LOG_LEVEL",
}


class ForkedInterpreter:
    """The process that forks, seen from the one that asks."""

    def __init__(self):
        self._environment = dict(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        atexit.register(self._process.kill)

    def fits(self) -> bool:
        """Whether the environment is still the one that it started in."""
        now, then = (
            {k: v for k, v in each.items() if k not in _SET_BY_PACKAGES}
            for each in (os.environ, self._environment)
        )
        return now == then and self._process.poll() is None

    def run(self, source, *arguments):
        """Runs a source; returns its exit code, stdout and stderr."""
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, name) for name in ("out", "err")]
            order = {
                "source": source,
                "arguments": list(arguments),
                "files": files,
                "folder": os.getcwd(),
            }
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            code = json.loads(self._process.stdout.readline())
            texts = []
            for file in files:
                with open(file, encoding="utf-8", errors="replace") as opened:
                    texts.append(opened.read())
        return code, *texts


def serve():
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become(order)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


def _become(order):
    """Runs the source in this process, and ends it."""
    code = 0
    for number, file in enumerate(order["files"], start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(order["folder"])
    sys.argv = ["-c", *order["arguments"]]
    # As `python -c` has it.
    sys.path[0] = ""
    try:
        exec(
            compile(order["source"], "<string>", "exec"),
            {"__name__": "__main__"},
        )
    except SystemExit as error:
        code = (
            error.code
            if isinstance(error.code, int)
            else error.code is not None
        )
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code or 0))


if __name__ == "__main__":
    serve()
