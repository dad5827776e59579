import keras
import pytest
from keras import layers

from kerastl import export
from kerastl.export.quantization_aware import require_quantizable


def make_model(activation):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(inputs)
    x = layers.Activation(activation, name="curve")(x)
    x = layers.Conv2D(4, 3)(x)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


@pytest.mark.tensorflow_only
def test_names_what_stays_in_float_where_it_was_asked():
    model = make_model("softsign")
    with pytest.warns(UserWarning, match="stay in float.*: curve") as found:
        assert require_quantizable(model) is model
    files = [
        warning.filename
        for warning in found
        if "stay in float" in str(warning.message)
    ]
    assert files == [__file__]


@pytest.mark.tensorflow_only
@pytest.mark.filterwarnings("error:These layers")
def test_is_silent_about_a_model_that_rounds_everywhere():
    model = make_model("relu")
    assert require_quantizable(model) is model
    with pytest.raises(ValueError, match="aware already"):
        require_quantizable(export.quantization_aware(model))


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow can train it"
)
def test_another_backend_is_told_what_to_do():
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        require_quantizable(make_model("relu"))
