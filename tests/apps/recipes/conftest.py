"""Networks and data on which recipes train in seconds."""

import pathlib

import pytest

from kerastl import apps
from kerastl.apps.runs.prepare_student import prepare_student

from .joined import method_groups
from .toys import fit
from .toys import make_setting


def pytest_collection_modifyitems(items):
    """Trainings of a few steps are what tests of recipes are made of."""
    few = pytest.mark.filterwarnings("ignore:A classifier that RIFLE draws")
    for item in items:
        if item.path.parent == pathlib.Path(__file__).parent:
            item.add_marker(few)


@pytest.fixture
def eagerly():
    """Without graphs, which take longer to trace than a few steps to run."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def student():
    source = apps.get_preset("resnet8").build(
        input_shape=(24, 24, 3), classes=5
    )
    return prepare_student(source, 5, seed=0)[0]


@pytest.fixture
def digits():
    return apps.load_digits_pair(shots=4, image_size=24, batch_size=8).target


@pytest.fixture(name="fit")
def _fit():
    return fit


@pytest.fixture
def setting():
    return make_setting()


@pytest.fixture(name="make_setting")
def _make_setting():
    return make_setting


@pytest.fixture
def terms_of(setting):
    """Names of the terms of a method, or of several joined by `+`."""

    def find(names):
        terms = apps.get_recipe(names).transfer_losses(setting)
        return {term.name for term in terms}

    return find


@pytest.fixture(params=method_groups())
def group(request):
    """Methods that train together; in one of the groups is every one."""
    return request.param


@pytest.fixture
def groups():
    return method_groups()
