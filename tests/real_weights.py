"""Real pre-trained weights beside the checkout, which few machines have."""

import pathlib

import pytest

WEIGHTS = pathlib.Path(__file__).parents[2] / "shared" / "data" / "weights"

needs_real_weights = pytest.mark.skipif(
    not WEIGHTS.is_dir(), reason="no ../shared/data/weights"
)
