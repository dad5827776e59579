"""How int8 files of other tools answer, beside ours.

    pip install ai-edge-quantizer
    python tests/benchmarks/int8_peers.py DATA MOBILENET_V2 MOBILENET

writes `int8_peers.json` beside this file. The networks, the 100 calibration
images and the photos that judge are those of `refined_int8.py`, whose work
folder is used. Of each network there are files of TensorFlow Lite's converter
and of ONNX Runtime's quantizer as they come, with its other ways to find
ranges, of ai-edge-quantizer with its ways to round, from our float32 file, and
ours. A file that cannot be written or run gets a row that says why.
"""

import argparse
import functools
import pathlib
import tempfile

import refined_int8
from photo_rows import run_missing

from kerastl import export
from kerastl.export.conversion.choose_images import choose_calibration
from kerastl.export.runners.inference_model import lower

RESULTS = pathlib.Path(__file__).with_suffix(".json")
SEEDS = range(3)
#: Without refinement a file is as TensorFlow Lite or ONNX Runtime makes it.
OURS = {
    "TensorFlow Lite": (export.to_tflite, {"refine": "none"}),
    "kerastl, TFLite": (export.to_tflite, {}),
    "ONNX Runtime, min/max": (export.to_onnx, {"refine": "none"}),
    **{
        f"ONNX Runtime, {method}": (
            export.to_onnx,
            {"refine": "none", "calibration_method": method},
        )
        for method in ("entropy", "percentile")
    },
    "kerastl, ONNX": (export.to_onnx, {}),
}
AI_EDGE = {
    "ai-edge-quantizer, min/max": "MIN_MAX_UNIFORM_QUANT",
    "ai-edge-quantizer, MSE": "MSE",
    "ai-edge-quantizer, OCTAV": "OCTAV",
    "ai-edge-quantizer, GPTQ": "GPTQ",
}


def write_ours(file, model, images, folder):
    write, options = OURS[file]
    path = folder / ("model" + write.__name__.replace("to_", "."))
    write(
        model,
        path,
        calibration=images,
        num_calibration=refined_int8.NUM_CALIBRATION,
        **options,
    )
    return path


def write_ai_edge(file, model, images, folder):
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe

    source, path = folder / "float.tflite", folder / "model.tflite"
    export.to_tflite(model, source, scheme="float32")
    signatures = Interpreter(str(source)).get_signature_list()
    [(signature, tensors)] = signatures.items()
    [name] = tensors["inputs"]
    made = quantizer.Quantizer(
        str(source), recipe.static_wi8_ai8(recipe.AlgorithmName[AI_EDGE[file]])
    )
    found = made.calibrate(
        {signature: [{name: image[None]} for image in images]}, num_threads=1
    )
    made.quantize(found).export_model(str(path))
    return path


def measure(load, network, file, seed):
    model, images, photos = load(network, seed)
    write = write_ours if file in OURS else write_ai_edge
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = write(file, model, images, pathlib.Path(folder))
            return {
                **refined_int8.judge_file(path, photos),
                "size_bytes": path.stat().st_size,
            }
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:300]}


def load(options, network, seed):
    """A network, its calibration images, and the photos that judge."""
    model = refined_int8.train(options, network, seed)
    data, photos = refined_int8.load_photos(options, seed, model)
    images = choose_calibration(
        data.calibration, lower(model), refined_int8.NUM_CALIBRATION
    )
    return model, images, photos


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    refined_int8.add_folders(parser)
    options = parser.parse_args()
    kept = functools.lru_cache(maxsize=1)(functools.partial(load, options))
    run_missing(
        RESULTS,
        [
            {"network": network, "file": file, "seed": seed}
            for network in options.networks
            for seed in SEEDS
            for file in (*OURS, *AI_EDGE)
        ],
        lambda cell: measure(kept, **cell),
    )


if __name__ == "__main__":
    main()
