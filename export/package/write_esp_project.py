"""Turns a .tflite file into a project for an ESP32."""

import pathlib
import re
import warnings

from kerastl.arguments import checked_path
from kerastl.export.package.c_example import FRAME_BYTES
from kerastl.export.package.c_example import c_example
from kerastl.export.package.c_example import c_identifier
from kerastl.export.package.write_c_array import write_c_array
from kerastl.export.runners.runner import load
from kerastl.export.targets.check import require_target
from kerastl.export.utils.atomic_write import make_folder
from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

# An app of ESP-IDF with TensorFlow Lite Micro takes half of this, and a
# camera's driver and a network connection have room too.
_CODE_BYTES = 1024 * 1024
# The bootloader, the table of partitions and their data lie before the app.
_APP_OFFSET = 64 * 1024
# Of an ESP32-S3's 512 kB the system, its stacks and the caches take the rest.
_INTERNAL_BYTES = 256 * 1024
# Names of sources that are not the network's.
_TAKEN = ("camera",)
# Files that depend on the size of the network.
_SIZED = ("sdkconfig.defaults", "partitions.csv")


def write_esp_project(
    path: PathLike,
    folder: PathLike,
    name: str | None = None,
    overwrite: bool = False,
) -> tuple[pathlib.Path, ...]:
    """Writes a .tflite file as a project that runs it on an ESP32.

    PlatformIO builds the folder (`pio run`), and so does ESP-IDF (`idf.py
    build`); both fetch TensorFlow Lite Micro with Espressif's kernels, the
    component `espressif/esp-tflite-micro`. It holds

    - `main/`: what `write_c_array` writes, `camera.cc`, the one function that
      is the user's to write, and `idf_component.yml`, which says what to fetch;
    - `platformio.ini`, of which the board is the user's to change;
    - `sdkconfig.defaults` and `partitions.csv`: how much flash and memory the
      network needs. Where its arena is larger than the chip's memory it is put
      into PSRAM;
    - the two `CMakeLists.txt` that ESP-IDF asks for.

    All but the network's own files are a beginning: they are left as they are
    where there are some.

    Args:
        path: The .tflite file of a classifier of square RGB images.
        folder: Folder of the project, made if it is missing.
        name: Name of the network's files and prefix of what they declare.
            Defaults to the name of `path`.
        overwrite: Whether the network's existing files may be replaced.

    Returns:
        The paths of all files of the project.

    Raises:
        FileExistsError: If a file of the network exists and `overwrite` is
            `False`, or `folder` is a file.
        PermissionError: If the folder cannot be made.
        TargetError: If TensorFlow Lite Micro cannot run the file.
        ValueError: If the file cannot be read, or is no such classifier, or
            the folder is the project of a network of another name.

    Example:

    ```python
    write_esp_project("model_int8.tflite", "firmware")
    ```
    """
    path = checked_path("path", path)
    report = require_target(path, "tflite-micro")
    name = c_identifier(name or path.stem)
    if c_example(name, load(path), False) is None:
        raise ValueError(
            "A project needs a sketch, and there is one for networks that "
            "tell classes apart on square RGB images only. Write the source "
            "alone (leave --project out), and the program around it yourself. "
            f"Received: path={str(path)!r}"
        )
    if name in _TAKEN:
        raise ValueError(
            f"{name}.cc is a file of the project that is yours to write. Give "
            f"the network another name (--name). Received: name={name!r}"
        )
    folder = make_folder(folder)
    _check_project(folder, name)
    written = write_c_array(path, folder / "main", name, overwrite)
    texts = {
        "main/camera.cc": _CAMERA,
        "main/idf_component.yml": _COMPONENT,
        "main/CMakeLists.txt": _MAIN.format(
            sources=" ".join(
                f'"{each}"'
                for each in (f"{name}.cc", f"{name}_example.cc", "camera.cc")
            )
        ),
        "CMakeLists.txt": _PROJECT.format(name=name),
        **_settings(path.stat().st_size, report.arena_bytes),
    }
    kept = []
    for file, text in texts.items():
        file = folder / file
        if not file.exists():
            with staged_file(file, file.suffix) as new:
                new.write_text(text, encoding="utf-8")
        elif file.name in _SIZED and file.read_text("utf-8") != text:
            kept.append(file.name)
        written += (file,)
    if kept:
        warnings.warn(
            f"{', '.join(kept)} were there and stay as they are, though a new "
            "project of this network would have others: flash and memory may "
            "be too small for it. Delete them, and write the project again.",
            stacklevel=2,
        )
    return written


