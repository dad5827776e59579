"""Learning curves as files for people and for programs."""

import csv
import io


def save_history(folder, history):
    """Writes `history.json` and `history.csv` to a run's folder.

    Args:
        folder: The `RunFolder`.
        history: Dict of column name to one value an epoch.
    """
    folder.write_json("history.json", history)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*history.values(), strict=True))
    folder.write_text("history.csv", text.getvalue())
