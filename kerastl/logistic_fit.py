"""Logistic regressions that need not end where they would."""

import contextlib
import warnings


@contextlib.contextmanager
def early_ends():
    """Says nothing of fits that take all their iterations.

    A start that is trained on, a strength of the penalty that is tried and a
    guess at wrong labels are as good a little before the optimum. What
    scikit-learn says then, to scale the data and to read on its solvers, is no
    advice to somebody who fine-tunes a network.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
