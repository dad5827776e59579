"""How int8 files of other tools answer, beside ours.

    pip install ai-edge-quantizer
    python tests/benchmarks/int8_peers.py CLOTHING SIGNS MOBILENET_V2 MOBILENET

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


def write_ours(model, images, folder, write, **options):
    path = folder / ("model" + write.__name__.replace("to_", "."))
    write(
        model,
        path,
        calibration=images,
        num_calibration=refined_int8.NUM_CALIBRATION,
        **options,
    )
    return path


def write_ai_edge(model, images, folder, algorithm):
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe

    source, path = folder / "float.tflite", folder / "model.tflite"
    export.to_tflite(model, source, scheme="float32")
    signatures = Interpreter(str(source)).get_signature_list()
    [(signature, tensors)] = signatures.items()
    [name] = tensors["inputs"]
    made = quantizer.Quantizer(
        str(source), recipe.static_wi8_ai8(recipe.AlgorithmName[algorithm])
    )
    found = made.calibrate(
        {signature: [{name: image[None]} for image in images]}, num_threads=1
    )
    made.quantize(found).export_model(str(path))
    return path


_tflite = functools.partial(write_ours, write=export.to_tflite)
_onnx = functools.partial(write_ours, write=export.to_onnx)
#: In the order of the page. Without refinement a file is as TensorFlow Lite or
#: ONNX Runtime makes it.
FILES = {
    "TensorFlow Lite": functools.partial(_tflite, refine="none"),
    "ai-edge-quantizer, min/max": functools.partial(
        write_ai_edge, algorithm="MIN_MAX_UNIFORM_QUANT"
    ),
    "ai-edge-quantizer, MSE": functools.partial(write_ai_edge, algorithm="MSE"),
    "ai-edge-quantizer, OCTAV": functools.partial(
        write_ai_edge, algorithm="OCTAV"
    ),
    "ai-edge-quantizer, GPTQ": functools.partial(
        write_ai_edge, algorithm="GPTQ"
    ),
    "kerastl, TFLite": _tflite,
    "ONNX Runtime, min/max": functools.partial(_onnx, refine="none"),
    "ONNX Runtime, entropy": functools.partial(
        _onnx, refine="none", calibration_method="entropy"
    ),
    "ONNX Runtime, percentile": functools.partial(
        _onnx, refine="none", calibration_method="percentile"
    ),
    "kerastl, ONNX": _onnx,
}


def measure(load, network, file, seed):
    model, images, photos = load(network, seed)
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = FILES[file](model, images, pathlib.Path(folder))
            return {
                **refined_int8.judge_file(path, photos),
                "size_bytes": path.stat().st_size,
            }
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:300]}


def load(options, network, seed):
    """A network, its calibration images, and the photos that judge."""
    model = refined_int8.train(options, network, seed)
    data, photos = refined_int8.load_photos(options, network, seed, model)
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
            for seed in range(refined_int8.NETWORKS[network].seeds)
            for file in FILES
        ],
        lambda cell: measure(kept, **cell),
    )


if __name__ == "__main__":
    main()
