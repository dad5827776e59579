"""What a training step is made of, inside `FineTuner` and beside it."""

from kerastl.training.adversarial_images import adversarial_images

__all__ = [
    "adversarial_images",
]
