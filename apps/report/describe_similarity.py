"""What the report says of similar classes."""

import numpy as np

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
