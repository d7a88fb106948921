"""Filters that look through a small window: weighted sums (linear), and ranks of the sorted window.

An image is gray (H, W) or colour (H, W, C), and each channel is filtered alone. The result has the shape of the
image: float64 from a linear filter, the dtype of the image from a rank filter. Kernels have odd sides, so
that a window has a centre. Nothing is rounded or clipped.

What stands outside the image is said by `border`, drawn here for a row that ends in ``c d``:

=============  =============  ===========  ============================  ================  ==============
`border`       row            NumPy pad    OpenCV                        SciPy             PyTorch
=============  =============  ===========  ============================  ================  ==============
"reflect"      a b c d|c b a  "reflect"    BORDER_REFLECT_101 (default)  "mirror"          "reflect"
"symmetric"    a b c d|d c b  "symmetric"  BORDER_REFLECT                "reflect" (def.)  none
"replicate"    a b c d|d d d  "edge"       BORDER_REPLICATE              "nearest"         "replicate"
"zero"         a b c d|0 0 0  "constant"   BORDER_CONSTANT               "constant"        zeros (default)
"wrap"         a b c d|a b c  "wrap"       BORDER_WRAP                   "wrap"            "circular"
=============  =============  ===========  ============================  ================  ==============

OpenCV's own filters refuse BORDER_WRAP, and SciPy's "wrap" means this only in its filters, not where it interpolates.
"""

from collections.abc import Iterator
from math import comb
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]

_NUMPY_MODE = {
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "zero": "constant",
    "wrap": "wrap",
}

# The 5x5 table of many textbooks: sigma near 1, rounded. Divide by its sum, 273, before use.
KERNEL_273 = np.array(
    [
        [1, 4, 7, 4, 1],
        [4, 16, 26, 16, 4],
        [7, 26, 41, 26, 7],
        [4, 16, 26, 16, 4],
        [1, 4, 7, 4, 1],
    ]
)
KERNEL_273.flags.writeable = False


def gaussian_kernel_1d(sigma: float, kernel_size: int | None = None) -> FloatArray:
    """Gaussian sampled at the pixel centres and divided by its sum; `sigma` in pixels.

    Without `kernel_size` it reaches 4 sigma to either side, rounded half up, as in SciPy:
    ``2 * int(4 * sigma + 0.5) + 1`` weights. A smaller size cuts the tails and makes the
    blur weaker than `sigma` says.

    >>> gaussian_kernel_1d(1.0, 5).round(4)
    array([0.0545, 0.2442, 0.4026, 0.2442, 0.0545])
    >>> len(gaussian_kernel_1d(1.0)), len(gaussian_kernel_1d(2.0))
    (9, 17)
    """
    if not 0 < sigma < np.inf:
        raise ValueError(
            f"sigma must be positive and finite, got {sigma}; it is the width of the bell in pixels "
            "(OpenCV's 'sigma 0: take it from the kernel size' is not offered)"
        )
    size = 2 * int(4 * sigma + 0.5) + 1 if kernel_size is None else _checked_size(kernel_size)
    distance = np.arange(size) - size // 2
    with np.errstate(over="ignore"):  # a tiny sigma: exp(-inf) = 0 is right
        bell = np.exp(-0.5 * (distance / sigma) ** 2)
    return bell / bell.sum()


def binomial_kernel(kernel_size: int) -> FloatArray:
    """Row of Pascal's triangle divided by its sum: the Gaussian of whole numbers.

    Its sigma is ``sqrt(kernel_size - 1) / 2``. Size 5 is what ``cv2.getGaussianKernel(5, 0)``
    returns.

    >>> binomial_kernel(5) * 16
    array([1., 4., 6., 4., 1.])
    """
    n = _checked_size(kernel_size) - 1
    return np.array([comb(n, k) / 2**n for k in range(n + 1)])


def correlate(image: ArrayLike, kernel: ArrayLike, *, border: str = "reflect") -> FloatArray:
    """Sum over the window of kernel times image, at every pixel; `kernel` is 2-D, sides odd.

    The kernel is not flipped: this is what PyTorch calls convolution, and what
    ``cv2.filter2D`` does. It is not normalised either.

    >>> step = [[0, 0, 6, 6]] * 3
    >>> correlate(step, [[1, 1, 1]])[1] / 3        # a mean of three blurs the edge
    array([0., 2., 4., 6.])
    >>> correlate(step, [[-1, 0, 1]])[1]           # not flipped: right minus left
    array([0., 6., 6., 0.])
    """
    pixels, weights = _checked_image(image).astype(np.float64), _checked_kernel(kernel)
    total = np.zeros_like(pixels)
    shifts = _shifts(_padded(pixels, weights.shape, border), weights.shape)
    for weight, shifted in zip(weights.flat, shifts, strict=True):
        total += weight * shifted
    return total


