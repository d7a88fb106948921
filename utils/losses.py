"""Losses of a yes-or-no classifier, one value an example: cross-entropy and focal loss, with its gradient.

A logit is any real number; its sigmoid is the probability of label 1. Everything depends on one number, the
margin: the logit where the label is 1, minus the logit where it is 0. The probability of the true label is
p_t = sigmoid(margin). Nothing is reduced (``reduction="none"`` in PyTorch): the caller sums, and divides.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

FloatArray = NDArray[np.float64]


def sigmoid(logits: ArrayLike) -> FloatArray:
    """Probability 1 / (1 + exp(-logit)), without overflow at any finite logit.

    Small results keep all their digits, so 1 - p is best computed as ``sigmoid(-logits)``.

    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    >>> 1 - sigmoid(40.0) == 0, sigmoid(-40.0) > 4e-18
    (np.True_, np.True_)
    """
    return np.exp(-np.logaddexp(0, -_finite(logits)))


def binary_cross_entropy_with_logits(logits: ArrayLike, labels: ArrayLike) -> FloatArray:
    """Cross-entropy -log(p_t) of each example, in nats; finite for every finite logit.

    `logits` and `labels` (0 or 1) have the same shape, which is the shape of the result.

    >>> binary_cross_entropy_with_logits([0.0, 0.0], [1, 0]).round(4)      # log 2: as good as a coin
    array([0.6931, 0.6931])
    >>> binary_cross_entropy_with_logits([1000.0, -1000.0], [1, 1])
    array([   0., 1000.])
    """
    return np.logaddexp(0, -_margins(logits, labels))


def focal_loss(
    probabilities: ArrayLike, labels: ArrayLike, *, gamma: float = 2.0, alpha: float | None = None
) -> FloatArray:
    """Focal loss -alpha_t (1 - p_t)**gamma log(p_t) of each example (Lin et al. 2017, equation 5).

    `probabilities` are those of label 1. p_t is the probability of the true label: p for label 1,
    1 - p for label 0. alpha_t is `alpha` for label 1, 1 - `alpha` for label 0, and 1 when `alpha` is None.
    ``gamma=0`` is cross-entropy. The loss is infinite at p_t = 0 (unless alpha_t is 0);
    with logits at hand `focal_loss_with_logits` stays finite.

    >>> cross_entropy = focal_loss([0.9, 0.1], [1, 1], gamma=0)     # an easy and a hard positive
    >>> cross_entropy.round(4), (focal_loss([0.9, 0.1], [1, 1]) / cross_entropy).round(4)
    (array([0.1054, 2.3026]), array([0.01, 0.81]))
    >>> focal_loss([0.5, 0.5], [1, 0], gamma=0, alpha=0.25).round(4)    # label 0 counts three times as much
    array([0.1733, 0.5199])
    """
    _check_parameters(gamma, alpha)
    p, y = _pair("probabilities", probabilities, labels)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"probabilities must lie in [0, 1], got {p[~((p >= 0) & (p <= 1))][0]}; "
            "did you pass logits? They belong in focal_loss_with_logits"
        )
    p_t = np.where(y == 1, p, 1 - p)
    # xlogy(w, p) is w log p, and 0 where w is 0: an example without weight has no loss, whatever its p_t.
    return np.abs(xlogy(_alpha_t(y, alpha) * (1 - p_t) ** gamma, p_t))


def focal_loss_with_logits(
    logits: ArrayLike, labels: ArrayLike, *, gamma: float = 2.0, alpha: float | None = None
) -> FloatArray:
    """Focal loss of each example from its logit: exact where the sigmoid is 0 or 1 to the last digit.

    Shapes, `gamma` and `alpha` are those of `focal_loss`.

    >>> focal_loss_with_logits([1000.0, 1000.0], [1, 0])    # sure and right, sure and wrong
    array([   0., 1000.])
    """
    _check_parameters(gamma, alpha)
    margins = _margins(logits, labels)
    return _alpha_t(labels, alpha) * sigmoid(-margins) ** gamma * np.logaddexp(0, -margins)


def focal_loss_gradient(
    logits: ArrayLike, labels: ArrayLike, *, gamma: float = 2.0, alpha: float | None = None
) -> FloatArray:
    """Derivative of `focal_loss_with_logits` with respect to each logit; ``gamma=0`` gives sigmoid - label.

    Its size is alpha_t (1 - p_t)**gamma (1 - p_t - gamma p_t log p_t); its sign pulls the logit up for
    label 1 and down for label 0. Unlike the loss it can exceed that of cross-entropy, at hard examples.

    >>> focal_loss_gradient([0.0, 0.0], [1, 0]).round(4)
    array([-0.2983,  0.2983])
    >>> logit_of_a_tenth = np.log(0.1 / 0.9)
    >>> [float(focal_loss_gradient(logit_of_a_tenth, 1, gamma=g).round(2)) for g in (0, 2)]
    [-0.9, -1.1]
    """
    _check_parameters(gamma, alpha)
    margins = _margins(logits, labels)
    p_t, miss = sigmoid(margins), sigmoid(-margins)  # 1 - p_t would lose its digits near 1
    size = _alpha_t(labels, alpha) * miss**gamma * (miss + gamma * p_t * np.logaddexp(0, -margins))
    return np.where(np.asarray(labels) == 1, -size, size)


def _margins(logits: ArrayLike, labels: ArrayLike) -> FloatArray:
    x, y = _pair("logits", _finite(logits), labels)
    return np.where(y == 1, x, -x)


def _finite(logits: ArrayLike) -> FloatArray:
    x = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"logits must be finite, got {x[~np.isfinite(x)][0]}; did the training diverge?")
    return x


def _pair(name: str, values: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, FloatArray]:
    scores, targets = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if scores.shape != targets.shape:
        raise ValueError(
            f"{name} and labels must have the same shape, got {scores.shape} and {targets.shape}; "
            "(N,) with (N, 1) would silently broadcast to (N, N)"
        )
    wrong = (targets != 0) & (targets != 1)
    if wrong.any():
        raise ValueError(f"labels must be 0 or 1, got {targets[wrong][0]}; did you swap {name} and labels?")
    return scores, targets


def _alpha_t(labels: ArrayLike, alpha: float | None) -> FloatArray | float:
    return 1.0 if alpha is None else np.where(np.asarray(labels) == 1, alpha, 1 - alpha)


def _check_parameters(gamma: float, alpha: float | None) -> None:
    if not 0 <= gamma < np.inf:
        raise ValueError(f"gamma must be at least 0 and finite, got {gamma}; 0 is cross-entropy, the paper uses 2")
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}; it is the weight of label 1, label 0 gets 1 - alpha")
