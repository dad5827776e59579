"""How far the channels of a network's tensors reach."""

import keras
import numpy as np

from kerastl.export.refinement.streams import batches


def channel_ranges(schedule, numbers, images):
    """Returns the largest size of the values of each channel, by tensor.

    One batch is in memory at a time, and of it what is still to be read.

    Args:
        schedule: `Schedule` of the network.
        numbers: Set of the numbers of the tensors.
        images: float32 array.
    """
    flat = schedule.flat
    last = {
        number: index
        for index, call in enumerate(flat.calls)
        for number in (*call.inputs, *call.outputs)
    }
    found = {}
    for batch in batches(schedule, images):
        values = {0: batch}
        for index, call in enumerate(flat.calls):
            call.repeat(values)
            for number in numbers.intersection(call.outputs):
                sizes = np.abs(keras.ops.convert_to_numpy(values[number]))
                sizes = sizes.max(tuple(range(sizes.ndim - 1)))
                found[number] = np.maximum(found.get(number, 0), sizes)
            for number in (*call.inputs, *call.outputs):
                if last[number] == index:
                    values.pop(number, None)
    return found
