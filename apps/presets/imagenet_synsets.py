"""What the 1000 outputs of an ImageNet classifier mean."""

import pathlib

_FILE = pathlib.Path(__file__).with_suffix(".txt")


def imagenet_synsets():
    """Returns the WordNet ids of the ImageNet classes, in their order.

    The order is that of ILSVRC 2012 as `keras.applications` has it: sorted by
    id. The ids are synset offsets of WordNet 3.0.

    Example:

    ```python
    imagenet_synsets()[0]  # 'n01440764', the tench
    ```
    """
    return _FILE.read_text(encoding="utf-8").split()