def correlate_naive(image: ArrayLike, kernel: ArrayLike, *, border: str = "reflect") -> FloatArray:
    """The same numbers as `correlate`, by the definition: four loops.

    >>> correlate_naive([[0, 0, 6, 6]], [[-1, 0, 1]])
    array([[0., 6., 6., 0.]])
    """
    pixels, weights = _checked_image(image).astype(np.float64), _checked_kernel(kernel)
    padded = _padded(pixels, weights.shape, border)
    total = np.zeros_like(pixels)
    for row in range(pixels.shape[0]):
        for column in range(pixels.shape[1]):
            for i in range(weights.shape[0]):
                for j in range(weights.shape[1]):
                    total[row, column] += weights[i, j] * padded[row + i, column + j]
    return total


def separable_filter(
    image: ArrayLike, kernel_row: ArrayLike, kernel_column: ArrayLike, *, border: str = "reflect"
) -> FloatArray:
    """`correlate` with ``np.outer(kernel_column, kernel_row)``, in two passes.

    That takes 2k products a pixel, not k * k. `kernel_row` runs along the rows (left to
    right), `kernel_column` down the columns, as in ``cv2.sepFilter2D``.

    >>> impulse = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    >>> separable_filter(impulse, [1, 2, 3], [10, 0, 0], border="zero")  # not flipped: mirrored
    array([[ 0.,  0.,  0.],
           [ 0.,  0.,  0.],
           [30., 20., 10.]])
    """
    row, column = (np.asarray(kernel) for kernel in (kernel_row, kernel_column))
    if row.ndim != 1 or column.ndim != 1:
        raise ValueError(
            f"kernel_row and kernel_column must be 1-D, got shapes {row.shape} and {column.shape}; "
            "a 2-D kernel belongs in correlate"
        )
    return correlate(correlate(image, row[None, :], border=border), column[:, None], border=border)


def gaussian_filter(
    image: ArrayLike, sigma: float, kernel_size: int | None = None, *, border: str = "reflect"
) -> FloatArray:
    """Image blurred by a Gaussian of `sigma` pixels in both directions.

    The kernel is `gaussian_kernel_1d`. Border "reflect" needs an image larger than half
    the window, 4 sigma; "replicate" and "zero" take any.

    >>> edge = [[0, 0, 0, 8, 8, 8]]
    >>> gaussian_filter(edge, sigma=1.0, kernel_size=3, border="replicate").round(2)
    array([[0.  , 0.  , 2.19, 5.81, 8.  , 8.  ]])
    """
    kernel = gaussian_kernel_1d(sigma, kernel_size)
    return separable_filter(image, kernel, kernel, border=border)


def mean_filter(image: ArrayLike, kernel_size: int, *, border: str = "reflect") -> FloatArray:
    """Mean of the square window around each pixel, at the same cost for every `kernel_size`.

    A window sum is the difference of two running sums. Sums of integers are exact; with
    floats the rounding error is about 1e-16 times the sum of a whole row or column.

    >>> mean_filter([[0, 0, 0], [0, 9, 0], [0, 0, 0]], 3, border="zero")
    array([[1., 1., 1.],
           [1., 1., 1.],
           [1., 1., 1.]])
    """
    pixels, size = _checked_image(image).astype(np.float64), _checked_size(kernel_size)
    down = _window_sums(_padded(pixels, (size, size), border), size)
    return _window_sums(down.swapaxes(0, 1), size).swapaxes(0, 1) / size**2


def median_filter(image: ArrayLike, kernel_size: int, *, border: str = "reflect") -> AnyArray:
    """Middle value of the sorted square window: with size 3 the fifth of nine.

    The size is odd, so the middle is always one of the pixels, never a mean of two,
    and the dtype is that of the image. ``cv2.medianBlur`` has border "replicate",
    ``scipy.ndimage.median_filter`` "symmetric".

    >>> median_filter([[7, 7, 7], [7, 255, 8], [7, 8, 8]], 3)[1, 1]  # 7 7 7 7 [7] 8 8 8 255
    np.int64(7)
    """
    pixels, size = _checked_image(image), _checked_size(kernel_size)
    padded = _padded(pixels, (size, size), border)
    windows = sliding_window_view(padded, (size, size), axis=(0, 1))
    middle = size * size // 2
    result = np.empty_like(pixels)
    for row, strip in enumerate(windows):  # one row at a time keeps the copy small
        values = strip.reshape(*strip.shape[:-2], size * size)  # (W, n) or (W, C, n)
        result[row] = np.partition(values, middle, axis=-1)[..., middle]
    return result


