import importlib

import pytest

pytestmark = pytest.mark.tensorflow_only

SOURCE = """
import os
import sys

legacy = sys.argv[2]
# Not what a test before this one left in the environment.
os.environ.pop("TF_USE_LEGACY_KERAS", None)
if legacy != "unset":
    os.environ["TF_USE_LEGACY_KERAS"] = legacy
if sys.argv[1] == "keras first":
    import keras
    import tensorflow as tf
    tf.keras.layers.Dense
else:
    import tensorflow as tf
from kerastl.export.quantization.quantized_activation import load_quantizers
load_quantizers().LastValueQuantizer
import keras
assert tf.keras.layers.Dense is keras.layers.Dense, tf.keras.__name__
assert os.environ.get("TF_USE_LEGACY_KERAS", "unset") == legacy
print(keras.__version__.split(".")[0])
"""


@pytest.mark.parametrize(
    "order, legacy",
    [("keras first", "unset"), ("tensorflow first", "0")],
)
def test_keras_stays_keras_3(run_in_new_interpreter, order, legacy):
    assert run_in_new_interpreter(SOURCE, order, legacy) == "3"


def test_a_missing_package_is_named(monkeypatch):
    import os
    import sys

    from kerastl.export.quantization.quantized_activation import load_quantizers

    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    with pytest.raises(ImportError, match="pip install tensorflow-model-opt"):
        load_quantizers()
    assert os.environ["TF_USE_LEGACY_KERAS"] == "0"


@pytest.mark.parametrize("before", [None, "0"])
def test_the_environment_is_put_back(monkeypatch, before):
    import os
    from types import SimpleNamespace

    module = importlib.import_module(
        "kerastl.export.quantization.quantized_activation"
    )
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    if before is not None:
        monkeypatch.setenv("TF_USE_LEGACY_KERAS", before)

    def require(name, package):
        assert name == "tensorflow_model_optimization"
        assert package == "tensorflow-model-optimization"
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        parts = SimpleNamespace(keras=SimpleNamespace(quantizers="them"))
        return SimpleNamespace(quantization=parts)

    monkeypatch.setattr(module, "require", require)
    assert module.load_quantizers() == "them"
    assert os.environ.get("TF_USE_LEGACY_KERAS") == before
