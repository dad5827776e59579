"""The source network that runs beside a student."""

import keras

from kerastl.layers.shifted_depthwise_conv_2d import ShiftedDepthwiseConv2D
from kerastl.surgery.feature_extractor import feature_extractor
from kerastl.surgery.rebuild import rebuild


def frozen_source(source, taps) -> keras.Model:
    """A frozen copy of `source` that returns its features at `taps`."""
    features = feature_extractor(rebuild(source, clone=_fast_under_xla), taps)
    features.trainable = False
    return features


def _fast_under_xla(layer):
    if type(layer) is not keras.layers.DepthwiseConv2D:
        return None
    return ShiftedDepthwiseConv2D.from_config(layer.get_config())
