"""The examples in docstrings run, and say what is so."""

import contextlib
import doctest
import io

import pytest

from .collect import Value
from .collect import examples
from .collect import names_of
from .world import World

pytestmark = pytest.mark.tensorflow_only

EXAMPLES = examples()
_CHECKER = doctest.OutputChecker()
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run(example, names):
    for source, said in example.steps:
        if isinstance(said, Value):
            assert eval(source, names) == said.value, source
            continue
        printed = io.StringIO()
        kind = "exec" if said is None else "single"
        with contextlib.redirect_stdout(printed):
            exec(compile(source, example.name, kind), names)
        if said is not None:
            given = printed.getvalue()
            assert _CHECKER.check_output(said, given, _OPTIONS), (source, given)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = World()
    names = dict(names_of(example))
    for name in example.wanted:
        if name in world:
            names[name] = world[name]
    run(example, names)
