"""Finds the layer whose numbers are none."""

import keras
import numpy as np

from kerastl.export.runners.keras_calls import keras_calls
from kerastl.surgery import graph

_NUM_IMAGES = 8


def check_finite(model, images=None):
    """Raises an error if weights or activations are NaN or infinite.

    A converter would write such a model without complaint: one NaN in a
    calibration run makes a whole range of activations meaningless.

    Args:
        model: Functional model.
        images: Images to run it on, a few of which are; `None` looks at the
            weights alone.

    Raises:
        ValueError: With the name of the layer, the first one in the order in
            which they run.
    """
    for _, node in graph.walk(model):
        for weight in getattr(node.operation, "weights", ()):
            _check(
                keras.ops.convert_to_numpy(weight),
                f"The weights '{weight.name}' of the layer '{node.path}'",
                "Training has diverged: go back to an earlier checkpoint, or "
                "train with a lower learning rate.",
            )
    if images is None:
        return
    calls, _ = keras_calls(model)
    values = {0: np.asarray(images[:_NUM_IMAGES])}
    last_readers = {}
    for call in calls:
        last_readers.update(dict.fromkeys(call.inputs, call))
    for call in calls:
        values.update(call.run(values))
        for place in call.outputs:
            _check(
                values[place],
                f"The outputs of the layer '{call.path}' for the images given",
                "Look at what it is given: a logarithm of zero, a division "
                "by zero, or weights so large that they overflow.",
            )
        for place in set(call.inputs):
            if last_readers[place] is call:
                del values[place]


def _check(values, what, advice):
    if np.issubdtype(values.dtype, np.floating):
        wrong = int(values.size - np.isfinite(values).sum())
        if wrong:
            raise ValueError(
                f"{what} hold NaN or infinite values, so that no file can be "
                f"written from the model. {advice} "
                f"Received: {wrong} of {values.size} values"
            )
