"""Denoising: filters that look before they average, two measures of success, and the noise of light.

All functions take one gray image (H, W) and compute in float64; parameters named `sigma`, `h`, `weight` and
`threshold` are in the units of the image, gray levels if it runs from 0 to 255. Nothing is rounded or clipped.
Written to be read: OpenCV and scikit-image do the same faster.
Used first in chapters/image-processing/sharpening-and-denoising.ipynb.
"""

from collections.abc import Iterator

import numpy as np
import pywt
from numpy.typing import ArrayLike, NDArray

from utils.filters import gaussian_filter, mean_filter

FloatArray = NDArray[np.float64]


def bilateral_filter(
    image: ArrayLike, sigma_color: float, sigma_space: float, kernel_size: int | None = None
) -> FloatArray:
    """Mean of the window, each neighbour weighted by how near it is (pixels) and how alike (gray levels).

    Both weights are Gaussians, of deviation `sigma_space` and `sigma_color`. The window is square and reaches
    3 `sigma_space`, rounded half up, unless `kernel_size` says otherwise. The border is mirrored without repeating
    the edge pixel. Source: Tomasi and Manduchi, 1998.

    >>> edge = np.array([[10, 12, 9, 200, 203, 199]] * 6)
    >>> bilateral_filter(edge, sigma_color=30, sigma_space=1)[2].round(1)
    array([ 10.9,  10.7,  10.1, 201. , 201.2, 201.1])
    """
    pixels = _checked_gray(image)
    _check_positive("sigma_color", sigma_color)
    _check_positive("sigma_space", sigma_space)
    reach = int(3 * sigma_space + 0.5) if kernel_size is None else _half(kernel_size, "kernel_size")
    total, weights = np.zeros_like(pixels), np.zeros_like(pixels)
    for i, j, shifted in _neighbours(pixels, reach):
        near = np.exp(-(i**2 + j**2) / (2 * sigma_space**2))
        weight = near * np.exp(-((shifted - pixels) ** 2) / (2 * sigma_color**2))
        total += weight * shifted
        weights += weight
    return total / weights  # the pixel itself has weight 1: never a division by zero


def non_local_means(
    image: ArrayLike, h: float, *, sigma: float = 0.0, patch_size: int = 5, patch_distance: int = 7
) -> FloatArray:
    """Mean of the pixels whose patches look alike, up to `patch_distance` rows and columns away.

    The weight is ``exp(-max(d - 2 * sigma**2, 0) / h**2)``, with d the mean squared difference of two patches of
    `patch_size` by `patch_size`: `sigma` is the noise that two equal patches differ by anyway, and `h` sets how much
    more is forgiven. The border is mirrored. Source: Buades, Coll and Morel, 2005; patches are weighted evenly.

    >>> stripes = np.tile([0.0, 0.0, 90.0], (9, 4))
    >>> non_local_means(stripes, h=10, patch_size=3, patch_distance=3)[4, :6].round(6)   # repeats find each other
    array([ 0.,  0., 90.,  0.,  0., 90.])
    """
    pixels = _checked_gray(image)
    _check_positive("h", h)
    _half(patch_size, "patch_size")
    total, weights = np.zeros_like(pixels), np.zeros_like(pixels)
    for _, _, shifted in _neighbours(pixels, patch_distance):
        distance = mean_filter((shifted - pixels) ** 2, patch_size)  # of all patches to their shifted twins at once
        weight = np.exp(-np.maximum(distance - 2 * sigma**2, 0) / h**2)
        total += weight * shifted
        weights += weight
    return total / weights


def total_variation_denoise(image: ArrayLike, weight: float, *, iterations: int = 100) -> FloatArray:
    """The image u with least ``sum((u - image)**2) / 2 + weight * sum(|gradient of u|)``, nearly.

    The gradient is the step to the next pixel down and right. `iterations` of Chambolle's projection (2004), with his
    safe step of 1/4; the mean of the image is kept.

    >>> step = [[0, 0, 0, 0, 8, 8, 8, 8]]
    >>> total_variation_denoise(step, weight=4, iterations=2000).round(2)    # sides move by weight / 4 pixels
    array([[1., 1., 1., 1., 7., 7., 7., 7.]])
    """
    pixels = _checked_gray(image)
    _check_positive("weight", weight)
    dual = np.zeros((2, *pixels.shape))
    for _ in range(iterations):
        gradient = _gradient(pixels + _divergence(dual))
        length = np.sqrt((gradient**2).sum(axis=0))
        dual = (dual + gradient / 4) / (1 + length / (4 * weight))
    return pixels + _divergence(dual)


def soft_threshold(values: ArrayLike, threshold: float) -> FloatArray:
    """Values moved towards 0 by `threshold`; those that would cross it become 0.

    >>> soft_threshold([-5, -1, 2, 9], 2) + 0.0
    array([-3.,  0.,  0.,  7.])
    """
    array = np.asarray(values, dtype=np.float64)
    return np.sign(array) * np.maximum(np.abs(array) - threshold, 0)