def maximum_filter(image: ArrayLike, kernel_size: int, *, border: str = "reflect") -> AnyArray:
    """Largest value of the square window: gray dilation. The dtype is that of the image.

    With "reflect", "symmetric" and "replicate" the border adds no value that the window
    does not hold already, so all three agree with ``cv2.dilate``, which ignores what is
    outside.

    >>> maximum_filter([[0, 0, 0, 0, 0], [0, 0, 9, 0, 0], [0, 0, 0, 0, 0]], 3)[0]
    array([0, 9, 9, 9, 0])
    """
    return _extreme(np.maximum, image, kernel_size, border)


def minimum_filter(image: ArrayLike, kernel_size: int, *, border: str = "reflect") -> AnyArray:
    """Smallest value of the square window: gray erosion, ``cv2.erode``.

    Borders and dtype are those of `maximum_filter`.

    >>> minimum_filter([[9, 9, 9, 9, 9], [9, 9, 0, 9, 9], [9, 9, 9, 9, 9]], 3)[0]
    array([9, 0, 0, 0, 9])
    """
    return _extreme(np.minimum, image, kernel_size, border)


def opening(image: ArrayLike, kernel_size: int, *, border: str = "reflect") -> AnyArray:
    """Minimum, then maximum: bright specks that the window does not fit into vanish, larger shapes come back.

    >>> opening([[0, 9, 0, 0, 9, 9, 9, 0]] * 3, 3)[1]
    array([0, 0, 0, 0, 9, 9, 9, 0])
    """
    return maximum_filter(minimum_filter(image, kernel_size, border=border), kernel_size, border=border)


def closing(image: ArrayLike, kernel_size: int, *, border: str = "reflect") -> AnyArray:
    """Maximum, then minimum: dark specks that the window does not fit into are filled.

    >>> closing([[9, 0, 9, 9, 0, 0, 0, 9]] * 3, 3)[1]
    array([9, 9, 9, 9, 0, 0, 0, 9])
    """
    return minimum_filter(maximum_filter(image, kernel_size, border=border), kernel_size, border=border)


def add_gaussian_noise(image: ArrayLike, sigma: float, rng: np.random.Generator) -> AnyArray:
    """Copy of the image with independent Gaussian noise of deviation `sigma`, in the units of the image.

    An unsigned integer image is rounded and clipped to its range; a float image keeps its dtype and is not clipped.

    >>> add_gaussian_noise(np.full((2, 4), 250, np.uint8), 10, np.random.default_rng(0))
    array([[251, 249, 255, 251],
           [245, 254, 255, 255]], dtype=uint8)
    """
    pixels = _checked_image(image)
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must be at least 0 and finite, got {sigma}; it is a deviation, in gray levels")
    if pixels.dtype.kind not in "uf":
        raise ValueError(
            f"image must hold unsigned integers or floats, got {pixels.dtype}; a list has no range to clip to: "
            "is .astype(np.uint8) missing?"
        )
    noisy = pixels + _checked_rng(rng).normal(0, sigma, pixels.shape)
    if pixels.dtype.kind == "u":
        noisy = np.rint(noisy).clip(0, np.iinfo(pixels.dtype).max)
    return noisy.astype(pixels.dtype)


