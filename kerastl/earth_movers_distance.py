"""How far apart two heaps of points are."""

import numpy as np


def earth_movers_distance(source, target, source_shares, target_shares):
    """The least mean distance over which one heap of points becomes the other.

    Solves the transport problem exactly, as a linear program.

    Args:
        source: points `(count, features)`.
        target: points of the same length.
        source_shares: share of each source point; they sum to 1.
        target_shares: share of each target point.

    Returns:
        The distance, a float.

    Raises:
        ImportError: if SciPy is not installed.
        ValueError: if there is no solution, because the shares are not alike.

    Example:

    >>> earth_movers_distance([[0.0], [1.0]], [[3.0]], [0.5, 0.5], [1.0])
    2.5

    Reference:
        Rubner, Tomasi and Guibas, "The Earth Mover's Distance as a Metric for
        Image Retrieval", IJCV 2000.
    """
    try:
        from scipy import sparse
        from scipy.optimize import linprog
        from scipy.spatial.distance import cdist
    except ImportError as error:
        raise ImportError(
            "The distance between two tasks needs SciPy: `pip install scipy`"
        ) from error
    distances = cdist(source, target)
    rows, columns = distances.shape
    leaving = sparse.kron(sparse.eye(rows), np.ones((1, columns)))
    arriving = sparse.kron(np.ones((1, rows)), sparse.eye(columns))
    solved = linprog(
        distances.ravel(),
        A_eq=sparse.vstack([leaving, arriving]),
        b_eq=np.concatenate([source_shares, target_shares]),
        method="highs",
    )
    if not solved.success:
        raise ValueError(
            "The distance between the tasks could not be computed. Received: "
            f"{rows} source and {columns} target classes; {solved.message}"
        )
    return float(solved.fun)
