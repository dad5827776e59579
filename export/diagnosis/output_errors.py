"""What the error of each layer alone does to the output of a model."""

import numpy as np

from kerastl.export.diagnosis.signal_to_noise import signal_to_noise


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
        Dict of place to the SQNR of the model's output in decibels.
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
    return {
        place: signal_to_noise(exact, other)
        for place, other in zip(disturbed, others, strict=True)
    }


def _grow(value, count, copies):
    """Adds the undisturbed images until there are so many copies."""
    missing = copies - len(value) // count
    return np.concatenate([value, *[value[:count]] * missing])
