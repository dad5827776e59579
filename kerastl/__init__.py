"""Fine-tune pre-trained Keras CNNs on few images, anti-aliased if wanted.

Importing the package registers every kerastl class with Keras, so that a
saved `.keras` file reloads in a process that has only run `import kerastl`.
`kerastl.export` and `kerastl.apps` are imported when they are first asked for,
because they pull in the exporters and the report.
"""

import importlib
import sys
import typing

from kerastl.takes_keras import TAKES_KERAS
from kerastl.version import __version__

if TAKES_KERAS:
    from kerastl import callbacks
    from kerastl import data
    from kerastl import layers
    from kerastl import losses
    from kerastl import metrics
    from kerastl import optimizers
    from kerastl import regularizers
    from kerastl import schedules
    from kerastl import surgery
    from kerastl.find_learning_rate import LearningRateSearch
    from kerastl.find_learning_rate import find_learning_rate
    from kerastl.fine_tuner import FineTuner
    from kerastl.metrics.compute_channel_attention import (
        compute_channel_attention,
    )
    from kerastl.regularizers.estimate_fisher import estimate_fisher
    from kerastl.store_features import StoredFeatures
    from kerastl.store_features import store_features
    from kerastl.store_source_features import store_source_features
    from kerastl.suggest_hyperparameters import HyperparameterSuggestion
    from kerastl.suggest_hyperparameters import suggest_hyperparameters
    from kerastl.surgery import antialias
    from kerastl.surgery import count_multiply_adds
    from kerastl.surgery import imprint_head
    from kerastl.surgery import initialize_head
    from kerastl.surgery import inspect_antialias
    from kerastl.surgery import similarity_matrix
    from kerastl.surgery.batch_norm import reestimate_batch_norm
    from kerastl.surgery.fit_head import HeadFit
    from kerastl.surgery.fit_head import fit_head
    from kerastl.surgery.fold_gates import fold_gates
    from kerastl.surgery.replace_head import replace_head
    from kerastl.surgery.train_head import train_head
    from kerastl.training.adversarial_images import adversarial_images

if typing.TYPE_CHECKING:
    from kerastl import apps as apps
    from kerastl import export as export
else:

    def __getattr__(name):
        if name in _IMPORTED_LATER:
            return importlib.import_module(f"kerastl.{name}")
        raise AttributeError(
            f"module 'kerastl' has no attribute {name!r}",
            name=name,
            obj=sys.modules[__name__],
        )


# Not in `__all__`: `from kerastl import *` would import them.
_IMPORTED_LATER = ("apps", "export")

__all__ = [
    "FineTuner",
    "HeadFit",
    "HyperparameterSuggestion",
    "LearningRateSearch",
    "StoredFeatures",
    "__version__",
    "adversarial_images",
    "antialias",
    "callbacks",
    "compute_channel_attention",
    "count_multiply_adds",
    "data",
    "estimate_fisher",
    "find_learning_rate",
    "fit_head",
    "fold_gates",
    "imprint_head",
    "initialize_head",
    "inspect_antialias",
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "reestimate_batch_norm",
    "regularizers",
    "replace_head",
    "schedules",
    "similarity_matrix",
    "store_features",
    "store_source_features",
    "suggest_hyperparameters",
    "surgery",
    "train_head",
]


def __dir__():
    return sorted({*globals(), *_IMPORTED_LATER})
