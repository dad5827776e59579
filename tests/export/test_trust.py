import struct

import pytest

from kerastl.export import check
from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export import trust
from kerastl.export.probe_file import run_probe

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def fatal(cnn, calibration, tmp_path_factory):
    """An int8 file with a flipped bit, in a scale, that ends a process."""
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path_factory.mktemp("fatal") / "a.tflite"
    to_tflite(cnn, path, calibration=calibration)
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
    monkeypatch.setattr(trust, "run_probe", None)  # a call would raise
    load(tmp_path / "a.tflite")
