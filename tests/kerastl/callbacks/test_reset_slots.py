import keras
import numpy as np
import pytest

import kerastl
from kerastl.callbacks.reset_slots import reset_slots


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: keras.optimizers.Adam(0.1),
        lambda: keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.1))
        ),
    ],
    ids=["sgd", "adam", "multi"],
)
def test_of_two_weights_of_one_path_only_one_is_reset(make, make_two_streams):
    model = make_two_streams()
    optimizer = make()
    optimizer.build(model.trainable_variables)
    part = getattr(optimizer, "optimizers", [optimizer])[0]
    for variable in part.variables[2:]:
        variable.assign(np.ones(variable.shape))
    chosen = model.get_layer("ir").get_layer("first_conv").kernel
    assert [v.path for v in model.trainable_variables].count(chosen.path) == 2
    reset_slots(optimizer, [chosen])
    # Moments of the kernel of "ir", by the place of the weight.
    place = [id(v) for v in part._trainable_variables].index(id(chosen))
    kinds = (len(part.variables) - 2) // len(part._trainable_variables)
    slots = [np.array(v) for v in part.variables[2:]]
    zeros = {i for i, slot in enumerate(slots) if not slot.any()}
    if kinds == 1:
        assert zeros == {place}
    else:
        number = len(part._trainable_variables)
        assert zeros in (
            {place, place + number},
            {2 * place, 2 * place + 1},
        )


def test_rifle_draws_every_layer_of_a_name_anew(
    make_two_streams, images, labels
):
    def changed(name):
        model = make_two_streams()
        still = keras.optimizers.SGD(0.0)
        model.compile(still, "sparse_categorical_crossentropy")
        names = ("rgb", "ir")
        kernels = [
            model.get_layer(name).get_layer("second_conv").kernel
            for name in names
        ]
        before = [np.array(kernel) for kernel in kernels]
        rifle = kerastl.callbacks.RIFLE(periods=2, layers=[name], seed=0)
        model.fit(images, labels, epochs=2, callbacks=[rifle], verbose=0)
        return [
            name
            for name, kernel, value in zip(names, kernels, before, strict=True)
            if not np.array_equal(kernel, value)
        ]

    assert changed("second_conv") == ["rgb", "ir"]
    assert changed("ir/second_conv") == ["ir"]
