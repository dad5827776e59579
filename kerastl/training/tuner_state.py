"""What a `FineTuner` holds that Keras must not track."""

import contextlib


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

    def frozen_models(self):
        """The models that terms hold, and that are not trained."""
        return [model for term in self.losses for model in term.frozen_models]
