"""Tables for the console, at most 80 columns wide."""

import pathlib

from kerastl.apps.texts import literal

_WIDEST = 40


def make_table(columns, rows):
    """Makes a rich table in the one style of the command line.

    Args:
        columns: Column headings; a heading that begins with `>` is a column
            of numbers.
        rows: Sequences of cells; floats are shown with two decimals, so that
            their points stand in line.

    Returns:
        A `rich.table.Table`.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    rows = [[literal(_text(cell)) for cell in row] for row in rows]
    widest = max((len(row[0]) for row in rows), default=0)
    for index, column in enumerate(columns):
        numeric = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if numeric else "left",
            # Cut, a long name could be another's.
            no_wrap=numeric or (index == 0 and widest <= _WIDEST),
            overflow="fold",
        )
    for row in rows:
        # As they stand: what users name must not be read as markup.
        table.add_row(*map(Text, row))
    return table


def _text(cell):
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def exports_table(exports):
    """Makes the table of exported files from a report's rows."""
    from kerastl.apps.report import figures

    return make_table(
        ["file", ">size", ">accuracy", ">change", ">same top-1", ">latency"],
        [
            (
                row["file"],
                figures.size(row["size_bytes"]),
                figures.percent(row["accuracy"]),
                figures.change(row["accuracy_drop"]),
                figures.percent(row["top1_agreement"]),
                figures.milliseconds(row["latency_ms"]),
            )
            for row in exports
        ],
    )


def comparison_table(rows):
    """Makes the table of methods from a quickstart's rows."""
    from kerastl.apps.report import figures

    return make_table(
        ["method", ">accuracy", ">shift consistency"],
        [
            (
                row["label"],
                figures.spread(row["accuracy"]),
                figures.spread(row["consistency"]),
            )
            for row in rows
        ],
    )


def measures_table(rows):
    """Makes the table of networks before and after."""
    from kerastl.apps.report import figures

    return make_table(
        ["network", ">accuracy", ">shift consistency"],
        [
            (
                row["label"],
                figures.percent(row["accuracy"]),
                figures.percent(row["consistency"]),
            )
            for row in rows
        ],
    )


def benchmark_tables(rows):
    """Makes the tables of a benchmark: what files are, and what they take."""
    from kerastl.apps.report import figures

    names = _short_names([row["file"] for row in rows])
    yield make_table(
        ["file", "numbers", ">size", ">mult-adds", ">load", ">memory"],
        [
            (
                names[row["file"]],
                row["precision"],
                figures.size(row["size_bytes"]),
                figures.NOTHING
                if row["multiply_adds"] is None
                else f"{row['multiply_adds'] / 1e6:.1f} M",
                figures.milliseconds(row["load_ms"]),
                figures.size(row["memory_bytes"]),
            )
            for row in rows
        ],
    )
    yield make_table(
        ["file", ">threads", ">median", ">p90", ">mult-adds/s"],
        [
            (
                names[row["file"]],
                timing["threads"] or "Keras",
                figures.milliseconds(timing["latency_ms"]),
                figures.milliseconds(timing["latency_p90_ms"]),
                figures.NOTHING
                if timing["giga_multiply_adds_per_second"] is None
                else f"{timing['giga_multiply_adds_per_second']:.1f} G",
            )
            for row in rows
            for timing in row["timings"]
        ],
    )


def _short_names(files):
    """Leaves out the folders where the names alone tell files apart."""
    names = {file: pathlib.PurePath(file).name for file in files}
    if len(set(names.values())) < len(names):
        return dict(zip(files, files, strict=True))
    return names


def predictions_table(predictions):
    """Makes the table of what is on which image."""
    from kerastl.apps.report import figures

    def said(each):
        return f"{each['class']} {figures.percent(each['score'])}"

    names = _short_names([row["image"] for row in predictions])
    return make_table(
        ["class", ">score", "or else", "image"],
        [
            (
                row["classes"][0]["class"],
                figures.percent(row["classes"][0]["score"]),
                ", ".join(map(said, row["classes"][1:])) or figures.NOTHING,
                names[row["image"]],
            )
            for row in predictions
        ],
    )
