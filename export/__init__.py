"""From a trained Keras model to a verified artifact."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.export.conversion.converters import SCHEMES
    from kerastl.export.conversion.report import AccuracyDropError
    from kerastl.export.conversion.report import ExportReport
    from kerastl.export.diagnosis.diagnose import diagnose
    from kerastl.export.diagnosis.diagnosis import Diagnosis
    from kerastl.export.diagnosis.diagnosis import LayerError
    from kerastl.export.diagnosis.selective_int8 import selective_int8
    from kerastl.export.diagnosis.selective_report import SelectiveReport
    from kerastl.export.diagnosis.selective_report import UnreachableError
    from kerastl.export.evaluate import evaluate
    from kerastl.export.package.metadata import Metadata
    from kerastl.export.package.metadata import read_metadata
    from kerastl.export.package.metadata import write_metadata
    from kerastl.export.package.write_c_array import write_c_array
    from kerastl.export.package.write_esp_project import write_esp_project
    from kerastl.export.quantization_aware import quantization_aware
    from kerastl.export.refinement.record import LayerRecord
    from kerastl.export.refinement.record import RefinementRecord
    from kerastl.export.refinement.write_refined import STEPS as REFINEMENTS
    from kerastl.export.runners.runner import Runner
    from kerastl.export.runners.runner import load
    from kerastl.export.targets.check import TARGETS
    from kerastl.export.targets.check import check
    from kerastl.export.targets.check_report import CheckReport
    from kerastl.export.targets.check_report import TargetError
    from kerastl.export.to_onnx import to_onnx
    from kerastl.export.to_tflite import to_tflite

__all__ = [
    "REFINEMENTS",
    "SCHEMES",
    "TARGETS",
    "AccuracyDropError",
    "CheckReport",
    "Diagnosis",
    "ExportReport",
    "LayerError",
    "LayerRecord",
    "Metadata",
    "RefinementRecord",
    "Runner",
    "SelectiveReport",
    "TargetError",
    "UnreachableError",
    "check",
    "diagnose",
    "evaluate",
    "load",
    "quantization_aware",
    "read_metadata",
    "selective_int8",
    "to_onnx",
    "to_tflite",
    "write_c_array",
    "write_esp_project",
    "write_metadata",
]