def wavelet_shrink(
    image: ArrayLike, threshold: float, *, wavelet: str = "haar", levels: int = 3, shifts: int = 1
) -> FloatArray:
    """Image rebuilt from its wavelet coefficients after `soft_threshold`; the coarsest averages are left alone.

    The transform is orthogonal, so white noise has the same deviation in every coefficient as in every pixel.
    `wavelet` is a name of PyWavelets. The result depends on where the blocks begin: with `shifts` above 1 that
    many starts down and right are averaged (cycle spinning). Source: Donoho and Johnstone, 1994.

    >>> wavelet_shrink([[5, 5, 90, 90], [5, 9, 90, 90]] * 2, threshold=4, levels=1)
    array([[ 6.,  6., 90., 90.],
           [ 6.,  6., 90., 90.],
           [ 6.,  6., 90., 90.],
           [ 6.,  6., 90., 90.]])
    """
    pixels = _checked_gray(image)
    if not threshold >= 0:
        raise ValueError(f"threshold must be at least 0, got {threshold}; about the deviation of the noise")
    total, starts = np.zeros_like(pixels), list(np.ndindex(shifts, shifts))
    for start in starts:
        coarse, *details = pywt.wavedec2(np.roll(pixels, start, (0, 1)), wavelet, "periodization", levels)
        shrunk = [tuple(soft_threshold(band, threshold) for band in level) for level in details]
        rebuilt = pywt.waverec2([coarse, *shrunk], wavelet, "periodization")
        total += np.roll(rebuilt[: pixels.shape[0], : pixels.shape[1]], (-start[0], -start[1]), (0, 1))
    return total / len(starts)


def wiener_filter(
    image: ArrayLike, kernel_size: int, noise_variance: float | None = None, *, border: str = "reflect"
) -> FloatArray:
    """Local mean, plus the share of the pixel's departure from it that is not noise.

    The share is ``1 - noise_variance / variance`` of the square window, and 0 where the window varies less than the
    noise: flat ground is averaged, texture kept. Without `noise_variance` the mean of all local variances stands in.
    Source: Lee, 1980; ``scipy.signal.wiener`` with border "zero".

    >>> wiener_filter([[4, 6, 4, 6, 90, 90, 90]] * 3, 3, noise_variance=4, border="replicate")[1].round(1)
    array([ 4.7,  4.7,  5.3,  6.1, 89.9, 90. , 90. ])
    """
    pixels = _checked_gray(image)
    mean = mean_filter(pixels, kernel_size, border=border)
    variance = mean_filter(pixels**2, kernel_size, border=border) - mean**2
    noise = variance.mean() if noise_variance is None else noise_variance
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise_variance must be at least 0, got {noise}; it is the square of a deviation")
    share: FloatArray = np.divide(variance - noise, variance, out=np.zeros_like(mean), where=variance > noise)
    return mean + share * (pixels - mean)


def add_poisson_noise(image: ArrayLike, peak: float, rng: np.random.Generator, *, white: float = 255.0) -> FloatArray:
    """The image as counted in photons, `peak` of them on average in a pixel of value `white`.

    Each pixel is a Poisson count, scaled back to the units of the image: its mean is the pixel, its variance the
    pixel times ``white / peak``. A pixel of 0 stays 0; results may exceed `white`.

    >>> add_poisson_noise(np.full((2, 4), 51), peak=20, rng=np.random.default_rng(0))    # 4 photons expected
    array([[25.5 ,  0.  , 89.25, 38.25],
           [51.  , 51.  , 76.5 , 76.5 ]])
    """
    pixels = _checked_gray(image)
    _check_positive("peak", peak)
    if pixels.min() < 0:
        raise ValueError(f"image must not be negative, got {pixels.min()}; light is counted: was a mean subtracted?")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a NumPy Generator, got {rng!r}; pass np.random.default_rng(0)")
    counts = rng.poisson(pixels * (peak / white)).astype(np.float64)
    return counts * (white / peak)


def anscombe(counts: ArrayLike) -> FloatArray:
    """``2 * sqrt(counts + 3/8)``: Poisson counts with a mean of 4 or more get a deviation near 1.

    Counts, not gray levels: divide by the levels of one photon first. Source: Anscombe, 1948.

    >>> anscombe([0, 1, 100]).round(3)
    array([ 1.225,  2.345, 20.037])
    """
    array = np.asarray(counts, dtype=np.float64)
    if not (array >= 0).all():
        raise ValueError("counts must be at least 0 and not NaN; did you pass an image with its mean subtracted?")
    return 2 * np.sqrt(array + 3 / 8)


