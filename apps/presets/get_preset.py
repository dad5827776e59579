"""Looking a preset up by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerastl.apps.presets.table import PRESETS
from kerastl.arguments import unknown_name_error

if TYPE_CHECKING:
    from kerastl.apps.presets.preset import Preset


def get_preset(name: str) -> Preset:
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
