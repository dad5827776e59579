"""A classifier trained on the features of a frozen network."""

import keras
import numpy as np
from keras import layers

from kerastl.arguments import needed_seed
from kerastl.data.batches import as_inputs
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.surgery.feature_extractor import embed
from kerastl.types import Data


def train_head(
    source: keras.Model,
    data: Data,
    num_classes: int | None = None,
    epochs: int = 10,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    decay_epochs: int = 6,
    batch_size: int = 32,
    seed: int = 0,
) -> layers.Dense:
    """Trains a new classifier on what the frozen `source` says of `data`.

    The source really is frozen: its features are computed once, in inference
    mode, so that neither its weights nor its BatchNormalization statistics
    move, and a training costs one pass over the data. SGD with a rate that
    falls from epoch to epoch. The weights start from Glorot's uniform draw and
    the biases from 0, as Keras starts a classifier; in the authors' code both
    are PyTorch's.

    Args:
        source: A functional or built sequential `keras.Model`, with or
            without a head of its own, which is left out.
        data: `(images, labels)` arrays, or an iterable of such batches,
            without augmentation. Labels are integers or one-hot.
        num_classes: Number of classes. Defaults to the largest label plus 1.
        epochs: Number of passes over the features.
        learning_rate: Rate at the start.
        momentum: Momentum of SGD.
        weight_decay: L2 penalty on kernel and bias, `weight_decay / 2` times
            the sum of their squares.
        decay_epochs: Epochs in which the rate falls to a tenth; within an
            epoch it stays.
        batch_size: Examples in a step.
        seed: Seed of the weights at the start and of the order.

    Returns:
        A `Dense` layer with softmax, which reads what the source's own head
        reads: see `kerastl.surgery.find_head`. Feature maps are averaged over
        space in front of it.

    Raises:
        ValueError: If there are no labels.

    Example:

    ```python
    head = kerastl.train_head(source, (images, labels))
    attention = kerastl.compute_channel_attention(
        source, head, (images, labels)
    )
    ```

    Reference:
        Li et al., "DELTA", ICLR 2019: the defaults are those of the authors'
        code for the classifier that the attention is measured with.
    """
    seed = needed_seed("seed", seed)
    network = embed(source)
    features, targets = [], []
    for images, labels in labelled_batches(data, batch_size):
        embedded = network(as_inputs(network, images), training=False)
        features.append(keras.ops.convert_to_numpy(embedded))
        targets.append(class_numbers(labels))
    features = np.concatenate(features).astype("float32")
    targets = np.concatenate(targets)
    head = layers.Dense(
        num_classes or int(targets.max()) + 1,
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="head",
    )
    penalty = keras.regularizers.L2(weight_decay / 2)
    head.kernel_regularizer = head.bias_regularizer = penalty
    model = keras.Sequential([keras.Input(features.shape[1:]), head])
    steps = -(-len(features) // batch_size)
    model.compile(
        keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(
                learning_rate,
                steps,
                0.1 ** (1 / decay_epochs),
                staircase=True,
            ),
            momentum=momentum,
        ),
        "sparse_categorical_crossentropy",
    )
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(len(features))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            model.train_on_batch(features[chosen], targets[chosen])
    head.kernel_regularizer = head.kernel.regularizer = None
    head.bias_regularizer = head.bias.regularizer = None
    return head
