"""How much the predictions of a network depend on each weight."""

from typing import Literal

import keras
import numpy as np
from keras import ops

from kerastl.arguments import needed_seed
from kerastl.data.batches import class_numbers
from kerastl.data.batches import labelled_batches
from kerastl.surgery.class_outputs import class_outputs
from kerastl.surgery.class_outputs import class_probabilities
from kerastl.surgery.find_head import find_head
from kerastl.surgery.layer_paths import weight_paths
from kerastl.surgery.rebuild import copy_model
from kerastl.training.fine_tuner_checks import check_finite_images
from kerastl.training.gradients import GradientSums
from kerastl.training.gradients import LossProbe
from kerastl.types import Data

_LABELS = ("sampled", "expected", "data")


def estimate_fisher(
    model: keras.Model,
    data: Data,
    labels: Literal["sampled", "expected", "data"] = "sampled",
    limit: int | None = None,
    from_logits: bool = False,
    normalize: bool = False,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Estimates the diagonal of the Fisher information of every weight.

        F_j = mean_x E_y[(d log p(y | x) / d w_j)^2]

    with one backward pass an example, in inference mode. Regularizers of the
    model do not count. The model is copied and not changed.

    Args:
        model: a functional or built sequential `keras.Model` with one output
            of class probabilities or logits.
        data: images as an array, `(images, labels)` arrays, or an iterable of
            such batches, without augmentation.
        labels: where `y` comes from. `"sampled"`: one draw an example from
            the model's own predictions. `"expected"`: all classes, at their
            predicted probabilities; a backward pass for each. `"data"`: the
            labels of the data (the empirical Fisher information), integers
            or one-hot.
        limit: number of examples to use. `None` uses all.
        from_logits: `True` where the model returns logits and that cannot be
            read in its last operations.
        normalize: whether to divide by the mean over all weights but the
            head's, so that a strength means the same as without Fisher
            information.
        seed: seed of the draws.

    Returns:
        Dict from variable path to an array of the variable's shape, for every
        weight. Where variables share a path (two nested models of one
        architecture), that of the layer in `model` with the variable's name
        takes its place, `"backbone/Conv1/kernel"`. Pass it to
        `kerastl.regularizers.L2SP(fisher=...)`.

    Raises:
        ValueError: if there is no image, one has values that are NaN or
            infinite, there are no labels where they are needed, or it cannot
            be told what the model's outputs are.

    Example:

    ```python
    fisher = kerastl.estimate_fisher(source, images, normalize=True)
    kerastl.regularizers.L2SP(0.1, fisher=fisher).attach(student)
    ```

    Reference:
        Li, Grandvalet, Davoine, "Explicit Inductive Bias for Transfer
        Learning with Convolutional Networks", ICML 2018 (L2-SP-Fisher).
        Assumed: where the labels come from, and the normalization.
    """
    if labels not in _LABELS:
        raise ValueError(
            f"`labels` must be one of {_LABELS}. Received: labels={labels!r}"
        )
    seed = needed_seed("seed", seed)
    # Arrays are looked at as a whole; batches when their turn comes.
    check_finite_images(data[0] if isinstance(data, tuple) else data)
    copy = copy_model(model)
    names = weight_paths(model)
    paths = {
        id(mine): names[id(theirs)]
        for theirs, mine in zip(model.variables, copy.variables, strict=True)
    }
    kind = "logits" if from_logits else class_outputs(copy)
    if len(copy.inputs) == len(copy.outputs) == 1:
        # Either may be in a dict, which a loss of one tensor does not know.
        copy = keras.Model(copy.inputs[0], copy.outputs[0], name=copy.name)
    probe = LossProbe(copy, kind)
    squares = GradientSums(ops.square)
    probe.compile(squares)
    generator = np.random.default_rng(seed)
    count = 0
    for image, label in _examples(data, labels == "data", limit):
        for target, share in _targets(probe, image, label, labels, generator):
            # The square of the root is the share of the class in the
            # expectation.
            probe.train_on_batch(image, target, np.sqrt([share]))
        count += 1
    if count == 0:
        raise ValueError(
            "The Fisher information cannot be estimated because the data has "
            f"no image. Received: data={type(data).__name__}, limit={limit}"
        )
    fisher = {
        paths[id(variable)]: ops.convert_to_numpy(total) / count
        for variable, total in zip(
            probe.trainable_variables, squares.sums, strict=True
        )
    }
    return _normalized(fisher, model, names) if normalize else fisher


def _examples(data, needs_labels, limit):
    count = 0
    for images, labels in labelled_batches(data, 1, needs_labels):
        for index in range(len(images)):
            if count == limit:
                return
            image = images[index : index + 1]
            if not np.isfinite(ops.convert_to_numpy(image)).all():
                raise ValueError(
                    "The images hold values that are NaN or infinite, from "
                    "which no Fisher information can be estimated. Look at "
                    "how they are read and scaled. "
                    f"Received: data whose image {count} has such values"
                )
            count += 1
            label = None if labels is None else labels[index : index + 1]
            yield image, label


def _targets(probe, image, label, labels, generator):
    """The labels to take gradients for, each with its share."""
    if labels == "data":
        return [(class_numbers(label), 1.0)]
    outputs = class_probabilities(probe(image), probe.kind)
    shares = ops.convert_to_numpy(outputs)[0].astype("float64")
    shares = shares / shares.sum()
    classes = np.arange(len(shares))
    if labels == "sampled":
        return [(generator.choice(classes, 1, p=shares), 1.0)]
    return [(classes[i : i + 1], shares[i]) for i in classes]


def _normalized(fisher, model, names):
    head = find_head(model).layer
    spared = [] if head is None else [names[id(v)] for v in head.variables]
    counted = [value for path, value in fisher.items() if path not in spared]
    mean = sum(v.sum() for v in counted) / sum(v.size for v in counted)
    return {path: value / mean for path, value in fisher.items()}
