"""Looking a preset up by name."""

from kerastl.apps.presets.table import PRESETS
from kerastl.arguments import unknown_name_error


def get_preset(name):
    """Returns the preset of that name.

    Args:
        name: A key of `apps.PRESETS`.

    Raises:
        ValueError: If there is none; the message has the nearest name.

    Example:

    ```python
    kerastl.apps.get_preset("mobilenet_v2").default_size  # 224
    ```
    """
    if name not in PRESETS:
        raise unknown_name_error("preset", name, PRESETS)
    return PRESETS[name]
