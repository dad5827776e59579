"""The networks and files of a run, in the order in which they are shown."""


def shipped_rows(report):
    """Returns the rows of the float network, its int8 copy and the files.

    Args:
        report: Dict as in a run folder's `report.json`.

    Returns:
        List of dicts with `file`, `size_bytes`, `accuracy` and the like.
    """
    networks = [report.get("reference"), report.get("aware")]
    return [row for row in networks if row] + list(report.get("exports") or ())
