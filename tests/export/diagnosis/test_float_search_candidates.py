"""What has to be float, on a graph made by hand."""

from types import SimpleNamespace

from kerastl.export.diagnosis.float_search import FloatCandidate
from kerastl.export.diagnosis.float_search import float_candidates


def tensor(key, *parents):
    return SimpleNamespace(key=key, name=f"t_{key}", parents=parents)


def test_a_layer_takes_the_operators_that_it_is_made_of():
    """conv = mul(image) + add; relu = relu(conv); two readers of it."""
    tensors = [
        tensor("mul", "image"),
        tensor("add", "mul"),
        tensor("relu", "add"),
        tensor("left", "relu"),
        tensor("right", "relu", "add"),
    ]
    places = {1: "add", 2: "relu", 3: "right", 4: "left"}
    rows = {
        2: SimpleNamespace(layer="relu", merged=(), cause="rounding"),
        1: SimpleNamespace(layer="conv", merged=("scale",), cause="weights"),
        3: SimpleNamespace(layer="right", merged=(), cause="saturation"),
    }
    found = float_candidates(
        SimpleNamespace(
            file=SimpleNamespace(tensors=tensors),
            matches={
                place: SimpleNamespace(
                    tensor=next(t for t in tensors if t.key == key)
                )
                for place, key in places.items()
            },
            rows=rows,
        )
    )
    assert [each.layer for each in found] == ["relu", "conv", "right"]
    relu, conv, right = found
    assert conv.names == ("conv", "scale") and conv.cause == "weights"
    assert conv.operators == {"t_mul", "t_add"}
    assert conv.and_readers == {"t_mul", "t_add", "t_relu", "t_right"}
    assert relu.operators == {"t_relu"}
    assert relu.and_readers == {"t_relu", "t_left", "t_right"}
    assert right.operators == right.and_readers == {"t_right"}


def test_rounded_weights_alone_need_no_reader_in_float():
    arguments = ("conv", ("conv",), frozenset("a"), frozenset("ab"))
    assert FloatCandidate(*arguments, "weights").needed == {"a"}
    for cause in ("rounding", "saturation", "none"):
        assert FloatCandidate(*arguments, cause).needed == {"a", "b"}
