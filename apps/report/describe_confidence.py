"""How sure a network is, in sentences."""


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


def is_sure(found):
    """Whether the validation images tell that the temperature is not 1.

    Args:
        found: What `measure_confidence` returns.
    """
    low, high = found.get("low"), found.get("high")
    return low is not None and not low <= 1 <= high
