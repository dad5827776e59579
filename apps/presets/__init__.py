"""Networks, ready to build, and the weights they load."""

from kerastl.apps.presets.preset_table import get_preset
from kerastl.export.keras_files.load_legacy_h5 import load_legacy_h5
from kerastl.export.keras_files.load_weights_into import load_weights_into

__all__ = [
    "get_preset",
    "load_legacy_h5",
    "load_weights_into",
]
