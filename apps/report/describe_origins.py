"""Which file of a run was written from which of its networks."""


def describe_origins(report):
    """Returns the sentence, empty where there is one network only.

    Args:
        report: Dict as in a run folder's `report.json`.
    """
    if not report.get("aware"):
        return ""
    files = {}
    for row in report.get("exports") or ():
        files.setdefault(row["network"], []).append(row["file"])
    return " ".join(
        f"Written from {network}: {', '.join(names)}."
        for network, names in files.items()
    )
