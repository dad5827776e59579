"""Writes a page that tries a model out, in any browser."""

import base64
import gzip
import html
import json
import pathlib
import re

from kerastl.apps.data.class_names import read_class_names
from kerastl.apps.data.decode_image import default_margin
from kerastl.apps.data.decode_image import square_side
from kerastl.apps.page.find_runtime import find_runtime
from kerastl.apps.texts import literal
from kerastl.arguments import checked_path
from kerastl.export.package.metadata import read_metadata
from kerastl.export.runners.runner import load
from kerastl.export.utils.atomic_write import check_destination
from kerastl.export.utils.atomic_write import staged_file
from kerastl.export.utils.third_party import require
from kerastl.types import PathLike
from kerastl.version import __version__

NAME = "try.html"
_FOLDER = pathlib.Path(__file__).parent
_STYLES = (_FOLDER.parent / "report" / "page.css", _FOLDER / "live.css")
_CODE = (_FOLDER / "photo.js", _FOLDER / "page.js")


def write_page(
    model: PathLike,
    output: PathLike | None = None,
    runtime: PathLike | None = None,
    overwrite: bool = False,
) -> pathlib.Path:
    """Writes one HTML file that classifies photos and what a camera sees.

    Model, class names and ONNX Runtime Web are in it, so that it runs offline
    and from a file; photos do not leave the browser. They are prepared with
    the arithmetic of `apps.predict`, and get its scores.

    Args:
        model: The .onnx file.
        output: The page. Defaults to `try.html` beside the model.
        runtime: Folder of the npm package onnxruntime-web. `None` fetches it
            once, see `find_runtime`.
        overwrite: Whether a page that is there is replaced.

    Returns:
        The path of the page.

    Raises:
        FileExistsError: There is a file of that name.
        FileNotFoundError: There is no such model, or no runtime.
        ValueError: As `make_page`.

    Example:

    ```python
    apps.write_page("runs/mine/model_int8.onnx")
    ```
    """
    model = checked_path("model", model)
    _check_format(model)
    if output is None:
        output = model.with_name(NAME)
    output = check_destination(output, ".html", overwrite)
    if runtime is not None:
        runtime = checked_path("runtime", runtime)
    page = make_page(model, runtime)
    with staged_file(output, ".html", overwrite) as temporary:
        temporary.write_bytes(page)
    return output


def make_page(model, runtime=None):
    """Returns the bytes of the page that `write_page` writes.

    Args:
        model: The .onnx file.
        runtime: Folder of the npm package onnxruntime-web, or `None`.

    Raises:
        FileNotFoundError: There is no such model, or no runtime.
        ValueError: The model is no ONNX file, has its weights in files beside
            it, or is no classifier of square RGB images in float32 with one
            output.
    """
    model = pathlib.Path(model)
    _check_format(model)
    config = _describe(model)
    runtime = find_runtime(runtime)
    metadata = read_metadata(model)
    title = (metadata.training if metadata else {}).get("title", model.name)
    parts = {
        "title": html.escape(literal(title)),
        "version": __version__,
        "file": html.escape(literal(model.name)),
        "side": str(config["side"]),
        "runtime": html.escape(runtime.version),
        "style": _read(_STYLES),
        "code": _read(_CODE),
        "config": _json_in_html(config),
        "model": _pack(model.read_bytes()),
        "script": _pack(runtime.script),
        "wasm": _pack(runtime.wasm),
    }
    template = _read([_FOLDER / "page.html"])
    page = re.sub(r"\{(\w+)\}", lambda found: parts[found[1]], template)
    return page.encode("utf-8")


def _check_format(model):
    if model.suffix in (".keras", ".h5", ".tflite"):
        raise ValueError(
            "The page runs ONNX files. Write one: kerastl export model.keras "
            "--format onnx --scheme float32 (or finetune --export onnx:int8). "
            f"Received: model={str(model)!r}"
        )


def _describe(model):
    """What the page has to know of a model, as plain values."""
    runner = load(model)
    side = square_side(runner, model)
    outputs = runner.num_classes
    shape = runner.output["shape"]
    if len(shape) != 2 or not isinstance(outputs, int):
        raise ValueError(
            "The page shows one score a class: expected an output of shape "
            f"(images, classes). Received: model={str(model)!r} with output "
            f"shape {tuple(shape)}"
        )
    if runner.input["dtype"] != "float32":
        raise ValueError(
            "The page gives images as float32, values 0 to 255. Export the "
            f"model with kerastl. Received: model={str(model)!r} with input "
            f"dtype {runner.input['dtype']}"
        )
    _check_whole(model)
    names = read_class_names(model, outputs)
    batch = runner.input["shape"][0]
    return {
        "labels": names or [str(each) for each in range(max(outputs, 2))],
        "named": names is not None,
        "side": side,
        "margin": default_margin(side),
        "kind": runner.kind,
        "input": runner.input["name"],
        "output": runner.output["name"],
        "outputs": outputs,
        "batch": batch if isinstance(batch, int) else 1,
    }


def _check_whole(model):
    onnx = require("onnx", "onnx")
    graph = onnx.load(model, load_external_data=False).graph
    beside = onnx.TensorProto.EXTERNAL
    if any(each.data_location == beside for each in graph.initializer):
        raise ValueError(
            "The model's weights are in another file, and the page takes one "
            "file. Save it whole: onnx.save(onnx.load(path), path). "
            f"Received: model={str(model)!r}"
        )


def _read(paths):
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _json_in_html(value):
    """JSON that ends no script, whatever the texts in it say."""
    return json.dumps(value).replace("<", "\\u003c")


def _pack(content):
    # The browser unzips: a third of the runtime's size.
    packed = gzip.compress(content, mtime=0)
    return base64.b64encode(packed).decode("ascii")
