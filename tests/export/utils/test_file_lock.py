import errno
import os
import signal
import subprocess
import sys

import pytest

from kerastl.export.utils import file_lock
from kerastl.export.utils.file_lock import FileLock
from kerastl.export.utils.file_lock import LockedError
from kerastl.export.utils.file_lock import is_locked


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
from kerastl.export.utils.file_lock import FileLock
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


def test_whoever_may_read_the_folder_may_read_the_lock(tmp_path):
    before = os.umask(0o022)
    try:
        with FileLock(tmp_path / ".lock"):
            assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


@pytest.mark.parametrize("gone", [9, 10])
def test_a_file_that_its_holder_removes_is_locked_anew(
    tmp_path, monkeypatch, gone
):
    """As often as ten times, each time that it was removed meanwhile."""
    handles = len(os.listdir("/proc/self/fd"))
    answers = iter([False] * gone + [True])
    monkeypatch.setattr(FileLock, "_is_there", lambda self: next(answers))
    if gone == 10:
        with pytest.raises(LockedError, match="changes all the time"):
            FileLock(tmp_path / ".lock")
    else:
        FileLock(tmp_path / ".lock").release()
        assert next(answers, None) is None
    assert len(os.listdir("/proc/self/fd")) == handles


def test_where_the_file_system_has_no_locks(tmp_path, monkeypatch):
    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(file_lock.fcntl, "flock", refuse)
    path = tmp_path / ".lock"
    held = FileLock(path)
    assert path.exists() and not is_locked(path)
    held.release()
    held.release()
    assert not path.exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_every_system_says_in_its_way_that_a_lock_is_taken(
    tmp_path, monkeypatch, number
):
    def refuse(handle, operation):
        raise OSError(number, "taken")

    path = tmp_path / ".lock"
    path.touch()
    monkeypatch.setattr(file_lock.fcntl, "flock", refuse)
    assert is_locked(path)
    with pytest.raises(LockedError):
        FileLock(path)
