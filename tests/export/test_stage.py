import os
import signal
import subprocess
import sys
import time

import pytest

from kerastl.export.stage import remove_leftovers
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


def killed_while_writing(path):
    """Kills a process that was half-way through `path`."""
    source = f"""
import time
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
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def test_a_kill_leaves_the_old_file_and_the_next_try_tidies_up(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    killed_while_writing(path)
    assert path.read_bytes() == b"old"
    _, left = sorted(os.listdir(tmp_path), reverse=True)
    assert (tmp_path / left / "a.bin").read_bytes() == b"ne"
    # Another file's remains are not this one's to judge.
    with staged_file(tmp_path / "b.bin", ".bin") as temporary:
        temporary.write_bytes(b"b")
        assert (tmp_path / left).is_dir()
    with staged_file(path, ".bin", overwrite=True) as temporary:
        temporary.write_bytes(b"new")
        assert not (tmp_path / left).exists()
    assert path.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.bin"]


def test_what_a_running_process_writes_is_left_alone(tmp_path):
    path = tmp_path / "a.bin"
    with staged_file(path, ".bin", overwrite=True) as first:
        first.write_bytes(b"first")
        with staged_file(path, ".bin") as second:
            second.write_bytes(b"second")
            assert first.read_bytes() == b"first"
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    # A folder that only looks alike.
    lookalike = tmp_path / ".a.bin-elsewhere-1-x"
    lookalike.mkdir()
    with staged_file(path, ".bin", overwrite=True) as temporary:
        temporary.write_bytes(b"third")
    assert lookalike.is_dir()


def test_what_another_has_written_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(FileExistsError, match="written the file meanwhile"):
        with staged_file(path, ".bin") as first:
            first.write_bytes(b"first")
            with staged_file(path, ".bin") as second:
                second.write_bytes(b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_leftovers_of_any_file_go_but_for_those_in_use(tmp_path):
    day = 24 * 60 * 60
    old, fresh, plain = (
        tmp_path / name
        for name in (".a.bin-1-abcdefgh", ".b.bin-1-abcdefgh", ".mine-1-x")
    )
    for folder in (old, fresh, plain):
        folder.mkdir()
        (folder / "a.bin").write_bytes(b"ne")
    # Of an earlier version, or killed before its first byte: only age tells.
    for folder in (old, plain):
        os.utime(folder, (time.time() - 2 * day,) * 2)
    # Its process is gone, and the lock with it, whatever machine it ran on.
    dead = tmp_path / ".c.bin-elsewhere-1-abcdefgh"
    dead.mkdir()
    (dead / ".lock").touch()
    with staged_file(tmp_path / "d.bin", ".bin") as temporary:
        temporary.write_bytes(b"d")
        os.utime(temporary.parent, (0, 0))
        remove_leftovers(tmp_path)
        assert temporary.read_bytes() == b"d"
    assert sorted(os.listdir(tmp_path)) == [
        ".b.bin-1-abcdefgh",
        ".mine-1-x",
        "d.bin",
    ]


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs a device that is full"
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_told_with_the_path_and_the_way_on(tmp_path, wrapped):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write():
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"new")

    with pytest.raises(OSError, match="no room to write.*a.bin.*--resume"):
        with staged_file(path, ".bin", overwrite=True):
            try:
                write()
            except OSError as error:
                if wrapped:
                    raise RuntimeError("the writer failed") from error
                raise
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


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
