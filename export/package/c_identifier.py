"""Names for C from names of files."""

import re


def c_identifier(name):
    """Returns a lower-case C identifier made of `name`.

    >>> c_identifier("My model-int8 (2)")
    'my_model_int8_2'
    """
    words = re.sub(r"[^0-9a-zA-Z]+", "_", name).strip("_").lower()
    return words if words and not words[0].isdigit() else f"model_{words}"
