"""How sizes and changes of accuracy are written, everywhere alike."""

_KILOBYTE = 1000
_MEGABYTE = 1000**2


def format_size(size) -> str:
    """Writes a number of bytes: 1 kB is 1000 bytes, 1 MB a million."""
    # What would round to 1000 kB is a megabyte.
    if size < _MEGABYTE - _KILOBYTE / 2:
        return f"{size / _KILOBYTE:.0f} kB"
    return f"{size / _MEGABYTE:.1f} MB"


def format_change(drop, digits=1) -> str:
    """Writes a change of accuracy in points: "-0.3" lost, "+0.1" gained.

    Args:
        drop: What was lost, as a fraction; negative is a gain.
        digits: Digits behind the point.
    """
    points = round(-100 * drop, digits)
    return f"{points:+.{digits}f}" if points else f"{0:.{digits}f}"


def describe_change(drop, digits=1) -> str:
    """Says a change of accuracy in words: "0.3 points lost".

    Args:
        drop: What was lost, as a fraction; negative is a gain.
        digits: Digits behind the point.
    """
    points = round(100 * drop, digits)
    what = "gained" if points < 0 else "lost"
    return f"{abs(points):.{digits}f} points {what}"
