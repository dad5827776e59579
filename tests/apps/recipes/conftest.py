"""A network and data on which a recipe trains in seconds."""

import pytest

from kerastl import apps
from kerastl.apps.runs.prepare_student import prepare_student


@pytest.fixture
def student():
    source = apps.get_preset("resnet8").build(
        input_shape=(24, 24, 3), classes=5
    )
    return prepare_student(source, 5, seed=0)[0]


@pytest.fixture
def digits():
    return apps.load_digits_pair(shots=4, image_size=24, batch_size=8).target
