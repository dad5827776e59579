"""The transfer losses of a tuner, from `compile` to what a step adds of them.

What is refused of them, how they change a step's images, and what a
`FineTuner` holds of them that Keras must not track.
"""

import contextlib

import keras
from keras import ops

from kerastl.data.batches import one_hot
from kerastl.has_accelerator import has_accelerator
from kerastl.layers.sum_of_shifts import summing_shifts
from kerastl.surgery.graph import hidden_layers
from kerastl.training.training_batch import only
from kerastl.training.training_batch import read_batch
from kerastl.training.transfer_loss import TransferLoss


class TunerState:
    """Attributes of a tuner that Keras would count or save twice.

    Attributes:
        extractor: Model from the student's input to outputs and features.
        why_no_taps: Why the student has none, as a sentence.
        one_hot: Whether a term changes the labels, which are one-hot then.
        losses: The transfer losses.
        trackers: The mean of each.
        shifting: Layers that sum shifted maps while the tuner computes.
        evaluating: Whether an evaluation is under way.
    """

    def __init__(self):
        self.extractor = None
        self.why_no_taps = None
        self.one_hot = False
        self.losses = []
        self.trackers = []
        self.shifting = []
        self.evaluating = False

    def checked(self, transfer_losses, tuner):
        """A list of the losses, which are such that the tuner can compute."""
        losses = listed_losses(transfer_losses)
        check_losses(losses, tuner, self.why_no_taps)
        return losses

    def take(self, losses, tuner):
        """Lets a tuner that is compiled train with these losses."""
        self.losses = losses
        self.trackers = [keras.metrics.Mean(name=term.name) for term in losses]
        for term in losses:
            term.build(tuner)
        self.shifting = []
        if tuner.jit_compile and not has_accelerator():
            self.shifting = [
                layer
                for model in (
                    tuner.student,
                    tuner.source,
                    *self.frozen_models(),
                )
                if model is not None
                for layer in hidden_layers(model)
                if hasattr(layer, "shifts")
            ]

    def shifts(self):
        """The time in which layers that can sum shifted maps do."""
        return summing_shifts(self.shifting)

    def values(self, terms, step, images):
        """Yields what each of `terms` adds to the loss, and tracks it."""
        size = ops.shape(keras.tree.flatten(images)[0])[0]
        for term, tracker in zip(terms, self.trackers, strict=False):
            with self.shifts():
                value = ops.cast(term.compute(step), "float32")
            tracker.update_state(value, sample_weight=size)
            yield term.weight * value

    @property
    def changing(self):
        """The terms that train on other images than the data's."""
        return [
            term
            for term in self.losses
            if term.changes_images or term.changes_unlabelled
        ]

    @property
    def metrics(self):
        """The metrics of the terms: their means, and those of their own."""
        own = [metric for term in self.losses for metric in term.metrics]
        return [*self.trackers, *own]

    @contextlib.contextmanager
    def evaluation(self):
        """The time of an evaluation."""
        self.evaluating = True
        try:
            yield
        finally:
            self.evaluating = False

    def shown(self, results):
        """The results of a pass: of an evaluation without those of terms."""
        if self.evaluating:
            for metric in self.metrics:
                del results[metric.name]
        return results

    def frozen_models(self):
        """The models that terms hold, and that are not trained."""
        return [model for term in self.losses for model in term.frozen_models]


def listed_losses(transfer_losses):
    """`transfer_losses` as a list of `TransferLoss` objects."""
    if transfer_losses is None:
        return []
    is_list = isinstance(transfer_losses, (list, tuple))
    if not is_list or not all(
        isinstance(term, TransferLoss) for term in transfer_losses
    ):
        hint = ""
        if isinstance(transfer_losses, TransferLoss):
            hint = " Put the one into a list: `transfer_losses=[...]`."
        elif (
            isinstance(transfer_losses, type)
            or is_list
            and any(isinstance(term, type) for term in transfer_losses)
        ):
            hint = " A class is no object: call it."
        raise ValueError(
            "`transfer_losses` must be a list of "
            "`kerastl.losses.TransferLoss` objects, such as "
            f"`kerastl.losses.PixelLevel(1.0)`.{hint} "
            f"Received: transfer_losses={transfer_losses!r}"
        )
    return list(transfer_losses)


