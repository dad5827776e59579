"""A network with a method, and what is known of the two together."""

import dataclasses
import math

import numpy as np

# Two trainings of one network differ by about so many points by their draws.
_DRAWS = 2.0


@dataclasses.dataclass
class Candidate:
    """A network with a method.

    Differences are to one of the candidates, the reference, in points of
    accuracy.

    Args:
        network: Index of the network among those that were judged.
        method: Key of `apps.RECIPES`.
        points: The difference that is expected before any trial.
        error: Standard error of that.
        seconds: Time that a training is expected to take.
        hits: Of each fold that was tried, whether each photo in it was named
            rightly.
    """

    network: int
    method: str
    points: float
    error: float
    seconds: float
    hits: list = dataclasses.field(default_factory=list)

    def accuracy(self):
        """Accuracy in the trials, 0 to 1, and their number of photos."""
        if not self.hits:
            return None, 0
        hits = np.concatenate(self.hits)
        return float(hits.mean()), len(hits)

    def judged(self, reference):
        """The difference to the reference after the trials, and its error.

        What was expected and what the trials on the same folds say, each
        weighted by how sure it is: an average of two normal variables.

        Args:
            reference: The candidate that differences are to.

        Returns:
            Points and their standard error.
        """
        common = min(len(self.hits), len(reference.hits))
        if self is reference or not common:
            return self.points, self.error
        gaps = np.concatenate(self.hits[:common]).astype("float64")
        gaps -= np.concatenate(reference.hits[:common])
        photos = 1e4 * gaps.var() / len(gaps)
        seen = photos + 2 * _DRAWS**2 / common
        believed = self.error**2
        share = believed / (believed + seen)
        points = self.points + share * (100 * gaps.mean() - self.points)
        return float(points), math.sqrt(share * seen)
