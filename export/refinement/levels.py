"""The levels that an int8 file has for one activation tensor."""

import dataclasses

import numpy as np

from kerastl.export.quantization.activation_quantizer import nudged_range

_STEPS = 255


@dataclasses.dataclass(frozen=True)
class Levels:
    """256 levels at equal distances, one of them zero.

    Attributes:
        scale: Distance of two levels.
        zero_point: Which of the levels is zero.
    """

    scale: float
    zero_point: int

    @classmethod
    def between(cls, low, high):
        """The levels of a tensor with values between `low` and `high`."""
        low, high = nudged_range(min(low, 0.0), max(high, 0.0))
        scale = (high - low) / _STEPS
        return cls(scale, round(-low / scale))

    def codes(self, values):
        """Returns the numbers of the nearest levels, as uint8."""
        codes = values * np.float32(1 / self.scale)
        np.rint(codes, out=codes)
        codes += np.float32(self.zero_point)
        np.clip(codes, 0, _STEPS, out=codes)
        # NaN has no level; whoever reads it is not refined.
        with np.errstate(invalid="ignore"):
            return codes.astype("uint8")

    def values(self, codes):
        """Returns the float32 values of level numbers."""
        values = codes.astype("float32")
        values -= np.float32(self.zero_point)
        values *= np.float32(self.scale)
        return values

    def rounded(self, values):
        """Returns the values of the nearest levels."""
        return self.values(self.codes(values))
