"""The sentence on a teacher."""

from kerastl.apps.report.figures import percent


def describe_teacher(row) -> str:
    """Returns the sentence that says what a teacher knows."""
    size = row["image_size"]
    at = f" at {size} px" if size else ""
    taken = f", adapted in {row['seconds']} s" if "seconds" in row else ""
    return (
        f"teacher {row['label']}{at}: {percent(row['accuracy'])} of the "
        f"{row['part']} images{taken}"
    )
