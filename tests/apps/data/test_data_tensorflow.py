import keras

from kerastl.apps.data.data_tensorflow import data_tensorflow


def test_tensorflow_sees_accelerators_only_as_the_backend():
    tf = data_tensorflow()
    tf.constant(1.0)
    assert data_tensorflow() is tf  # also when it has started
    if keras.backend.backend() != "tensorflow":
        assert tf.config.get_visible_devices("GPU") == []
    else:
        assert tf.config.get_visible_devices("GPU") == (
            tf.config.list_physical_devices("GPU")
        )