def add_salt_and_pepper(image: ArrayLike, salt: float, pepper: float, rng: np.random.Generator) -> AnyArray:
    """Copy of the image in which each pixel turns white with probability `salt`, black with probability `pepper`.

    White is the largest value of an unsigned integer dtype, or 1.0 in a float image, which must lie in [0, 1];
    black is 0. All channels of a pixel change together. With equal seeds a larger share only adds impulses.

    >>> rng = np.random.default_rng(0)
    >>> add_salt_and_pepper(np.full((3, 6), 128, np.uint8), 0.2, 0.2, rng)
    array([[128, 128,   0,   0, 255, 255],
           [128, 128, 128, 255, 255,   0],
           [255,   0, 128,   0, 255, 128]], dtype=uint8)
    """
    noisy = _checked_image(image).copy()
    for name, share in (("salt", salt), ("pepper", pepper), ("salt + pepper", salt + pepper)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {share}; it is a share of the pixels, not a percentage")
    draw = _checked_rng(rng).random(noisy.shape[:2])
    noisy[draw < pepper] = 0
    noisy[draw >= 1 - salt] = _white(noisy)
    return noisy


def adjust_gamma(image: ArrayLike, gamma: float) -> FloatArray:
    """``image ** gamma`` for values in [0, 1]: a gamma below 1 brightens, above 1 darkens; 0 and 1 stay.

    >>> adjust_gamma([[0.0, 1 / 255, 0.1, 1.0]], 0.25).round(3)      # one level of 255 becomes a quarter
    array([[0.   , 0.25 , 0.562, 1.   ]])
    """
    pixels = _checked_image(image)
    if not 0 < gamma < np.inf:
        raise ValueError(f"gamma must be positive and finite, got {gamma}; below 1 brightens, above 1 darkens")
    _check_unit_interval(pixels)
    return np.power(pixels, gamma, dtype=np.float64)


def _shifts(padded: AnyArray, kernel_shape: tuple[int, ...]) -> Iterator[AnyArray]:
    """The image as seen from each place of the window, left to right, then down."""
    height, width = (side - k + 1 for side, k in zip(padded.shape[:2], kernel_shape, strict=True))
    for i in range(kernel_shape[0]):
        for j in range(kernel_shape[1]):
            yield padded[i : i + height, j : j + width]


def _window_sums(values: FloatArray, size: int) -> FloatArray:
    """Sum of each `size` neighbours down the columns: the difference of two running sums."""
    running = np.cumsum(values, axis=0)
    running = np.concatenate([np.zeros_like(running[:1]), running])
    return running[size:] - running[:-size]


def _extreme(larger_or_smaller: np.ufunc, image: ArrayLike, kernel_size: int, border: str) -> AnyArray:
    """Maximum or minimum over the window, first along the rows, then down the columns."""
    pixels, size = _checked_image(image), _checked_size(kernel_size)
    result = _padded(pixels, (size, size), border)
    for shape in ((1, size), (size, 1)):
        shifts = _shifts(result, shape)
        best = next(shifts).copy()
        for shifted in shifts:
            larger_or_smaller(best, shifted, out=best)
        result = best
    return result


def _padded(pixels: AnyArray, kernel_shape: tuple[int, ...], border: str) -> AnyArray:
    if border not in list(_NUMPY_MODE):  # a list: even an unhashable word gets the message
        raise ValueError(
            f"border must be one of {', '.join(_NUMPY_MODE)}; got {border!r}. OpenCV, SciPy and NumPy use other words: "
            "REFLECT_101 and mirror are reflect here, SciPy's reflect is symmetric, nearest and edge are replicate"
        )
    width = [k // 2 for k in kernel_shape]
    for name, side, reach in zip(("row", "column"), pixels.shape[:2], width, strict=True):
        most = {"reflect": side - 1, "symmetric": side, "wrap": side}.get(border, reach)
        if reach > most:
            raise ValueError(
                f"border {border!r} can add at most {most} {name}s to {side}, but a kernel {2 * reach + 1} "
                f"{'high' if name == 'row' else 'wide'} needs {reach}; use a smaller kernel_size or sigma, "
                "or border='replicate'"
            )
    channels = [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, [(w, w) for w in width] + channels, mode=_NUMPY_MODE[border])  # type: ignore[call-overload]


def _checked_image(image: ArrayLike) -> AnyArray:
    pixels = _checked_numbers("image", image)
    if pixels.ndim not in (2, 3) or pixels.size == 0:
        raise ValueError(
            f"image must have shape (H, W) or (H, W, C) and at least one pixel, got {pixels.shape}; "
            "did you pass a batch, a file that was not found, or an empty crop?"
        )
    return pixels


def _checked_kernel(kernel: ArrayLike) -> FloatArray:
    weights = _checked_numbers("kernel", kernel)
    if weights.ndim != 2 or not all(side % 2 for side in weights.shape):
        raise ValueError(
            f"kernel must be 2-D with odd sides, got shape {weights.shape}; an even window has no centre pixel, "
            "a 1-D kernel needs [None, :] or separable_filter"
        )
    return weights.astype(np.float64)


def _checked_numbers(name: str, values: ArrayLike) -> AnyArray:
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{name} must hold real numbers, got dtype {array.dtype}; is it a ragged list, a path, or None?"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, got {array[~np.isfinite(array)][0]}; "
            "was there a division by zero, or a negative number to a fractional power?"
        )
    return array


def _checked_size(kernel_size: int) -> int:
    whole = isinstance(kernel_size, int | np.integer) and not isinstance(kernel_size, bool)
    if not whole or kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(
            f"kernel_size must be an odd whole number, 1 or more, got {kernel_size!r}; "
            "an even window has no centre pixel and would shift the image by half a pixel"
        )
    return int(kernel_size)


def _checked_rng(rng: np.random.Generator) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a NumPy Generator, got {rng!r}; pass np.random.default_rng(0)")
    return rng


def _white(pixels: AnyArray) -> float | int:
    if pixels.dtype.kind == "u":
        return int(np.iinfo(pixels.dtype).max)
    _check_unit_interval(pixels)
    return 1.0


def _check_unit_interval(pixels: AnyArray) -> None:
    if pixels.dtype.kind != "f" or pixels.min() < 0 or pixels.max() > 1:
        raise ValueError(
            f"image must hold floats in [0, 1], got {pixels.dtype} from {pixels.min()} to {pixels.max()}; "
            "did you forget to divide by 255?"
        )
