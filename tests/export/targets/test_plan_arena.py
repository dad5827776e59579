import re

import pytest

from kerastl.export.targets.litert_graph import LitertGraph
from kerastl.export.targets.litert_graph import Operator
from kerastl.export.targets.litert_graph import Tensor
from kerastl.export.targets.litert_graph import read_litert_graph
from kerastl.export.targets.plan_arena import _overhead
from kerastl.export.targets.plan_arena import plan_arena

pytestmark = pytest.mark.tensorflow_only


def tensor(size, constant=False, dtype="int8"):
    return Tensor("t", dtype, (size,), False, constant, 0)


def test_a_residual_block_by_hand():
    """Input and result of the branch live until the addition.

    0 -> conv -> 1 -> conv -> 2, then 0 + 2 -> 3: with sizes of 32, the
    second convolution and the addition hold three buffers each.
    """
    graph = LitertGraph(
        tensors=[*(tensor(32) for _ in range(4)), tensor(999, constant=True)],
        operators=[
            Operator("CONV_2D", (0, 4), (1,)),
            Operator("CONV_2D", (1, 4), (2,)),
            Operator("ADD", (0, 2), (3,)),
        ],
        inputs=(0,),
        outputs=(3,),
        num_subgraphs=1,
    )
    plan = plan_arena(graph)
    assert plan.lifetimes == {0: (0, 2), 1: (0, 1), 2: (1, 2), 3: (2, 3)}
    assert plan.activation_bytes == 96
    assert 4 not in plan.offsets
    assert plan.arena_bytes % 1024 == 0
    assert plan.arena_bytes > plan.activation_bytes


def test_sizes_are_aligned_and_counted_in_bytes():
    graph = LitertGraph(
        tensors=[tensor(5), tensor(5, dtype="float32")],
        operators=[Operator("DEQUANTIZE", (0,), (1,))],
        inputs=(0,),
        outputs=(1,),
        num_subgraphs=1,
    )
    assert plan_arena(graph).activation_bytes == 16 + 32


def test_what_lives_together_never_overlaps(files):
    for path in files.values():
        graph = read_litert_graph(path)
        plan = plan_arena(graph)
        for one in plan.offsets:
            for other in plan.offsets:
                apart = (
                    one == other
                    or plan.lifetimes[one][1] < plan.lifetimes[other][0]
                    or plan.lifetimes[other][1] < plan.lifetimes[one][0]
                    or plan.offsets[one] + graph.tensors[one].size_bytes
                    <= plan.offsets[other]
                    or plan.offsets[other] + graph.tensors[other].size_bytes
                    <= plan.offsets[one]
                )
                assert apart, (one, other)


def test_weights_unpacked_from_float16_are_no_activations(files):
    half, whole = (
        plan_arena(read_litert_graph(files[scheme])).activation_bytes
        for scheme in ("float16", "float32")
    )
    assert half == whole


@pytest.mark.parametrize("scheme", ["float32", "int8", "int16x8"])
def test_tflite_micro_plans_the_same(files, micro, scheme, capfd):
    """Against its recording allocator; scratch makes up the difference."""
    plan = plan_arena(read_litert_graph(files[scheme]))
    interpreter = micro.Interpreter.from_file(
        str(files[scheme]), arena_size=2 * plan.arena_bytes
    )
    capfd.readouterr()
    interpreter.print_allocations()
    printed = "".join(capfd.readouterr())
    total, head = (
        int(re.search(rf"allocation {part} (\d+) bytes", printed)[1])
        for part in ("total", "head")
    )
    assert head == pytest.approx(plan.activation_bytes, rel=0.02)
    assert total <= plan.arena_bytes <= 1.35 * total


def test_of_equal_buffers_the_later_is_placed_first():
    graph = LitertGraph(
        tensors=[tensor(32), tensor(32)],
        operators=[Operator("RELU", (0,), (1,))],
        inputs=(0,),
        outputs=(1,),
        num_subgraphs=1,
    )
    assert plan_arena(graph).offsets == {1: 0, 0: 32}


def test_what_is_kept_beside_the_activations_by_hand():
    def overhead(*operators):
        """Of five tensors: 120 bytes, 192 an operator, and 1536."""
        graph = LitertGraph(
            tensors=[
                Tensor("x", "int8", (1, 4, 16), False, False, 0),
                Tensor("y", "int16", (1, 4, 20), False, False, 0),
                *(tensor(999, constant=True) for _ in range(3)),
            ],
            operators=[Operator(*each) for each in operators],
            inputs=(0,),
            outputs=(1,),
            num_subgraphs=1,
        )
        return _overhead(graph)

    base = 1536 + 5 * 24
    assert overhead() == base
    assert overhead(("ADD", (0, 2), (1,))) == base + 192
    for kind in (
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "TRANSPOSE_CONV",
    ):
        # Eight bytes for each of twenty channels.
        assert overhead((kind, (0, 2), (1,))) == base + 192 + 160, kind
    two = ("CONV_2D", (0, 2), (1,)), ("CONV_2D", (1, 2), (0,))
    assert overhead(*two) == base + 2 * 192 + 8 * (20 + 16)
    assert overhead(("SOFTMAX", (0,), (1,))) == base + 192
    assert overhead(("SOFTMAX", (1,), (1,))) == base + 192 + 2560


@pytest.mark.parametrize("size, arena", [(256, 2048), (257, 3072)])
def test_an_arena_is_a_whole_number_of_kilobytes(size, arena):
    """Beside activations there are 1536 bytes, 2 x 24 and 192."""
    graph = LitertGraph(
        tensors=[tensor(size), tensor(16)],
        operators=[Operator("RELU", (0,), (1,))],
        inputs=(0,),
        outputs=(1,),
        num_subgraphs=1,
    )
    assert plan_arena(graph).arena_bytes == arena


def test_a_gap_that_is_large_enough_is_taken():
    """Of 64, 48 and 32 bytes; what dies early leaves a place."""
    graph = LitertGraph(
        tensors=[tensor(64), tensor(48), tensor(32), tensor(16)],
        operators=[
            Operator("A", (0,), (1,)),
            Operator("B", (1,), (2,)),
            Operator("C", (1, 2), (3,)),
        ],
        inputs=(0,),
        outputs=(3,),
        num_subgraphs=1,
    )
    plan = plan_arena(graph)
    assert plan.lifetimes == {0: (0, 0), 1: (0, 2), 2: (1, 2), 3: (2, 3)}
    assert plan.offsets == {0: 0, 1: 64, 2: 0, 3: 32}
    assert plan.activation_bytes == 112


def test_a_graph_without_activations():
    graph = LitertGraph([], [], (), (), 1)
    plan = plan_arena(graph)
    assert (plan.activation_bytes, plan.arena_bytes) == (0, 2048)
