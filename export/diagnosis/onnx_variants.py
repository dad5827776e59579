"""Writes int8 .onnx files of one model with some operators in float."""

import pathlib
import tempfile

from kerastl.export.onnx_steps import export_onnx
from kerastl.export.onnx_steps import fold_onnx
from kerastl.export.onnx_steps import quantize_onnx
from kerastl.export.onnx_steps import tidy_onnx
from kerastl.export.utils.third_party import quiet_console

_OPSET = 17


class OnnxVariants:
    """Calibrates once; every variant is then quantized from that.

    Args:
        lowered: `Lowered` model.
        output_name: Name of the output.
        images: Calibration images.
    """

    def __init__(self, lowered, output_name, images):
        self._images = images
        # Removed with the object.
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        self._float = folder / "float.onnx"
        self._ranges = folder / "ranges.json"
        with quiet_console():
            export_onnx(lowered, output_name, _OPSET, folder / "exported.onnx")
            fold_onnx(folder / "exported.onnx", self._float)

    def write(self, path, in_float=()):
        """Writes a file.

        Args:
            path: Destination.
            in_float: Names of the tensors whose operators stay float.
        """
        with quiet_console():
            quantize_onnx(
                self._float,
                path,
                self._images,
                in_float=in_float,
                ranges=self._ranges,
            )
            tidy_onnx(path)
