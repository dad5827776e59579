"""What was chosen, why, and how to go on."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import shlex
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from kerastl.apps.choice.evidence import PROBE
from kerastl.apps.choice.evidence import expected_gains
from kerastl.apps.data.augmentation import LIGHT
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.apps.report.figures import NINETY_FIVE
from kerastl.apps.texts import Printable

if TYPE_CHECKING:
    from rich.console import Console

    from kerastl.apps.choice.networks import JudgedNetwork


@dataclasses.dataclass
class Choice(Printable):
    """The network and the method to take, and what speaks for them.

    Attributes:
        photos: Folder of the photos.
        networks: List of `JudgedNetwork`.
        candidates: List of `Candidate`; the first is the reference.
        settings: Dict of the arguments that a run should have too.
        trainings: Number of trainings that were tried.
        left_out: Names of the networks that there was no time to look at.
        seconds: Time that choosing took.
    """

    photos: pathlib.Path
    networks: list
    candidates: list
    settings: dict
    trainings: int
    left_out: list
    seconds: float

    @property
    def chosen(self) -> Candidate:
        """The `Candidate` that is expected to do best, as far as is known.

        Of what it is expected to gain a standard error is taken off, as
        `--method auto` does: what is known well goes before what may be more.
        """
        return max(self.candidates, key=self._surely)

    def _surely(self, candidate):
        points, error = candidate.judged(self.candidates[0])
        return points - error

    @property
    def network(self) -> JudgedNetwork:
        """The `JudgedNetwork` of the chosen candidate."""
        return self.networks[self.chosen.network]

    @property
    def method(self) -> str:
        return self.chosen.method

    def expected(
        self, candidate: Candidate | None = None
    ) -> tuple[float, float]:
        """The accuracy to expect of a candidate, and half its 95 % interval.

        That of the reference in its trials, where the training photos were
        fewer by a fold; without any, that of a linear classifier on its
        features, and what fine-tuning gained over that elsewhere. Then the
        difference of the candidate to the reference.

        Args:
            candidate: Defaults to the chosen one.

        Returns:
            Two numbers, 0 to 1.
        """
        reference = self.candidates[0]
        points, error = (candidate or self.chosen).judged(reference)
        base, photos = reference.accuracy()
        if base is None:
            network = self.networks[reference.network]
            base = network.probe + self.lift / 100
            photos = len(network.data.parts["train"])
        accuracy = min(1.0, max(0.0, base + points / 100))
        # By Agresti and Coull nothing is certain after a few photos.
        spread = accuracy * (1 - accuracy) / photos + 1 / photos**2
        return accuracy, NINETY_FIVE * math.hypot(spread**0.5, error / 100)

    @property
    def lift(self) -> float:
        """Points that fine-tuning gained over the probe on tasks like this."""
        network = self.networks[self.candidates[0].network]
        gains = expected_gains(network.task)
        return -gains[PROBE].points if PROBE in gains else 0.0

    @property
    def why(self) -> str:
        """Two sentences: why this network, and why this method."""
        network = self.network
        if len(self.networks) == 1:
            first = (
                f"{network.label} is the one network whose weights are at "
                f"hand; a linear classifier on its features names "
                f"{100 * network.probe:.0f} % of the photos."
            )
        else:
            best = max(each.probe for each in self.networks)
            how = "best" if network.probe == best else "well, and trains best"
            first = (
                f"Of {len(self.networks)} networks, the features of "
                f"{network.label} tell the classes apart {how}: a linear "
                f"classifier on them names {100 * network.probe:.0f} % of the "
                "photos."
            )
        points, error = self.chosen.judged(self.candidates[0])
        title = RECIPES[self.method].title
        if self.chosen is self.candidates[0]:
            second = f"No other method is expected to gain over {title} here."
        else:
            second = (
                f"{title} is expected to gain {points:.1f} ± "
                f"{NINETY_FIVE * error:.1f} points over fine-tuning"
            )
            second += (
                f" of {self.networks[self.candidates[0].network].label}"
                if self.chosen.network != self.candidates[0].network
                else ""
            )
            second += ", by measurements on other photos"
            second += " and trials on these." if self.chosen.hits else "."
        return f"{first} {second}"

    @property
    def command(self) -> str:
        """The command line that trains what was chosen."""
        weights, settings = self.network.weights, self.settings
        words = ["kerastl", "finetune", str(self.photos)]
        words += ["--preset", weights.preset]
        for name, value in weights.arguments.items():
            words += [f"--{name}", str(value)]
        words += ["--weights", str(weights.path)]
        words += ["--method", self.method]
        if settings["image_size"] is not None:
            words += ["--image-size", str(settings["image_size"])]
        if settings["shots"] is not None:
            words += ["--shots", str(settings["shots"])]
        for name, usual in (("epochs", 20), ("batch_size", 32), ("seed", 0)):
            if settings[name] != usual:
                words += [f"--{name.replace('_', '-')}", str(settings[name])]
        if settings["augment"] != LIGHT:
            words += ["--augment", settings["augment"]]
        return shlex.join(words)

    def rows(self) -> list[dict[str, Any]]:
        """One dict a candidate, best first."""
        reference = self.candidates[0]
        rows = []
        for each in sorted(self.candidates, key=self._surely, reverse=True):
            points, error = each.judged(reference)
            accuracy, half = self.expected(each)
            rows.append(
                {
                    "network": self.networks[each.network].label,
                    "method": each.method,
                    "gain_points": points,
                    "gain_interval": NINETY_FIVE * error,
                    "accuracy": accuracy,
                    "accuracy_interval": half,
                    "trials": len(each.hits),
                    "seconds": each.seconds,
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it, ready for JSON."""
        accuracy, half = self.expected()
        weights = self.network.weights
        return {
            "photos": str(self.photos),
            "preset": weights.preset,
            "arguments": weights.arguments,
            "weights": str(weights.path),
            "method": self.method,
            "accuracy": accuracy,
            "accuracy_interval": half,
            "training_seconds": self.chosen.seconds,
            "why": self.why,
            "command": self.command,
            "networks": [
                {
                    "network": each.label,
                    "title": get_preset(each.weights.preset).title,
                    "parameters": each.parameters,
                    "image_size": each.data.image_size,
                    **each.scores._asdict(),
                }
                for each in self.networks
            ],
            "candidates": self.rows(),
            "trainings": self.trainings,
            "left_out": self.left_out,
            "seconds": self.seconds,
        }

    def print(self, console: Console) -> None:
        """Prints tables, the reasons and the command to a console."""
        from kerastl.apps.report import figures
        from kerastl.apps.report.tables import make_table
        from kerastl.apps.texts import say

        console.print(
            make_table(
                [
                    "network",
                    ">weights",
                    ">pixels",
                    ">nearest",
                    ">LDA",
                    ">linear",
                ],
                [
                    (
                        each.label,
                        figures.millions(each.parameters),
                        each.data.image_size,
                        figures.percent(each.scores.neighbours),
                        figures.percent(each.scores.discriminant),
                        figures.NOTHING
                        if each.scores.logistic is None
                        else figures.percent(each.scores.logistic),
                    )
                    for each in self.networks
                ],
            )
        )
        console.print(
            make_table(
                ["network", "method", ">expected", ">gain", ">trials"],
                [
                    (
                        row["network"],
                        row["method"],
                        _with(
                            100 * row["accuracy"],
                            100 * row["accuracy_interval"],
                        ),
                        _with(row["gain_points"], row["gain_interval"], "+"),
                        row["trials"],
                    )
                    for row in self.rows()
                ],
            )
        )
        accuracy, half = self.expected()
        say(console, self.why)
        say(
            console,
            f"Expected accuracy {100 * accuracy:.0f} % ± {100 * half:.0f}; "
            f"training takes about {_duration(self.chosen.seconds)}, without "
            "measuring and export. Go on with\n",
        )
        say(console, f"  {self.command}", wrap=False)


def _with(value, half, sign=""):
    return f"{value:{sign}.1f} ± {half:.1f}"


def _duration(seconds):
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"


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
