import keras
from keras import layers

from kerastl.surgery.unique_names import UniqueNames


def test_no_name_of_a_model_or_of_before_is_given():
    inputs = keras.Input((4,), name="picture")
    inner = keras.Sequential(
        [keras.Input((4,), name="inside"), layers.Dense(4, name="dense")],
        name="block",
    )
    model = keras.Model(inputs, layers.ReLU(name="new_1")(inner(inputs)))
    names = UniqueNames(model)
    assert names.inherit("dense") == "dense"
    assert names.inherit("dense") == "dense_1"
    assert [names.new("new") for _ in range(3)] == ["new", "new_2", "new_3"]
    for taken in ("picture", "inside", "block", "dense"):
        assert names.new(taken) not in (taken, "dense_1")
