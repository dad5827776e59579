"""Names for the types of arguments that Keras has no types for."""

import os
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

#: A file or a folder.
PathLike: TypeAlias = str | os.PathLike[str]
#: A tensor of the backend in use, or an array that becomes one.
Tensor: TypeAlias = Any
#: The sizes of a tensor's axes; `None` where one is not fixed.
Shape: TypeAlias = Sequence[int | None]
#: Images, or images and labels: an array, a tuple of arrays, a
#: `tf.data.Dataset`, a `keras.utils.PyDataset` or another iterable of batches.
Data: TypeAlias = Iterable[Any]
#: Factors of the taps inside a transfer loss: by name, or in their order.
TapWeights: TypeAlias = Mapping[str, float] | list[float] | tuple[float, ...]
