"""Boxes, their overlap, and non-maximum suppression.

A box is ``x1, y1, x2, y2`` in any one unit (pixels, or fractions of the picture); its width is ``x2 - x1``, so the
upper bound is exclusive. All functions compute in float64, whatever the input: integer boxes cannot overflow.
Used first in chapters/detection/non-maximum-suppression.ipynb.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_LARGEST = 1e150  # the product of two coordinates still fits in a float64


class Step(NamedTuple):
    """One step of greedy suppression: the box it keeps, and the boxes that box drops (input order)."""

    kept: int
    dropped: Indices


def area(boxes: ArrayLike) -> Floats:
    """Areas of (N, 4) boxes, shape (N,), in squared units of the boxes.

    >>> area([[0, 0, 4, 4], [2, 2, 2, 9]])
    array([16.,  0.])
    >>> area(np.array([[0, 0, 50, 50]], dtype=np.uint8))      # 2500 does not fit in a byte
    array([2500.])
    """
    return _area(_as_boxes(boxes).T)


def pairwise_iou(boxes_a: ArrayLike, boxes_b: ArrayLike) -> Floats:
    """Intersection over union of each box of (N, 4) with each of (M, 4), shape (N, M).

    Boxes that only touch share no area and give 0; so does any pair whose union has no area.

    >>> pairwise_iou([[0, 0, 4, 4]], [[2, 2, 6, 6], [4, 0, 8, 4]])       # 4 / 28, and a shared edge
    array([[0.14285714, 0.        ]])
    """
    a, b = _as_boxes(boxes_a, "boxes_a"), _as_boxes(boxes_b, "boxes_b")
    return broadcast_iou(a.T[:, :, None], b.T)


def broadcast_iou(a: Floats, b: Floats) -> Floats:
    """IoU of boxes whose four numbers lie along the first axis; the other axes broadcast. Nothing is checked.

    >>> broadcast_iou(np.array([0.0, 0, 4, 4]), np.array([[2.0, 2, 6, 6], [4, 0, 8, 4]]).T)
    array([0.14285714, 0.        ])
    """
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    # Without the clips, two negative sides multiply into a positive overlap.
    intersection = width.clip(min=0) * height.clip(min=0)
    union = _area(a) + _area(b) - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> Indices:
    """Indices of the boxes that survive greedy non-maximum suppression, best first.

    A box is dropped when its IoU with an already kept box is greater than `iou_threshold`
    (equal is kept). Equal scores are visited in input order. Classes are not looked at:
    see `batched_nms`.

    >>> boxes = [[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]]
    >>> nms(boxes, [0.9, 0.8, 0.7], iou_threshold=0.5)
    array([0, 2])
    """
    return np.array([step.kept for step in nms_steps(boxes, scores, iou_threshold)], dtype=np.intp)


def nms_steps(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> list[Step]:
    """Greedy suppression as a record, one step for each kept box, best first: `nms` without forgetting.

    Every box is named once, kept or dropped; what no step has named so far was still waiting.

    >>> for step in nms_steps([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]], [0.9, 0.8, 0.7], iou_threshold=0.5):
    ...     print(step.kept, step.dropped)
    0 [1]
    2 []
    """
    checked = _as_boxes(boxes)
    values = _as_scores(scores, len(checked))
    threshold = _as_fraction("iou_threshold", iou_threshold)

    by_left_edge = np.argsort(checked[:, 0], kind="stable")
    columns = checked[by_left_edge].T.copy()
    x1, _, x2, _ = columns
    # With left edges ascending, only the boxes from first[i] to last[i] can meet box i:
    # those before end to the left of it, those after begin to the right of it.
    first = np.searchsorted(np.maximum.accumulate(x2), x1, side="right")
    last = np.searchsorted(x1, x2)

    steps, waiting = [], np.ones(len(checked), dtype=bool)
    for i in np.lexsort((by_left_edge, -values[by_left_edge])):  # best first, ties in input order
        if waiting[i]:
            waiting[i] = False
            near = first[i] + np.flatnonzero(waiting[first[i] : last[i]])
            drop = near[broadcast_iou(columns[:, i], columns[:, near]) > threshold]
            waiting[drop] = False
            steps.append(Step(int(by_left_edge[i]), np.sort(by_left_edge[drop])))
    return steps


def batched_nms(boxes: ArrayLike, scores: ArrayLike, labels: ArrayLike, iou_threshold: float) -> Indices:
    """Indices of the boxes that survive `nms` run for each label by itself, best first.

    Boxes with different `labels` (N,) never drop each other. Equal scores come in input order.

    >>> boxes, scores = [[0, 0, 4, 4], [0, 0, 4, 5], [0, 0, 5, 4]], [0.9, 0.8, 0.7]
    >>> batched_nms(boxes, scores, ["cat", "face", "cat"], iou_threshold=0.5)
    array([0, 1])
    """
    checked = _as_boxes(boxes)
    values = _as_scores(scores, len(checked))
    names = np.asarray(labels)
    if names.shape != (len(checked),):
        raise ValueError(f"labels must have shape ({len(checked)},), one a box, got {names.shape}")

    _, group, sizes = np.unique(names, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    kept = [rows[nms(checked[rows], values[rows], iou_threshold)] for rows in members]
    survivors = np.sort(np.concatenate(kept))
    return survivors[np.argsort(-values[survivors], kind="stable")]


def soft_nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    *,
    sigma: float = 0.5,
    method: str = "gaussian",
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
) -> tuple[Indices, Floats]:
    """Indices of the kept boxes, best first, and their lowered scores: Soft-NMS (Bodla et al., 2017).

    Each kept box multiplies the score of every other by a factor that falls with their IoU:
    ``exp(-iou ** 2 / sigma)`` for "gaussian"; for "linear" ``1 - iou`` where the IoU is greater than
    `iou_threshold`, else 1. Then the highest lowered score is next (ties in input order). A box leaves
    when its score falls below `score_threshold` (equal stays).

    >>> boxes, scores = [[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]], [0.9, 0.8, 0.7]
    >>> kept, lowered = soft_nms(boxes, scores, method="linear")
    >>> kept, lowered                                          # half of the overlapped box is covered: 0.8 -> 0.4
    (array([0, 2, 1]), array([0.9, 0.7, 0.4]))
    """
    if method not in ("gaussian", "linear"):
        raise ValueError(f"method must be 'gaussian' or 'linear', got {method!r}")
    if not 0 < sigma < np.inf:
        raise ValueError(f"sigma must be positive and finite, got {sigma}; for no decay at all use nms")
    threshold = _as_fraction("iou_threshold", iou_threshold)
    if not 0 <= score_threshold < np.inf:
        raise ValueError(f"score_threshold must not be negative, got {score_threshold}")
    checked = _as_boxes(boxes)
    lowered = _as_scores(scores, len(checked))
    if (lowered < 0).any():
        raise ValueError(f"soft_nms needs scores of 0 or more, got {lowered.min()}; did you pass logits?")

    columns, waiting, kept, final = checked.T, np.arange(len(checked)), [], []
    stays = lowered >= score_threshold
    while stays.any():
        columns, waiting, lowered = columns[:, stays], waiting[stays], lowered[stays]
        best = lowered.argmax()
        kept.append(waiting[best])
        final.append(lowered[best])
        iou = broadcast_iou(columns[:, best], columns)
        if method == "gaussian":
            lowered = lowered * np.exp(-(iou**2) / sigma)
        else:
            lowered = lowered * np.where(iou > threshold, 1 - iou, 1)
        stays = lowered >= score_threshold
        stays[best] = False
    return np.array(kept, dtype=np.intp), np.array(final, dtype=np.float64)


def _area(columns: Floats) -> Floats:
    x1, y1, x2, y2 = columns
    return (x2 - x1) * (y2 - y1)


def _as_boxes(boxes: ArrayLike, name: str = "boxes") -> Floats:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0 and array.shape in ((0,), (0, 4)):
        return np.empty((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        cause = {(4,): "; one box is [[x1, y1, x2, y2]]"}.get(array.shape, "")
        if array.ndim == 2 and array.shape[1] == 5:
            cause = "; scores go in an argument of their own"
        raise ValueError(f"{name} must have shape (N, 4), got {array.shape}{cause}")
    bad = np.flatnonzero(~(np.abs(array) < _LARGEST).all(axis=1))  # NaN fails every comparison
    if bad.size:
        raise ValueError(f"{name} must be finite numbers (below {_LARGEST:g}), row {bad[0]} is {array[bad[0]]}")
    bad = np.flatnonzero((array[:, 2:] < array[:, :2]).any(axis=1))
    if bad.size:
        raise ValueError(
            f"{name} must satisfy x1 <= x2 and y1 <= y2, row {bad[0]} is {array[bad[0]]}; "
            "did you pass x, y, width, height?"
        )
    return array


def _as_scores(scores: ArrayLike, count: int) -> Floats:
    array = np.asarray(scores, dtype=np.float64)
    if array.shape != (count,):
        cause = "; did you mean scores.ravel()?" if array.shape == (count, 1) else ""
        raise ValueError(f"scores must have shape ({count},), one a box, got {array.shape}{cause}")
    if not np.isfinite(array).all():
        first = np.flatnonzero(~np.isfinite(array))[0]
        raise ValueError(f"scores must be finite, scores[{first}] is {array[first]}; did the network diverge?")
    return array


def _as_fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {value}; did you pass a percentage?")
    return float(value)
