"""The order of calls, and what a file rounds."""

import keras
import pytest
from keras import layers

from kerastl.export.refinement.refinable_copy import Schedule
from kerastl.export.refinement.streams import batches

pytestmark = pytest.mark.tensorflow_only


@pytest.fixture(scope="module")
def schedule():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="inner")(inputs)
    block = keras.Model(inputs, layers.ReLU(name="inner_relu")(x), name="block")
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255, name="scale")(inputs)
    x = layers.Conv2D(3, 1, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    y = block(x)
    z = layers.Conv2D(4, 1, activation="relu", name="side")(x)
    x = layers.Add(name="sum")([y, z])
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flat")(x)
    return Schedule(
        keras.Model(
            inputs, layers.Dense(2, activation="softmax", name="head")(x)
        )
    )


def names(group):
    return [call.operation.name for call in group.calls]


def test_what_follows_a_kernel_alone_comes_behind_it(schedule):
    assert [names(group) for group in schedule.groups] == [
        ["scale"],
        ["stem", "norm", "relu"],
        ["inner", "inner_relu"],
        ["side", "sum", "pool", "flat"],
        ["head"],
    ]
    kernels = [
        group.kernel and group.kernel.operation.name
        for group in schedule.groups
    ]
    assert kernels == [None, "stem", "inner", "side", "head"]
    affine = [[n.operation.name for n in g.affine] for g in schedule.groups]
    assert affine == [[], ["norm"], [], [], []]
    paths = [schedule.path(group.calls[0]) for group in schedule.groups]
    assert paths == ["scale", "stem", "block/inner", "side", "head"]


def test_what_is_read_from_other_groups(schedule):
    made = {
        call.operation.name: call.outputs[0]
        for group in schedule.groups
        for call in group.calls
    }
    assert [group.inputs() for group in schedule.groups] == [
        [0],
        [made["scale"]],
        [made["relu"]],
        [made["relu"], made["inner_relu"]],
        [made["flat"]],
    ]
    assert schedule.last_reader == {
        0: 0,
        made["scale"]: 1,
        made["relu"]: 3,
        made["inner_relu"]: 3,
        made["flat"]: 4,
    }
    # Pooling hands on what was rounded, and a softmax is not rounded.
    assert schedule.rounded == {
        0,
        *(
            made[name]
            for name in ("scale", "relu", "inner_relu", "side", "sum")
        ),
    }


@pytest.mark.parametrize(
    "num_bytes, number", [(1024, 1), (2047, 1), (2048, 2), (10, 1)]
)
def test_as_many_images_as_memory_holds(schedule, num_bytes, number):
    """The largest tensor has 8 x 8 x 4 floats: 1024 bytes."""
    assert schedule.num_images_within(num_bytes) == number


def test_batches_have_32_images_at_most(schedule):
    images = list(range(70))
    assert [len(part) for part in batches(schedule, images)] == [32, 32, 6]
    assert sum(batches(schedule, images), []) == images

    class Large:
        @staticmethod
        def num_images_within(num_bytes):
            assert num_bytes == 32_000_000
            return 5

    assert [len(part) for part in batches(Large, images)] == [5] * 14


def test_branches_that_run_beside_each_other_stay_apart():
    inputs = keras.Input((8, 8, 3))
    parts = [layers.Conv2D(2, 1, name=name)(inputs) for name in "ab"]
    parts = [
        layers.ReLU(name=f"{name}_relu")(part)
        for name, part in zip("ab", parts, strict=True)
    ]
    model = keras.Model(inputs, layers.Concatenate(name="both")(parts))
    one, two = map(names, Schedule(model).groups)
    assert {one[0], two[0]} == {"a", "b"}
    assert one == [one[0], f"{one[0]}_relu"]
    assert two == [two[0], f"{two[0]}_relu", "both"]
