"""Pixel values: ranges, channel statistics, histograms, and equalization of contrast.

An image is gray (H, W) or colour (H, W, C), with one mean and one std for each channel. Ranges and statistics are
computed in float64, whatever the input: bytes cannot wrap around. Histograms and equalization take gray uint8.
Used first in chapters/image-processing/normalizing-images.ipynb.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_LEVELS = 256

# Means and standard deviations (not variances) of ImageNet's training images, in RGB order, for values in [0, 1].
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])
IMAGENET_MEAN.flags.writeable = IMAGENET_STD.flags.writeable = False


def rescale_range(
    image: ArrayLike, low: float = 0.0, high: float = 1.0, *, source: tuple[float, float] | None = None
) -> Floats:
    """The straight line that takes the range `source` to [low, high], as float64 in the shape of `image`.

    Without `source` the range is that of the dtype (0 to 255 for uint8), not that of the picture: black stays
    black in a picture without white. Floats have no range of their own, so they need `source`. Values outside
    it land outside [low, high]: nothing is clipped. A `high` below `low` turns the picture into its negative.

    >>> rescale_range(np.array([0, 51, 255], dtype=np.uint8))
    array([0. , 0.2, 1. ])
    >>> rescale_range(np.array([0, 51, 255], dtype=np.uint8), -1, 1)       # x / 127.5 - 1
    array([-1. , -0.6,  1. ])
    """
    pixels = _numbers("image", image)
    if source is None:
        if pixels.dtype.kind not in "ui":
            raise ValueError(
                f"an image of {pixels.dtype} has no range of its own; give source, as source=(0, 255) or source=(0, 1)"
            )
        limits = np.iinfo(pixels.dtype)
        source = (0, limits.max) if pixels.dtype.kind == "u" else (limits.min, limits.max)
    first, last = (float(end) for end in source)
    if not (np.isfinite([first, last, low, high]).all() and first < last):
        raise ValueError(f"source must be (lowest, highest) and all ends finite, got {source} to {(low, high)}")
    return low + (pixels.astype(np.float64) - first) * ((high - low) / (last - first))


def channel_statistics(images: Iterable[ArrayLike]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel over all pixels of all `images`, in one pass.

    Both are float64, shape (C,), or () for gray images, in the unit of the pixels. The images may differ in size,
    and every pixel counts once: a large image weighs more than a small one. The deviation divides by the number of
    pixels. Only one image is in memory at a time; the sums of squares are joined around the joint mean (Chan, Golub
    and LeVeque), because E[x^2] - E[x]^2 cancels where the mean is large.

    >>> mean, std = channel_statistics([np.array([[0, 4]]), np.array([[4, 8], [4, 4]])])
    >>> print(mean, std.round(3))                                           # of 0, 4, 4, 8, 4, 4
    4.0 2.309
    """
    count, mean, squares = 0, np.zeros(()), np.zeros(())
    for pixels in _alike(images):
        new_mean = pixels.mean(axis=(0, 1), dtype=np.float64)
        new_squares = ((pixels - new_mean) ** 2).sum(axis=(0, 1))
        new_count = pixels.shape[0] * pixels.shape[1]
        step, total = new_mean - mean, count + new_count
        squares = squares + new_squares + step**2 * (count * new_count / total)
        mean, count = mean + step * (new_count / total), total
    return np.asarray(mean), np.sqrt(squares / count)


def standardize(image: ArrayLike, mean: ArrayLike, std: ArrayLike) -> Floats:
    """``(image - mean) / std`` as float64: how many standard deviations each pixel lies from the mean.

    `mean` and `std` are numbers, or (C,) for the last axis of `image`, in the unit of its pixels. They come from
    the training set, also at test time, so they are never computed here: see `channel_statistics`. The result
    has no fixed range. A std of 0 is refused: a constant channel carries nothing.

    >>> standardize(np.array([[[0, 10, 255]]], dtype=np.uint8), mean=[10, 10, 5], std=[5, 10, 125])
    array([[[-2.,  0.,  2.]]])
    """
    pixels = _numbers("image", image)
    centre, spread = _for_channels("mean", mean, pixels), _for_channels("std", std, pixels)
    if not (spread > 0).all():
        raise ValueError(f"std must be positive, got {spread}; a constant channel carries nothing, leave it out")
    return (pixels - centre) / spread


def histogram(image: ArrayLike) -> NDArray[np.int64]:
    """How many pixels have each of the values 0 to 255, shape (256,), of a gray uint8 image.

    >>> histogram(np.array([[0, 3], [3, 255]], dtype=np.uint8))[[0, 1, 3, 255]]
    array([1, 0, 2, 1])
    """
    return np.bincount(_gray_bytes(image).ravel(), minlength=_LEVELS).astype(np.int64)


