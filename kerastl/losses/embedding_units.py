"""How wide the features are that a student's head reads."""

import keras

from kerastl.surgery.feature_extractor import feature_extractor


def embedding_units(tuner):
    """Units of `TransferStep.student_embedding` for a `FineTuner`."""
    tap = tuner.embedding[0]
    shape = feature_extractor(tuner.student, [tap]).output[tap].shape
    if len(shape) == 4 and keras.config.image_data_format() == "channels_first":
        return shape[1]
    return shape[-1]
