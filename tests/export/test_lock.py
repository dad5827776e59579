import os
import signal
import subprocess
import sys

import pytest

from kerastl.export.lock import FileLock
from kerastl.export.lock import LockedError
from kerastl.export.lock import is_locked


def test_one_holds_it_at_a_time(tmp_path):
    path = tmp_path / ".lock"
    assert not is_locked(path) and not path.exists()
    with FileLock(path):
        assert is_locked(path)
        with pytest.raises(LockedError, match="Another process"):
            FileLock(path)
    assert not is_locked(path)
    assert os.listdir(tmp_path) == []
    FileLock(path).release()


def test_it_ends_with_a_killed_process(tmp_path):
    path = tmp_path / ".lock"
    source = f"""
import time
from kerastl.export.lock import FileLock
lock = FileLock({str(path)!r})
print("held", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    assert is_locked(path)
    with pytest.raises(LockedError):
        FileLock(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.exists() and not is_locked(path)
    with FileLock(path):
        assert is_locked(path)


def test_where_there_is_no_folder(tmp_path):
    assert not is_locked(tmp_path / "missing" / ".lock")
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "missing" / ".lock")
