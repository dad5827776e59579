"""How much more of an image is kept than a network takes."""

# A share of the image's size: room for crops and shifts.
_MARGIN = 0.15
_MIN_MARGIN = 8


def default_margin(image_size):
    """Returns the pixels that are kept around an image, both sides together.

    >>> default_margin(128)
    19
    """
    return max(_MIN_MARGIN, round(_MARGIN * image_size))
