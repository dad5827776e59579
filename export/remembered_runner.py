"""A runner that is asked about the same images several times."""

import hashlib

import numpy as np

from kerastl.export.runner import Runner


class RememberedRunner(Runner):
    """Runs each batch of images once, and remembers what came out.

    All files of a network are held against its answers to the same images:
    it gives them once.

    Args:
        runner: The `Runner` that answers.
    """

    def __init__(self, runner):
        super().__init__(runner.threads)
        self._runner = runner
        self.format, self.kind = runner.format, runner.kind
        self.input_shape = runner.input_shape
        self.num_classes = runner.num_classes
        self.input, self.output = runner.input, runner.output
        self._answers = {}

    def _run(self, images):
        images = np.ascontiguousarray(images)
        key = images.shape, hashlib.blake2b(images).digest()
        if key not in self._answers:
            self._answers[key] = self._runner.predict(images)
        return self._answers[key].copy()

    def prepare(self, image):
        return self._runner.prepare(image)
