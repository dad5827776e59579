"""The live page: a model in one HTML file that a browser opens."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.apps.page.write_page import write_page

__all__ = [
    "write_page",
]
