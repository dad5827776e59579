"""What the error of each layer alone does to the output of a model."""

import numpy as np

from kerastl.export.diagnosis.signal_to_noise import signal_to_noise

_SMALLEST = 1e-30


def output_errors(calls, output, errors, images):
    """Returns how the error of each layer alone shows in the output.

    The model is run once, by a batch that grows: every layer with an error
    adds a copy of the images whose values it disturbs there, and all copies
    travel on together.

    Args:
        calls: `Call`s of the model.
        output: Place of its output.
        errors: Dict of place to the error added there, an array in the shape
            of the layer's outputs for `images`.
        images: Images to run.

    Returns:
        Dict of place to the SQNR of the model's output in decibels, measured
        before a final softmax or sigmoid, but for the error of that itself.
    """
    count = len(images)
    values = {0: np.asarray(images)}
    last_readers = {}
    for call in calls:
        last_readers.update(dict.fromkeys(call.inputs, call))
    disturbed = []
    for call in calls:
        given = {
            place: _grow(values[place], count, 1 + len(disturbed))
            for place in call.inputs
        }
        for place, value in call.run(given).items():
            if place in errors:
                value = np.concatenate([value, value[:count] + errors[place]])
                disturbed.append(place)
            values[place] = value
        for place in set(call.inputs):
            if last_readers[place] is call:
                del values[place]
    exact, *others = np.split(values[output], 1 + len(disturbed))
    found = {}
    for place, other in zip(disturbed, others, strict=True):
        if place == output:
            found[place] = signal_to_noise(exact, other)
        else:
            found[place] = signal_to_noise(_logits(exact), _logits(other))
    return found


def _logits(outputs):
    """Undoes a softmax or sigmoid, which hides errors where it saturates."""
    if outputs.min() < 0 or outputs.max() > 1:
        return outputs
    outputs = np.maximum(outputs, _SMALLEST)
    if outputs.shape[-1] == 1:
        return np.log(outputs) - np.log(np.maximum(1 - outputs, _SMALLEST))
    if not np.allclose(outputs.sum(axis=-1), 1, atol=1e-3):
        return outputs
    logarithms = np.log(outputs)
    # Up to a constant, which a softmax does not see.
    return logarithms - logarithms.mean(axis=-1, keepdims=True)


def _grow(value, count, copies):
    """Adds the undisturbed images until there are so many copies."""
    missing = copies - len(value) // count
    return np.concatenate([value, *[value[:count]] * missing])
