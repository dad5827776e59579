from keras import constraints


class HeldConstraint(constraints.Constraint):
    """Base of the constraints that a callback holds on weights in training.

    It runs inside the optimizer's step. A subclass implements
    `project(weights)`. It is never saved: the callback finds what it needs in
    the weights again.

    Args:
        inner: the constraint that the weight has of its own, or `None`; it is
            applied first.
    """

    def __init__(self, inner=None):
        self.inner = inner

    def __call__(self, w):
        if self.inner is not None:
            w = self.inner(w)
        return self.project(w)

    def project(self, w):
        """The weights as they may be."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `project(weights)`."
        )

    def attach(self, variable):
        """Puts the constraint on top of the one that a weight has.

        Raises:
            ValueError: If another callback holds the weight.
        """
        if isinstance(variable.constraint, HeldConstraint):
            raise ValueError(
                "Two callbacks of one training hold the same kernel. Prune "
                "first; `WeightClustering(keep_zeros=True)` or "
                "`KeepClusters()` keep the zeros in a training after that. "
                f"Received: kernel={variable.path!r}, held by "
                f"{type(variable.constraint).__name__}, and now by "
                f"{type(self).__name__}"
            )
        self.inner = variable.constraint
        variable.constraint = self

    @staticmethod
    def release(variable):
        """Leaves a weight the constraint of its own."""
        if isinstance(variable.constraint, HeldConstraint):
            variable.constraint = variable.constraint.inner
