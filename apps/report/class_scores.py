"""How well each class is recognized."""


def class_scores(confusion):
    """Precision, recall and F1 of every class.

    Args:
        confusion: Dict of `class_names` and `matrix`, whose rows are the true
            classes and whose columns the predicted ones; or `None`.

    Returns:
        List of dicts in the order of the classes: `name`, `images`, and
        `precision`, `recall` and `f1` from 0 to 1. What would divide by zero
        is `None`: the precision of a class that is never predicted, the recall
        of one without images, the F1 of one with neither.
    """
    if not confusion:
        return []
    matrix = confusion["matrix"]
    rows = []
    for place, name in enumerate(confusion["class_names"]):
        right = matrix[place][place]
        images = sum(matrix[place])
        predicted = sum(row[place] for row in matrix)
        rows.append(
            {
                "name": name,
                "images": images,
                "precision": right / predicted if predicted else None,
                "recall": right / images if images else None,
                "f1": 2 * right / (images + predicted)
                if images + predicted
                else None,
            }
        )
    return rows


def balanced_accuracy(scores):
    """The mean recall of the classes that have images.

    Args:
        scores: What `class_scores` returns.
    """
    recalls = [row["recall"] for row in scores if row["recall"] is not None]
    return sum(recalls) / len(recalls) if recalls else None
