import struct
import subprocess
from types import SimpleNamespace

import pytest

from kerastl.export import check
from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export.utils import third_party
from kerastl.export.utils.third_party import run_probe

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def fatal(cnn, calibration, tmp_path_factory):
    """An int8 file with a flipped bit, in a scale, that ends a process."""
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path_factory.mktemp("fatal") / "a.tflite"
    to_tflite(cnn, path, calibration=calibration, refine="none")
    content = path.read_bytes()
    for tensor in Interpreter(str(path)).get_tensor_details():
        for scale in tensor["quantization_parameters"]["scales"][:1]:
            place = content.find(struct.pack("<f", scale))
            damaged = bytearray(content)
            damaged[place + 3] ^= 0x40
            path.write_bytes(damaged)
            if run_probe(path).returncode not in (0, 1):
                return path
    pytest.skip("this runtime survived every scale that was damaged")


@pytest.mark.parametrize("read", [load, check], ids=["load", "check"])
def test_a_file_that_ends_the_runtime_is_an_error(fatal, read):
    with pytest.raises(ValueError, match="The runtime aborted"):
        read(fatal)


def test_a_file_is_tried_once_and_a_written_one_not_at_all(
    cnn, tmp_path, monkeypatch
):
    to_tflite(cnn, tmp_path / "a.tflite", "float32")
    monkeypatch.setattr(third_party, "run_probe", None)  # a call would raise
    load(tmp_path / "a.tflite")


@pytest.fixture
def probed(tmp_path, monkeypatch):
    """A file, and how each process ends that tries it, with what was asked."""
    path = tmp_path / "a.tflite"
    path.write_bytes(tmp_path.name.encode())
    endings, asked = [], []

    def run_probe(path, timeout):
        asked.append((path, timeout))
        ending = endings.pop(0)
        if isinstance(ending, Exception):
            raise ending
        return ending

    monkeypatch.setattr(third_party, "run_probe", run_probe)
    monkeypatch.setattr(third_party, "_trusted", set())
    return path, endings, asked


def ended(code, said=""):
    return SimpleNamespace(returncode=code, stderr=said)


def test_what_a_process_survives_is_not_tried_again(probed, tmp_path):
    path, endings, asked = probed
    endings.append(ended(0))
    third_party.require_survivable(path)
    third_party.require_survivable(path)
    # It is the content that counts.
    copy = tmp_path / "b.tflite"
    copy.write_bytes(path.read_bytes())
    third_party.require_survivable(copy)
    assert asked == [(path, 300)]
    copy.write_bytes(b"another")
    endings.append(ended(0))
    third_party.require_survivable(copy)
    assert len(asked) == 2


def test_an_orderly_refusal_is_left_to_the_reader_each_time(probed):
    path, endings, asked = probed
    endings += [ended(1), ended(1)]
    third_party.require_survivable(path)
    third_party.require_survivable(path)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "ending, message",
    [
        (ended(-6, f"first\n{'x' * 400}"), f"status -6: {'x' * 300}\\)"),
        (ended(2), r"status 2: no reason\). It cannot be read as tflite: "),
        (subprocess.TimeoutExpired("probe", 300), "takes more than 300 s"),
    ],
)
def test_what_takes_the_process_down_is_an_error(probed, ending, message):
    path, endings, _ = probed
    endings.append(ending)
    with pytest.raises(ValueError, match=message):
        third_party.require_survivable(path)
