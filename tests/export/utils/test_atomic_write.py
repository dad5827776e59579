import errno
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from kerastl.export.utils.atomic_write import DiskFullError
from kerastl.export.utils.atomic_write import is_leftover
from kerastl.export.utils.atomic_write import make_folder
from kerastl.export.utils.atomic_write import remove_leftovers
from kerastl.export.utils.atomic_write import staged_file


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
from kerastl.export.utils.atomic_write import staged_file
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


@pytest.mark.parametrize("hours, stays", [(23, True), (25, False)])
def test_without_a_lock_a_day_tells(tmp_path, hours, stays):
    folder = tmp_path / ".a.bin-1-abcdefgh"
    folder.mkdir()
    os.utime(folder, (time.time() - 3600 * hours,) * 2)
    remove_leftovers(tmp_path)
    assert folder.exists() == stays


@pytest.mark.parametrize(
    "name, is_one",
    [
        (".a.bin-17-abcd_123", True),
        ("folder/.a.bin-elsewhere-17-abcdefgh", True),
        ("a.bin-17-abcdefgh", False),
        (".-17-abcdefgh", False),
        (".a.bin-x-abcdefgh", False),
        (".a.bin-17-abcdefg", False),
        (".a.bin-17-abcdefghi", False),
    ],
)
def test_the_name_of_a_leftover(name, is_one):
    assert is_leftover(name) == is_one


def test_the_staging_folder_has_such_a_name(tmp_path):
    with staged_file(tmp_path / "a.bin", ".bin") as temporary:
        temporary.write_bytes(b"new")
        assert is_leftover(temporary.parent)
        assert temporary.parent.name.startswith(f".a.bin-{os.getpid()}-")


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def refuse(source, path):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    with staged_file(tmp_path / "a.bin", ".bin") as temporary:
        temporary.write_bytes(b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_folder_to_write_to_is_made(tmp_path):
    made = make_folder(str(tmp_path / "a" / "b"))
    assert isinstance(made, pathlib.Path) and made.is_dir()
    assert make_folder(made) == made
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="there is a file of that name"):
        make_folder(tmp_path / "file")
    with pytest.raises(PermissionError, match="cannot be made .*output='/proc"):
        make_folder("/proc/a")


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EFBIG"])
@pytest.mark.parametrize("before", [True, False])
def test_every_kind_of_no_room(tmp_path, monkeypatch, number, before):
    def refuse(*_, **__):
        raise OSError(getattr(errno, number), "no room")

    if before:
        monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(DiskFullError, match="There is no room") as caught:
        with staged_file(tmp_path / "a.bin", ".bin"):
            refuse()
    assert caught.value.errno == errno.ENOSPC


def test_no_room_that_a_library_tells_in_words(tmp_path):
    with pytest.raises(DiskFullError):
        with staged_file(tmp_path / "a.bin", ".bin"):
            raise OSError("could not write: No space left on device")
    with pytest.raises(OSError, match="something else"):
        with staged_file(tmp_path / "a.bin", ".bin"):
            raise OSError(errno.EIO, "something else")


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
