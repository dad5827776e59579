"""Every family of keras.applications: what is rewritten, and that it fits.

With `kernel_size=1` the rewritten network leaves out the pixels that the
original leaves out, so equal outputs prove that sizes and phase are kept.
"""

import dataclasses

import keras
import numpy as np
import pytest
from keras import applications

import kerastl
from tests.few_blocks import few_blocks

pytestmark = pytest.mark.tensorflow_only

ITSELF = "blur 3 after it"
BEFORE = "blur 3 before it"


def after(layer):
    return f"blur 3 after {layer}"


def becomes(taps):
    return f"becomes blur {taps}"


def resnet(blocks):
    """ResNet v1: the stride is in the first 1x1 of a stage, and beside it."""
    table = {"conv1_conv": after("conv1_relu"), "pool1_pool": ITSELF}
    for stage in blocks:
        block = f"conv{stage}_block1"
        table[f"{block}_1_conv"] = after(f"{block}_1_relu")
        table[f"{block}_0_conv"] = BEFORE
    return table


def depthwise(stem, layers, activation=lambda layer: f"{layer}_relu"):
    table = dict(stem)
    for layer in layers:
        table[layer] = after(activation(layer))
    return table


def nasnet_mobile():
    table = {"stem_conv1": ITSELF}
    cells = "stem_1", "stem_2", "reduce_4", "reduce_8"
    for cell in cells:
        for branch in ("right1", "left1", "right2", "right3"):
            # The activations behind the separable convolutions have automatic
            # names, filled in below from the graph.
            table[f"separable_conv_1_reduction_{branch}_{cell}"] = None
        table[f"reduction_left2_{cell}"] = ITSELF
        table[f"reduction_right5_{cell}"] = ITSELF
        table[f"reduction_left3_{cell}"] = becomes(3)
    for cell in ("stem_2", "0", "5", "9"):
        table[f"adjust_avg_pool_1_{cell}"] = becomes(3)
        table[f"adjust_avg_pool_2_{cell}"] = becomes(3)
    return table


@dataclasses.dataclass(frozen=True)
class Family:
    """A network small enough to be run, and what has to happen to it."""

    name: str
    # Down-sampling layer -> what is done to it, for `kernel_size=3`.
    table: dict
    sizes: tuple[int, int] = (64, 65)
    # Without a fixed input size one graph serves the even and the odd one.
    any_size: bool = False
    large: bool = False
    # Whether layers keep their names where there are fewer of them.
    named: bool = True
    options: dict = dataclasses.field(default_factory=dict)

    def model(self, size):
        # Automatic layer names count from zero.
        keras.utils.clear_session(free_memory=False)
        return getattr(applications, self.name)(
            input_shape=(size, size, 3),
            weights=None,
            include_top=False,
            **self.options,
        )


FAMILIES = (
    Family(
        "MobileNet",
        depthwise(
            {"conv1": after("conv1_relu")},
            [f"conv_dw_{i}" for i in (2, 4, 6, 12)],
        ),
        options={"alpha": 0.25},
    ),
    Family(
        "MobileNetV2",
        depthwise(
            {"Conv1": after("Conv1_relu")},
            [f"block_{i}_depthwise" for i in (1, 3, 6, 13)],
        ),
        options={"alpha": 0.35},
    ),
    Family(
        "MobileNetV3Small",
        {
            "conv": after("activation"),
            "expanded_conv_depthwise": after("re_lu"),
            "expanded_conv_1_depthwise": after("re_lu_3"),
            "expanded_conv_3_depthwise": after("activation_2"),
            "expanded_conv_8_depthwise": after("activation_12"),
        },
        options={"alpha": 0.75},
    ),
    Family(
        "MobileNetV3Large",
        {
            "conv": after("activation"),
            "expanded_conv_1_depthwise": after("re_lu_2"),
            "expanded_conv_3_depthwise": after("re_lu_6"),
            "expanded_conv_6_depthwise": after("activation_2"),
            "expanded_conv_12_depthwise": after("activation_14"),
        },
        options={"alpha": 0.75},
    ),
    Family(
        "EfficientNetB0",
        depthwise(
            {"stem_conv": after("stem_activation")},
            [f"block{b}_dwconv" for b in ("2a", "3a", "4a", "6a")],
            lambda layer: layer.replace("dwconv", "activation"),
        ),
    ),
    Family(
        "EfficientNetV2B0",
        {
            "stem_conv": after("stem_activation"),
            "block2a_expand_conv": after("block2a_expand_activation"),
            "block3a_expand_conv": after("block3a_expand_activation"),
            "block4a_dwconv2": after("block4a_activation"),
            "block6a_dwconv2": after("block6a_activation"),
        },
    ),
    Family("ResNet50", resnet((3, 4, 5))),
    Family(
        "ResNet50V2",
        {
            "conv1_conv": ITSELF,
            "pool1_pool": ITSELF,
            "conv2_block3_2_conv": after("conv2_block3_2_relu"),
            "max_pooling2d": becomes(3),
            "conv3_block4_2_conv": after("conv3_block4_2_relu"),
            "max_pooling2d_1": becomes(3),
            "conv4_block6_2_conv": after("conv4_block6_2_relu"),
            "max_pooling2d_2": becomes(3),
        },
    ),
    Family(
        "DenseNet121",
        {
            "conv1_conv": after("conv1_relu"),
            "pool1": ITSELF,
            "pool2_pool": becomes(4),
            "pool3_pool": becomes(4),
            "pool4_pool": becomes(4),
        },
        large=True,
    ),
    *(
        Family(name, {f"block{i}_pool": ITSELF for i in range(1, 6)})
        for name in ("VGG16", "VGG19")
    ),
    Family(
        "Xception",
        {
            "block1_conv1": after("block1_conv1_act"),
            "conv2d": BEFORE,
            "block2_pool": ITSELF,
            "conv2d_1": BEFORE,
            "block3_pool": ITSELF,
            "conv2d_2": BEFORE,
            "block4_pool": ITSELF,
            "conv2d_3": BEFORE,
            "block13_pool": ITSELF,
        },
        sizes=(72, 73),
    ),
    Family(
        "InceptionV3",
        {
            "conv2d": after("activation"),
            "max_pooling2d": ITSELF,
            "max_pooling2d_1": ITSELF,
            "conv2d_26": after("activation_26"),
            "conv2d_29": after("activation_29"),
            "max_pooling2d_2": ITSELF,
            "conv2d_71": after("activation_71"),
            "conv2d_75": after("activation_75"),
            "max_pooling2d_3": ITSELF,
        },
        sizes=(96, 97),
        large=True,
    ),
    Family(
        "InceptionResNetV2",
        {
            "conv2d": after("activation"),
            "max_pooling2d": ITSELF,
            "max_pooling2d_1": ITSELF,
            "conv2d_72": after("activation_72"),
            "conv2d_75": after("activation_75"),
            "max_pooling2d_2": ITSELF,
            "conv2d_157": after("activation_157"),
            "conv2d_159": after("activation_159"),
            "conv2d_162": after("activation_162"),
            "max_pooling2d_3": ITSELF,
        },
        sizes=(96, 97),
        any_size=True,
        named=False,
    ),
    Family("NASNetMobile", nasnet_mobile(), large=True),
    Family(
        "ConvNeXtTiny",
        {
            "convnext_tiny_stem/convnext_tiny_stem_conv": ITSELF,
            **{
                f"convnext_tiny_downsampling_block_{i}/"
                f"convnext_tiny_downsampling_conv_{i}": ITSELF
                for i in range(3)
            },
        },
    ),
)


