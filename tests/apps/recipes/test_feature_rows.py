import keras
import numpy as np
import pytest

from kerastl.apps.data.load_digits_pair import load_digits_pair
from kerastl.apps.presets.preset_table import get_preset
from kerastl.apps.recipes.recipe_table import get_recipe
from kerastl.apps.runs.prepare_student import prepare_student
from kerastl.apps.runs.train_network import train_network
from kerastl.losses import DELTA

pytestmark = [
    pytest.mark.tensorflow_only,
    pytest.mark.usefixtures("eagerly"),
]


@pytest.fixture
def train():
    """Trains ResNet-8 on a few digits by the recipe of that name."""

    def run(name, **options):
        keras.utils.set_random_seed(0)
        data = load_digits_pair(
            shots=5, image_size=24, batch_size=8, validation_shots=2
        ).target
        recipe = get_recipe(name)
        source = get_preset("resnet8").build(
            input_shape=(24, 24, 3),
            **({"classes": 7} if recipe.needs_source_head else {}),
        )
        student, _ = prepare_student(
            source, data.num_classes, kernel_size=3, seed=0
        )
        return train_network(
            student,
            source,
            recipe,
            data,
            epochs=2,
            learning_rate=0.01,
            **options,
        )

    return run


@pytest.mark.parametrize(
    "name, columns",
    [
        ("bss", {"bss"}),
        ("delta+l2_sp_fisher", {"delta"}),
        ("ktft+feature_map", {"pixel_level", "global_level", "feature_map"}),
    ],
)
def test_trains_on_digits(train, name, columns):
    trained, history = train(name)
    assert trained.output_shape == (None, 5)
    assert columns <= history.keys()
    for column in columns:
        assert np.isfinite(history[column]).all()
        assert history[column][0] != history[column][1]
    if "delta" in columns:
        # The network that ships has no penalties, and loads without kerastl.
        assert trained.losses == []


def test_joined_losses_keep_their_own_taps(train, monkeypatch):
    seen = {}
    call = DELTA.call

    def record(self, student, source):
        seen[self.name] = self
        return call(self, student, source)

    monkeypatch.setattr(DELTA, "call", record)
    train("delta+feature_map")
    convolutions = [f"stack{stack}_block1_2_conv" for stack in (2, 3)]
    for name in ("delta", "feature_map"):
        assert seen[name].taps == convolutions
    assert seen["feature_map"].attention is None
    for tap, width in zip(convolutions, (32, 64), strict=True):
        weights = seen["delta"].attention[tap]
        assert weights.shape == (width,)
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        assert weights.std() > 0
