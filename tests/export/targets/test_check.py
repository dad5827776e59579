import importlib
import json

import keras
import numpy as np
import pytest
from keras import layers

import kerastl
from kerastl.export.targets.check import TARGETS
from kerastl.export.targets.check import OpTable
from kerastl.export.targets.check import check
from kerastl.export.targets.litert_graph import LitertGraph
from kerastl.export.targets.litert_graph import Operator
from kerastl.export.targets.litert_graph import Tensor

pytestmark = pytest.mark.tensorflow_only


def test_the_int8_file_passes_everywhere(files, cnn):
    for target in TARGETS:
        report = check(files["int8"], target)
        assert report.passed, str(report)
        assert report.types == {"int8": sum(report.operators.values())}
        assert report.partitions == 1
        assert report.static_shapes
        assert report.size_bytes == files["int8"].stat().st_size
        assert report.multiply_adds == kerastl.count_multiply_adds(cnn)


@pytest.mark.parametrize(
    "scheme, target, problem",
    [
        ("float32", "full-int8", "CONV_2D in float32 has no kernel"),
        ("float32", "full-int8", "input 'serving_default_image:0' is float32"),
        ("float16", "tflite-micro", "DEQUANTIZE in float16 has no kernel"),
        ("dynamic", "tflite-micro", "cannot meet integer weights"),
        ("int16x8", "full-int8", "CONV_2D in int16 has no kernel"),
        ("int16x8", "xnnpack", "takes no part of the graph"),
    ],
)
def test_what_a_target_lacks_is_said(files, scheme, target, problem):
    report = check(files[scheme], target)
    assert not report.passed
    assert problem in " ".join(report.problems)
    assert "FAILED" in str(report)


def test_tflite_micro_itself_agrees(files, micro):
    """The verdicts are those of the runtime that they are about."""
    for scheme, path in files.items():
        report = check(path, "tflite-micro")
        try:
            interpreter = micro.Interpreter.from_file(
                str(path), arena_size=report.arena_bytes
            )
        except RuntimeError:
            assert not report.passed, scheme
            continue
        assert report.passed, scheme
        details = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
        interpreter.invoke()


def test_an_operator_outside_of_the_delegate_splits_the_graph(mirrored):
    report = check(mirrored, "xnnpack")
    assert report.partitions == 2
    assert report.outside == {"MIRROR_PAD": 1}
    assert report.problems[0].startswith("The delegate takes the graph in 2")
    assert report.missing == [
        {
            "operator": "MIRROR_PAD",
            "type": "float32",
            "count": 1,
            "reason": "not on the target's list",
        }
    ]


def test_a_dynamic_batch_fails_on_a_microcontroller(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    path = tmp_path / "dynamic.tflite"
    model.export(path, format="litert", verbose=False)
    report = check(path, "tflite-micro")
    assert not report.static_shapes
    assert "known at run time only" in " ".join(report.problems)


def test_a_larger_batch_fails_on_the_accelerator(tmp_path):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Conv2D(4, 3)(inputs))
    path = tmp_path / "batch.tflite"
    signature = [keras.InputSpec("float32", shape=(2, 8, 8, 3))]
    model.export(
        path, format="litert", verbose=False, input_signature=signature
    )
    assert "batch of 2" in " ".join(check(path, "full-int8").problems)


def test_the_report_fits_a_terminal_and_json(files, mirrored):
    for path in (*files.values(), mirrored):
        for target in TARGETS:
            report = check(path, target)
            assert max(map(len, str(report).splitlines())) <= 80
            found = json.loads(json.dumps(report.to_dict()))
            assert found["passed"] is report.passed
            assert found["sources"][0]["date"].startswith("20")


def test_an_unknown_target_comes_with_the_nearest(files):
    with pytest.raises(ValueError, match="Did you mean 'tflite-micro'"):
        check(files["int8"], "tflite_micro")


