"""Turns a .tflite file into source code for a microcontroller."""

import pathlib

from kerastl.arguments import checked_path
from kerastl.export.package.c_example import c_example
from kerastl.export.package.c_example import c_identifier
from kerastl.export.package.metadata import read_metadata
from kerastl.export.package.tflite_metadata import set_metadata
from kerastl.export.package.tflite_metadata import split_archive
from kerastl.export.runners.runner import load
from kerastl.export.targets.check import load_op_table
from kerastl.export.targets.check import require_target
from kerastl.export.utils.atomic_write import make_folder
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

_BYTES_A_LINE = 12


def write_c_array(
    path: PathLike,
    folder: PathLike | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> tuple[pathlib.Path, ...]:
    """Writes a .tflite file as C++ source for TensorFlow Lite Micro.

    `NAME.cc` holds the graph as an aligned array, without metadata, which
    would take flash for nothing. `NAME.h` declares it, with its size, the
    size of the tensor arena, the quantization of input and output, the class
    names if the file has them, and a function that adds the operators that
    the network uses, and no others, to a `MicroMutableOpResolver`. The header
    needs nothing of TensorFlow Lite Micro itself. For a classifier of square
    RGB images there is `NAME_example.cc` too, a sketch that prints the class of
    a camera's frames. It is a beginning, and is left as it is where there is
    one.

    Args:
        path: The .tflite file.
        folder: Folder to write to, made if it is missing. Defaults to that of
            `path`.
        name: Name of the files and prefix of what they declare. Defaults to
            the name of `path`.
        overwrite: Whether existing files may be replaced.

    Returns:
        The paths of the header, of the source and, where there is one, of
        the sketch.

    Raises:
        FileExistsError: If a file exists and `overwrite` is `False`, or
            `folder` is a file.
        PermissionError: If the folder cannot be made.
        TargetError: If TensorFlow Lite Micro cannot run the file.
        ValueError: If the file cannot be read.

    Example:

    ```python
    write_c_array("model_int8.tflite", "firmware/src")
    ```
    """
    path = checked_path("path", path)
    report = require_target(path, "tflite-micro")
    folder = path.parent if folder is None else make_folder(folder)
    name = c_identifier(name or path.stem)
    graph = set_metadata(split_archive(path.read_bytes())[0], None)
    header, source = folder / f"{name}.h", folder / f"{name}.cc"
    runner, class_names = load(path), _class_names(path)
    with (
        staged_file(header, ".h", overwrite) as new_header,
        staged_file(source, ".cc", overwrite) as new_source,
    ):
        new_header.write_text(
            _header(name, path, report, runner, len(class_names)),
            encoding="utf-8",
        )
        new_source.write_text(
            _source(name, graph, class_names), encoding="utf-8"
        )
    text = c_example(name, runner, len(class_names) > 0)
    if text is None:
        return header, source
    example = folder / f"{name}_example.cc"
    if not example.exists():
        with staged_file(example, ".cc") as new_example:
            new_example.write_text(text, encoding="utf-8")
    return header, source, example


def _class_names(path):
    metadata = read_metadata(path)
    return [] if metadata is None else metadata.class_names


def _header(name, path, report, runner, labels):
    guard = f"{name.upper()}_H_"
    rows = load_op_table("tflite-micro").operators
    calls = "\n".join(
        f"  ok = ok && static_cast<int>(resolver.{rows[each]['add']}()) == 0;"
        for each in report.operators
    )
    declared = (
        f"constexpr int {name}_num_labels = {labels};\n"
        f"extern const char* const {name}_labels[{labels}];\n"
        if labels
        else ""
    )
    return f"""\
// {path.name} for TensorFlow Lite Micro, written by kerastl.
#ifndef {guard}
#define {guard}

#include <cstddef>

// The graph, aligned to 16 bytes: give it to tflite::GetModel.
extern const unsigned char {name}[];
extern const std::size_t {name}_size;

// Activations at their peak take {report.activation_bytes} bytes. The rest is
// what the interpreter keeps, estimated; kernels that trade memory for speed,
// such as CMSIS-NN's, need more.
constexpr std::size_t {name}_arena_size = {report.arena_bytes};

{_constants(name, "input", runner.input)}
{_constants(name, "output", runner.output)}
{declared}
// Adds what the graph needs to a
// tflite::MicroMutableOpResolver<{name}_num_operators>.
constexpr int {name}_num_operators = {len(report.operators)};
template <typename Resolver>
inline bool {name}_add_operators(Resolver& resolver) {{
  bool ok = true;
{calls}
  return ok;
}}

#endif  // {guard}
"""


def _constants(name, kind, tensor):
    shape = ", ".join(str(size) for size in tensor["shape"])
    text = f"// The {kind} is {tensor['dtype']} ({shape})"
    if "scale" not in tensor:
        return f"{text}."
    return (
        f"{text}: real = scale * (integer - zero point).\n"
        f"constexpr float {name}_{kind}_scale = {tensor['scale']!r}f;\n"
        f"constexpr int {name}_{kind}_zero_point = {tensor['zero_point']};"
    )


def _source(name, graph, class_names):
    lines = ",\n".join(
        "    " + ", ".join(f"0x{byte:02x}" for byte in graph[start:end])
        for start in range(0, len(graph), _BYTES_A_LINE)
        for end in [start + _BYTES_A_LINE]
    )
    labels = ""
    if class_names:
        quoted = ",\n".join(f"    {_quote(each)}" for each in class_names)
        labels = (
            f"\nconst char* const {name}_labels[{len(class_names)}] = {{\n"
            f"{quoted},\n}};\n"
        )
    return f"""\
#include "{name}.h"

alignas(16) const unsigned char {name}[] = {{
{lines},
}};
const std::size_t {name}_size = sizeof({name});
{labels}"""


def _quote(text):
    """Writes a text as a C string: UTF-8, with octal where C needs it."""
    plain = "".join(
        chr(byte)
        if 32 <= byte < 127 and chr(byte) not in '"\\?'
        else f"\\{byte:03o}"
        for byte in text.encode("utf-8")
    )
    return f'"{plain}"'
