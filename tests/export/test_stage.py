import os
import signal
import subprocess
import sys

import pytest

from kerastl.export.stage import staged_file


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.bin"
    with staged_file(path, ".bin") as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent.parent == tmp_path
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="half-way"):
        with staged_file(path, ".bin", overwrite=True) as temporary:
            temporary.write_bytes(b"new")
            raise RuntimeError("half-way")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    source = f"""
from kerastl.export.stage import staged_file
with staged_file({str(path)!r}, ".bin", overwrite=True) as temporary:
    temporary.write_bytes(b"ne")
    print("writing", flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.read_bytes() == b"old"


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with staged_file(tmp_path / "a.bin", ".bin") as temporary:
        temporary.write_bytes(b"new")
    mode = (tmp_path / "a.bin").stat().st_mode
    assert mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("there.bin", FileExistsError, "overwrite=True"),
        ("folder.bin", FileExistsError, "a folder of that name"),
        ("missing/a.bin", FileNotFoundError, "does not exist"),
        ("there.bin/a.bin", FileNotFoundError, "does not exist"),
        ("a.txt", ValueError, "must end in '.bin'"),
    ],
)
def test_a_wrong_path_is_refused_at_once(tmp_path, name, error, message):
    (tmp_path / "there.bin").write_bytes(b"old")
    (tmp_path / "folder.bin").mkdir()
    with pytest.raises(error, match=message):
        with staged_file(tmp_path / name, ".bin"):
            raise AssertionError("the work has begun")
    assert (tmp_path / "there.bin").read_bytes() == b"old"


def test_a_folder_that_cannot_be_written():
    with pytest.raises(PermissionError, match="cannot be written"):
        with staged_file("/proc/a.bin", ".bin"):
            raise AssertionError("the work has begun")
