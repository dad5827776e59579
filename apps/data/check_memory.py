"""Whether there is memory for what is asked for, before it is taken."""

import math
import os
import pathlib

_GIB = 1 << 30
_CONTROL_GROUP = pathlib.Path("/sys/fs/cgroup")
_MEMORY_INFORMATION = pathlib.Path("/proc/meminfo")
# Of one channel of one pixel: as a stored byte, and as float in a batch, of
# which one is trained on while the next is made.
_BATCHES = 2


def memory_limit():
    """Returns the bytes of memory that this process may have at most.

    What the machine has, or its control group (such as a container's) allows,
    whichever is less; `None` where neither can be read.
    """
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        pass
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            found.append(int((_CONTROL_GROUP / name).read_text()))
        except (OSError, ValueError):
            continue
    return min(found, default=None)


def check_memory(needed, what, **received):
    """Raises an error if something takes more memory than there is.

    Args:
        needed: Bytes that it takes at least.
        what: What it is, for the message.
        received: The arguments that decide it.

    Raises:
        ValueError: If `needed` is more than the machine has.
    """
    limit = memory_limit()
    if limit is None or needed <= limit:
        return
    arguments = ", ".join(f"{name}={value}" for name, value in received.items())
    raise ValueError(
        f"{what} would take at least {_gib(needed)} of memory, and there are "
        f"{_gib(limit)}. Make {' or '.join(f'`{name}`' for name in received)} "
        f"smaller. Received: {arguments}"
    )


def check_batch_fits(image_size, margin, batch_size):
    """`check_memory` of the images of a batch alone, whatever the network."""
    stored = 3 * batch_size * (image_size + margin) ** 2
    made = 4 * 3 * batch_size * image_size**2
    check_memory(
        stored + _BATCHES * made,
        "A batch of such images",
        image_size=image_size,
        batch_size=batch_size,
    )


def _gib(count):
    return f"{count / _GIB:,.1f} GiB"


def check_training_fits(network, recipe, image_size, batch_size):
    """Raises an error if a step takes more memory than the machine has.

    A lower bound: what the layers with weights read has to be kept until the
    gradients of their kernels are made. Where only the head is trained, or
    nothing, it is the largest of these tensors alone. On an accelerator,
    whose memory is its own, nothing is estimated.

    Args:
        network: The network, built.
        recipe: The `apps.Recipe` that trains it.
        image_size: Height and width, for the message.
        batch_size: Images in a batch.

    Raises:
        ValueError: If the machine has less memory.
    """
    # Verbs that take no Keras ask for the memory of a batch alone.
    import keras

    from kerastl.has_accelerator import has_accelerator

    if has_accelerator():
        return
    sizes = [
        math.prod(tensor.shape[1:]) * _bytes(layer)
        for layer in network.layers
        if layer.weights
        for tensor in keras.tree.flatten(layer.input)
        if None not in tensor.shape[1:]
    ]
    kept = recipe.trains and recipe.trainable != "head"
    count = sum(sizes) if kept else max(sizes, default=0)
    check_memory(
        batch_size * count,
        "Training at this size",
        image_size=image_size,
        batch_size=batch_size,
    )


def _bytes(layer):
    return 2 if layer.compute_dtype.endswith("16") else 4
