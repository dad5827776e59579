"""Folders of photos and bundled digits, as batches."""

from kerastl.takes_keras import TAKES_KERAS

if TAKES_KERAS:
    from kerastl.apps.data.load_digits_pair import load_digits_pair
    from kerastl.apps.data.load_image_folder import load_image_folder

__all__ = [
    "load_digits_pair",
    "load_image_folder",
]