def equalization_table(image: ArrayLike) -> Bytes:
    """New value of each of the 256 gray values under histogram equalization, shape (256,), never falling.

    The darkest value that occurs becomes 0, the lightest 255, and between them a value goes to 255 times the share
    of pixels that are at most as light, the darkest ones not counted; halves round to even, in float32: OpenCV's
    rule to the bit. An image of one value keeps it.

    >>> equalization_table(np.array([[9, 9, 10, 10, 200]], dtype=np.uint8))[[8, 9, 10, 199, 200, 255]]
    array([  0,   0, 170, 170, 255, 255], dtype=uint8)
    """
    counts = histogram(image)
    darkest, total = int(np.flatnonzero(counts)[0]), int(counts.sum())
    above = np.cumsum(counts) - counts[darkest]
    if counts[darkest] == total:
        return np.full(_LEVELS, darkest, dtype=np.uint8)
    scale = np.float32(_LEVELS - 1) / np.float32(total - counts[darkest])
    return np.rint(np.maximum(above, 0).astype(np.float32) * scale).astype(np.uint8)


def equalize_histogram(image: ArrayLike) -> Bytes:
    """Gray uint8 image whose values are spread so that each range of gray holds about as many pixels as any other.

    One table for the whole image (`equalization_table`): order is kept, equal pixels stay equal, and values may
    merge, but none is split. Same as ``cv2.equalizeHist``.

    >>> equalize_histogram(np.array([[9, 9, 10, 10, 200]], dtype=np.uint8))
    array([[  0,   0, 170, 170, 255]], dtype=uint8)
    """
    return equalization_table(image)[_gray_bytes(image)]


