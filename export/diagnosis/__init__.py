"""Where an exported file loses precision, told by Keras layer name."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.export.diagnosis.diagnose import diagnose
    from kerastl.export.diagnosis.selective_int8 import selective_int8

__all__ = [
    "diagnose",
    "selective_int8",
]
