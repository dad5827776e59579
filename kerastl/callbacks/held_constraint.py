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
        """Puts the constraint on top of those that a weight has."""
        self.inner = variable.constraint
        variable.constraint = self

    def detach(self, variable):
        """Takes the constraint off a weight; others stay."""
        if variable.constraint is self:
            variable.constraint = self.inner
            return
        above = variable.constraint
        while isinstance(above, HeldConstraint):
            if above.inner is self:
                above.inner = self.inner
                return
            above = above.inner
