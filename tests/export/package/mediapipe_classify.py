"""Runs a .tflite file in MediaPipe's ImageClassifier, and prints JSON.

MediaPipe cannot be installed beside TensorFlow, so it has a Python of its own.

    python mediapipe_classify.py FILE IMAGES.npy
"""

import json
import sys

import mediapipe
import numpy as np
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import vision

path, images = sys.argv[1:]
options = vision.ImageClassifierOptions(
    base_options=tasks.BaseOptions(model_asset_path=path)
)
answers = []
with vision.ImageClassifier.create_from_options(options) as classifier:
    for pixels in np.load(images):
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, pixels)
        [found] = classifier.classify(image).classifications
        answers.append(
            {each.category_name: each.score for each in found.categories}
        )
print(json.dumps(answers))
