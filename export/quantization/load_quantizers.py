"""The one place that imports tensorflow-model-optimization."""

import os

from kerastl.export.utils.third_party import require

_VARIABLE = "TF_USE_LEGACY_KERAS"


def load_quantizers():
    """Returns the module of tensorflow-model-optimization's quantizers.

    Importing that package sets an environment variable, and if `tf.keras` was
    not used before, turns it into Keras 2 for the whole process. So `tf.keras`
    is resolved first, and the environment is put back.

    Raises:
        ImportError: If the package, or the tf_keras that it needs, is missing.
    """
    import tensorflow as tf

    # `tf.keras` is loaded when it is first touched, and stays what it then is.
    tf.keras.layers  # noqa: B018
    before = os.environ.get(_VARIABLE)
    try:
        package = require(
            "tensorflow_model_optimization", "tensorflow-model-optimization"
        )
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
    return package.quantization.keras.quantizers
