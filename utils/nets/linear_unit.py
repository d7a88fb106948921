"""One linear unit with a bias, and the path of gradient descent through its weights."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def descent_path(
    inputs: ArrayLike, target: ArrayLike, batch_size: int, *, rate: float, updates: int = 60, seed: int = 0
) -> tuple[Floats, Floats]:
    """Weights and last the bias, before and after each update, (updates + 1, features + 1), and the losses there.

    Every update takes `batch_size` of the rows of `inputs` (N, features), drawn without putting back, and goes
    `rate` against the gradient of half their mean squared error. It begins at zero. The losses (updates + 1,) are
    mean squared errors over all N rows. Two calls with one seed draw the same rows.

    >>> path, losses = descent_path([[2.0]], [1.0], 1, rate=0.1, updates=1)
    >>> path.tolist(), losses.round(2).tolist()                 # the error is -1, the gradient -2 and -1
    ([[0.0, 0.0], [0.2, 0.1]], [1.0, 0.25])
    """
    rows, wanted = np.asarray(inputs, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if rows.ndim != 2 or wanted.shape != rows.shape[:1]:
        raise ValueError(f"inputs must be (N, features) and target (N,), got {rows.shape} and {wanted.shape}")
    if not 1 <= batch_size <= len(rows):
        raise ValueError(f"batch_size must be from 1 to the {len(rows)} rows, got {batch_size}")
    rng = np.random.default_rng(seed)
    with_bias, path = np.column_stack([rows, np.ones(len(rows))]), [np.zeros(rows.shape[1] + 1)]
    for _ in range(updates):
        pick = rng.permutation(len(rows))[:batch_size]
        errors = with_bias[pick] @ path[-1] - wanted[pick]
        path.append(path[-1] - rate * errors @ with_bias[pick] / batch_size)
    weights = np.array(path)
    return weights, ((weights @ with_bias.T - wanted) ** 2).mean(axis=1)
