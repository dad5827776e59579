"""What a network makes of the training photos, without training."""

import math

from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.fit_head import embed_labelled

# More tell a little more, and take as much longer.
_MOST = 2000


def look(source, data):
    """Returns the features of the training photos, the classes in turn.

    Args:
        source: The network.
        data: An `apps.ImageData`.

    Returns:
        Features `(n, units)` and labels `(n,)` of at most 2,000 photos, or a
        batch more.
    """
    batches = data.calibration.take(math.ceil(_MOST / data.batch_size))
    return embed_labelled(embed(source), batches)
