"""Reading the model and weights files that Keras 3 and tf.keras 2 write."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.export.keras_files.load_keras_file import load_keras_file
    from kerastl.export.keras_files.load_legacy_h5 import load_legacy_h5
    from kerastl.export.keras_files.load_weights_into import load_weights_into

__all__ = [
    "load_keras_file",
    "load_legacy_h5",
    "load_weights_into",
]
