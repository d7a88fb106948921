"""Sharpening: an image plus a multiple of what a blur takes away.

An image is gray (H, W) or colour (H, W, C), each channel alone; the result is float64 in the units of the image and
may leave their range: nothing is rounded or clipped. `border` is one of the words of `utils.filters`.
Used first in chapters/image-processing/sharpening-and-denoising.ipynb.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.filters import correlate, gaussian_filter

FloatArray = NDArray[np.float64]

LAPLACIAN_4 = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])  # neighbours minus centre, sides only
LAPLACIAN_8 = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]])  # with the diagonals
LAPLACIAN_4.flags.writeable = LAPLACIAN_8.flags.writeable = False


def unsharp_mask(
    image: ArrayLike, amount: float = 1.0, sigma: float = 1.0, *, threshold: float = 0.0, border: str = "reflect"
) -> FloatArray:
    """Image plus `amount` times the mask, which is the image minus its Gaussian blur of `sigma` pixels.

    Where the mask is smaller than `threshold` in size (equal is kept) the pixel stays as it is, to spare
    flat ground. Amount 0 changes nothing.

    >>> edge = [[2, 2, 2, 8, 8, 8]]
    >>> unsharp_mask(edge, amount=1.0, sigma=0.5, border="replicate").round(2)
    array([[2.  , 2.  , 1.36, 8.64, 8.  , 8.  ]])
    >>> unsharp_mask(edge, amount=1.0, sigma=0.5, threshold=1, border="replicate")
    array([[2., 2., 2., 8., 8., 8.]])
    """
    _check_not_negative("amount", amount, "to blur, use gaussian_filter")
    _check_not_negative("threshold", threshold, "it is a difference in the units of the image")
    pixels = np.asarray(image, dtype=np.float64)
    mask = pixels - gaussian_filter(pixels, sigma, border=border)
    return pixels + amount * np.where(np.abs(mask) >= threshold, mask, 0)


def laplacian_sharpen(
    image: ArrayLike, amount: float = 1.0, *, diagonals: bool = False, border: str = "reflect"
) -> FloatArray:
    """Image minus `amount` times its Laplacian: the sum of the neighbours minus that many times the centre.

    Four neighbours, or eight with `diagonals`. Amount 1 is the kernel with 5 (or 9) in the centre and -1 around it.

    >>> laplacian_sharpen([[2, 2, 2, 8, 8, 8]], border="replicate")
    array([[ 2.,  2., -4., 14.,  8.,  8.]])
    """
    _check_not_negative("amount", amount, "the kernel's centre is negative here, so its result is subtracted")
    pixels = np.asarray(image, dtype=np.float64)
    return pixels - amount * correlate(pixels, LAPLACIAN_8 if diagonals else LAPLACIAN_4, border=border)


def high_boost(image: ArrayLike, boost: float = 2.0, sigma: float = 1.0, *, border: str = "reflect") -> FloatArray:
    """``boost * image - blur``, the older form of high-boost filtering; `boost` is at least 1.

    Flat ground is multiplied by ``boost - 1``. Boost 1 leaves the mask alone, 2 is `unsharp_mask` of amount 1,
    and a larger boost sharpens less in proportion.

    >>> high_boost([[2, 2, 2, 8, 8, 8]], boost=3, sigma=0.5, border="replicate").round(2)
    array([[ 4.  ,  4.  ,  3.36, 16.64, 16.  , 16.  ]])
    """
    if not 1 <= boost < np.inf:
        raise ValueError(
            f"boost must be at least 1 and finite, got {boost}; it multiplies the image before the blur is taken off: "
            "did you pass the amount of an unsharp mask?"
        )
    pixels = np.asarray(image, dtype=np.float64)
    return boost * pixels - gaussian_filter(pixels, sigma, border=border)


def _check_not_negative(name: str, value: float, hint: str) -> None:
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {value}; {hint}")
