"""A range test of the learning rate."""

import contextlib
import dataclasses
import math

import keras
import numpy as np
from keras.src.backend.common import global_state

from kerastl.data.batches import labelled_batches
from kerastl.types import Data

# Share of the past in the smoothed loss; a loss of so many times the best is
# taken for divergence.
_SMOOTHING = 0.9
_DIVERGED = 4.0
# From the rate of the lowest loss, where divergence begins, to a safe one.
_MARGIN = 10


@dataclasses.dataclass(frozen=True)
class LearningRateSearch:
    """What a range test of the learning rate saw.

    Args:
        rates: The learning rates that were tried, rising.
        losses: The smoothed loss after the step at each of them.
        suggestion: The rate to train with.
    """

    rates: list
    losses: list
    suggestion: float


def find_learning_rate(
    model: keras.Model,
    data: Data,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
) -> LearningRateSearch:
    """Suggests a learning rate for a compiled model.

    Trains for a few steps, the rate growing by the same factor from one to
    the next, until the loss diverges. The suggestion is a tenth of the
    rate at which the smoothed loss is lowest, just before it diverges.
    Weights, statistics, generators, metrics and the optimizer (its moments,
    steps and loss scale) are put back as they were; one that has not trained
    yet is as if it never had. What the data itself draws is the data's: a
    shuffled dataset goes on where the test left it. `kerastl.apps` draws the
    result, see `kerastl.apps.report.plots.plot_learning_rates`.

    Args:
        model: A compiled `keras.Model`, a `FineTuner` too, with a plain
            number as its learning rate.
        data: `(images, labels)` arrays, a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or another iterable of batches; it is
            repeated where it is shorter than `steps`.
        lowest: First learning rate.
        highest: Last learning rate.
        steps: Number of rates.
        batch_size: Batch size for arrays.

    Returns:
        A `LearningRateSearch`.

    Raises:
        ValueError: If the model is not compiled or has a schedule, if the
            range is empty, or if the data is.

    Example:

    ```python
    tuner.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    rate = kerastl.find_learning_rate(tuner, train).suggestion
    ```

    Reference:
        Smith, "Cyclical Learning Rates for Training Neural Networks", WACV
        2017, section 3.3 (the range test; the tenth is common practice).
    """
    if not 0 < lowest < highest or steps < 3:
        raise ValueError(
            "The rates rise from `lowest` to `highest` in at least 3 steps. "
            f"Received: lowest={lowest}, highest={highest}, steps={steps}"
        )
    _check_optimizer(model)
    rates = np.geomspace(lowest, highest, steps).tolist()
    with _put_back(model):
        losses = _losses(model, _repeated(data, batch_size), rates)
    rates = rates[: len(losses)]
    suggestion = rates[int(np.argmin(losses))] / _MARGIN
    return LearningRateSearch(rates, losses, suggestion)


@contextlib.contextmanager
def _put_back(model):
    """Lets a model train, and leaves it as it was."""
    # What is built by the first step cannot be taken apart again, so that
    # step is done with others in their place.
    swapped = {}
    if not model.optimizer.built:
        swapped["optimizer"] = _twin(model)
    metrics = getattr(model, "_compile_metrics", None)
    if metrics is not None and not metrics.built:
        swapped["_compile_metrics"] = None
    if swapped:
        swapped["train_function"] = None
    own = {name: getattr(model, name) for name in swapped}
    variables = [
        *model.variables,
        *model.metrics_variables,
        *model.optimizer.variables,
    ]
    generator = global_state.get_global_attribute("global_seed_generator")
    if generator is not None:
        variables.append(generator.state)
    before = [keras.ops.convert_to_numpy(v).copy() for v in variables]
    # Not by `setattr`, with which Keras would count them among its parts.
    vars(model).update(swapped)
    try:
        yield
    finally:
        vars(model).update(own)
        # Those that came into being meanwhile, too.
        model.reset_metrics()
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def _twin(model):
    """An optimizer like that of `model`, which is not built."""
    optimizer = model.optimizer
    strategy = getattr(model, "distribute_strategy", None)
    with strategy.scope() if strategy else contextlib.nullcontext():
        twin = type(optimizer).from_config(optimizer.get_config())
    for mine, theirs in zip(_parts(twin), _parts(optimizer), strict=True):
        for variable, value in zip(
            mine.variables, theirs.variables, strict=True
        ):
            variable.assign(value)
        # Which weights it spares from decay is not in its config.
        for name in vars(theirs).keys() - vars(mine).keys():
            vars(mine)[name] = vars(theirs)[name]
    return twin


def _parts(optimizer):
    """An optimizer, and those inside it."""
    inside = getattr(optimizer, "optimizers", None) or []
    if hasattr(optimizer, "inner_optimizer"):
        inside = [optimizer.inner_optimizer]
    return [optimizer, *(part for each in inside for part in _parts(each))]


def _check_optimizer(model):
    if not getattr(model, "compiled", False):
        raise ValueError(
            "The range test trains the model, so it must be compiled. Call "
            f"`model.compile(...)` first. Received: model={model.name!r}"
        )
    try:
        # What a schedule, or an optimizer of several, does not allow.
        model.optimizer.learning_rate = float(model.optimizer.learning_rate)
    except (AttributeError, TypeError) as error:
        raise ValueError(
            "The range test sets the learning rate, so the optimizer must "
            "have a single, plain one. Compile the model with a number, find "
            "the rate, and make the schedule from it. "
            f"Received: optimizer={model.optimizer}"
        ) from error


def _repeated(data, batch_size):
    while True:
        is_empty = True
        for batch in labelled_batches(data, batch_size):
            is_empty = False
            yield batch
        if is_empty:
            raise ValueError(
                "The data has no batch, or it is a generator that was read to "
                "its end. Pass arrays or a `tf.data.Dataset`. "
                f"Received: data={data!r}"
            )


def _losses(model, batches, rates):
    losses, mean, best = [], 0.0, math.inf
    for step, rate in enumerate(rates, start=1):
        model.optimizer.learning_rate = rate
        # What is logged is the mean since the last reset.
        model.reset_metrics()
        loss = model.train_on_batch(*next(batches), return_dict=True)["loss"]
        if not math.isfinite(loss):
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * float(loss)
        smooth = mean / (1 - _SMOOTHING**step)
        losses.append(smooth)
        if smooth > _DIVERGED * best:
            break
        best = min(best, smooth)
    if len(losses) < 3:
        raise ValueError(
            "The loss is not finite from the first rates on. Start lower, or "
            f"look for labels out of range. Received: lowest={rates[0]}"
        )
    return losses
