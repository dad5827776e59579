"""What a report says of a network in sentences and rows."""

import numpy as np

from kerastl.apps.report.figures import percent


def describe_confidence(report):
    """Says how far confidence is from accuracy, and what a temperature does.

    Args:
        report: Dict as in a run folder's `report.json`.

    Returns:
        Sentences, or `None` where nothing was measured.
    """
    found = report.get("confidence")
    if not found:
        return None
    where = f"{found['num_images']} {found['part']} images"
    error = _points(found["expected_calibration_error"])
    text = (
        f"Confidence and accuracy are {error} points apart (expected "
        f"calibration error, {where})"
    )
    if "temperature" not in found:
        return f"{text}; there are no validation images to mend it with."
    fitted = f"{found['images']} validation images"
    if not found["mistakes"]:
        return (
            f"{text}. All of {fitted} are named rightly, which does not tell "
            "how sure the network may be: no temperature was fitted."
        )
    temperature = f"the temperature {found['temperature']:.2f}"
    if found["low"] is None:
        temperature += " (the last that is tried)"
    else:
        temperature += (
            f" (95 % interval {found['low']:.2f} to {found['high']:.2f})"
        )
    scaled = f"{_points(found['scaled'])} points"
    if found["folded"]:
        text = (
            f"Confidence was calibrated: {temperature}, fitted to {fitted}, "
            f"divides the logits in all files. On {where} the expected "
            f"calibration error went from {error} to {scaled}"
        )
    elif not is_sure(found):
        return (
            f"{text}. {fitted.capitalize()} do not tell how sure it should "
            f"be, {temperature}: the answers stay as they are."
        )
    else:
        text += f"; {temperature}, fitted to {fitted}, would make that {scaled}"
        helps = found["scaled"] < found["expected_calibration_error"]
        # What is trained on with rounding cannot be calibrated.
        if helps and not report.get("settings", {}).get("qat"):
            text += ": --calibrate-confidence"
    if found["part"] == "validation":
        text += ". They are the same images, which flatters it"
    if found.get("before_balance"):
        text += ". This was measured before --balance"
    return f"{text}."


def _points(share):
    return f"{100 * share:.1f}"


def describe_worsening(report):
    """Says that a training took away more than it gave, where it did.

    A training that is too short, or too fast for a few photos, ends below what
    the source's features know by themselves: few look for that in a table.

    Args:
        report: Dict as in a run folder's `report.json`, of one training.

    Returns:
        Sentences, or `None` where the network is not worse by more than
        chance: two standard errors of the difference, as if the images were
        not the same.
    """
    rows = (report.get("measures") or {}).get("rows")
    if not rows or not report.get("confusion"):
        return None
    before, after = rows[0]["accuracy"], rows[-1]["accuracy"]
    count = sum(map(sum, report["confusion"]["matrix"]))
    variance = before * (1 - before) + after * (1 - after)
    if before - after <= 2 * (variance / count) ** 0.5:
        return None
    # Behind "Before: ".
    what = rows[0]["label"].partition(": ")[2] or rows[0]["label"]
    return (
        f"The training made it worse: {percent(after)}, where there were "
        f"{percent(before)} before ({what}; "
        f"{report.get('evaluated_on', f'{count} images')}). "
        "Train for longer (--epochs), at a lower rate (--learning-rate), or "
        "the classifier alone (--method linear_probe)."
    )


def is_sure(found):
    """Whether the validation images tell that the temperature is not 1.

    Args:
        found: What `measure_confidence` returns.
    """
    low, high = found.get("low"), found.get("high")
    return low is not None and not low <= 1 <= high


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


# More than that many times its share is worth a word.
_MUCH = 2.5
# Names of classes that are listed, the others are counted.
_MOST_NAMES = 5


def describe_pseudo_labels(epochs, class_names):
    """Returns the sentences on a training with pseudo-labels.

    Args:
        epochs: List of dicts, as `PseudoLabelHistory.epochs`.
        class_names: Names of the classes.
    """
    last = epochs[-1]
    believed = sum(last["believed"])
    said = [
        "Of the photos without labels the network learned those that it was "
        f"sure of: {percent(believed / last['images'])} in the last epoch, "
        f"{percent(sum(epochs[0]['believed']) / epochs[0]['images'])} in the "
        "first."
    ]
    if last.get("validation_images"):
        said.append(_describe_judged(last))
    never = [
        name
        for name, *counts in zip(
            class_names, *(each["believed"] for each in epochs), strict=True
        )
        if not any(counts)
    ]
    if never:
        said.append(
            f"It was never sure of {_listed(never)}: of such classes it "
            "learned nothing there."
        )
    most = max(last["believed"])
    if believed and most / believed > min(_MUCH / len(class_names), 0.9):
        name = class_names[last["believed"].index(most)]
        said.append(
            f"{percent(most / believed)} of what it believed in the end it "
            f"called {name}. If the photos are not like that, it talks itself "
            "into it: label some more of those."
        )
    return " ".join(said)


def _describe_judged(last):
    sure = sum(last["validation_believed"])
    if not sure:
        return "Of the validation photos it would have believed none."
    return (
        "Of the validation photos it would have believed "
        f"{percent(sure / last['validation_images'])}, and of those "
        f"{percent(sum(last['validation_right']) / sure)} are right."
    )


def _listed(names):
    shown = ", ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


# Columns of the picture that can still be told apart.
_MOST_COLUMNS = 40


def describe_similarity(made, target_classes, source_classes, kind):
    """Sums up what a new classifier was made of, ready for JSON.

    Of a source with many classes the columns are those that some target class
    is made of, those with the largest shares first where they are too many.

    Args:
        made: A `kerastl.surgery.initialize_head.HeadInitialization`.
        target_classes: Names of the target classes.
        source_classes: Names of the source classes.
        kind: What was compared, in words.

    Returns:
        A dict with the matrix, the names of its rows and columns, and the
        mean cosine of the classifier's weights.
    """
    shares = made.combination.sum(axis=0)
    columns = np.argsort(-shares, kind="stable")[:_MOST_COLUMNS]
    columns = np.sort(columns[shares[columns] > 0])
    return {
        "kind": kind,
        "target_classes": list(target_classes),
        "source_classes": [source_classes[column] for column in columns],
        "matrix": made.similarity[:, columns].round(4).tolist(),
        "columns_left_out": len(source_classes) - len(columns),
        "mean_cosine": made.mean_cosine,
    }


def shipped_rows(report):
    """Returns the rows of the float network, its int8 copy and the files.

    Args:
        report: Dict as in a run folder's `report.json`.

    Returns:
        List of dicts with `file`, `size_bytes`, `accuracy` and the like.
    """
    networks = [report.get("reference"), report.get("aware")]
    return [row for row in networks if row] + list(report.get("exports") or ())
