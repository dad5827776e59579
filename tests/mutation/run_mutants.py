"""Runs tests on changed sources, in forks that share what is imported."""

import contextlib
import importlib.machinery
import importlib.util
import linecache
import os
import resource
import signal
import sys
import time

# On a busy machine a test waits longer than it computes; one that hangs does
# nothing but wait.
_MOST_WAITING = 5
# Fixtures that run a test in an interpreter of its own.
_BLIND = {"run_in_fresh_process", "run_on_two_replicas"}


class _Changed(importlib.machinery.SourceFileLoader):
    """Loads a module from a changed text, with the name of its file."""

    def __init__(self, name, path, source):
        super().__init__(name, path)
        self.source = source

    def get_code(self, fullname):
        return compile(self.source, self.path, "exec", dont_inherit=True)


class _Finder:
    def __init__(self, name, path, source):
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        loader = _Changed(name, self.path, self.source)
        return importlib.util.spec_from_file_location(
            name, self.path, loader=loader
        )


class _Watch:
    """Leaves out tests that would not see a change, and tells which fails."""

    def __init__(self, report):
        self.report = report

    @staticmethod
    def pytest_collection_modifyitems(config, items):
        blind = [item for item in items if _BLIND & set(item.fixturenames)]
        items[:] = [item for item in items if item not in blind]
        # What takes long comes last.
        items.sort(key=lambda item: "slow" in item.keywords)
        config.hook.pytest_deselected(items=blind)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            os.write(self.report, report.nodeid.encode())


def _start(path, name, source, tests, report, limit):
    """Forks a process that runs the tests on a changed source."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setpgid(0, 0)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, most))
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        finder = _Finder(name, str(path), source)
        sys.meta_path.insert(0, finder)
        # AutoGraph compiles functions anew, from the lines of their file.
        # Without a time of change they are not looked up there again.
        lines = source.splitlines(keepends=True)
        linecache.cache[str(path)] = len(source), None, lines, str(path)
        import pytest

        options = ["-x", "-q", "-n0", "-p", "no:cacheprovider"]
        code = pytest.main([*options, *map(str, tests)], [_Watch(report)])
    finally:
        os._exit(int(code))


def run_mutants(path, name, sources, tests, jobs, limit):
    """Runs tests on changed sources of a module, each in a fork of its own.

    Args:
        path: The file of the module.
        name: Its import name. It must not be imported yet.
        sources: Changed sources.
        tests: Test files, or names of single tests.
        jobs: Processes at a time.
        limit: Seconds of computing after which one is ended.

    Yields:
        The index of a source, pytest's exit code, `None` if it was too slow,
        and the name of the test that failed, empty if it was none.
    """
    waiting = list(enumerate(sources))[::-1]
    running = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            index, source = waiting.pop()
            told, report = os.pipe()
            child = _start(path, name, source, tests, report, limit)
            os.close(report)
            deadline = time.monotonic() + _MOST_WAITING * limit
            running[child] = index, deadline, told
        for child, (index, deadline, told) in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            late = time.monotonic() > deadline
            if not ended and not late:
                continue
            if not ended:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
            del running[child]
            os.set_blocking(told, False)
            with open(told, "rb") as names:
                failed = (names.read() or b"").decode()
            code = None if late else os.waitstatus_to_exitcode(status)
            if code == -signal.SIGXCPU:
                code = None
            yield index, code, failed
        time.sleep(0.02)