def _check_project(folder, name):
    """Raises `ValueError` for a project that builds another network."""
    sources = folder / "main" / "CMakeLists.txt"
    if not sources.is_file():
        return
    ours = re.search(
        r'"(\w+)\.cc" "\1_example\.cc"', sources.read_text("utf-8")
    )
    if ours and ours[1] != name:
        raise ValueError(
            "The folder is the project of a network of another name, which it "
            "would go on building. Write to another folder, or give this one "
            f"that name (--name). Received: folder={str(folder)!r}, "
            f"name={name!r}"
        )


def _settings(graph_bytes, arena_bytes):
    """Texts of the files that depend on the size of a network."""
    app = -(-(graph_bytes + _CODE_BYTES) // _APP_OFFSET) * _APP_OFFSET
    flash = 4
    while flash * 1024 * 1024 < _APP_OFFSET + app:
        flash *= 2
    memory = arena_bytes + FRAME_BYTES
    psram = ""
    if memory > _INTERNAL_BYTES:
        psram = _PSRAM.format(memory=memory)
    board = "has PSRAM and" if psram else "has"
    return {
        "platformio.ini": _PLATFORMIO.format(board=board, flash=flash),
        "sdkconfig.defaults": _SDKCONFIG.format(flash=flash) + psram,
        "partitions.csv": _PARTITIONS.format(app=app // 1024),
    }


_CAMERA = """\
// Yours to write; kerastl leaves it alone from now on.
#include <cstdint>
#include <cstring>

// Fills a frame of 160 x 120 pixels, RGB565 with the high byte of each pixel
// first, and returns whether there is one. With the component
// espressif/esp32-camera: esp_camera_fb_get() in the format PIXFORMAT_RGB565
// and the size FRAMESIZE_QQVGA, a copy of its buffer, esp_camera_fb_return().
bool read_frame(std::uint8_t* frame) {
  // Grey, so that the project runs before there is a camera.
  std::memset(frame, 0x84, 160 * 120 * 2);
  return true;
}
"""

_COMPONENT = """\
# What ESP-IDF's component manager fetches at the first build.
dependencies:
  idf: ">=5.0"
  espressif/esp-tflite-micro: "^1.3.4"
"""

_MAIN = """\
idf_component_register(SRCS {sources}
                       INCLUDE_DIRS ".")
"""

_PROJECT = """\
cmake_minimum_required(VERSION 3.16)
include($ENV{{IDF_PATH}}/tools/cmake/project.cmake)
project({name})
"""

_PLATFORMIO = """\
; pio run --target upload --target monitor
[platformio]
src_dir = main

[env:esp32s3]
platform = espressif32
framework = espidf
; Yours to choose: one that {board} {flash} MB of flash or more.
board = esp32-s3-devkitc-1
board_build.partitions = partitions.csv
monitor_speed = 115200
"""

_SDKCONFIG = """\
CONFIG_ESPTOOLPY_FLASHSIZE_{flash}MB=y
CONFIG_PARTITION_TABLE_CUSTOM=y
CONFIG_PARTITION_TABLE_CUSTOM_FILENAME="partitions.csv"
CONFIG_COMPILER_OPTIMIZATION_PERF=y
# The sketch runs the network in the main task.
CONFIG_ESP_MAIN_TASK_STACK_SIZE=16384
"""

_PSRAM = """\
# Arena and frame take {memory} bytes, more than the chip's own memory has for
# them. Boards with PSRAM of four lines need CONFIG_SPIRAM_MODE_QUAD instead.
CONFIG_SPIRAM=y
CONFIG_SPIRAM_MODE_OCT=y
CONFIG_SPIRAM_ALLOW_BSS_SEG_EXTERNAL_MEMORY=y
"""

_PARTITIONS = """\
# Name,   Type, SubType, Offset,  Size
nvs,      data, nvs,     0x9000,  0x6000
phy_init, data, phy,     0xf000,  0x1000
factory,  app,  factory, 0x10000, {app}K
"""
