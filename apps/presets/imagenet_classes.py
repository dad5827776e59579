"""What the 1000 outputs of an ImageNet classifier mean."""

import pathlib

_FILE = pathlib.Path(__file__).with_suffix(".txt")


def imagenet_classes():
    """Returns the ImageNet classes in their order.

    The order is that of ILSVRC 2012 as `keras.applications` has it: sorted by
    id. The ids are synset offsets of WordNet 3.0, the names the first of each
    synset; a few names occur twice.

    Returns:
        A dict from WordNet id to name.

    Example:

    ```python
    imagenet_classes()["n01440764"]  # 'tench'
    ```
    """
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)
