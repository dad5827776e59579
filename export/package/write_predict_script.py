"""Puts a program beside .tflite files that runs them on a small device."""

import pathlib

from kerastl.export.utils.atomic_write import staged_file

_SCRIPT = pathlib.Path(__file__).with_name("predict_script.py")
NAME = "predict.py"


def write_predict_script(folder):
    """Writes `predict.py`, which takes LiteRT, NumPy and Pillow alone.

    With a .tflite file that holds its class names it is all that a Raspberry
    Pi needs. Its scores are those of `kerastl.apps.predict`, for photos of 8
    bits a channel; others it refuses.

    Args:
        folder: Folder to write to. A `predict.py` in it is replaced.

    Returns:
        The path of the program.

    Raises:
        FileNotFoundError: If there is no such folder.

    Example:

    ```python
    write_predict_script("runs/mine")
    ```
    """
    path = pathlib.Path(folder) / NAME
    with staged_file(path, ".py", overwrite=True) as temporary:
        temporary.write_bytes(_SCRIPT.read_bytes())
    return path
