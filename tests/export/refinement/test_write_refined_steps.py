import pytest

from kerastl.export.refinement.write_refined import AUTO
from kerastl.export.refinement.write_refined import STEPS
from kerastl.export.refinement.write_refined import chosen_steps


@pytest.mark.parametrize(
    "refine, steps",
    [
        ("auto", ("pixels", "rounding", "bias")),
        ("none", ()),
        (None, ()),
        ((), ()),
        ("bias", ("bias",)),
        (["bias", "pixels"], ("pixels", "bias")),
        (STEPS, ("pixels", "equalisation", "rounding", "bias")),
    ],
)
def test_names_choose_steps_in_one_order(refine, steps):
    assert chosen_steps(refine) == steps
    assert set(AUTO) < set(STEPS)


@pytest.mark.parametrize("refine", ["roundin", ("bias", "roundin")])
def test_a_name_that_is_none(refine):
    with pytest.raises(ValueError, match="mean 'rounding'.*='roundin'"):
        chosen_steps(refine)