def clip_histogram(counts: ArrayLike, limit: int) -> NDArray[np.int64]:
    """`counts` cut at `limit`, with what was cut off handed out evenly over all bins; the sum stays.

    What does not divide goes one each to bins at even distances from the first. Bins may so end a little above
    `limit`.

    >>> clip_histogram([9, 0, 0, 2], limit=4)                               # 5 to hand out: 1 each, and 1 more
    array([6, 1, 1, 3])
    """
    given = np.asarray(counts, dtype=np.int64)
    if given.ndim != 1 or given.size == 0 or (given < 0).any() or limit < 1:
        raise ValueError(f"expected counts of shape (N,), none negative, and a limit of 1 or more, got limit {limit}")
    cut = np.minimum(given, limit)
    share, rest = divmod(int((given - cut).sum()), given.size)
    cut += share
    if rest:
        cut[:: given.size // rest][:rest] += 1
    return cut


def clahe(image: ArrayLike, *, clip_limit: float = 2.0, grid: tuple[int, int] = (8, 8)) -> Bytes:
    """Contrast-limited adaptive histogram equalization of a gray uint8 image, in its shape.

    `grid` is (rows, columns) of tiles. Each tile gets a table of its own from its histogram, cut at `clip_limit`
    times the mean count of a bin (`clip_histogram`), and a pixel takes the value between the tables of the four
    nearest tile centres, bilinearly. Order is not kept. A `clip_limit` of 256 or more cuts nothing. Follows
    ``cv2.createCLAHE(clip_limit, grid[::-1])``, which may round differently, by one gray value. Sides that no
    whole number of tiles fills are mirrored to the next one that does.

    >>> ramp = np.arange(0, 64, dtype=np.uint8).reshape(8, 8)
    >>> clahe(ramp, clip_limit=256, grid=(1, 1))[[0, -1], [0, -1]]          # 255 * 1 / 64, and 255
    array([  4, 255], dtype=uint8)
    """
    pixels = _gray_bytes(image)
    rows, columns = _grid(grid, pixels.shape)
    if not 0 < clip_limit < np.inf:
        raise ValueError(f"clip_limit must be positive and finite, got {clip_limit}; OpenCV's default is 40")
    padded = np.pad(pixels, [(0, _missing(pixels.shape, (rows, columns), axis)) for axis in (0, 1)], mode="reflect")
    height, width = padded.shape[0] // rows, padded.shape[1] // columns
    limit = max(1, int(clip_limit * height * width / _LEVELS))
    scale = np.float32(_LEVELS - 1) / np.float32(height * width)
    tables = np.empty((rows, columns, _LEVELS), dtype=np.float32)
    for row, column in np.ndindex(rows, columns):
        tile = padded[row * height : (row + 1) * height, column * width : (column + 1) * width]
        tables[row, column] = np.rint(np.cumsum(clip_histogram(histogram(tile), limit)) * scale)

    up, down, low = _neighbours(pixels.shape[0], height, rows)
    left, right, near = _neighbours(pixels.shape[1], width, columns)
    up, down, low = up[:, None], down[:, None], low[:, None]
    above = tables[up, left, pixels] * (1 - near) + tables[up, right, pixels] * near
    below = tables[down, left, pixels] * (1 - near) + tables[down, right, pixels] * near
    return np.rint(above * (1 - low) + below * low).clip(0, _LEVELS - 1).astype(np.uint8)


def share_reversed(before: ArrayLike, after: ArrayLike, *, pairs: int = 100_000, seed: int = 0) -> float:
    """Share of random pairs of pixels, unequal in `before`, whose lighter pixel is the darker one in `after`.

    Pairs that become equal do not count as reversed. NaN where no pair is unequal.

    >>> share_reversed([0, 100], [200, 10]), share_reversed([0, 100], [7, 7])
    (1.0, 0.0)
    """
    old, new = (_numbers("image", image).astype(np.float64).ravel() for image in (before, after))
    if old.shape != new.shape:
        raise ValueError(f"both images must have as many pixels, got {old.size} and {new.size}")
    first, second = np.random.default_rng(seed).integers(0, old.size, (2, pairs))
    rise, new_rise = old[first] - old[second], new[first] - new[second]
    return float((rise * new_rise < 0)[rise != 0].mean())


def _neighbours(length: int, size: int, count: int) -> tuple[Any, Any, Any]:
    """For each pixel of a side: the tile whose centre lies before it, the one after, and the weight of the latter."""
    position = np.arange(length, dtype=np.float32) * np.float32(1 / size) - np.float32(0.5)
    before = np.floor(position).astype(np.intp)
    # Outside the outermost centres both neighbours are the same tile.
    return before.clip(min=0), (before + 1).clip(max=count - 1), position - before


def _missing(shape: tuple[int, ...], grid: tuple[int, int], axis: int) -> int:
    """Pixels to add to a side. Where one side does not fit, OpenCV lengthens the other too, by one pixel a tile."""
    if all(side % tiles == 0 for side, tiles in zip(shape, grid, strict=True)):
        return 0
    return grid[axis] - shape[axis] % grid[axis]


def _grid(grid: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = (int(number) for number in grid)
    if not (0 < rows < shape[0] and 0 < columns < shape[1]):
        raise ValueError(
            f"grid must be (rows, columns) of tiles, 1 or more and fewer than the pixels of {shape}, got {grid}; "
            "did you pass the size of a tile?"
        )
    return rows, columns


def _numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "uif":
        raise ValueError(f"{name} must hold real numbers, got {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity; was it divided by a std of 0?")
    return array


def _for_channels(name: str, given: ArrayLike, pixels: NDArray[Any]) -> Floats:
    values = _numbers(name, given).astype(np.float64)
    if values.ndim and (pixels.ndim == 0 or values.shape != pixels.shape[-1:]):
        cause = "; is the image (C, H, W)?" if pixels.shape[:1] == values.shape else ""
        raise ValueError(f"{name} has shape {values.shape}, the last axis of the image is {pixels.shape}{cause}")
    return values


def _alike(images: Iterable[ArrayLike]) -> Iterator[NDArray[Any]]:
    """The images as arrays, one after the other; at least one, and all with the same channels."""
    if isinstance(images, np.ndarray) and (images.ndim < 3 or (images.ndim == 3 and images.shape[-1] in (3, 4))):
        raise ValueError(f"images must be several, got an array of shape {images.shape}; one image is [image]")
    channels = None
    for number, image in enumerate(images):
        pixels = _numbers(f"image {number}", image)
        if pixels.ndim not in (2, 3) or pixels.size == 0:
            raise ValueError(f"image {number} must have shape (H, W) or (H, W, C), got {pixels.shape}")
        if channels not in (None, pixels.shape[2:]):
            raise ValueError(f"image {number} has channels {pixels.shape[2:]}, those before had {channels}")
        channels = pixels.shape[2:]
        yield pixels
    if channels is None:
        raise ValueError("images must hold at least one image, got none; is the generator used up?")


def _gray_bytes(image: ArrayLike) -> Bytes:
    pixels = np.asarray(image)
    if pixels.ndim != 2 or pixels.size == 0:
        cause = "; equalize the lightness of a colour image, not its channels" if pixels.ndim == 3 else ""
        raise ValueError(f"image must be gray, shape (H, W), got {pixels.shape}{cause}")
    if pixels.dtype != np.uint8:
        raise ValueError(f"image must be uint8, 0 to 255, got {pixels.dtype}; did you normalize it already?")
    return pixels
