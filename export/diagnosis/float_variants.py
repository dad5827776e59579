"""Writes int8 files in which some layers stay in float."""

import pathlib
import tempfile

from kerastl.export.conversion.onnx_steps import export_onnx
from kerastl.export.conversion.onnx_steps import fold_onnx
from kerastl.export.conversion.onnx_steps import quantize_onnx
from kerastl.export.conversion.onnx_steps import tidy_onnx
from kerastl.export.quantization.exact_blurs import exact_tflite_blurs
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


class TFLiteVariants:
    """Calibrates once; every variant is then quantized from that.

    Args:
        lowered: `Lowered` model.
        output_name: Name of the output.
        images: Calibration images.
    """

    def __init__(self, lowered, output_name, images):
        import tensorflow as tf

        def representative_dataset():
            for image in images:
                yield [image[None]]

        model, signature = lowered.to_write(output_name, batch_size=1)
        with tempfile.TemporaryDirectory() as folder, quiet_console():
            path = pathlib.Path(folder) / "calibrated.tflite"
            model.export(
                path,
                format="litert",
                verbose=False,
                input_signature=signature,
                target_spec={
                    "supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                },
                optimizations=[tf.lite.Optimize.DEFAULT],
                representative_dataset=representative_dataset,
                _experimental_calibrate_only=True,
            )
            self._calibrated = path.read_bytes()

    def write(self, path, in_float=()):
        """Writes a file.

        Args:
            path: Destination.
            in_float: Names of the tensors whose operators stay float.
        """
        import tensorflow as tf

        # What `tf.lite.experimental.QuantizationDebugger` calls; that itself
        # cannot give a file integer inputs and outputs.
        from tensorflow.lite.python.convert import mlir_quantize

        with quiet_console():
            content = mlir_quantize(
                self._calibrated,
                fully_quantize=True,
                input_data_type=tf.int8,
                output_data_type=tf.int8,
                denylisted_nodes=sorted(in_float) or None,
            )
        path.write_bytes(content)
        exact_tflite_blurs(path)
