"""Learning curves as files for people and for programs."""

import csv
import io


def save_history(folder, history, name="history"):
    """Writes a history as `.json` and as `.csv` to a run's folder.

    Args:
        folder: The `RunFolder`.
        history: Dict of column name to one value an epoch.
        name: Name of both files, without ending.
    """
    folder.write_json(f"{name}.json", history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    folder.write_text(f"{name}.csv", text.getvalue())
