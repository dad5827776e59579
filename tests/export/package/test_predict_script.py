"""How the program for small devices cuts a photo.

That its scores are ours is tested where it is written.
"""

import runpy
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from kerastl.export.package import predict_script
from kerastl.export.package.predict_script import Classifier
from kerastl.export.package.predict_script import read_photo


@pytest.mark.parametrize("turned", [False, True])
def test_the_middle_of_a_photo_is_taken(tmp_path, turned):
    """Three squares side by side, of which the second is the middle."""
    colours = [[200, 0, 0], [0, 150, 0], [0, 0, 100]]
    pixels = np.repeat(np.uint8(colours)[None], 50, 0).repeat(50, 1)
    image = Image.fromarray(pixels.transpose(1, 0, 2) if turned else pixels)
    image.save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png", 20)
    assert photo.shape == (20, 20, 3)
    assert (photo == [0, 150, 0]).all()


@pytest.mark.parametrize(
    "size, border",
    # 15 %, and not less than 8 pixels.
    [(20, 8), (100, 15)],
)
def test_a_border_is_cut_off(tmp_path, size, border):
    side = size + border
    rows = np.arange(side, dtype="uint8")
    image = Image.fromarray(np.stack([np.meshgrid(rows, rows)[0]] * 3, -1))
    image.save(tmp_path / "photo.png")
    photo = read_photo(tmp_path / "photo.png", size)
    first = border // 2
    np.testing.assert_array_equal(photo[0, :, 0], rows[first : first + size])


def test_what_is_clear_is_white(tmp_path):
    Image.new("RGBA", (30, 30), (90, 90, 90, 0)).save(tmp_path / "clear.png")
    assert (read_photo(tmp_path / "clear.png", 20) == 255).all()


def test_more_than_eight_bits_are_refused(tmp_path):
    for mode in ("I;16", "F"):
        path = tmp_path / "deep.tiff"
        Image.new(mode, (30, 30)).save(path)
        with pytest.raises(ValueError, match="more than 8 bits.*deep.tiff"):
            read_photo(path, 20)


class Network:
    """Stands for the interpreter, and keeps what it is given."""

    dtype, quantization = np.float32, (0.0, 0)
    scores, output_quantization = np.float32([0.5, 0.25, 0.125, 0.5]), (0.0, 0)
    given = None

    def __init__(self, path):
        self.ready = False

    def allocate_tensors(self):
        self.ready = True

    def get_input_details(self):
        shape = np.array([1, 20, 20, 3])
        details = dict(shape=shape, dtype=self.dtype, index=7)
        return [details | dict(quantization=self.quantization)]

    def get_output_details(self):
        shape = np.array([1, len(self.scores)])
        details = dict(shape=shape, dtype=self.scores.dtype, index=9)
        return [details | dict(quantization=self.output_quantization)]

    def set_tensor(self, index, image):
        assert (self.ready, index) == (True, 7)
        Network.given = image

    def invoke(self):
        pass

    def get_tensor(self, index):
        assert index == 9 and Network.given is not None
        return self.scores[None]


class Integers(Network):
    dtype, quantization = np.int8, (0.5, -128)
    scores, output_quantization = np.int8([-128, 64, 0, -64]), (1 / 256, -128)


@pytest.fixture
def files(tmp_path):
    """A file with the names of four classes, and a photo of one colour."""
    with zipfile.ZipFile(tmp_path / "a.tflite", "w") as archive:
        archive.writestr("labels.txt", "ant\nbée\ncat\ndog\n")
    Image.new("RGB", (60, 40), (200, 100, 0)).save(tmp_path / "photo.png")
    return str(tmp_path / "a.tflite"), str(tmp_path / "photo.png")


def test_a_network_of_floats_reads_pixels(monkeypatch, files):
    monkeypatch.setattr(predict_script, "Interpreter", Network)
    classifier = Classifier(files[0])
    assert classifier.names == ["ant", "bée", "cat", "dog"]
    np.testing.assert_array_equal(classifier(files[1]), Network.scores)
    assert Network.given.dtype == np.float32
    np.testing.assert_array_equal(
        Network.given, np.tile(np.float32([200, 100, 0]), (1, 20, 20, 1))
    )


def test_a_network_of_integers_reads_rounded_and_limited_ones(
    monkeypatch, files
):
    monkeypatch.setattr(predict_script, "Interpreter", Integers)
    scores = Classifier(files[0])(files[1])
    np.testing.assert_array_equal(scores, [0, 0.75, 0.5, 0.25])
    assert Network.given.dtype == np.int8
    np.testing.assert_array_equal(
        Network.given, np.tile(np.int8([127, 72, -128]), (1, 20, 20, 1))
    )


def test_every_output_needs_a_name(monkeypatch, files):
    class Five(Network):
        scores = np.ones(5, "float32")

    monkeypatch.setattr(predict_script, "Interpreter", Five)
    with pytest.raises(ValueError, match="a name for each output is needed"):
        Classifier(files[0])


def _run_as_a_program(monkeypatch):
    # What is imported already would be warned of.
    monkeypatch.delitem(sys.modules, predict_script.__name__)
    runpy.run_module(predict_script.__name__, run_name="__main__")


@pytest.mark.parametrize(
    "network, said",
    [
        (Integers, "bée 75.0%, cat 50.0%, dog 25.0%"),
        # The first of equals comes first.
        (Network, "ant 50.0%, dog 50.0%, bée 25.0%"),
    ],
)
def test_the_three_best_are_said(monkeypatch, capsys, files, network, said):
    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", network)
    model, photo = files
    monkeypatch.setattr(sys, "argv", ["predict.py", model, photo, photo])
    _run_as_a_program(monkeypatch)
    assert capsys.readouterr().out == 2 * f"{photo}: {said}\n"


@pytest.mark.parametrize("arguments", [[], ["a.tflite"]])
def test_without_a_photo_it_says_how_it_is_called(monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", ["predict.py", *arguments])
    with pytest.raises(SystemExit, match="python predict.py model_int8.tflite"):
        _run_as_a_program(monkeypatch)
