"""Default boxes (anchors) of SSD300, who matches whom, and the rules that send an object to a pyramid level.

Boxes are ``x1, y1, x2, y2`` in pixels of the network's input, as in `utils.boxes`; overlaps are its `pairwise_iou`.
Used first in chapters/detection/small-objects-and-scale.ipynb.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.boxes import area, pairwise_iou

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class AnchorMap(NamedTuple):
    """A square feature map that predicts: cells a side, pixels from cell to cell, and the shapes of its boxes.

    Each cell has squares of `min_size` and of ``sqrt(min_size * max_size)``, and for every number r in `ratios` a
    box of r : 1 and one of 1 : r with the area of the small square.
    """

    cells: int
    step: float
    min_size: float
    max_size: float
    ratios: tuple[float, ...]


# The published SSD300 for VOC (Liu et al., 2016): conv4_3, fc7, conv8_2, conv9_2, conv10_2, conv11_2.
SSD300 = (
    AnchorMap(38, 8, 30, 60, (2,)),
    AnchorMap(19, 16, 60, 111, (2, 3)),
    AnchorMap(10, 32, 111, 162, (2, 3)),
    AnchorMap(5, 64, 162, 213, (2, 3)),
    AnchorMap(3, 100, 213, 264, (2,)),
    AnchorMap(1, 300, 264, 315, (2,)),
)


def boxes_per_map(maps: Sequence[AnchorMap] = SSD300) -> Indices:
    """How many default boxes each map has: cells squared times shapes a cell.

    >>> boxes_per_map()
    array([5776, 2166,  600,  150,   36,    4])
    """
    return np.array([one.cells**2 * (2 + 2 * len(one.ratios)) for one in maps], dtype=np.intp)


def default_boxes(maps: Sequence[AnchorMap] = SSD300) -> Floats:
    """All default boxes, shape (N, 4), map by map, row by row, and for each cell in the order of its shapes.

    The box of cell (i, j) is centred at ``((j + 0.5) * step, (i + 0.5) * step)``. Boxes stick out at the border:
    they are not clipped, as in the released SSD.

    >>> default_boxes().shape
    (8732, 4)
    >>> default_boxes([AnchorMap(1, 8, 4, 9, (4,))])          # squares of 4 and 6, then 8 x 2 and 2 x 8
    array([[2., 2., 6., 6.],
           [1., 1., 7., 7.],
           [0., 3., 8., 5.],
           [3., 0., 5., 8.]])
    """
    boxes = [np.empty((0, 4))]
    for one in maps:
        _check(one)
        centre = (np.arange(one.cells) + 0.5) * one.step
        middle = np.stack(np.meshgrid(centre, centre), axis=-1)[:, :, None]  # (rows, columns, 1, x and y)
        half = _shapes(one) / 2
        boxes.append(np.concatenate([middle - half, middle + half], axis=-1).reshape(-1, 4))
    return np.concatenate(boxes)


def match_anchors(anchors: ArrayLike, objects: ArrayLike, iou_threshold: float = 0.5) -> Indices:
    """For each anchor the object it learns, or -1 for background: the matching rule of SSD, shape (N,).

    First every object gets one anchor, however small their IoU: the largest IoU of all goes first, and a taken
    anchor is not given twice. Then every other anchor whose IoU with some object is greater than `iou_threshold`
    (equal is not enough) learns the object it overlaps most; ties go to the first. An object that meets no anchor
    at all, or finds all taken, gets none.

    >>> anchors = [[0, 0, 8, 8], [8, 0, 16, 8], [0, 0, 16, 16]]
    >>> match_anchors(anchors, [[1, 0, 9, 8]])                 # 7/9 matches, 1/15 and 1/4 do not
    array([ 0, -1, -1])
    >>> match_anchors(anchors, [[3, 3, 5, 5]])                 # 4/64 is far too little, but the best there is
    array([ 0, -1, -1])
    """
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must be in [0, 1], got {iou_threshold}; did you pass a percentage?")
    iou = pairwise_iou(anchors, objects)
    if not iou.size:
        return np.full(len(iou), -1, dtype=np.intp)
    matched = np.where(iou.max(axis=1) > iou_threshold, iou.argmax(axis=1), -1).astype(np.intp)
    free = iou.copy()
    for _ in range(min(free.shape)):
        anchor, owner = np.unravel_index(free.argmax(), free.shape)
        if free[anchor, owner] <= 0:
            break
        matched[anchor] = owner
        free[anchor], free[:, owner] = 0, 0
    return matched


def pyramid_level(
    boxes: ArrayLike, *, canonical_size: float = 224, canonical_level: int = 4, lowest: int = 2, highest: int = 5
) -> Indices:
    """The level of a feature pyramid that answers for each box, shape (N,): FPN's rule, cut to existing levels.

    ``floor(canonical_level + log2(sqrt(width * height) / canonical_size))``: half the size, one level finer. A size
    exactly between two levels belongs to the coarser.

    >>> pyramid_level([[0, 0, 224, 224], [0, 0, 223, 223], [0, 0, 12, 12], [0, 0, 900, 900]])
    array([4, 3, 2, 5])
    """
    if lowest > highest:
        raise ValueError(f"lowest must be at most highest, got {lowest} and {highest}")
    if not canonical_size > 0:
        raise ValueError(f"canonical_size must be positive, got {canonical_size}")
    areas = area(boxes)
    if not (areas > 0).all():
        raise ValueError(f"a box without area has no level, got row {np.flatnonzero(areas <= 0)[0]}")
    level = np.floor(canonical_level + np.log2(np.sqrt(areas) / canonical_size))
    return np.clip(level, lowest, highest).astype(np.intp)


def valid_at_scale(sizes: ArrayLike, scale: float, low: float, high: float) -> NDArray[np.bool_]:
    """Which objects count at one level of an image pyramid, as in SNIP: ``low <= size * scale < high``.

    `sizes` are in pixels of the original picture, `low` and `high` in pixels of the resized one.

    >>> valid_at_scale([12, 30, 80], scale=2, low=18, high=52)
    array([ True, False, False])
    """
    if not scale > 0:
        raise ValueError(f"scale must be positive, got {scale}")
    if not 0 <= low < high:
        raise ValueError(f"the valid range needs 0 <= low < high, got {low} and {high}")
    resized = np.asarray(sizes, dtype=np.float64) * scale
    return (resized >= low) & (resized < high)


def _shapes(one: AnchorMap) -> Floats:
    """Width and height of each box of a cell."""
    small, large = one.min_size, np.sqrt(one.min_size * one.max_size)
    wide = [(small * np.sqrt(ratio), small / np.sqrt(ratio)) for ratio in one.ratios]
    both = [shape for width, height in wide for shape in ((width, height), (height, width))]
    return np.array([(small, small), (large, large), *both])


def _check(one: AnchorMap) -> None:
    if one.cells < 1 or not one.step > 0:
        raise ValueError(f"a map needs at least one cell and a positive step, got {one.cells} and {one.step}")
    if not 0 < one.min_size <= one.max_size:
        raise ValueError(f"sizes must be 0 < min_size <= max_size, got {one.min_size} and {one.max_size}")
    if not all(ratio > 0 for ratio in one.ratios):
        raise ValueError(f"ratios must be positive, got {one.ratios}")