def check_losses(losses, tuner, why_no_taps=None):
    """Transfer losses that the tuner can compute and tell apart."""
    taps, source = tuner.taps, tuner.source
    for term in losses:
        if term.needs_source and source is None:
            raise ValueError(
                f"The transfer loss {term.name!r} compares the student "
                "with its source, and the tuner has none. Build it with "
                "`FineTuner(student, source=...)`. Received: source=None"
            )
        if term.needs_embedding and None in tuner.embedding[: 1 + bool(source)]:
            raise ValueError(
                f"The transfer loss {term.name!r} compares what the heads "
                "read, and no layer was found that does. Name it: "
                "`FineTuner(embedding=...)`. "
                f"Received: embedding={tuner.embedding}"
            )
        if why_no_taps and _reads_taps(term):
            raise ValueError(
                f"The transfer loss {term.name!r} compares the student with "
                "its source at taps, and none were found. "
                f"{why_no_taps}"
            )
        unknown = set(term.taps or []) | set(term.tap_weights)
        unknown -= set(taps)
        if unknown:
            raise ValueError(
                f"The transfer loss {term.name!r} names taps that the "
                "tuner does not read. Pass them to `FineTuner(taps=...)` "
                f"too. Received: taps={sorted(unknown)}, the tuner's "
                f"are {taps}"
            )
    names = [term.name for term in losses]
    if len({"loss", *names}) <= len(names):
        raise ValueError(
            "Every transfer loss needs a name of its own, because it is "
            "a column in `History`. Pass `name=...`. "
            f"Received: names={names}"
        )


def _reads_taps(term):
    """Whether a loss compares features at taps, rather than what heads read."""
    calls = type(term).compute is TransferLoss.compute
    return calls or term.needs_source and not term.needs_embedding


def check_batch(losses, batch):
    """A batch that has what every transfer loss reads."""
    for term in losses:
        for needed, field, function in (
            (term.needs_unlabelled, "unlabelled", "with_unlabelled"),
            (term.needs_index, "index", "with_index"),
        ):
            if needed and getattr(batch, field) is None:
                raise ValueError(
                    f"The transfer loss {term.name!r} reads {field!r} of a "
                    "batch, which is not there. Train on the dataset that "
                    f"`kerastl.data.{function}` makes. "
                    f"Received: {field}=None"
                )
    if batch.source_features is not None:
        check_images_stay(losses)


def check_images_stay(losses):
    """Images that no transfer loss changes, so that features can be stored."""
    changing = [term.name for term in losses if term.changes_images]
    if changing:
        raise ValueError(
            "The source's features are stored for the images of the data, and "
            f"the transfer loss {changing[0]!r} trains on others. Fit on the "
            "data without stored features. "
            f"Received: transfer losses that change images={changing}"
        )


def change_images(tuner, terms, *state_and_data):
    """Lets terms change the images of a step, before anything else sees them.

    Args:
        tuner: A `FineTuner`.
        terms: Transfer losses that change images.
        *state_and_data: What the backend's `train_step` gets: with JAX the
            values of the variables, and the data.

    Returns:
        The same, the images changed.
    """
    *state, data = state_and_data
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    batch = read_batch(x)
    with _values_of_step(tuner, state) as scope:
        changed = _changed(batch, terms, y, tuner.student)
    x = changed["images"] if batch.images is x else {**x, **changed}
    if state:
        state = [_updated(tuner, state[0], scope)]
    return (*state, keras.utils.pack_x_y_sample_weight(x, y, sample_weight))


def _changed(batch, terms, y, student):
    """The fields of the batch that terms change, and how they leave them."""
    images, unlabelled = only(batch.images), batch.unlabelled
    for term in terms:
        if term.changes_images:
            labels = one_hot(only(y), student.outputs[0])
            images = term.change_images(images, labels, student)
        # A batch without any is refused where all that terms need is checked.
        if term.changes_unlabelled and unlabelled is not None:
            unlabelled = term.change_unlabelled(unlabelled)
    images = keras.tree.pack_sequence_as(
        batch.images, keras.tree.flatten(images)
    )
    if unlabelled is batch.unlabelled:
        return {"images": images}
    return {
        "images": images,
        "unlabelled": unlabelled,
        "unchanged": batch.unlabelled,
    }


def _values_of_step(tuner, state):
    """Lets variables have their values of the step, where it gets them."""
    if not state:
        return contextlib.nullcontext()
    trainable, fixed, *_ = state[0]
    variables = [*tuner.trainable_variables, *tuner.non_trainable_variables]
    return keras.StatelessScope(
        state_mapping=list(zip(variables, [*trainable, *fixed], strict=True))
    )


def _updated(tuner, state, scope):
    """The state with what terms changed in it: their random generators."""
    trainable, _, *others = state
    fixed = [
        scope.get_current_value(variable)
        for variable in tuner.non_trainable_variables
    ]
    return (trainable, fixed, *others)
