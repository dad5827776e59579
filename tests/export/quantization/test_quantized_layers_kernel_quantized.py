"""What every layer with an int8 kernel has around its linear part."""

import numpy as np
import pytest
from keras import layers

from kerastl.export.quantization.quantized_layers import KernelQuantized
from kerastl.export.quantization.quantized_layers import QuantizedDense

pytestmark = pytest.mark.tensorflow_only


class Doubling(KernelQuantized, layers.Dense):
    def linear(self, inputs, training):
        self.trained = training
        return 2 * inputs


def test_the_activation_is_taken_out_and_rounded():
    layer = Doubling(3, activation="hard_silu")
    assert layer.activation is layers.Dense(1).activation
    activation = layer.quantized_activation
    assert (activation.activation, activation.name) == (
        "hard_silu",
        "activation",
    )
    x = np.array([[0.2, 1.1, 127.5]], "float32")
    layer(x, training=True)
    assert layer.trained is True
    # The range of twice the input is followed, and it is a range of its own.
    quantizer = activation.input_quantizer
    assert quantizer.range() == pytest.approx((0, 255))
    found = np.asarray(layer(np.array([[0.3, 1.3, 3.2]], "float32")))
    np.testing.assert_allclose(found, [[4 / 6, 3, 6]], rtol=1e-5)
    assert layer.trained in (None, False)


def test_without_an_activation_there_is_no_range():
    layer = Doubling(3)
    layer.build((None, 4))
    assert layer.quantized_activation.activation == "linear"
    assert layer.quantized_activation.input_quantizer is None
    assert layer.per_channel is True
    assert [weight.name for weight in layer.weights] == ["kernel", "bias"]
    config = layer.get_config()
    assert (config["activation"], config["per_channel"]) == ("linear", True)


def test_ranges_come_behind_the_weights_of_keras():
    layer = QuantizedDense(2, activation="silu", per_channel=False)
    layer.build((None, 3))
    assert [weight.name for weight in layer.weights] == [
        *("kernel", "bias"),
        *("min", "max", "num_batches"),
    ]
    again = QuantizedDense.from_config(layer.get_config())
    assert again.per_channel is False
    assert again.quantized_activation.activation == "silu"


def test_the_linear_part_has_to_be_there():
    class Nothing(KernelQuantized, layers.Dense):
        pass

    with pytest.raises(NotImplementedError):
        KernelQuantized.linear(Nothing(1), None, None)