def test_files_that_cannot_be_read(files, tmp_path):
    content = files["int8"].read_bytes()
    for part in (0, 6, 500, len(content) // 2):
        (tmp_path / "cut.tflite").write_bytes(content[:part])
        with pytest.raises(ValueError, match="corrupt or incomplete|is empty"):
            check(tmp_path / "cut.tflite")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        check(tmp_path / "none.tflite")
    with pytest.raises(ValueError, match="ends in '.tflite'"):
        check(tmp_path / "model.onnx")


# By its name: what the package has under it is the function.
module = importlib.import_module("kerastl.export.targets.check")


def graph(*operators, subgraphs=1, **changes):
    """Tensors 0 to 3: an int8 image, a float, an int8 constant, a float one.

    `changes` give other tensors for these, as `t0={...}`.
    """
    plain = [
        Tensor("image", "int8", (1, 8), False, False, 1),
        Tensor("middle", "float32", (1, 8), False, False, 0),
        Tensor("levels", "int8", (8, 8), False, True, 8),
        Tensor("weights", "float32", (8, 8), False, True, 0),
    ]
    tensors = [
        Tensor(**{**vars(each), **changes.get(f"t{index}", {})})
        for index, each in enumerate(plain)
    ]
    return LitertGraph(
        tensors,
        [Operator(*each) for each in operators],
        (0,),
        (1,),
        subgraphs,
    )


def table(hybrid=True, **operators):
    return OpTable("toy", "a toy", [], hybrid, operators)


@pytest.mark.parametrize(
    "operator, row, hybrid, reason",
    [
        (("ADD", (0, 0), (1,)), None, True, "not on the target's list"),
        (("ADD", (0, 0), (1,)), {"types": ["int8"]}, True, None),
        (("ADD", (0, 0), (1,)), {"types": None}, True, None),
        (
            ("ADD", (0, 0), (1,)),
            {"types": ["float32", "int16"]},
            True,
            "it takes float32, int16",
        ),
        (
            ("ADD", (0, 0), (1,)),
            {"types": []},
            True,
            "it takes none that was tried",
        ),
        (
            ("ADD", (0, 0), (1,)),
            {"types": ["int8"], "max_inputs": 2},
            True,
            None,
        ),
        (
            ("ADD", (0, 0, 0), (1,)),
            {"types": ["int8"], "max_inputs": 2},
            True,
            "it takes up to 2 inputs",
        ),
        (("FC", (1, 2), (1,)), {"types": None}, True, None),
        (
            ("FC", (1, 2), (1,)),
            {"types": None},
            False,
            "float activations cannot meet integer weights there",
        ),
        (("FC", (1, 3), (1,)), {"types": None}, False, None),
        (("FC", (0, 2), (1,)), {"types": None}, False, None),
        # What is computed is no weight.
        (("FC", (1, 0), (1,)), {"types": None}, False, None),
    ],
)
def test_why_a_target_has_no_kernel(operator, row, hybrid, reason):
    rows = {} if row is None else {operator[0]: row}
    made = graph(operator)
    found = module._reason(made, made.operators[0], table(hybrid, **rows))
    assert found == reason


def test_what_is_missing_is_counted_and_sorted():
    made = graph(
        ("PAD", (0,), (0,)),
        ("ADD", (0, 0), (0,)),
        ("PAD", (0,), (0,)),
        ("PAD", (1,), (1,)),
    )
    missing = module._missing(made, table(), made.operators)
    reason = "not on the target's list"
    assert missing == [
        {"operator": "ADD", "type": "int8", "count": 1, "reason": reason},
        {"operator": "PAD", "type": "float32", "count": 1, "reason": reason},
        {"operator": "PAD", "type": "int8", "count": 2, "reason": reason},
    ]
    assert [module._sentence(row, table()) for row in missing[1:]] == [
        f"PAD in float32 has no kernel on toy: {reason}.",
        f"2 x PAD in int8 has no kernel on toy: {reason}.",
    ]


@pytest.mark.parametrize(
    "partitions, left, total, problems",
    [
        (1, 0, 100, []),
        (None, 0, 100, ["cannot run the file"]),
        (0, 100, 100, ["takes no part"]),
        (2, 0, 100, ["in 2 pieces"]),
        (1, 26, 200, ["^13 % of"]),
        (3, 100, 200, ["in 3 pieces", "^50 % of"]),
    ],
)
def test_what_the_delegate_leaves(partitions, left, total, problems):
    found = module._delegate_problems(partitions, left, total)
    assert len(found) == len(problems)
    for text, part in zip(found, problems, strict=True):
        assert text.startswith(part[1:]) if part[0] == "^" else part in text


def test_sizes_that_are_not_known():
    reads = "ADD", (0, 2), (1,)
    assert module._shape_problems(graph(reads)) == []
    # One that no operator uses does not count, and an output does.
    assert module._shape_problems(graph(reads, t3={"dynamic": True})) == []
    [problem] = module._shape_problems(
        graph(reads, t1={"dynamic": True}, t2={"dynamic": True})
    )
    assert problem.startswith("2 tensors") and "first is 'middle'" in problem
    [problem] = module._shape_problems(graph(t0={"dynamic": True}))
    assert problem.startswith("1 tensors")
    [problem] = module._shape_problems(graph(reads, subgraphs=2))
    assert problem.startswith("The file holds 2 graphs")


def test_what_an_accelerator_takes_in_and_gives():
    found = module._interface_problems(graph())
    assert found == [
        "The output 'middle' is float32: export with the scheme 'int8'."
    ]
    for dtype in ("int8", "uint8"):
        assert module._interface_problems(graph(t1={"dtype": dtype})) == []
    found = module._interface_problems(
        graph(t0={"shape": (2, 8)}, t1={"dtype": "int8", "shape": (7,)})
    )
    assert found == [
        "The input 'image' has a batch of 2: export with a batch of 1."
    ]


def test_notes_tell_what_is_not_looked_at():
    made = graph(("ADD", (0, 0), (1,)), ("PAD", (1,), (1,)))
    rows = {
        "ADD": {"types": ["int8"], "limit": "of one size"},
        "PAD": {"types": None, "limit": "of four"},
        "MUL": {"types": None, "limit": "of nothing"},
    }
    assert module._notes(made, table(**rows)) == [
        "Limits that are not looked at: ADD (of one size), PAD (of four).",
        "Listed, but not tried with any dtype: PAD.",
    ]
    assert module._notes(made, table()) == []
