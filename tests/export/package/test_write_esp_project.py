"""The project's settings as their readers see them, and its program run."""

import configparser
import csv
import os
import re
import shlex
import sys

import keras
import numpy as np
import pytest
import yaml
from keras import layers

from kerastl.export import load
from kerastl.export import to_tflite
from kerastl.export.package.metadata import Metadata
from kerastl.export.package.metadata import write_metadata
from kerastl.export.package.write_c_array import write_c_array
from kerastl.export.package.write_esp_project import _settings
from kerastl.export.package.write_esp_project import write_esp_project
from tests.export.package.test_c_example import RUN
from tests.export.package.test_c_example import STUB

pytestmark = pytest.mark.tensorflow_only


def read_settings(texts):
    """What PlatformIO, ESP-IDF and the partition tool read."""
    board = configparser.ConfigParser()
    board.read_string(texts["platformio.ini"])
    config = dict(
        line.split("=", 1)
        for line in texts["sdkconfig.defaults"].splitlines()
        if not line.startswith("#")
    )
    rows = csv.reader(
        line
        for line in texts["partitions.csv"].splitlines()
        if not line.startswith("#")
    )
    partitions = [[cell.strip() for cell in row] for row in rows]
    return board, config, partitions


def read_partition(row):
    *_, offset, size = row
    return int(offset, 0), (
        1024 * int(size[:-1]) if size.endswith("K") else int(size, 0)
    )


def test_the_project_builds_on_esp_idf_and_says_the_class(
    files, tmp_path, run_cpp
):
    path = files / "model.tflite"
    names = ["red", "green", "blue", "white"]
    write_metadata(path, Metadata(names))
    folder = tmp_path / "firmware"
    written = write_esp_project(path, folder, name="net")
    assert sorted(written) == sorted(
        each for each in folder.rglob("*") if each.is_file()
    )
    listed = re.search(
        r"idf_component_register\(SRCS ([^)]*?)\s+INCLUDE_DIRS \"\.\"\)",
        (folder / "main/CMakeLists.txt").read_text(),
    )[1]
    sources = [folder / "main" / each for each in shlex.split(listed)]
    assert sorted(sources) == sorted((folder / "main").glob("*.cc"))
    assert "project(net)" in (folder / "CMakeLists.txt").read_text()
    component = yaml.safe_load((folder / "main/idf_component.yml").read_text())
    assert set(component["dependencies"]) == {
        "idf",
        "espressif/esp-tflite-micro",
    }
    texts = {
        each.name: each.read_text() for each in written if each.parent == folder
    }
    board, config, partitions = read_settings(texts)
    assert board["platformio"]["src_dir"] == "main"
    [environment] = [each for each in board if each.startswith("env:")]
    assert board[environment]["framework"] == "espidf"
    assert board[environment]["board_build.partitions"] == "partitions.csv"
    assert config["CONFIG_PARTITION_TABLE_CUSTOM_FILENAME"] == (
        '"partitions.csv"'
    )
    main = tmp_path / "main.cc"
    main.write_text('extern "C" void app_main();\nint main() { app_main(); }')
    printed = run_cpp(
        "-DESP_PLATFORM",
        "-DCOUNT=2",
        f"-DINPUT={24 * 24 * 3}",
        "-DOUTPUT=4",
        *("-I", STUB, main, *sources),
        env={
            **os.environ,
            "RUN": shlex.join([sys.executable, "-c", RUN, str(path)]),
        },
    )
    # 0x8484 is red 16 of 31, green 36 of 63 and blue 4 of 31.
    colour = [132, 146, 33]
    scores = load(path).predict(np.full((1, 24, 24, 3), colour, "float32"))[0]
    best = int(scores.argmax())
    said = f"{names[best]}: {np.floor(100 * scores[best] + 0.5):.0f} %"
    assert printed.splitlines() == [said] * 2


@pytest.mark.parametrize(
    "graph, arena, flash, psram",
    [
        (20_000, 217_600, 4, False),
        (600_000, 321_536, 4, True),
        (2_097_152, 100_000, 4, False),
        (2_097_153, 100_000, 4, False),
        (3_100_000, 100_000, 8, False),
        (12_000_000, 5_000_000, 16, True),
    ],
)
def test_flash_and_memory_hold_the_network(graph, arena, flash, psram):
    texts = _settings(graph, arena)
    board, config, partitions = read_settings(texts)
    assert config[f"CONFIG_ESPTOOLPY_FLASHSIZE_{flash}MB"] == "y"
    assert f"{flash} MB" in texts["platformio.ini"]
    spans = [read_partition(row) for row in partitions]
    ends = [offset + size for offset, size in spans]
    assert spans[0][0] >= 0x9000
    assert all(
        end <= offset
        for end, (offset, _) in zip(ends[:-1], spans[1:], strict=True)
    )
    # Apps lie at and take multiples of 64 kB; a megabyte is for the code.
    [(app, size)] = [
        read_partition(row) for row in partitions if row[1] == "app"
    ]
    assert app % 65536 == size % 65536 == 0
    assert 0 <= size - graph - 2**20 < 65536
    assert ends[-1] <= flash * 2**20
    assert ends[-1] > flash * 2**19 or flash == 4
    assert (config.get("CONFIG_SPIRAM") == "y") == psram
    assert ("PSRAM" in texts["platformio.ini"]) == psram


def test_what_is_there_is_left_alone_but_for_the_network(files):
    write_esp_project(files / "model.tflite", files)
    own = [
        files / each
        for each in (
            "platformio.ini",
            "sdkconfig.defaults",
            "partitions.csv",
            "CMakeLists.txt",
            "main/CMakeLists.txt",
            "main/idf_component.yml",
            "main/camera.cc",
            "main/model_example.cc",
        )
    ]
    for each in own:
        each.write_text("mine")
    (files / "main/model.h").write_text("old")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_esp_project(files / "model.tflite", files)
    with pytest.warns(UserWarning, match="sdkconfig.defaults, partitions.csv"):
        write_esp_project(files / "model.tflite", files, overwrite=True)
    assert {each.read_text() for each in own} == {"mine"}
    assert "model_arena_size" in (files / "main/model.h").read_text()


def test_a_network_that_is_called_as_a_file_of_the_users(files):
    with pytest.raises(ValueError, match=r"camera.cc is .* yours to write"):
        write_esp_project(files / "model.tflite", files / "a", "camera")
    assert not (files / "a").exists()


def test_a_project_of_another_network_is_not_built_on(files):
    folder = files / "firmware"
    write_esp_project(files / "model.tflite", folder)
    before = sorted(folder.rglob("*"))
    with pytest.raises(ValueError, match="would go on building.*name='other'"):
        write_esp_project(files / "model.tflite", folder, "other")
    assert sorted(folder.rglob("*")) == before
    # The same network again says nothing.
    write_esp_project(files / "model.tflite", folder, overwrite=True)


def test_without_a_sketch_there_is_no_project(tmp_path):
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(inputs))
    to_tflite(keras.Model(inputs, x), tmp_path / "a.tflite", "float32")
    with pytest.raises(ValueError, match="leave --project out"):
        write_esp_project(tmp_path / "a.tflite", tmp_path / "firmware")
    assert os.listdir(tmp_path) == ["a.tflite"]
    assert len(write_c_array(tmp_path / "a.tflite")) == 2
