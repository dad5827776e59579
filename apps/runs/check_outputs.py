"""What a run is asked to leave behind, checked before it begins."""

import keras

from kerastl.apps.runs.export_files import check_exports
from kerastl.arguments import checked_count
from kerastl.export.conversion.converters import get_scheme
from kerastl.export.targets.check import load_op_table


def check_outputs(exports, qat=None, target=None, page=False):
    """Returns the files to write as pairs, if all that is asked for fits.

    Args:
        exports: Texts as `check_exports` takes them.
        qat: Epochs of quantization-aware training, or `None`.
        target: Device that has to run the TFLite files, or `None`.
        page: Whether a page is made, which runs an ONNX file: without one
            `"onnx:float32"` is added.

    Returns:
        Pairs of format and scheme.

    Raises:
        ValueError: If a name does not exist, `qat` is no number of epochs or
            would train for no file or on a backend that cannot, or the
            target would check no file.
    """
    pairs = check_exports(exports)
    if page and not any(format == "onnx" for format, _ in pairs):
        pairs.append(("onnx", "float32"))
    if qat is not None:
        checked_count("qat", qat)
    rounded = any(
        get_scheme(scheme, format).rounds_as_trained for format, scheme in pairs
    )
    if qat is not None and not rounded:
        raise ValueError(
            "Quantization-aware training is for the int8 files, and none is "
            "asked for. Add 'tflite:int8' or 'onnx:int8' to `exports` "
            "(--export), or leave `qat` (--qat) out. "
            f"Received: qat={qat}, exports={list(exports)}"
        )
    backend = keras.backend.backend()
    if qat is not None and backend != "tensorflow":
        raise ValueError(
            "Quantization-aware training runs on TensorFlow, whose rounding "
            "the converters know. Train without `qat` (--qat) here; then start "
            "a process with KERAS_BACKEND=tensorflow that resumes the run "
            "(--resume) and adds it. "
            f"Received: qat={qat}, backend={backend!r}"
        )
    if target is not None:
        load_op_table(target)
        if not any(format == "tflite" for format, _ in pairs):
            raise ValueError(
                "Targets run TFLite files, and none is asked for. Add one to "
                "`exports` (--export), or leave `target` (--target) out. "
                f"Received: target={target!r}, exports={list(exports)}"
            )
    return pairs
