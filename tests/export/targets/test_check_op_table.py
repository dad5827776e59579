import pytest

from kerastl.export.targets.check import TARGETS
from kerastl.export.targets.check import load_op_table

TYPES = {"float32", "int8", "uint8", "int16"}


@pytest.mark.parametrize("target", TARGETS)
def test_tables_name_their_sources_and_known_types(target):
    table = load_op_table(target)
    assert all(source["what"] and source["date"] for source in table.sources)
    assert {"ADD", "CONV_2D", "FULLY_CONNECTED", "MEAN"} <= set(table.operators)
    for row in table.operators.values():
        assert row["types"] is None or set(row["types"]) <= TYPES


def test_facts_that_were_read_in_the_kernels():
    """tensorflow/lite/micro/kernels: mirror_pad, hard_swish, pad, pooling."""
    rows = load_op_table("tflite-micro").operators
    assert set(rows["MIRROR_PAD"]["types"]) == {"float32", "int8"}
    assert set(rows["HARD_SWISH"]["types"]) == {"float32", "int8"}
    assert "int16" in rows["PAD"]["types"]
    assert "int16" in rows["AVERAGE_POOL_2D"]["types"]
    assert "GELU" not in rows
    assert all(row["add"].startswith("Add") for row in rows.values())


def test_facts_of_the_delegates_readme():
    rows = load_op_table("xnnpack").operators
    assert set(rows["CONV_2D"]["types"]) == {"float32", "int8"}
    assert rows["SOFTMAX"]["types"] == ["float32"]
    assert "MIRROR_PAD" not in rows


def test_which_targets_mix_floats_and_integers():
    found = {target: load_op_table(target) for target in TARGETS}
    assert {name: each.hybrid for name, each in found.items()} == {
        "xnnpack": True,
        "tflite-micro": False,
        "full-int8": False,
    }
    assert all(each.name == name for name, each in found.items())


def test_a_target_that_is_not_there():
    with pytest.raises(ValueError, match="mean 'xnnpack'.*target='xnpack'"):
        load_op_table("xnpack")
