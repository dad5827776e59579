"""What a trained network has to say of each of its classes, kept."""

import numpy as np

from kerastl.export.utils.atomic_write import staged_file
from kerastl.surgery import class_means
from kerastl.surgery import embed


def save_class_means(path, model, data):
    """Writes the mean features of the training classes to a `.npz`.

    They tell a later fine-tune from these weights how near its own task is,
    see `suggest_for_run`.

    Args:
        path: File to write; replaced if it exists.
        model: The trained network.
        data: The `apps.ImageData` that it was trained on.
    """
    means, sizes = class_means(embed(model), data.calibration, data.num_classes)
    with staged_file(path, ".npz", overwrite=True) as temporary:
        np.savez(temporary, means=means.astype("float32"), sizes=sizes)
