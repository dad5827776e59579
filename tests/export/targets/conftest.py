"""Files of the small classifier in every scheme, and of an awkward one."""

import keras
import pytest

from kerastl.export import to_tflite

SCHEMES = ("float32", "float16", "dynamic", "int8", "uint8_io", "int16x8")


class Mirror(keras.layers.Layer):
    """Reflecting borders as one operator, which delegates do not have."""

    def call(self, images):
        return keras.ops.pad(
            images, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect"
        )


@pytest.fixture(scope="session")
def files(cnn, calibration, tmp_path_factory):
    """Dictionary of scheme to file of the same network."""
    folder = tmp_path_factory.mktemp("targets")
    paths = {scheme: folder / f"{scheme}.tflite" for scheme in SCHEMES}
    for scheme, path in paths.items():
        to_tflite(cnn, path, scheme, calibration=calibration, refine="none")
    return paths


@pytest.fixture(scope="session")
def mirrored(cnn_builder, tmp_path_factory):
    """A float file whose MIRROR_PAD the delegate leaves out."""
    path = tmp_path_factory.mktemp("targets") / "mirrored.tflite"
    to_tflite(cnn_builder(Mirror()), path, "float32")
    return path


@pytest.fixture(scope="session")
def micro():
    """The module that runs files in TensorFlow Lite Micro."""
    return pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime",
        reason="needs the package tflite-micro (Linux on x86-64)",
    )
