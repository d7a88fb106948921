"""Edges: where brightness changes fast. Boundaries: where one thing ends; an edge is a hint of one, no more.

Images are gray (H, W), results float64 or boolean of that shape. x runs to the right and y down, so that a gradient
of angle +90 degrees points down the page. A gradient is the plain sum of its table, as in ``cv2.Sobel``: divide by
`gradient_gain` to have gray levels per pixel. Thresholds are in the units of that sum, and `>` passes them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from utils.filters import gaussian_filter, gaussian_kernel_1d, mean_filter, separable_filter

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# (derivative along the axis, smoothing across it): the 3x3 table for x is np.outer(smoothing, derivative).
GRADIENT_KERNELS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "roberts": ((0, -1, 1), (0, 1, 1)),  # the 2x2 cross, turned into x and y; half a pixel right and down
    "central": ((-1, 0, 1), (0, 1, 0)),
    "prewitt": ((-1, 0, 1), (1, 1, 1)),
    "sobel": ((-1, 0, 1), (1, 2, 1)),
    "scharr": ((-1, 0, 1), (3, 10, 3)),
}

_EVERY_NEIGHBOUR = np.ones((3, 3), dtype=bool)
_TAN_22_5 = np.sqrt(2) - 1


def gradient(image: ArrayLike, operator: str = "sobel", *, border: str = "reflect") -> tuple[FloatArray, FloatArray]:
    """Change to the right and change downwards at every pixel, (H, W) each, as sums of the operator's table.

    `operator` is "roberts", "central", "prewitt", "sobel" or "scharr". Nothing is divided: a ramp
    of one gray level per pixel gives `gradient_gain`. The gradient points to the brighter side,
    across the edge.

    >>> gx, gy = gradient([[0, 0, 7, 7]] * 3)
    >>> gx[1], gy[1]
    (array([ 0., 28., 28.,  0.]), array([0., 0., 0., 0.]))
    """
    pixels = _checked_gray(image)
    derivative, smoothing = _checked_operator(operator)
    gx = separable_filter(pixels, derivative, smoothing, border=border)
    return gx, separable_filter(pixels, smoothing, derivative, border=border)


def gradient_gain(operator: str = "sobel") -> int:
    """What the operator answers to a ramp of one gray level per pixel.

    >>> [gradient_gain(name) for name in ("roberts", "prewitt", "sobel", "scharr")]
    [2, 6, 8, 32]
    """
    derivative, smoothing = _checked_operator(operator)
    return (derivative[2] - derivative[0]) * sum(smoothing)


def gradient_magnitude(gx: ArrayLike, gy: ArrayLike, norm: str = "l2") -> FloatArray:
    """Length of the gradient: "l2" is the Euclidean one, "l1" the sum of absolute values.

    "l1" is what ``cv2.Canny`` takes unless told otherwise. On a diagonal it is 1.41 times "l2".

    >>> gradient_magnitude([3.0], [-4.0]), gradient_magnitude([3.0], [-4.0], "l1")
    (array([5.]), array([7.]))
    """
    x, y = np.asarray(gx, dtype=np.float64), np.asarray(gy, dtype=np.float64)
    if norm not in ("l1", "l2"):
        raise ValueError(f"norm must be 'l1' or 'l2', got {norm!r}; OpenCV's L2gradient=True is 'l2'")
    # Not np.hypot: the root of a whole number keeps the order and the ties of the squares.
    return np.abs(x) + np.abs(y) if norm == "l1" else np.sqrt(x * x + y * y)


def laplacian_of_gaussian(image: ArrayLike, sigma: float, *, border: str = "reflect") -> FloatArray:
    """Sum of both second derivatives of the image blurred by `sigma` pixels: positive on the dark side of an edge.

    ``scipy.ndimage.gaussian_laplace`` but for one thing: the weights sum to zero here, so that
    a flat image gives 0 and not a remainder of the cut tails.

    >>> row = laplacian_of_gaussian([[0] * 5 + [9] * 5] * 9, 1.0)[4]
    >>> row.round(1)[2:8]
    array([ 0.3,  1.8,  1.8, -1.8, -1.8, -0.3])
    """
    bell = gaussian_kernel_1d(sigma)
    distance = np.arange(len(bell)) - len(bell) // 2
    curve = (distance**2 / sigma**4 - 1 / sigma**2) * bell
    curve -= curve.sum() * bell
    pixels = _checked_gray(image)
    across = separable_filter(pixels, curve, bell, border=border)
    return across + separable_filter(pixels, bell, curve, border=border)


def difference_of_gaussians(
    image: ArrayLike, sigma: float, ratio: float = 1.6, *, border: str = "reflect"
) -> FloatArray:
    """Image blurred by ``ratio * sigma`` minus image blurred by `sigma`; the sign is that of the LoG.

    As `ratio` nears 1 it becomes ``(ratio - 1) * sigma**2`` times the LoG. 1.6 is the ratio of
    Marr and Hildreth (1980); it looks like a LoG of a somewhat larger sigma.

    >>> difference_of_gaussians([[0] * 5 + [9] * 5] * 9, 1.0)[4, 2:8].round(1)
    array([ 0.5,  1. ,  0.7, -0.7, -1. , -0.5])
    """
    if not 1 < ratio < np.inf:
        raise ValueError(f"ratio must be above 1 and finite, got {ratio}; it is the larger sigma over the smaller")
    pixels = _checked_gray(image)
    wide = gaussian_filter(pixels, ratio * sigma, border=border)
    return wide - gaussian_filter(pixels, sigma, border=border)


def zero_crossings(response: ArrayLike, threshold: float = 0.0) -> BoolArray:
    """Pixels whose right or lower neighbour has the other sign, with a jump above `threshold` between them.

    Zero counts as positive. Of the two pixels of a pair only the upper or left one is marked.

    >>> zero_crossings([[3, 1, -2, -2, 5]])
    array([[False,  True, False,  True, False]])
    >>> zero_crossings([[3, 1, -2, -2, 5]], threshold=3)     # a jump of exactly 3 does not pass
    array([[False, False, False,  True, False]])
    """
    values = np.asarray(_checked_gray(response), dtype=np.float64)
    found = np.zeros(values.shape, dtype=bool)
    for axis in (0, 1):
        here, there = (np.take(values, range(a, values.shape[axis] - 1 + a), axis) for a in (0, 1))
        crossing = ((here < 0) != (there < 0)) & (np.abs(here - there) > threshold)
        found[: crossing.shape[0], : crossing.shape[1]] |= crossing
    return found


def thin_edges(
    gx: ArrayLike, gy: ArrayLike, magnitude: ArrayLike, *, above: float = 0.0, neighbours: str = "sector"
) -> BoolArray:
    """Pixels that are the largest along the gradient: non-maximum suppression, for edges.

    A pixel must be larger than `above` and no smaller than its two neighbours across the edge;
    outside the image the magnitude is 0. "sector" takes the nearest of the eight neighbours on
    each side, as OpenCV does: of equal pixels in a row the left one stays, in a column the upper
    one, on a diagonal none. "interpolated" goes exactly where the gradient points, between two
    neighbours, as scikit-image does, and keeps all that are equal.

    >>> level = np.zeros((1, 6))
    >>> thin_edges(level + 1, level, [[0, 2, 5, 9, 9, 1]])
    array([[False, False, False,  True, False, False]])
    """
    x, y, size = (np.asarray(_checked_gray(part), dtype=np.float64) for part in (gx, gy, magnitude))
    _check_thinning(x.shape, y.shape, size.shape, neighbours)
    candidates = np.flatnonzero(size > above)  # most pixels are not: work on the others alone
    keeps = _largest_of_sector if neighbours == "sector" else _largest_interpolated
    thin = np.zeros(size.shape, dtype=bool)
    thin.flat[candidates[keeps(x, y, size, candidates)]] = True
    return thin


def hysteresis(strength: ArrayLike, low: float, high: float) -> BoolArray:
    """Connected pieces of pixels above `low` that hold a pixel above `high`; the eight neighbours connect.

    Both comparisons are `>`. With ``low == high`` this is one plain threshold.

    >>> hysteresis([[60, 120, 70, 40, 60, 60]], low=50, high=100)
    array([[ True,  True,  True, False, False, False]])
    """
    values = _checked_gray(strength)
    if not low <= high:
        raise ValueError(f"low must not exceed high, got low={low}, high={high}; are they swapped?")
    pieces, count = ndimage.label(values > low, structure=_EVERY_NEIGHBOUR)
    holds_strong = np.zeros(count + 1, dtype=bool)
    holds_strong[pieces[values > high]] = True
    return holds_strong[pieces]


def canny(
    image: ArrayLike, low: float, high: float, *, sigma: float = 0.0, norm: str = "l2", neighbours: str = "sector"
) -> BoolArray:
    """Edges by Canny (1986): blur, Sobel gradient, thin lines, and keep the weak ones that touch strong ones.

    `low` and `high` are in the units of the Sobel sum, 8 times gray levels per pixel, and `>`
    passes them. Sigma 0 means no blur: then a uint8 image gives ``cv2.Canny(image, low, high,
    L2gradient=norm == "l2")``, pixel by pixel. The border is replicated.

    >>> picture = np.zeros((5, 6))
    >>> picture[:, 3:] = 50                        # a step of 50: the Sobel sum is 200 on both sides
    >>> canny(picture, 100, 199)[2]
    array([False, False,  True, False, False, False])
    >>> canny(picture, 100, 200).any()             # 200 is not above 200
    np.False_
    """
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma must be at least 0 and finite, got {sigma}; it is the blur in pixels, 0 for none")
    if not 0 <= low <= high:
        raise ValueError(f"thresholds must be 0 <= low <= high, got low={low}, high={high}; are they swapped?")
    pixels = _checked_gray(image)
    smooth = gaussian_filter(pixels, sigma, border="replicate") if sigma else pixels
    gx, gy = gradient(smooth, "sobel", border="replicate")
    magnitude = gradient_magnitude(gx, gy, norm)
    thin = thin_edges(gx, gy, magnitude, above=low, neighbours=neighbours)
    return hysteresis(np.where(thin, magnitude, 0), low, high)


def direction_error(operator: str, wavelength: float, degrees: ArrayLike) -> FloatArray:
    """Direction of the gradient minus the true one, in degrees, for a plane wave that climbs towards `degrees`.

    Measured at a pixel where the wave, `wavelength` pixels long, is steepest. On a ramp, the
    limit of a long wave, every operator is exact.

    >>> direction_error("sobel", 8, [0, 22.5, 45]).round(2) + 0.0
    array([ 0.  , -0.75,  0.  ])
    """
    if not wavelength > 2:
        raise ValueError(f"wavelength must be above 2 pixels, got {wavelength}; a shorter wave cannot be sampled")
    angles = np.asarray(degrees, dtype=np.float64)
    y, x = np.mgrid[-1:2, -1:2]
    errors = []
    for angle in angles.ravel():
        right, down = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        gx, gy = gradient(np.sin(2 * np.pi / wavelength * (x * right + y * down)), operator)
        # Turned back by the true angle, so that no jump at 180 degrees can come between.
        errors.append(np.arctan2(gy[1, 1] * right - gx[1, 1] * down, gx[1, 1] * right + gy[1, 1] * down))
    return np.degrees(errors).reshape(angles.shape)


def noise_for_a_step(response: Callable[[FloatArray], FloatArray], *, seed: int = 0) -> float:
    """Deviation of a filter's answer to noise of deviation 1, divided by its largest answer to a step of height 1.

    `response` maps an image to a filtered one; noise and step are 128 x 128, and the outer 20
    pixels do not count. For a bare 3x3 table it is the root of its summed squares over its
    answer to the step: 0.87 for Sobel.

    >>> round(noise_for_a_step(lambda image: gradient(image)[0]), 1)
    0.9
    """
    step = np.zeros((128, 128))
    step[:, 64:] = 1
    noise = np.random.default_rng(seed).normal(0, 1, step.shape)
    inside = np.s_[20:-20, 20:-20]
    return float(response(noise)[inside].std() / np.abs(response(step)[inside]).max())


def canny_criteria(sigma: float, *, noise: float = 0.5, rows: int = 400, seed: int = 0) -> tuple[float, float, float]:
    """Signal-to-noise ratio, distance of the hits in pixels, and number of answers: Canny's criteria, measured.

    A step of height 1 in Gaussian `noise` is blurred by `sigma` and differentiated, `rows` times.
    A hit is a largest slope within 5 pixels of the step, an answer a local maximum within 15
    that is above half the height without noise. The second is NaN if nothing hits.

    >>> canny_criteria(1, noise=0)[1:]            # no noise: half a pixel off, between two pixels
    (0.5, 1.0)
    """
    step = np.zeros((1, 121))
    step[:, 61:] = 1
    noisy = step + np.random.default_rng(seed).normal(0, noise, (rows, 121))
    curve, delta = gaussian_kernel_1d(sigma), [0.0, 1.0, 0.0]
    clean, slope = (
        separable_filter(
            separable_filter(part, curve, delta, border="replicate"), [-1, 0, 1], delta, border="replicate"
        )
        for part in (step, noisy)
    )
    spread = slope[:, :35].std()
    off = np.abs(slope.argmax(axis=1) - 60.5)
    left, here, right = (slope[:, 45 + shift : 75 + shift] for shift in (0, 1, 2))
    answers = ((here > left) & (here >= right) & (here > clean.max() / 2)).sum(axis=1).mean()
    ratio = clean.max() / spread if spread > 0 else np.inf
    distance = off[off <= 5].mean() if (off <= 5).any() else np.nan
    return float(ratio), float(distance), float(answers)


def texture_gradient(image: ArrayLike, window: int = 15, bins: int = 8) -> FloatArray:
    """How much the gray levels on two sides of a pixel differ in distribution, from 0 (same) to 1 (nothing shared).

    Histograms of the `window` x `window` squares left and right of the pixel are compared by
    half their chi-squared distance, then those above and below; the larger counts. `window` is
    odd. Values are cut into `bins` of equal width from the smallest to the largest. This is the
    idea of Pb (Martin et al. 2004) with two directions and gray levels only.

    >>> two_halves = np.tile([0, 0, 0, 0, 0, 9, 9, 9, 9, 9], (5, 1))
    >>> texture_gradient(two_halves, window=3)[2].round(1)
    array([0. , 0. , 0.2, 0.5, 1. , 1. , 0.5, 0.2, 0. , 0. ])
    """
    pixels = np.asarray(_checked_gray(image), dtype=np.float64)
    if not isinstance(bins, int) or bins < 2:
        raise ValueError(f"bins must be a whole number of at least 2, got {bins!r}")
    span = np.ptp(pixels) or 1.0
    level = ((pixels - pixels.min()) / span * bins).astype(int).clip(max=bins - 1)
    distance = np.zeros((2, *pixels.shape))
    for number in range(bins):
        share = mean_filter(level == number, window, border="symmetric")
        for axis in (0, 1):
            before, after = (_shifted(share, step * (window // 2 + 1), axis) for step in (-1, 1))
            total = before + after
            distance[axis] += np.divide((before - after) ** 2, total, out=np.zeros_like(total), where=total > 1e-9)
    return distance.max(axis=0) / 2


def boundary_scores(found: ArrayLike, truth: ArrayLike, tolerance: float) -> tuple[float, float]:
    """Precision and recall of boundary pixels: shares that have a pixel of the other set within `tolerance` pixels.

    Distances are Euclidean, a distance of exactly `tolerance` counts. Without pixels found the
    precision is NaN, without true pixels the recall is. The Berkeley benchmark matches pixels
    one to one instead, which is stricter with thick lines.

    >>> boundary_scores([[1, 0, 0, 0, 0, 1]], [[0, 1, 0, 0, 0, 0]], tolerance=1)
    (0.5, 1.0)
    """
    masks = [np.asarray(_checked_gray(mask)).astype(bool) for mask in (found, truth)]
    if masks[0].shape != masks[1].shape:
        raise ValueError(f"found and truth must have one shape, got {masks[0].shape} and {masks[1].shape}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be at least 0, got {tolerance}; it is a distance in pixels")
    near = [ndimage.distance_transform_edt(~mask) <= tolerance if mask.any() else mask for mask in masks]
    precision, recall = (
        float(close[mask].mean()) if mask.any() else float("nan") for mask, close in zip(masks, near[::-1], strict=True)
    )
    return precision, recall


def _check_thinning(x: tuple[int, ...], y: tuple[int, ...], size: tuple[int, ...], neighbours: str) -> None:
    if not x == y == size:
        raise ValueError(f"gx, gy and magnitude must have one shape, got {x}, {y}, {size}")
    if neighbours not in ("sector", "interpolated"):
        raise ValueError(f"neighbours must be 'sector' or 'interpolated', got {neighbours!r}")


def _largest_of_sector(x: FloatArray, y: FloatArray, size: FloatArray, candidates: NDArray[np.intp]) -> BoolArray:
    """Which candidates win against the nearest neighbour on both sides."""
    width = size.shape[1] + 2
    padded = np.pad(size, 1).ravel()
    gx, gy = x.ravel()[candidates], y.ravel()[candidates]
    flat, steep = np.abs(gy) < _TAN_22_5 * np.abs(gx), np.abs(gx) < _TAN_22_5 * np.abs(gy)
    diagonal = width + np.where((gx < 0) == (gy < 0), 1, -1)
    step = np.where(flat, 1, np.where(steep, width, diagonal))
    place = _in_padded(candidates, width)
    here, before, after = padded[place], padded[place - step], padded[place + step]
    return (here > before) & ((here > after) | ((here == after) & (flat | steep)))


def _largest_interpolated(x: FloatArray, y: FloatArray, size: FloatArray, candidates: NDArray[np.intp]) -> BoolArray:
    """Which candidates are no smaller than the magnitude where the gradient's line meets the ring of neighbours."""
    width = size.shape[1] + 2
    padded = np.pad(size, 1).ravel()
    gx, gy = x.ravel()[candidates], y.ravel()[candidates]
    along_x, along_y = np.sign(gx).astype(int), np.sign(gy).astype(int) * width
    straight = np.where(np.abs(gx) > np.abs(gy), along_x, along_y)
    slant = np.minimum(np.abs(gx), np.abs(gy)) / np.maximum(np.maximum(np.abs(gx), np.abs(gy)), 1e-300)
    place = _in_padded(candidates, width)
    here, wins = padded[place], np.ones(len(candidates), dtype=bool)
    for side in (-1, 1):
        nearest, corner = padded[place + side * straight], padded[place + side * (along_x + along_y)]
        wins &= nearest * (1 - slant) + corner * slant <= here
    return wins


def _in_padded(places: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """Flat places in an image, as flat places in the image with a frame of one pixel, `width` wide."""
    return places + 2 * (places // (width - 2)) + width + 1


def _shifted(values: FloatArray, step: int, axis: int) -> FloatArray:
    """Values `step` further along an axis, the last one repeated."""
    places = (np.arange(values.shape[axis]) + step).clip(0, values.shape[axis] - 1)
    return np.take(values, places, axis)


def _checked_operator(operator: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if operator not in list(GRADIENT_KERNELS):  # a list: even an unhashable word gets the message
        raise ValueError(f"operator must be one of {', '.join(GRADIENT_KERNELS)}; got {operator!r}")
    return GRADIENT_KERNELS[operator]


def _checked_gray(image: ArrayLike) -> NDArray[Any]:
    pixels = np.asarray(image)
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(
            f"expected a gray image (H, W) of at least one pixel, got shape {pixels.shape}; "
            "is it in colour? Convert it first, or take one channel"
        )
    if pixels.dtype.kind not in "buif" or not np.isfinite(pixels).all():
        raise ValueError(f"expected finite real numbers, got dtype {pixels.dtype}, or NaN or infinity among them")
    return pixels