def inverse_anscombe(values: ArrayLike, *, unbiased: bool = True) -> FloatArray:
    """Mean counts whose `anscombe` values average to `values`, never below 0.

    Turning the formula around, ``values**2 / 4 - 3/8`` (``unbiased=False``), is right for one count and too low for
    an average of many. The unbiased form is the closed approximation of Makitalo and Foi, 2011.

    >>> inverse_anscombe(20.0, unbiased=False), inverse_anscombe(20.0).round(2)
    (np.float64(99.625), np.float64(99.89))
    """
    d: FloatArray = np.maximum(np.asarray(values, dtype=np.float64), 2 * np.sqrt(3 / 8))  # the image of 0
    if not unbiased:
        return d**2 / 4 - 3 / 8
    root = np.sqrt(3 / 2)
    return np.maximum(d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8, 0)


def psnr(image: ArrayLike, truth: ArrayLike, *, data_range: float = 255.0) -> float:
    """Peak signal-to-noise ratio in decibels: ``10 * log10(data_range**2 / mean squared error)``.

    Infinite for equal images; 6.02 dB more for half the error.

    >>> round(psnr([[10, 10]], [[0, 20]]), 2)        # wrong by 10 everywhere
    28.13
    """
    a, b = _checked_pair(image, truth)
    _check_positive("data_range", data_range)
    error = float(((a - b) ** 2).mean())
    return float(10 * np.log10(data_range**2 / error)) if error else float("inf")


def ssim(image: ArrayLike, truth: ArrayLike, *, data_range: float = 255.0) -> float:
    """Structural similarity, from -1 to 1 for equal images: the mean of `ssim_map`.

    >>> ramp = np.add.outer(np.arange(16), np.arange(16)) * 8
    >>> round(ssim(ramp + 10, ramp), 3), round(ssim(240 - ramp, ramp), 3)     # brighter; inverted
    (0.997, -0.775)
    """
    return float(ssim_map(image, truth, data_range=data_range).mean())


def ssim_map(image: ArrayLike, truth: ArrayLike, *, data_range: float = 255.0) -> FloatArray:
    """Structural similarity of the 11 x 11 windows that lie within both images, shape (H - 10, W - 10).

    Means, variances and covariance are weighted by a Gaussian of 1.5 pixels; the constants are (0.01 range)**2 and
    (0.03 range)**2. Source: Wang, Bovik, Sheikh and Simoncelli, 2004.

    >>> ssim_map(np.eye(12), np.eye(12), data_range=1).round(6)
    array([[1., 1.],
           [1., 1.]])
    """
    a, b = _checked_pair(image, truth)
    _check_positive("data_range", data_range)
    if min(a.shape) < 11:
        raise ValueError(f"ssim needs at least 11 rows and columns, the size of its window, got {a.shape}")

    def windowed(values: FloatArray) -> FloatArray:
        return gaussian_filter(values, 1.5, 11)[5:-5, 5:-5]

    mean_a, mean_b = windowed(a), windowed(b)
    var_a, var_b = windowed(a**2) - mean_a**2, windowed(b**2) - mean_b**2
    covariance = windowed(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    brightness = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return brightness * (2 * covariance + c2) / (var_a + var_b + c2)


def _neighbours(pixels: FloatArray, reach: int) -> Iterator[tuple[int, int, FloatArray]]:
    """Offset (rows, columns) and shifted image for each place of a square window."""
    height, width = pixels.shape
    if reach >= min(height, width):
        raise ValueError(f"a window that reaches {reach} pixels does not fit an image of {height} x {width}")
    padded = np.pad(pixels, reach, mode="reflect")
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            yield i, j, padded[reach + i : reach + i + height, reach + j : reach + j + width]


def _gradient(image: FloatArray) -> FloatArray:
    """Step to the next pixel down and right, (2, H, W); 0 past the last row and column."""
    return np.stack([np.diff(image, axis=axis, append=image.take([-1], axis)) for axis in (0, 1)])


def _divergence(field: FloatArray) -> FloatArray:
    """Minus the adjoint of `_gradient`, for a field that is 0 past the last row and column, as gradients are."""
    return np.diff(field[0], axis=0, prepend=0) + np.diff(field[1], axis=1, prepend=0)


def _checked_gray(image: ArrayLike) -> FloatArray:
    array = np.asarray(image)
    if array.dtype.kind not in "buif" or array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"image must be gray numbers of shape (H, W), got {array.dtype} of shape {array.shape}; "
            "did you pass a colour photograph? filter each channel, or its luma"
        )
    if not np.isfinite(array).all():
        raise ValueError("image must be finite, got NaN or infinity; was there a division by zero?")
    return array.astype(np.float64)


def _checked_pair(image: ArrayLike, truth: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = _checked_gray(image), _checked_gray(truth)
    if a.shape != b.shape:
        raise ValueError(f"image and truth must have one shape, got {a.shape} and {b.shape}; was one cropped?")
    return a, b


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}; is it in the units of the image?")


def _half(size: int, name: str) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1 or size % 2 == 0:
        raise ValueError(f"{name} must be an odd whole number, 1 or more, got {size!r}")
    return int(size) // 2
