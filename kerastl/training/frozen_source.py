"""The networks that run beside a student and never change."""

import keras

from kerastl.layers.shifted_depthwise_conv_2d import ShiftedDepthwiseConv2D
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.rebuild import rebuild


def frozen_source(source, taps) -> keras.Model:
    """A frozen copy of `source` that returns its features at `taps`."""
    features = feature_extractor(rebuild(source, clone=_fast_under_xla), taps)
    features.trainable = False
    return features


def frozen_copy(model) -> keras.Model:
    """A frozen copy of `model`, as fast under XLA as it can be on a CPU."""
    copy = rebuild(model, clone=_fast_under_xla)
    copy.trainable = False
    return copy


def _fast_under_xla(layer):
    if type(layer) is not keras.layers.DepthwiseConv2D:
        return None
    return ShiftedDepthwiseConv2D.from_config(layer.get_config())
