"""What a refinement did, and what it left."""

import dataclasses
from typing import Any


@dataclasses.dataclass
class LayerRecord:
    """What was done to one layer.

    Errors are mean squares of what rounding changes in the outputs of the
    layer, as shares of the mean square of these, on held-out images.

    Attributes:
        layer: Its path.
        done: Names of the steps that were kept.
        left: For each step that was not kept the reason.
        plain_error: The error with the weights rounded to the nearest level.
        errors: For each step the error after it and those before it.
    """

    layer: str
    done: list = dataclasses.field(default_factory=list)
    left: dict = dataclasses.field(default_factory=dict)
    plain_error: float | None = None
    errors: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class RefinementRecord:
    """What a refinement did to a network and to its file.

    Attributes:
        steps: Names of the steps that were tried.
        kept: Whether the file that was written is the refined one.
        reason: Why, in a sentence.
        num_images: Calibration images that it was fitted to.
        num_held_out: Calibration images that judged.
        plain: What the plain file answers for blends of the images that
            judged: `mean_abs_difference` and `top1_agreement` with the float
            network.
        refined: The same of the refined file.
        gains: For each step by which factor it lowers the error of a layer's
            outputs, as the geometric mean over all layers: 2.0 halves it.
            That of "equalisation" is of the rounding of the tensors whose
            channels it may multiply.
        layers: `LayerRecord`s.
        seconds: How long it took: "flow" (the images through the network),
            each step, and "files" (to write and to compare).
    """

    steps: list
    kept: bool = False
    reason: str = ""
    num_images: int = 0
    num_held_out: int = 0
    plain: dict | None = None
    refined: dict | None = None
    gains: dict = dataclasses.field(default_factory=dict)
    layers: list = dataclasses.field(default_factory=list)
    seconds: dict = dataclasses.field(default_factory=dict)

    def refuse(self, accuracy_drop: float) -> None:
        """Notes that the plain file takes the place of the refined one.

        Args:
            accuracy_drop: What the refined one loses, as a fraction.
        """
        self.kept = False
        self.reason = (
            f"the refined file loses {100 * accuracy_drop:.2f} points of "
            "accuracy, more than is allowed"
        )

    def left(self) -> dict[str, Any]:
        """Returns layers and reasons of what could not be refined."""
        return {each.layer: each.left for each in self.layers if each.left}

    def __str__(self):
        if not self.kept:
            return f"not refined: {self.reason}"
        number = sum(bool(each.done) for each in self.layers)
        gains = ", ".join(
            f"{step} x {gain:.2f}" for step, gain in self.gains.items()
        )
        return (
            f"{number} of {len(self.layers)} layers (error less by {gains}); "
            f"difference {self.refined['mean_abs_difference']:.2g} in place "
            f"of {self.plain['mean_abs_difference']:.2g}, same class "
            f"{100 * self.refined['top1_agreement']:.1f} % in place of "
            f"{100 * self.plain['top1_agreement']:.1f} %, on blends of "
            f"{self.num_held_out} images held out; "
            f"{sum(self.seconds.values()):.0f} s"
        )