# Blocks of ResNet50, more of them: nothing new is computed. And those of which
# the other tests build few blocks.
DEEPER = [
    *(
        Family(name, resnet((3, 4, 5)), any_size=True)
        for name in ("ResNet101", "ResNet152")
    ),
    *(
        family
        for family in FAMILIES
        if family.name in ("DenseNet121", "InceptionResNetV2", "NASNetMobile")
    ),
]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            family,
            id=family.name,
            marks=pytest.mark.slow if family.large else (),
        )
        for family in FAMILIES
    ],
)
def case(request, randomise):
    """A family with its models, built once for all tests of this file."""
    family = request.param
    with few_blocks():
        if family.any_size:
            model = randomise(family.model(None))
            return family, dict.fromkeys(family.sizes, model)
        return family, {n: randomise(family.model(n)) for n in family.sizes}


def test_one_tap_computes_what_the_original_does(
    case, variables_by_layer, make_images, predict
):
    _, models = case
    copies = {}
    for size, model in models.items():
        if id(model) not in copies:
            copies[id(model)] = kerastl.antialias(model, kernel_size=1)
        copy = copies[id(model)]
        x = make_images(1, size, seed=1)
        expected = predict(model, x)
        assert np.ptp(expected) > 1e-3
        np.testing.assert_allclose(
            predict(copy, x), expected, rtol=1e-4, atol=1e-5 * expected.max()
        )
    before, after = variables_by_layer(model), variables_by_layer(copy)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=str(name))
    assert all(layer.trainable for layer in copy.layers)


def test_what_is_rewritten_and_what_is_left(case):
    family, models = case
    for model in models.values():
        if family.named:
            check_rows(family, model)
        else:
            # Named as in the table where it is whole, below.
            report = kerastl.inspect_antialias(model, kernel_size=3)
            reasons = sorted(row.reason[:12] for row in report.rows)
            assert reasons == sorted(why[:12] for why in family.table.values())


@pytest.mark.parametrize("family", DEEPER, ids=lambda family: family.name)
def test_more_blocks_change_nothing(family):
    size = None if family.any_size else family.sizes[0]
    check_rows(family, family.model(size))


def check_rows(family, model):
    report = kerastl.inspect_antialias(model, kernel_size=3)
    assert {row.layer for row in report.rows} == family.table.keys()
    for row in report.rows:
        expected = family.table[row.layer]
        if expected is None:
            assert row.reason.startswith("blur 3 after activation_")
        else:
            assert row.reason == expected, row.layer
        assert row.blur is not None


def test_output_size_and_cost(case):
    family, models = case
    # One blurred copy of the largest networks is enough.
    for kernel_size in (3,) if family.large else (3, 5):
        size, model = list(models.items())[kernel_size == 3]
        # Five taps do not fit the last maps of such small inputs by
        # reflection.
        blurred = kerastl.antialias(model, kernel_size, padding="edge")
        report = kerastl.inspect_antialias(model, kernel_size, padding="edge")
        assert blurred.output_shape == model.output_shape
        if family.any_size:
            assert report.multiply_adds_after is None
            shape = (1, size, size, 3)
            expected = model.compute_output_shape(shape)
            assert blurred.compute_output_shape(shape) == expected
            continue
        cost = kerastl.count_multiply_adds(blurred)
        assert cost == report.multiply_adds_after
        assert cost > report.multiply_adds_before
