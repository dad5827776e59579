"""What anti-aliasing does to every down-sampling layer of a model."""

import dataclasses
import textwrap
from typing import Any

_WIDTHS = (26, 17, 9)
_LAST_WIDTH = 80 - sum(_WIDTHS) - len(_WIDTHS)


@dataclasses.dataclass(frozen=True)
class AntialiasRow:
    """One call of a down-sampling layer.

    Attributes:
        layer: its name, prefixed with the nested models that hold it.
        kind: what it is, such as `"Conv 3x3 /2"`.
        input_size: height and width that it reads, each `None` where not
            known; `None` for what is no feature map.
        output_size: height and width that it writes.
        action: `"blur after"` (strides 1, then a blur), `"blur before"` (the
            blur first, the layer with strides 1 on the small map),
            `"in kernel"` (the kernel convolved with the blur), `"replaced"`
            (by a blur), `"done"` (a blur already), `"left"` as it was, or
            `"refused"`: `antialias` raises.
        reason: why it was left or refused, or what was done.
        blur: name of the layer that blurs, or `None`.
    """

    layer: str
    kind: str
    input_size: tuple | None
    output_size: tuple | None
    action: str
    reason: str
    blur: str | None = None


@dataclasses.dataclass(frozen=True)
class AntialiasReport:
    """What `kerastl.antialias` does to a model, and what it costs.

    `str()` is a table of at most 80 columns.

    Attributes:
        model: name of the model.
        rows: an `AntialiasRow` for each call of a down-sampling layer.
        multiply_adds_before: multiply-adds of one image through the model, or
            `None` when its input size is not known.
        multiply_adds_after: the same for the anti-aliased model.
    """

    model: str
    rows: tuple[AntialiasRow, ...]
    multiply_adds_before: int | None
    multiply_adds_after: int | None

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def __str__(self):
        lines = [f"Anti-aliasing of {self.model}"[:80], ""]
        lines += _table_lines("layer", "kind", "size", "what is done")
        lines.append("-" * 80)
        for row in self.rows:
            size = f"{_height(row.input_size)}->{_height(row.output_size)}"
            done = row.reason
            if row.action in ("left", "refused", "done"):
                done = f"{row.action}: {row.reason}"
            lines += _table_lines(row.layer, row.kind, size, done)
        if not self.rows:
            lines.append("No 2-D down-sampling layer was found.")
        lines += ["", *self._summary()]
        return "\n".join(lines)

    def _summary(self):
        blurs = sum(row.blur is not None for row in self.rows)
        left = sum(row.action in ("left", "refused") for row in self.rows)
        in_kernel = sum(row.action == "in kernel" for row in self.rows)
        how = "strides 1 now, the blur subsamples"
        if in_kernel:
            how = f"{in_kernel} by a larger kernel"
        lines = [f"{blurs} anti-aliased ({how}), {left} left as they are."]
        if self.multiply_adds_before:
            before, after = self.multiply_adds_before, self.multiply_adds_after
            lines.append(
                f"Multiply-adds of one image: {before:,} -> {after:,} "
                f"(x {after / before:.2f})."
            )
        return lines


def _height(size):
    if size is None:
        return "?"
    known = ["?" if s is None else str(s) for s in size]
    return known[0] if known[0] == known[1] else "x".join(known)


def _table_lines(*cells):
    """One row of the table, long cells wrapped below themselves."""
    widths = (*_WIDTHS, _LAST_WIDTH)
    columns = [
        _wrap(cell, width) for cell, width in zip(cells, widths, strict=True)
    ]
    lines = []
    for i in range(max(map(len, columns))):
        line = [
            (column[i] if i < len(column) else "").ljust(width)
            for column, width in zip(columns, widths, strict=True)
        ]
        lines.append(" ".join(line).rstrip())
    return lines


def _wrap(cell, width):
    # Lines break at spaces, and in a path after a slash.
    lines = textwrap.wrap(
        cell.replace("/", "/ "), width, break_on_hyphens=False
    )
    return [line.replace("/ ", "/") for line in lines] or [""]
