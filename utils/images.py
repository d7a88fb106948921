"""Real pictures that ship with scikit-image and scikit-learn: nothing is downloaded."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FROM_SKIMAGE = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "moon", "page", "text")
_FROM_SKLEARN = ("china", "flower")


@cache
def _load(name: str) -> NDArray[np.uint8]:
    if name in _FROM_SKLEARN:
        from sklearn.datasets import load_sample_image

        return np.asarray(load_sample_image(f"{name}.jpg"))
    from skimage import data

    return np.asarray(getattr(data, name)())


def photograph(name: str, *, gray: bool = False) -> NDArray[np.uint8]:
    """A photograph as ``uint8``, shape (H, W, 3), or (H, W) where the picture or `gray` says so.

    Gray values are the rounded luma 0.299 R + 0.587 G + 0.114 B, OpenCV's rule. The array is a copy.

    >>> photograph("astronaut").shape, photograph("camera").shape
    ((512, 512, 3), (512, 512))
    >>> photograph("china", gray=True).shape
    (427, 640)
    """
    if name not in _FROM_SKIMAGE + _FROM_SKLEARN:
        raise ValueError(f"no photograph named {name!r}; there are {', '.join(_FROM_SKIMAGE + _FROM_SKLEARN)}")
    image = _load(name)
    if gray and image.ndim == 3:
        luma: NDArray[Any] = image @ np.array([0.299, 0.587, 0.114])
        return np.rint(luma).astype(np.uint8)
    return image.copy()
