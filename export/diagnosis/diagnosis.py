"""What each layer of a model loses in a file."""

import csv
import dataclasses
import math
import textwrap
from typing import Any

from kerastl.export.utils.atomic_write import staged_file
from kerastl.types import PathLike

_SHOWN = 20
_NAME_WIDTH = 27


@dataclasses.dataclass(frozen=True)
class LayerError:
    """The error of one layer in a file.

    Attributes:
        layer: Name of the Keras layer, prefixed with the nested models that
            hold it.
        kind: Its class.
        position: Its place in the order in which layers run, from 0.
        merged: Layers without a tensor of their own that were computed
            together with it, such as the convolution before a ReLU.
        tensor: Name of its tensor in the file.
        operator: Operator that writes the tensor.
        sqnr: Signal-to-quantization-noise ratio in decibels of its own error:
            Keras's layer, given the very inputs that the file had. `inf`
            where it made none.
        output_sqnr: What that error does to the model's output, in decibels:
            the output with this error alone against the exact one, before a
            final softmax or sigmoid, which would hide it.
        accumulated_sqnr: SQNR of the tensor against the Keras model's own
            run: with the errors of all layers before it.
        cosine: Cosine of the angle between those two.
        cause: What most of its own error is: "rounding" of its output,
            "saturation" (values outside the range), "weights" (and all else
            inside the operator), or "none".
        scale: Step of its integers; `None` where it is float.
        range: Smallest and largest number that the tensor can hold, or
            `None`.
        seen: Smallest and largest output of the Keras model.
        saturation: Share of the layer's outputs outside the range.
    """

    layer: str
    kind: str
    position: int
    merged: tuple
    tensor: str
    operator: str
    sqnr: float
    output_sqnr: float
    accumulated_sqnr: float
    cosine: float
    cause: str
    scale: float | None
    range: tuple | None
    seen: tuple
    saturation: float


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Every layer of a model with its error in a file, the worst first.

    `str()` is a table of at most 80 columns of the worst.

    Attributes:
        path: The file.
        model: Name of the Keras model.
        num_images: How many images were run.
        layers: A `LayerError` for each tensor that is the output of a layer,
            by what it does to the output (`output_sqnr`), the worst first.
    """

    path: str
    model: str
    num_images: int
    layers: tuple

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, ready for JSON; `inf` becomes `None`."""
        return {
            "path": self.path,
            "model": self.model,
            "num_images": self.num_images,
            "layers": [
                {
                    name: _plain(value)
                    for name, value in dataclasses.asdict(row).items()
                }
                for row in self.layers
            ],
        }

    def to_csv(self, path: PathLike, overwrite: bool = False) -> None:
        """Writes one line a layer.

        Args:
            path: Destination, ending in ".csv".
            overwrite: Whether an existing file may be replaced.
        """
        names = [each.name for each in dataclasses.fields(LayerError)]
        with staged_file(path, ".csv", overwrite) as temporary:
            with temporary.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream)
                writer.writerow(names)
                for row in self.layers:
                    writer.writerow(_cell(getattr(row, name)) for name in names)

    def __str__(self):
        heading = (
            f"Quantization error of {self.path}, layer by layer, worst first "
            f"({self.num_images} images)"
        )
        lines = [*textwrap.wrap(heading, 80), ""]
        lines.append(
            f"{'layer':<{_NAME_WIDTH}} {'own dB':>6} {'out dB':>6} "
            f"{'cosine':>7} {'scale':>8} {'range':>15} {'cut':>5}"
        )
        lines.append("-" * 80)
        lines += [_line(row) for row in self.layers[:_SHOWN]]
        rest = len(self.layers) - _SHOWN
        if rest > 0:
            lines.append(f"... and {rest} better ones: to_csv() has them all.")
        lines += [
            "",
            "own: error that the layer adds. out: what that alone does to the "
            "model's output",
            "(20 dB is 10 %, 40 dB 1 %). cosine: with all that came before. "
            "cut: outputs",
            "outside the range.",
        ]
        return "\n".join(lines)


def _line(row):
    scale, limits = "float", ""
    if row.scale is not None:
        scale = _number(row.scale)
        limits = "..".join(map(_number, row.range))
    cut = "-"
    if row.saturation:
        cut = f"{100 * row.saturation:.1f}%"
        cut = "<0.1%" if cut == "0.0%" else cut
    return (
        f"{_shorten(row.layer):<{_NAME_WIDTH}} {_decibels(row.sqnr):>6} "
        f"{_decibels(row.output_sqnr):>6} {row.cosine:>7.4f} {scale:>8} "
        f"{limits:>15} {cut:>5}"
    )


def _number(value):
    return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")


def _shorten(name):
    """Keeps the end of a long path, where the layers differ."""
    if len(name) <= _NAME_WIDTH:
        return name
    return "..." + name[3 - _NAME_WIDTH :]


def _decibels(value):
    return "exact" if value == math.inf else f"{value:.1f}"


def _plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def _cell(value):
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else value
