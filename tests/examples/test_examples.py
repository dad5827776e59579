"""The examples in docstrings run, and say what is so."""

import contextlib
import doctest
import io
import re

import keras
import pytest
import tensorflow as tf

from kerastl import apps

from .collect import Value
from .collect import examples
from .collect import names_of
from .files import write
from .world import World
from .world import network

pytestmark = [
    pytest.mark.tensorflow_only,
    # It says of every network and data that they are small.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

_CHECKER = doctest.OutputChecker()
_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_HOURS = "trains for long, on weights that are fetched"
# What other tests run instead.
ELSEWHERE = {
    "apps/choice/draw_choice:draw_choice": _HOURS,
    "apps/choose:choose": _HOURS,
    "apps/detect_anomalies:detect_anomalies": _HOURS,
    "apps/fine_tune:fine_tune": _HOURS,
    "apps/inspect/inspect_photos:inspect_photos": _HOURS,
    "apps/quickstart:quickstart": "runs after the tests, in .ci/run",
    "apps/page/write_page:write_page": "fetches ONNX Runtime Web",
    "apps/page/serve_page:make_server": "serves without end",
    "apps/report/write_model_card:write_model_card": "needs a finished run",
    "apps/report/write_report:write_report": "needs a finished run",
    "kerastl/surgery/wordnet:WordNet": "needs the dictionary of WordNet",
}
# Where an example tells of other images than what is at hand.
OTHERS = {
    "apps/data/load_image_folder:load_image_folder": {"size": 128},
    "apps/runs/measure_network:ClassMeans": {"size": 96, "margin": 8},
    "export/runners/image_batches:ImageBatches": {"size": 96},
    "export/package/metadata:write_metadata": {"number": 2},
    "kerastl/metrics/shift_consistency:shift_consistency": {
        "size": 96,
        "margin": 8,
    },
    "kerastl/surgery/feature_extractor:feature_extractor": {"size": 224},
}
# Enough of a training to see that it runs.
_LONG = re.compile(r"\bepochs=\d{2,}")
_SHORT = "epochs=8"
# What writes files of models itself.
_EXPORTS = re.compile(r"\b(to_tflite|to_onnx|selective_int8)\(")
EXAMPLES = {each.name: each for each in examples()}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch):
    """Where weights would be fetched there is a small network."""
    for home, name in (
        (keras.applications, "MobileNetV2"),
        (keras.applications, "ResNet50"),
        (apps, "MobileNetV2"),
    ):
        build = getattr(home, name)

        def choose(build=build, weights="imagenet", **arguments):
            if weights == "imagenet":
                return network("fetched")
            return build(weights=weights, **arguments)

        monkeypatch.setattr(home, name, choose)


def test_all_examples_are_found():
    assert len(EXAMPLES) > 150
    assert ELSEWHERE.keys() <= EXAMPLES.keys()


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - ELSEWHERE.keys()))
def test_example_runs(name, tmp_path, monkeypatch, kept):
    example, world = EXAMPLES[name], World(**OTHERS.get(name, {}))
    monkeypatch.chdir(tmp_path)
    if not _EXPORTS.search(example.code):
        for text in sorted(example.texts):
            write(text, tmp_path, kept, world)
    names = dict(names_of(example))
    names |= {each: world[each] for each in example.wanted if each in world}
    # A training of few steps takes longer to trace than to run.
    tf.config.run_functions_eagerly("export" not in example.code)
    try:
        run(example, names)
    finally:
        tf.config.run_functions_eagerly(False)


def run(example, names):
    tells = any(said is not None for _, said in example.steps)
    for source, said in example.steps:
        source = source if tells else _LONG.sub(_SHORT, source)
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
