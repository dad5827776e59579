"""Which network and which method to take for these photos."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.apps.choice.draw_choice import draw_choice

__all__ = [
    "draw_choice",
]
