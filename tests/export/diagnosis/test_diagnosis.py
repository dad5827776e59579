"""The table, the lines and the plain values of a diagnosis made by hand."""

import csv
import json
import math

import pytest

from kerastl.export.diagnosis.diagnosis import Diagnosis
from kerastl.export.diagnosis.diagnosis import LayerError


def row(layer="backbone/conv", **fields):
    return LayerError(
        **{
            "layer": layer,
            "kind": "Conv2D",
            "position": 3,
            "merged": ("a", "b"),
            "tensor": "t",
            "operator": "CONV_2D",
            "sqnr": 31.26,
            "output_sqnr": 20.04,
            "accumulated_sqnr": 18.0,
            "cosine": 0.98765,
            "cause": "rounding",
            "scale": 0.0234,
            "range": (-3.0, 2.97),
            "seen": (-2.5, 2.5),
            "saturation": 0.0,
            **fields,
        }
    )


def line(each):
    return str(Diagnosis("a.tflite", "net", 8, (each,))).splitlines()[4]


def test_the_table():
    exact = row(
        "head",
        sqnr=math.inf,
        output_sqnr=math.inf,
        cosine=1.0,
        scale=None,
        range=None,
    )
    text = str(Diagnosis("a.tflite", "net", 8, (row(), exact)))
    assert text.splitlines() == [
        "Quantization error of a.tflite, layer by layer, worst first "
        "(8 images)",
        "",
        "layer                       own dB out dB  cosine    scale"
        "           range   cut",
        "-" * 80,
        "backbone/conv                 31.3   20.0  0.9877    0.023"
        "           -3..3     -",
        "head                         exact  exact  1.0000    float"
        "                     -",
        "",
        "own: error that the layer adds. out: what that alone does to the "
        "model's output",
        "(20 dB is 10 %, 40 dB 1 %). cosine: with all that came before. cut: "
        "outputs",
        "outside the range.",
    ]


@pytest.mark.parametrize(
    "fields, end",
    [
        ({"saturation": 0.1234}, "12.3%"),
        ({"saturation": 0.0004}, "<0.1%"),
        ({"saturation": 0.0006}, "0.1%"),
        ({"scale": 1.2e-7, "range": (-4.5e-5, 1.2e8)}, "-4.5e-5..1.2e8     -"),
    ],
)
def test_the_cells(fields, end):
    found = line(row(**fields))
    assert found.endswith(f" {end}") and len(found) == 80


@pytest.mark.parametrize(
    "name, shown",
    [
        ("a" * 27, "a" * 27),
        ("b" + "a" * 27, "..." + "a" * 24),
        ("some_model/" + "b" * 24, "..." + "b" * 24),
    ],
)
def test_the_end_of_a_long_name_is_shown(name, shown):
    assert line(row(name)).startswith(f"{shown} ")


@pytest.mark.parametrize("count, rest", [(20, None), (21, 1), (30, 10)])
def test_twenty_are_shown(count, rest):
    rows = tuple(row(f"layer_{index}") for index in range(count))
    text = str(Diagnosis("a.tflite", "net", 8, rows))
    assert "layer_19" in text and "layer_20" not in text
    said = f"... and {rest} better ones: to_csv() has them all."
    assert (said in text) == (rest is not None)
    assert ("better ones" in text) == (rest is not None)


def test_plain_values():
    rows = (row(), row(sqnr=math.inf, cosine=math.nan, scale=None, range=None))
    diagnosis = Diagnosis("a.tflite", "net", 8, rows)
    values = diagnosis.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    first, second = values["layers"]
    assert (values["path"], values["model"], values["num_images"]) == (
        "a.tflite",
        "net",
        8,
    )
    assert first["merged"] == ["a", "b"] and first["range"] == [-3.0, 2.97]
    assert (first["layer"], first["sqnr"]) == ("backbone/conv", 31.26)
    assert second["sqnr"] is second["cosine"] is second["range"] is None


def test_one_line_a_layer(tmp_path):
    rows = (row(), row("head", scale=None, range=None, merged=()))
    diagnosis = Diagnosis("a.tflite", "net", 8, rows)
    diagnosis.to_csv(tmp_path / "a.csv")
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert list(first) == list(LayerError.__dataclass_fields__)
    assert first["merged"] == "a b" and first["range"] == "-3.0 2.97"
    assert (second["layer"], second["scale"], second["merged"]) == (
        "head",
        "",
        "",
    )
    with pytest.raises(FileExistsError):
        diagnosis.to_csv(tmp_path / "a.csv")
    Diagnosis("a.tflite", "net", 8, ()).to_csv(tmp_path / "a.csv", True)
    assert (tmp_path / "a.csv").read_text().count("\n") == 1
