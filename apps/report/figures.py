"""How figures are written, in the report as on the console."""

import math
import statistics

from kerastl.export.utils.text_tables import format_change
from kerastl.export.utils.text_tables import format_size

NOTHING = "–"
#: Of a normal variable, 95 % lie within so many standard errors.
NINETY_FIVE = 1.96


def percent(value):
    return NOTHING if value is None else f"{100 * value:.1f} %"


def interval(share, count):
    """Wilson's 95 % interval of a share that was counted.

    >>> interval(0.9, 50)
    '78.6 % to 95.7 %'
    """
    square = NINETY_FIVE**2 / count
    middle = (share + square / 2) / (1 + square)
    half = (
        NINETY_FIVE
        / (1 + square)
        * math.sqrt(share * (1 - share) / count + square / (4 * count))
    )
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return f"{percent(low)} to {percent(high)}"


def spread(values):
    if len(values) < 2:
        return percent(values[0])
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    return f"{100 * mean:.1f} ± {100 * deviation:.1f} %"


def change(drop):
    """What a drop of accuracy is, in points with their sign."""
    return NOTHING if drop is None else format_change(drop)


def size(value):
    return NOTHING if value is None else format_size(value)


def decimal(value):
    return NOTHING if value is None else f"{value:.2g}"


def milliseconds(value):
    return NOTHING if value is None else f"{value:.2f} ms"


def millions(value):
    return f"{value / 1e6:.1f} million"


def times(value):
    return f"{value:.2f} ×"


def level(value):
    return "exact" if value is None else f"{value:.1f} dB"


def cosine(value):
    return NOTHING if value is None else f"{value:.4f}"


def setting(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        value = [f"{name} {each}" for name, each in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or NOTHING
    return NOTHING if value is None else value
