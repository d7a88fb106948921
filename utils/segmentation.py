"""Scores of masks: IoU, Dice, mean IoU and pixel accuracy from a confusion matrix, panoptic quality, soft Dice.

A mask is an array of truth values; a label map holds the number of a class at each pixel. All counts are in pixels.
Used first in chapters/detection/instance-masks-and-segmentation.ipynb.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def pairwise_mask_iou(masks_a: ArrayLike, masks_b: ArrayLike) -> Floats:
    """Intersection over union of each mask of (N, H, W) with each of (M, H, W), shape (N, M).

    Two empty masks have no union and give 0, as boxes without area do in ``utils.boxes``.

    >>> pairwise_mask_iou([[[1, 1, 0, 0]]], [[[0, 1, 1, 0]], [[0, 0, 1, 1]]])       # 1 of 3 pixels, and none
    array([[0.33333333, 0.        ]])
    """
    a, b = _as_masks("masks_a", masks_a), _as_masks("masks_b", masks_b)
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(f"masks must be of one size, got {a.shape[1:]} and {b.shape[1:]}")
    pixels = math.prod(a.shape[1:])
    flat_a, flat_b = (masks.reshape(len(masks), pixels).astype(np.float64) for masks in (a, b))
    shared = flat_a @ flat_b.T
    union = flat_a.sum(axis=1)[:, None] + flat_b.sum(axis=1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def dice_from_iou(iou: ArrayLike) -> Floats:
    """Dice coefficient 2J / (1 + J) of an IoU J in [0, 1]; Dice is the F1 score of the pixels.

    >>> dice_from_iou([0.0, 1 / 3, 0.5, 1.0])
    array([0.        , 0.5       , 0.66666667, 1.        ])
    """
    j = np.asarray(iou, dtype=np.float64)
    if not ((j >= 0) & (j <= 1)).all():
        raise ValueError(f"iou must be in [0, 1], got {j}; did you pass a percentage?")
    return 2 * j / (1 + j)


def pixel_confusion(truth: ArrayLike, predicted: ArrayLike, num_classes: int) -> NDArray[np.intp]:
    """Pixels of each true class (row) given each predicted class (column), shape (num_classes, num_classes).

    Both label maps have the same shape and hold whole numbers from 0 to ``num_classes - 1``.

    >>> pixel_confusion([[0, 0, 1]], [[0, 1, 1]], num_classes=2)
    array([[1, 1],
           [0, 1]])
    """
    true, guess = np.asarray(truth), np.asarray(predicted)
    if true.shape != guess.shape:
        raise ValueError(f"truth and predicted must have one shape, got {true.shape} and {guess.shape}")
    for name, labels in (("truth", true), ("predicted", guess)):
        if labels.dtype.kind not in "bui":
            raise ValueError(f"{name} must hold whole numbers, got {labels.dtype}; did you pass probabilities?")
        if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
            raise ValueError(
                f"{name} must lie in 0..{num_classes - 1}, got {labels.min()}..{labels.max()}; "
                "leave out the pixels marked ignore (often 255)"
            )
    cell = true.astype(np.intp).ravel() * num_classes + guess.astype(np.intp).ravel()
    return np.bincount(cell, minlength=num_classes**2).reshape(num_classes, num_classes)


def pixel_accuracy(confusion: ArrayLike) -> float:
    """Share of the pixels on the diagonal of a confusion matrix; NaN without any pixel.

    >>> pixel_accuracy([[90, 0], [10, 0]])             # nothing found, 90 % right
    0.9
    """
    counts = _as_confusion(confusion)
    return float(np.trace(counts) / counts.sum()) if counts.sum() else float("nan")


def class_iou(confusion: ArrayLike) -> Floats:
    """IoU of each class from a confusion matrix: diagonal / (row + column - diagonal).

    A class that is neither there nor predicted is NaN: it has no IoU, not a bad one.

    >>> class_iou([[90, 0, 0], [10, 0, 0], [0, 0, 0]])
    array([0.9, 0. , nan])
    """
    counts = _as_confusion(confusion)
    hits = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def mean_iou(confusion: ArrayLike) -> float:
    """Mean of `class_iou` over the classes that occur, each class counted alike; NaN if none does.

    >>> mean_iou([[90, 0], [10, 0]])
    0.45
    """
    found = class_iou(confusion)
    found = found[~np.isnan(found)]
    return float(found.mean()) if found.size else float("nan")


def panoptic_quality(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Panoptic quality of the segments of one class: sum of matched IoU / (TP + FP/2 + FN/2) (Kirillov et al., 2019).

    Masks (N, H, W) and (M, H, W), each set without overlaps. A pair matches where its IoU is greater than 0.5, and
    then no other can. NaN where there are no segments at all.

    >>> truth = [[[1, 1, 1, 0, 0]], [[0, 0, 0, 1, 1]]]
    >>> round(panoptic_quality(truth, [[[1, 1, 0, 0, 0]]]), 4)           # one match at 2/3, one missed
    0.4444
    """
    iou = pairwise_mask_iou(truth, predicted)
    for name, masks in (("truth", truth), ("predicted", predicted)):
        if len(np.asarray(masks)) and (np.asarray(masks, dtype=bool).sum(axis=0) > 1).any():
            raise ValueError(f"{name} must not overlap: a pixel belongs to one segment")
    segments = sum(iou.shape) / 2  # TP + FP/2 + FN/2
    return float(iou[iou > 0.5].sum() / segments) if segments else float("nan")


def soft_dice_loss(probabilities: ArrayLike, targets: ArrayLike, *, smooth: float = 0.0) -> float:
    """Soft Dice loss 1 - (2 sum(pt) + smooth) / (sum(p) + sum(t) + smooth) over all pixels, in [0, 1].

    `probabilities` in [0, 1], `targets` 0 or 1, of one shape. `smooth` > 0 makes an empty prediction of an empty
    target cost 0; without it that case is an error. For masks of 0 and 1 it is one minus the Dice coefficient.

    >>> soft_dice_loss([1.0, 1.0, 0.0, 0.0], [0, 1, 1, 0])
    0.5
    """
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if p.shape != t.shape:
        raise ValueError(f"probabilities and targets must have one shape, got {p.shape} and {t.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]; did you pass logits?")
    if not np.isin(t, (0, 1)).all():
        raise ValueError("targets must be 0 or 1")
    total = p.sum() + t.sum() + smooth
    if not total > 0:
        raise ValueError("nothing is there and nothing predicted: pass smooth > 0")
    return float(1 - (2 * (p * t).sum() + smooth) / total)


def _as_masks(name: str, masks: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(masks)
    if array.ndim != 3:
        cause = "; one mask is masks[None]" if array.ndim == 2 else ""
        raise ValueError(f"{name} must have shape (N, H, W), got {array.shape}{cause}")
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} must hold 0 and 1; did you pass labels or probabilities?")
    return array.astype(bool)


def _as_confusion(confusion: ArrayLike) -> NDArray[np.int64]:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion must be square, got {counts.shape}; make it with pixel_confusion")
    if (counts < 0).any():
        raise ValueError("confusion must hold counts of 0 or more")
    return counts
