"""How figures are written, in the report as on the console."""

import math

NOTHING = "–"


def percent(value):
    return NOTHING if value is None else f"{100 * value:.1f} %"


def spread(values):
    mean = sum(values) / len(values)
    if len(values) < 2:
        return percent(mean)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return f"{100 * mean:.1f} ± {100 * math.sqrt(variance):.1f} %"


def points(value):
    return NOTHING if value is None else f"{100 * value:.1f}"


def size(value):
    if value is None:
        return NOTHING
    return (
        f"{value / 1024:.0f} kB"
        if value < 1 << 20
        else f"{value / 2**20:.1f} MB"
    )


def decimal(value):
    return NOTHING if value is None else f"{value:.2g}"


def milliseconds(value):
    return NOTHING if value is None else f"{value:.2f} ms"


def millions(value):
    return f"{value / 1e6:.1f} million"


def times(value):
    return f"{value:.2f} ×"
