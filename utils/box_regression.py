"""Losses of box regression, and the encodings that put boxes of all sizes on one scale.

NumPy throughout; boxes are ``x1, y1, x2, y2``. Used first in chapters/detection/box-regression-losses.ipynb.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LOG_LIMIT = math.log(1000 / 16)  # Detectron's cap on a predicted log of a ratio, so that exp cannot overflow
RCNN_STD = (0.1, 0.1, 0.2, 0.2)  # what Fast R-CNN's code divides the four offsets by


def l1_loss(error: ArrayLike) -> Floats:
    """Absolute error, elementwise: its gradient is -1, 0 or 1, whatever the size of the error.

    >>> l1_loss([-3, 0.5])
    array([3. , 0.5])
    """
    return np.abs(_finite("error", error))


def l2_loss(error: ArrayLike) -> Floats:
    """Half the squared error, elementwise, so that the gradient is the error itself. (torch's MSELoss has no half.)

    >>> l2_loss([-3, 0.5])
    array([4.5  , 0.125])
    """
    return np.square(_finite("error", error)) / 2


def smooth_l1_loss(error: ArrayLike, beta: float = 1.0) -> Floats:
    """Quadratic below `beta`, linear from there on, elementwise; ``beta=0`` is `l1_loss` (Girshick, 2015, beta 1).

    ``error² / (2 beta)`` where ``|error| < beta``, else ``|error| - beta / 2``: the pieces meet in value and in slope.

    >>> smooth_l1_loss([0.5, 1, 3])
    array([0.125, 0.5  , 2.5  ])
    """
    size, beta = np.abs(_finite("error", error)), _beta(beta)
    quadratic = np.square(size) / (2 * beta) if beta else size
    return np.where(size < beta, quadratic, size - beta / 2)


def smooth_l1_gradient(error: ArrayLike, beta: float = 1.0) -> Floats:
    """Derivative of `smooth_l1_loss` by the error, in [-1, 1]; 0 at an error of 0, also where `beta` is 0.

    >>> smooth_l1_gradient([-3, -0.5, 0, 0.5, 3])
    array([-1. , -0.5,  0. ,  0.5,  1. ])
    """
    error, beta = _finite("error", error), _beta(beta)
    return np.clip(error / beta, -1, 1) if beta else np.sign(error)


def encode_boxes(boxes: ArrayLike, anchors: ArrayLike, std: ArrayLike = (1, 1, 1, 1)) -> Floats:
    """What a network learns to predict, (N, 4): the offsets ``tx, ty, tw, th`` of boxes from anchors, row by row.

    Centres move by shares of the anchor, ``tx = (x - xa) / wa``, and sides by the log of their ratio,
    ``tw = log(w / wa)`` (Girshick et al., 2014), both divided by `std`. All sides must be positive.

    >>> encode_boxes([[2, 0, 6, 8]], [[0, 0, 4, 4]]).round(3)  # half a width right, half a height down, twice as tall
    array([[0.5  , 0.5  , 0.   , 0.693]])
    """
    centre, sides = _centre_and_sides("boxes", boxes)
    anchor_centre, anchor_sides = _centre_and_sides("anchors", anchors)
    _same_count("boxes", centre, anchor_centre)
    return np.hstack([(centre - anchor_centre) / anchor_sides, np.log(sides / anchor_sides)]) / _std(std)


def decode_boxes(offsets: ArrayLike, anchors: ArrayLike, std: ArrayLike = (1, 1, 1, 1)) -> Floats:
    """Boxes (N, 4) from offsets: the inverse of `encode_boxes`, but that ``tw, th`` are cut at `LOG_LIMIT` = 4.135.

    >>> decode_boxes([[0.5, 0.5, 0, np.log(2)]], [[0, 0, 4, 4]])
    array([[2., 0., 6., 8.]])
    """
    given = _finite("offsets", offsets)
    if given.ndim != 2 or given.shape[1] != 4:
        raise ValueError(f"offsets must have shape (N, 4), got {given.shape}")
    anchor_centre, anchor_sides = _centre_and_sides("anchors", anchors)
    _same_count("offsets", given, anchor_centre)
    scaled = given * _std(std)
    centre = anchor_centre + scaled[:, :2] * anchor_sides
    half = anchor_sides * np.exp(scaled[:, 2:].clip(max=LOG_LIMIT)) / 2
    return np.hstack([centre - half, centre + half])


def _centre_and_sides(name: str, boxes: ArrayLike) -> tuple[Floats, Floats]:
    array = _finite(name, boxes)
    if array.ndim != 2 or array.shape[1] != 4:
        cause = "; one box is [[x1, y1, x2, y2]]" if array.shape == (4,) else ""
        raise ValueError(f"{name} must have shape (N, 4), got {array.shape}{cause}")
    sides = array[:, 2:] - array[:, :2]
    if (sides <= 0).any():
        row = np.flatnonzero((sides <= 0).any(axis=1))[0]
        raise ValueError(
            f"{name} must have sides above 0, or there is no log; row {row} is {array[row]}; "
            "did you pass x, y, width, height?"
        )
    return (array[:, :2] + array[:, 2:]) / 2, sides


def _same_count(name: str, rows: Floats, anchors: Floats) -> None:
    if len(rows) != len(anchors):
        raise ValueError(f"{name} and anchors are paired row by row, got {len(rows)} and {len(anchors)} rows")


def _finite(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}; did the network diverge?")
    return array


def _beta(beta: float) -> float:
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta must be finite and at least 0, got {beta}; it is the error where the line begins")
    return float(beta)


def _std(std: ArrayLike) -> Floats:
    array = np.asarray(std, dtype=np.float64)
    if array.shape != (4,) or not (array > 0).all():
        raise ValueError(f"std must be four numbers above 0, for tx, ty, tw, th, got {array.tolist()}")
    return array
