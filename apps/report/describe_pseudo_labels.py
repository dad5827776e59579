"""What the report says of labels that a network gave itself."""

from kerastl.apps.report.figures import percent

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
