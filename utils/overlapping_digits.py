"""Real handwritten digits that reach into each other's boxes: a small real task for mask heads.

The digits are scikit-learn's (8 x 8, from 43 writers), doubled to 16 x 16 and laid over photographs.
Used first in chapters/detection/instance-masks-and-segmentation.ipynb.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.datasets import load_digits

from utils.images import photograph

Floats = NDArray[np.float32]

SIDE = 16  # pixels of a crop
SHARE_TO_LEARN = 2 / 3  # the last third of the digits is kept for testing


class DigitCrops(NamedTuple):
    """Crops (N, 1, 16, 16) in 0 to 1, the ink (N, 16, 16) of the digit in the box as 0 or 1, and its class (N,)."""

    crops: Floats
    inks: Floats
    labels: NDArray[np.int64]


def overlapping_digits(seed: int, size: int, *, test: bool = False, classes: int = 4) -> DigitCrops:
    """`size` random crops: a digit that fills its box, a second one reaching in, a photograph behind.

    The second digit is moved by 5 to 9 pixels along each axis; the ink is that of the first alone, also where
    the two overlap. `test` draws from the last third of the digits, which training crops never show.

    >>> crops, inks, labels = overlapping_digits(seed=0, size=3)
    >>> crops.shape, inks.shape, labels.shape
    ((3, 1, 16, 16), (3, 16, 16), (3,))
    """
    if size < 1 or not 1 <= classes <= 10:
        raise ValueError(f"size must be at least 1 and classes 1 to 10, got {size} and {classes}")
    rng = np.random.default_rng([seed, test])
    digits, targets = _large_digits(classes)
    split = int(len(digits) * SHARE_TO_LEARN)
    own, other = rng.integers(*((split, len(digits)) if test else (0, split)), (2, size))
    shifts = rng.integers(5, 10, (size, 2)) * rng.choice([-1, 1], (size, 2))
    behind = _ground()
    corners = rng.integers(0, np.array(behind.shape) - SIDE, (size, 2))
    strength = rng.uniform(0.6, 1.0, size)
    crops = np.empty((size, 1, SIDE, SIDE), np.float32)
    for i, ((dy, dx), (y, x)) in enumerate(zip(shifts, corners, strict=True)):
        canvas = np.zeros((3 * SIDE, 3 * SIDE))
        canvas[SIDE + dy : 2 * SIDE + dy, SIDE + dx : 2 * SIDE + dx] = digits[other[i]]
        cover = np.maximum(digits[own[i]], canvas[SIDE : 2 * SIDE, SIDE : 2 * SIDE])
        crops[i, 0] = 0.6 * behind[y : y + SIDE, x : x + SIDE] * (1 - cover) + strength[i] * cover
    return DigitCrops(crops, (digits[own] > 0.5).astype(np.float32), targets[own])


@cache
def _large_digits(classes: int) -> tuple[Floats, NDArray[np.int64]]:
    data = load_digits(n_class=classes)
    doubled = data.images.repeat(2, axis=1).repeat(2, axis=2) / 16
    return ndimage.uniform_filter(doubled, (0, 2, 2)).astype(np.float32), data.target.astype(np.int64)


@cache
def _ground() -> NDArray[np.float64]:
    pictures = [photograph(name, gray=True)[:300, :384] for name in ("camera", "brick", "gravel")]
    return np.hstack(pictures) / 255.0
