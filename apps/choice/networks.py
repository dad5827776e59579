"""Pre-trained networks, judged on the photos without training any."""

import dataclasses
import time
from typing import Any

import numpy as np

from kerastl.apps.choice.evidence import BASELINE
from kerastl.apps.choice.evidence import Task
from kerastl.apps.choice.judge_features import FeatureScores
from kerastl.apps.choice.judge_features import discriminant_accuracy
from kerastl.apps.choice.judge_features import look
from kerastl.apps.choice.judge_features import neighbour_accuracy
from kerastl.apps.choice.weights_at_hand import Weights
from kerastl.apps.data.check_memory import check_training_fits
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import RECIPES
from kerastl.data.batches import predict_batch
from kerastl.surgery.feature_extractor import embed
from kerastl.surgery.fit_head import fit_classifier


@dataclasses.dataclass
class JudgedNetwork:
    """A pre-trained network, and what its features say of some photos.

    Args:
        weights: A `Weights`: the file, and which network it belongs to.
        data: `apps.ImageData` at the network's image size.
        source: The network, without a classifier.
        rate: The preset's learning rate.
        parameters: Weights of the network, its classifier apart.
        scores: A `FeatureScores`.
        features: How many features it has.
        seconds: Time that one photo takes through the network.
    """

    weights: Weights
    data: Any
    source: Any
    rate: float
    parameters: int
    scores: FeatureScores
    features: int
    seconds: float

    @property
    def label(self):
        return self.weights.label

    @property
    def task(self):
        """What measured tasks are compared with."""
        shots = len(self.data.parts["train"]) / self.data.num_classes
        return Task(shots, 100 * self.probe, self.features)

    @property
    def probe(self):
        """Accuracy of a linear classifier on the features, 0 to 1."""
        logistic = self.scores.logistic
        return self.scores.discriminant if logistic is None else logistic


def judge_network(weights, data) -> JudgedNetwork:
    """Judges a network by its features of the training photos.

    Args:
        weights: A `Weights`.
        data: An `apps.ImageData`.

    Raises:
        ValueError: If the file holds the weights of another network, or the
            machine has too little memory to train this one.
    """
    preset = get_preset(weights.preset)
    source = preset.build(
        str(weights.path),
        input_shape=(data.image_size, data.image_size, 3),
        include_top=False,
        **weights.arguments,
    )
    check_training_fits(
        source,
        RECIPES[BASELINE],
        data.image_size,
        min(data.batch_size, len(data.parts["train"])),
    )
    network = embed(source)
    features, labels = look(source, data)
    images, _ = next(iter(data.calibration))
    # The first pass makes the graph, whose time is no photo's.
    for _ in range(2):
        started = time.perf_counter()
        predict_batch(network, images)
        seconds = (time.perf_counter() - started) / len(images)
    _, _, fit = fit_classifier(features, labels, data.seed)
    return JudgedNetwork(
        weights,
        data,
        source,
        preset.usual_rate(str(weights.path), weights.arguments.get("alpha", 1)),
        int(sum(np.prod(each.shape) for each in source.weights)),
        FeatureScores(
            neighbour_accuracy(features, labels),
            discriminant_accuracy(features, labels),
            fit.accuracy,
        ),
        features.shape[1],
        seconds,
    )
