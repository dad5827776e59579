"""Tables for the console, at most 80 columns wide."""


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

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        header_style="bold",
    )
    for index, column in enumerate(columns):
        numeric = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if numeric else "left",
            no_wrap=numeric or index == 0,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _text(cell):
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def exports_table(exports):
    """Makes the table of exported files from a report's rows."""
    from kerastl.apps.report import figures

    return make_table(
        ["file", ">size", ">accuracy", ">drop", ">same top-1", ">latency"],
        [
            (
                row["file"],
                figures.size(row["size_bytes"]),
                figures.percent(row["accuracy"]),
                figures.points(row["accuracy_drop"]),
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
