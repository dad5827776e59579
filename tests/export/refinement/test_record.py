from kerastl.export.refinement.record import LayerRecord
from kerastl.export.refinement.record import RefinementRecord


def test_what_was_kept_is_told_in_figures():
    record = RefinementRecord(
        ["rounding"],
        kept=True,
        num_held_out=12,
        plain={"mean_abs_difference": 0.02, "top1_agreement": 0.98},
        refined={"mean_abs_difference": 0.01, "top1_agreement": 0.995},
        gains={"rounding": 2.0, "bias": 1.5},
        layers=[
            LayerRecord("stem", done=["rounding"]),
            LayerRecord("head", left={"bias": "it is dead"}),
        ],
        seconds={"flow": 1.5, "rounding": 2.0},
    )
    assert str(record) == (
        "1 of 2 layers (error less by rounding x 2.00, bias x 1.50); "
        "difference 0.01 in place of 0.02, same class 99.5 % in place of "
        "98.0 %, on blends of 12 images held out; 4 s"
    )
    assert record.left() == {"head": {"bias": "it is dead"}}


def test_what_was_not_kept_has_a_reason():
    record = RefinementRecord([], reason="there are too few images")
    assert str(record) == "not refined: there are too few images"


def test_a_record_begins_empty():
    record, layer = RefinementRecord(["bias"]), LayerRecord("stem")
    assert (record.num_images, record.num_held_out) == (0, 0)
    assert (record.kept, record.reason) == (False, "")
    assert record.plain is record.refined is layer.plain_error is None
    for each in (record.gains, record.seconds, layer.left, layer.errors):
        assert each == {}
    assert record.layers == layer.done == []


def test_a_refined_file_that_loses_too_much_is_refused():
    record = RefinementRecord(["bias"], kept=True)
    record.refuse(0.0234)
    assert record.kept is False
    assert str(record) == (
        "not refined: the refined file loses 2.34 points of accuracy, more "
        "than is allowed"
    )
