"""From a trained Keras model to a verified artifact."""

from kerastl.export.accuracy_drop_error import AccuracyDropError
from kerastl.export.diagnosis.diagnose import diagnose
from kerastl.export.diagnosis.diagnosis import Diagnosis
from kerastl.export.diagnosis.diagnosis import LayerError
from kerastl.export.evaluate import evaluate
from kerastl.export.quantization_aware import quantization_aware
from kerastl.export.report import ExportReport
from kerastl.export.runner import Runner
from kerastl.export.runner import load
from kerastl.export.schemes import SCHEMES
from kerastl.export.to_onnx import to_onnx
from kerastl.export.to_tflite import to_tflite

__all__ = [
    "SCHEMES",
    "AccuracyDropError",
    "Diagnosis",
    "ExportReport",
    "LayerError",
    "Runner",
    "diagnose",
    "evaluate",
    "load",
    "quantization_aware",
    "to_onnx",
    "to_tflite",
]
