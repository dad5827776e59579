"""Images that a network is most wrong about."""

from collections.abc import Sequence

import keras
from keras import ops

from kerastl.data.batches import as_inputs
from kerastl.data.batches import one_hot
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.training.gradients import input_gradient
from kerastl.types import Tensor

# Keeps the logarithm finite. Larger ones take the gradient away from images
# that are very wrong.
_TINY = 1e-12
# Half precision would round the gradients of pixels to zero; their signs,
# which are all that counts, do not depend on the scale.
_HALF_PRECISION_SCALE = 1024.0


def adversarial_images(
    model: keras.Model,
    images: Tensor,
    labels: Tensor,
    epsilon: float = 8.0,
    step_size: float = 2.0,
    steps: int = 7,
    value_range: Sequence[float] = (0.0, 255.0),
    random_start: bool = True,
    seed: int | keras.random.SeedGenerator | None = None,
) -> Tensor:
    """Changes images within a small range so that `model` gets them wrong.

    Projected gradient descent (PGD): from a random point of the range, each
    step adds `step_size` times the sign of the gradient of the cross-entropy
    and goes back into the range: no pixel differs by more than `epsilon` from
    its image, nor leaves `value_range`. The model runs in inference mode.

    The defaults are the standard setting for CIFAR, 8 / 255 and 2 / 255 on
    images of 0 to 1 (assumed for the paper below).

    Args:
        model: A classifier.
        images: Float images, `(batch, height, width, channels)`.
        labels: Integer or one-hot labels.
        epsilon: Largest change of a pixel, in the images' own units.
        step_size: Change in one step.
        steps: Number of steps.
        value_range: Smallest and largest value of a pixel.
        random_start: Whether to start at a random point of the range.
        seed: A `keras.random.SeedGenerator`, an integer or `None`.

    Returns:
        A tensor like `images`.

    Raises:
        ValueError: If it cannot be told what the model's outputs are.

    Example:

    ```python
    attacked = kerastl.adversarial_images(model, images, labels)
    _, robust_accuracy = model.evaluate(attacked, labels)
    ```

    Reference:
        Madry et al., "Towards Deep Learning Models Resistant to Adversarial
        Attacks", ICLR 2018, section 2.
    """
    images = ops.cast(images, "float32")
    labels = one_hot(ops.convert_to_tensor(labels), model.outputs[0])
    low, high = value_range
    smallest = ops.maximum(images - epsilon, low)
    largest = ops.minimum(images + epsilon, high)
    kind = class_outputs(model)
    scale = 1.0
    if model.compute_dtype == "float16":
        scale = _HALF_PRECISION_SCALE

    def loss(attacked):
        outputs = model(as_inputs(model, attacked), training=False)
        found = class_probabilities(outputs, kind)
        # Not Keras's loss: it clips, and has no gradient where it does.
        right = ops.sum(labels * found, axis=-1)
        return -scale * ops.sum(ops.log(right + _TINY))

    def step(_, attacked):
        direction = ops.sign(input_gradient(loss, attacked))
        moved = attacked + step_size * ops.nan_to_num(direction)
        return ops.clip(moved, smallest, largest)

    attacked = images
    if random_start:
        attacked = images + keras.random.uniform(
            ops.shape(images), -epsilon, epsilon, seed=seed
        )
    attacked = ops.clip(attacked, smallest, largest)
    return ops.stop_gradient(ops.fori_loop(0, steps, step, attacked))
