import math
import xml.etree.ElementTree

from kerastl.apps.report.plots import draw_diagnosis
from kerastl.apps.report.write_report import write_report
from kerastl.export import Diagnosis
from kerastl.export import LayerError


def row(position, name, sqnr):
    return LayerError(
        layer=name,
        kind="Conv2D",
        position=position,
        merged=(),
        tensor=name,
        operator="CONV_2D",
        sqnr=sqnr,
        output_sqnr=sqnr - 4,
        accumulated_sqnr=sqnr if sqnr < math.inf else 31.0,
        cosine=0.98765,
        cause="rounding",
        scale=0.02,
        range=(-2.56, 2.54),
        seen=(-2.0, 2.5),
        saturation=0.125,
    )


DIAGNOSIS = Diagnosis(
    path="model_int8.tflite",
    model="net",
    num_images=8,
    layers=(
        row(1, "backbone/<hard>", 12.345),
        row(0, "stem", 40.0),
        row(2, "pool", math.inf),
    ),
)


def test_the_picture_is_whole_and_stands_alone(tmp_path):
    path = tmp_path / "layers.svg"
    draw_diagnosis(DIAGNOSIS, path)
    root = xml.etree.ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["aria-label"] == (
        "Layers of model_int8.tflite. Most harm: backbone/<hard> 12.3 dB, "
        "stem 40.0 dB, pool exact."
    )
    first = path.read_bytes()
    draw_diagnosis(DIAGNOSIS, path, overwrite=True)
    assert path.read_bytes() == first


def test_the_report_shows_a_diagnosis(tmp_path):
    report = {
        "title": "net",
        "created": "2025-01-02",
        "summary": {"text": "", "headline": []},
        "settings": {},
        "versions": {"kerastl": "1"},
        "diagnosis": DIAGNOSIS.to_dict(),
    }
    page = write_report(report, tmp_path / "report.html").read_text("utf-8")
    assert '<section id="diagnosis">' in page
    assert "backbone/&lt;hard&gt;" in page
    for figure in ("12.3 dB", "8.3 dB", "exact", "0.9877", "rounding", "12.5"):
        assert figure in page, figure
