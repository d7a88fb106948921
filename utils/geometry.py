"""Matrices that move points, and pictures sampled where the points come from.

A point is ``x, y`` in pixels, x to the right and y down, and the centre of the first pixel is (0, 0), as in OpenCV and
SciPy. A matrix is 3x3 and maps a place in the source to its place in the target; the upper two rows of an affine
one (2x3, as OpenCV returns it) will do. An image is gray (H, W) or colour (H, W, C).
Used first in chapters/image-processing/geometric-transforms.ipynb.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]

# The free parameter of the cubic: PyTorch and OpenCV take -0.75, Pillow and scikit-image -0.5 (Keys, 1981).
CUBIC_A = -0.75

_REACH = 2  # from two pixels outside the image on, no tap sees it any more
_MARGIN = _REACH + 2  # and there, a bicubic window still finds its taps
_FIRST_TAP = {"nearest": 0, "bilinear": 0, "bicubic": -1}
_PAD_MODE = {"zero": "constant", "replicate": "edge"}
_DEGENERATE = 1e-7  # for points scaled to a distance of about 1
_NEVER_ZERO = 1e-200
# Five points away from the origin, where a perspective would keep angles; four on a line, one midway between two.
_PROBES = np.array([[1, 2], [2, 2], [2, 4], [1, 3], [3, 3], [0, 0], [1, 1], [2, 2], [4, 4]], dtype=np.float64)
_STRIP = 16384  # pixels in flight at once: with a dozen arrays of them, they stay in the cache


def translation(dx: float, dy: float) -> FloatArray:
    """Matrix that moves by `dx` pixels to the right and `dy` down.

    >>> transform_points([[1, 1]], translation(10, 0))
    array([[11.,  1.]])
    """
    return np.array([[1.0, 0, dx], [0, 1, dy], [0, 0, 1]])


def rotation(degrees: float, *, center: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
    """Matrix that turns about `center` (x, y), counter-clockwise as seen on the screen for `degrees` > 0.

    So do OpenCV and Pillow. The y axis points down, hence the signs: a mathematical
    rotation matrix, and scikit-image, turn the other way.

    >>> transform_points([[1, 0]], rotation(90)).round(9) + 0.0        # right goes up
    array([[ 0., -1.]])
    """
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    return about(np.array([[cosine, sine, 0.0], [-sine, cosine, 0], [0, 0, 1]]), center)


def similarity(
    scale: float,
    degrees: float,
    *,
    translate: tuple[float, float] = (0.0, 0.0),
    center: tuple[float, float] = (0.0, 0.0),
) -> FloatArray:
    """Matrix that scales by `scale` and turns by `degrees` about `center`, then moves by `translate`.

    >>> transform_points([[1, 0]], similarity(2, 90, translate=(10, 10))).round(9)
    array([[10.,  8.]])
    """
    return affine(scale=(scale, scale), degrees=degrees, translate=translate, center=center)


def affine(
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    shear: float = 0.0,
    degrees: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    center: tuple[float, float] = (0.0, 0.0),
) -> FloatArray:
    """Matrix that, in this order, scales in x and y, shears, turns about `center`, and moves.

    `shear` is how far x moves for each pixel of y. Every affine map that does not mirror can
    be written so. A `scale` of 0 is an error: it flattens the picture.

    >>> affine(scale=(2, 1), shear=0.5)
    array([[2. , 0.5, 0. ],
           [0. , 1. , 0. ],
           [0. , 0. , 1. ]])
    """
    if 0 in scale:
        raise ValueError(f"scale must not be 0, got {scale}; a picture scaled to nothing cannot be read back")
    stretch = np.diag([*scale, 1.0])
    slant = np.array([[1.0, shear, 0], [0, 1, 0], [0, 0, 1]])
    return compose(about(compose(stretch, slant, rotation(degrees)), center), translation(*translate))


def perspective(g: float, h: float) -> FloatArray:
    """Matrix that divides x and y by ``g * x + h * y + 1``; with g = h = 0 nothing moves.

    >>> transform_points([[1, 0], [1, 1]], perspective(0.5, 0)).round(3)
    array([[0.667, 0.   ],
           [0.667, 0.667]])
    """
    return np.array([[1.0, 0, 0], [0, 1, 0], [g, h, 1]])


def about(matrix: ArrayLike, center: tuple[float, float]) -> FloatArray:
    """The same map with `center` (x, y) in the place of the origin.

    >>> transform_points([[5, 5]], about(rotation(30), (5, 5)))
    array([[5., 5.]])
    """
    x, y = center
    return compose(translation(-x, -y), matrix, translation(x, y))


def compose(*matrices: ArrayLike) -> FloatArray:
    """One matrix for several maps, the first given being the first to act.

    As a product they stand the other way round: ``compose(A, B)`` is ``B @ A``.

    >>> transform_points([[1, 0]], compose(translation(1, 0), rotation(90))).round(9) + 0.0
    array([[ 0., -2.]])
    """
    total = np.eye(3)
    for matrix in matrices:
        total = _checked_matrix(matrix) @ total
    return total


def transform_points(points: ArrayLike, matrix: ArrayLike) -> FloatArray:
    """Where the points (N, 2) go, shape (N, 2): append a 1, multiply, divide by the third number.

    `ValueError` for a point that goes to infinity, which only a perspective matrix can do.

    >>> transform_points([[2, 4]], [[1, 0, 0], [0, 1, 0], [0, 0, 2]])      # the 2 divides
    array([[1., 2.]])
    """
    checked, moved_by = _checked_points("points", points), _checked_matrix(matrix)
    moved = checked @ moved_by[:, :2].T + moved_by[:, 2]  # (N, 3)
    if (moved[:, 2] == 0).any():
        lost = checked[moved[:, 2] == 0][0]
        raise ValueError(f"point {lost} goes to infinity: it lies on the line that the matrix sends to the horizon")
    return moved[:, :2] / moved[:, 2:]


def degrees_of_freedom(matrix_of: Callable[..., ArrayLike], numbers: Sequence[float]) -> int:
    """How many independent ways five points can move when the numbers of ``matrix_of(*numbers)`` are nudged.

    The rank of the moves, one row for each number. It holds near `numbers`, which should be
    nothing special: a similarity of scale 0 has lost its angle.

    >>> degrees_of_freedom(translation, [2, 3])
    2
    >>> degrees_of_freedom(lambda *nine: np.reshape(nine, (3, 3)), [5, 2, 3, -1, 5, 1, 2, 1, 9])  # a factor is lost
    8
    """
    at, nudge = np.asarray(numbers, dtype=np.float64), 1e-5
    moves = []
    for step in nudge * np.eye(len(at)):
        ahead, back = (transform_points(_PROBES[:5], matrix_of(*there)) for there in (at + step, at - step))
        moves.append((ahead - back).ravel() / (2 * nudge))
    return int(np.linalg.matrix_rank(moves, tol=1e-6))


def kept_by(matrix: ArrayLike) -> list[str]:
    """Which of six measures of nine points a matrix leaves as they are, from the most fragile on.

    A length, an angle, whether two parallels are so, where a midpoint lies, whether three
    points lie on a line, and the cross-ratio of four that do.

    >>> kept_by(affine(scale=(2, 1), shear=0.5))
    ['parallels', 'midpoint', 'line', 'cross-ratio']
    """
    before, after = _measures(_PROBES), _measures(transform_points(_PROBES, matrix))
    return [name for name in before if np.isclose(before[name], after[name])]


def _measures(points: FloatArray) -> dict[str, float]:
    """The six measures; with points as complex numbers each is one expression."""
    p = points @ [1, 1j]
    a, b, c, d = p[5:]
    return {
        "length": abs(p[2] - p[0]),
        "angle": float(np.angle((p[2] - p[0]) / (p[1] - p[0]))),
        "parallels": ((p[4] - p[3]) / (p[1] - p[0])).imag,
        "midpoint": abs(b - a) / abs(c - a),
        "line": ((d - a) / (c - a)).imag,
        "cross-ratio": abs((c - a) * (d - b) / ((c - b) * (d - a))),
    }


def affine_from_points(source: ArrayLike, target: ArrayLike) -> FloatArray:
    """The affine matrix (3, 3) that takes each `source` point to its `target`: three pairs fix its six numbers.

    With more pairs the squared distances in the target are least. `ValueError` where the
    source points lie on one line: then the direction across it is not known.

    >>> affine_from_points([[0, 0], [1, 0], [0, 1]], [[2, 1], [4, 2], [1, 4]]).round(9)
    array([[ 2., -1.,  2.],
           [ 1.,  3.,  1.],
           [ 0.,  0.,  1.]])
    """
    origin, goal = _checked_pairs(source, target, least=3)
    shrink = _normalizer(origin)
    known = np.column_stack([transform_points(origin, shrink), np.ones(len(origin))])
    if np.linalg.svd(known, compute_uv=False)[-1] < _DEGENERATE:
        raise ValueError(
            f"source points must not lie on one line, got {origin.tolist()}; an affine map needs a triangle"
        )
    solution = np.linalg.lstsq(known, goal)[0].T  # (2, 3)
    return np.vstack([solution @ shrink, [0.0, 0, 1]])


def perspective_system(source: ArrayLike, target: ArrayLike) -> FloatArray:
    """The equations that N pairs put on the nine numbers of a matrix, shape (2N, 9): rows times numbers is 0.

    ``u = (a x + b y + c) / (g x + h y + i)`` times its denominator is linear in a, …, i.
    The nine come row by row.

    >>> perspective_system([[1, 2]], [[3, 5]])
    array([[  1.,   2.,   1.,   0.,   0.,   0.,  -3.,  -6.,  -3.],
           [  0.,   0.,   0.,   1.,   2.,   1.,  -5., -10.,  -5.]])
    """
    origin, goal = _checked_pairs(source, target, least=1)
    ones = np.column_stack([origin, np.ones(len(origin))])  # (N, 3)
    system = np.zeros((len(origin), 2, 9))
    for axis in (0, 1):
        system[:, axis, 3 * axis : 3 * axis + 3] = ones
        system[:, axis, 6:] = -goal[:, axis, None] * ones
    return system.reshape(-1, 9)


def perspective_from_points(source: ArrayLike, target: ArrayLike) -> FloatArray:
    """The perspective matrix (3, 3) that takes each `source` point to its `target`: four pairs fix it.

    The direct linear transform, on points moved to their mean and scaled (Hartley, 1997).
    With more pairs the squared residuals of the linear system are least. The last entry is 1,
    or, where it is 0, the sum of squares is. `ValueError` where three of four points lie on
    one line, in the source or in the target: no invertible matrix fits, or many do.

    >>> square, leaning = [[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 0], [2/3, 0], [2/3, 2/3], [0, 1]]
    >>> perspective_from_points(square, leaning).round(9) + 0.0
    array([[1. , 0. , 0. ],
           [0. , 1. , 0. ],
           [0.5, 0. , 1. ]])
    """
    origin, goal = _checked_pairs(source, target, least=4)
    shrink, grow = _normalizer(origin), np.linalg.inv(_normalizer(goal))
    system = perspective_system(transform_points(origin, shrink), transform_points(goal, _normalizer(goal)))
    _, singular, basis = np.linalg.svd(system)
    unit = basis[-1].reshape(3, 3)
    if singular[7] < _DEGENERATE or abs(np.linalg.det(unit)) < _DEGENERATE:
        raise ValueError(_not_fixed(origin, goal))
    return _scaled(grow @ unit @ shrink)


def warp(
    image: ArrayLike,
    matrix: ArrayLike,
    shape: tuple[int, int],
    *,
    interpolation: str = "bilinear",
    border: str = "zero",
) -> AnyArray:
    """The image moved by `matrix` onto a canvas of `shape` (rows, columns), by inverse mapping.

    Each pixel of the canvas asks the inverted matrix where it comes from, and reads there by
    "nearest" (halves go right and down; keeps the dtype), "bilinear" or "bicubic" (float64,
    neither rounded nor clipped). Pixels outside the image are 0, or with `border` "replicate"
    the nearest pixel of the edge. `ValueError` for a matrix that cannot be inverted.

    >>> warp([[10, 20, 30]], translation(0.5, 0), (1, 4))
    array([[ 5., 15., 25., 15.]])
    >>> warp([[10, 20, 30]], translation(1, 0), (1, 4), interpolation="nearest", border="replicate")
    array([[10, 10, 20, 30]])
    """
    pixels, (height, width) = _checked_image(image), _checked_shape("shape", shape)
    _check_choice("interpolation", interpolation, _FIRST_TAP)
    _check_choice("border", border, _PAD_MODE)
    inverse = _inverted(matrix)
    channels = [pixels] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    planes = [np.pad(channel, _MARGIN, mode=_PAD_MODE[border]) for channel in channels]  # type: ignore[call-overload]
    dtype = pixels.dtype if interpolation == "nearest" else np.float64
    result = np.empty((height, width, len(planes)), dtype=dtype)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = result[top : top + rows]
        x, y = _places(inverse, np.arange(top, top + len(strip)), np.arange(width))
        for channel, values in enumerate(_read(planes, x, y, interpolation)):
            strip[..., channel] = values
    return result.reshape(height, width, *pixels.shape[2:])


def warp_forward_naive(
    image: ArrayLike, matrix: ArrayLike, shape: tuple[int, int]
) -> tuple[AnyArray, NDArray[np.intp]]:
    """The image with each pixel pushed to the nearest place of a canvas, and how many pixels fell on each place.

    The wrong way round: where no pixel falls there is a hole, of value 0 and count 0, and where
    several fall the last one wins. What leaves the canvas is lost.

    >>> moved, hits = warp_forward_naive([[10, 20, 30]], affine(scale=(2, 1)), (1, 5))
    >>> moved, hits
    (array([[10,  0, 20,  0, 30]]), array([[1, 0, 1, 0, 1]]))
    """
    pixels, (height, width) = _checked_image(image), _checked_shape("shape", shape)
    y, x = np.indices(pixels.shape[:2]).reshape(2, -1)
    column, row = np.floor(transform_points(np.column_stack([x, y]), matrix) + 0.5).astype(np.intp).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = row[inside], column[inside]
    moved = np.zeros((height, width, *pixels.shape[2:]), dtype=pixels.dtype)
    moved[place] = pixels[y[inside], x[inside]]
    hits = np.zeros((height, width), dtype=np.intp)
    np.add.at(hits, place, 1)
    return moved, hits


def cubic_kernel(distance: ArrayLike, a: float = CUBIC_A) -> FloatArray:
    """Weight of a pixel at a `distance` (in pixels) from the place that is read: Keys' cubic, 0 from 2 on.

    `a` is the slope at distance 1: -0.75 in PyTorch and OpenCV, -0.5 in Pillow.

    >>> cubic_kernel([0, 0.5, 1, 1.5, 2])
    array([ 1.     ,  0.59375,  0.     , -0.09375,  0.     ])
    """
    d = np.abs(np.asarray(distance, dtype=np.float64))
    return np.where(d <= 1, _cubic_near(d, a), np.where(d < 2, _cubic_far(d, a), 0.0))


def sample_positions(in_size: int, out_size: int, *, align_corners: bool = False) -> FloatArray:
    """Where the `out_size` samples of a resized row lie among the `in_size` pixels; the first pixel is 0.

    Without `align_corners` pixels are tiles, and both rows cover the same width: the samples
    lie half a sample inside the outer edges. With it, the first and last samples lie on the
    first and last pixel centres (a single sample on the first).

    >>> sample_positions(4, 2), sample_positions(4, 2, align_corners=True)
    (array([0.5, 2.5]), array([0., 3.]))
    """
    _checked_shape("in_size, out_size", (in_size, out_size))
    index = np.arange(out_size)
    if align_corners:
        return np.asarray(index * ((in_size - 1) / max(out_size - 1, 1)))
    return np.asarray((index + 0.5) * (in_size / out_size) - 0.5)


def resize_weights(
    in_size: int,
    out_size: int,
    *,
    interpolation: str = "bilinear",
    align_corners: bool = False,
    antialias: bool = False,
) -> FloatArray:
    """The matrix (out_size, in_size) that resizes a row: each line holds the weights of one sample, sum 1.

    `interpolation`, `align_corners` and `antialias` mean what they mean in
    ``torch.nn.functional.interpolate``: "nearest" is the pixel ``floor(i * in / out)``, the half
    pixel forgotten, and "nearest-exact" remembers it. With `antialias` the window grows with the
    step when shrinking, weights outside are dropped, and the cubic has a = -0.5, as in Pillow.

    >>> resize_weights(4, 2)
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]])
    >>> resize_weights(4, 2, antialias=True) * 7
    array([[3., 3., 1., 0.],
           [0., 1., 3., 3.]])
    """
    _check_choice("interpolation", interpolation, {**_FIRST_TAP, "nearest-exact": 0})
    if (align_corners or antialias) and interpolation.startswith("nearest"):
        raise ValueError(f"align_corners and antialias go with bilinear or bicubic, got {interpolation!r}")
    if align_corners and antialias:
        raise ValueError("antialias goes with align_corners=False; Pillow knows no other convention")
    positions = sample_positions(in_size, out_size, align_corners=align_corners)
    if antialias:
        step = max(in_size / out_size, 1.0)
        distance = np.abs(np.arange(in_size) - positions[:, None]) / step
        window = (1 - distance).clip(min=0) if interpolation == "bilinear" else cubic_kernel(distance, a=-0.5)
        return window / window.sum(axis=1, keepdims=True)
    if interpolation == "nearest":
        positions = np.floor(np.arange(out_size) * (in_size / out_size))
    first, taps = _window("nearest" if interpolation.startswith("nearest") else interpolation, positions)
    weights = np.zeros((out_size, in_size))
    for offset, tap in enumerate(taps):
        # Outside, the pixel of the edge answers; several taps may then meet in one entry.
        np.add.at(weights, (np.arange(out_size), (first + offset).clip(0, in_size - 1)), tap)
    return weights


def resize(
    image: ArrayLike,
    size: tuple[int, int],
    *,
    align_corners: bool = False,
    interpolation: str = "bilinear",
    antialias: bool = False,
) -> FloatArray:
    """The image at a new `size` (rows, columns), float64: ``torch.nn.functional.interpolate`` for arrays.

    Rows and columns are resized one after the other, each by a matrix of `resize_weights`.
    Nothing is rounded or clipped.

    >>> resize([[10, 20], [30, 60]], (1, 1))
    array([[30.]])
    >>> resize([[10, 20]], (1, 3), align_corners=True)
    array([[10., 15., 20.]])
    """
    pixels, goal = _checked_image(image), _checked_shape("size", size)
    down, along = (
        resize_weights(old, new, interpolation=interpolation, align_corners=align_corners, antialias=antialias)
        for old, new in zip(pixels.shape[:2], goal, strict=True)
    )
    flat = pixels.astype(np.float64).reshape(pixels.shape[0], -1)
    lower = (down @ flat).reshape(goal[0], *pixels.shape[1:])
    if pixels.ndim == 2:
        return np.asarray(lower @ along.T)
    return np.asarray(along @ lower)


def _places(inverse: FloatArray, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Where each pixel of a grid comes from: x and y, each (rows, columns)."""
    x, y, w = (line[0] * columns + (line[1] * rows + line[2])[:, None] for line in inverse)
    if inverse[2, 0] or inverse[2, 1]:
        # A zero means infinitely far: as a tiny number it lands far outside, and no warning is due.
        w[w == 0] = _NEVER_ZERO
        x /= w
        y /= w
    return x, y


def _read(planes: list[AnyArray], x: FloatArray, y: FloatArray, interpolation: str) -> Iterator[AnyArray]:
    """Each padded plane at the places x, y of the image; one index and one set of weights serve all."""
    height, width = planes[0].shape
    for place, side in ((x, width), (y, height)):
        place += _MARGIN
        # All that is farther than the reach may as well lie there.
        np.clip(place, _MARGIN - _REACH, side - 1 - _MARGIN + _REACH, out=place)
    left, along = _window(interpolation, x)
    first, down = _window(interpolation, y)
    first *= width
    first += left
    for plane in planes:
        if interpolation == "nearest":
            yield plane.take(first)
            continue
        total = np.zeros_like(x)
        for j, weight_down in enumerate(down):
            line = along[0] * plane.take(first + j * width)
            for i, weight_along in enumerate(along[1:], start=1):
                line += weight_along * plane.take(first + (j * width + i))
            line *= weight_down
            total += line
        yield total


def _window(interpolation: str, place: FloatArray) -> tuple[NDArray[np.intp], list[FloatArray]]:
    """The first pixel that a place reads, and the weights of it and the next ones."""
    if interpolation == "nearest":
        return np.floor(place + 0.5).astype(np.intp), [np.ones_like(place)]
    first = np.floor(place).astype(np.intp)
    fraction = place - first
    if interpolation == "bilinear":
        return first, [1 - fraction, fraction]
    near, far = _cubic_near, _cubic_far
    return first - 1, [far(1 + fraction), near(fraction), near(1 - fraction), far(2 - fraction)]


def _cubic_near(d: FloatArray, a: float = CUBIC_A) -> FloatArray:
    """Keys' cubic for distances up to 1."""
    return ((a + 2) * d - (a + 3)) * d * d + 1


def _cubic_far(d: FloatArray, a: float = CUBIC_A) -> FloatArray:
    """Keys' cubic for distances from 1 to 2."""
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


def _not_fixed(origin: FloatArray, goal: FloatArray) -> str:
    return (
        f"no one perspective takes {origin.tolist()} to {goal.tolist()}: "
        "do three of the four points lie on one line, or is one given twice?"
    )


def _scaled(matrix: FloatArray) -> FloatArray:
    """The matrix with last entry 1, or with norm 1 where that entry is 0."""
    corner = matrix[2, 2] if abs(matrix[2, 2]) > 1e-12 * np.abs(matrix).max() else np.linalg.norm(matrix)
    return np.asarray(matrix / corner)


def _normalizer(points: FloatArray) -> FloatArray:
    """Similarity that moves the mean to the origin and the mean distance to 1."""
    mean = points.mean(axis=0)
    spread = np.linalg.norm(points - mean, axis=1).mean()
    if spread == 0:
        raise ValueError(f"points must differ, all are {points[0]}")
    return about(np.diag([1 / spread, 1 / spread, 1.0]), (0, 0)) @ translation(*-mean)


def _inverted(matrix: ArrayLike) -> FloatArray:
    checked = _checked_matrix(matrix)
    # Of the six products of a determinant at least one must stand out from the rounding errors of the others.
    products = [np.prod(checked[range(3), order]) for order in permutations(range(3))]
    if abs(np.linalg.det(checked)) <= 1e-14 * np.abs(products).sum():
        raise ValueError(f"matrix must be invertible, got {checked.tolist()}; it flattens the picture to a line")
    return np.asarray(np.linalg.inv(checked), dtype=np.float64)


def _checked_matrix(matrix: ArrayLike) -> FloatArray:
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape == (2, 3):
        array = np.vstack([array, [0.0, 0, 1]])
    if array.shape != (3, 3):
        raise ValueError(f"matrix must have shape (3, 3), or (2, 3) if affine, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"matrix must hold finite numbers, got {array.tolist()}")
    return array


def _checked_points(name: str, points: ArrayLike) -> FloatArray:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or not len(array):
        cause = "; one point is [[x, y]]" if array.shape == (2,) else ""
        cause = "; did you pass OpenCV's (N, 1, 2)? reshape(-1, 2) helps" if array.ndim == 3 else cause
        raise ValueError(f"{name} must have shape (N, 2), x and y, got {array.shape}{cause}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array).all(axis=1)][0]}")
    return array


def _checked_pairs(source: ArrayLike, target: ArrayLike, *, least: int) -> tuple[FloatArray, FloatArray]:
    origin, goal = _checked_points("source", source), _checked_points("target", target)
    if len(origin) != len(goal):
        raise ValueError(f"source and target must come in pairs, got {len(origin)} and {len(goal)} points")
    if len(origin) < least:
        raise ValueError(f"expected at least {least} pairs of points, got {len(origin)}; each gives two equations")
    return origin, goal


def _checked_image(image: ArrayLike) -> AnyArray:
    pixels = np.asarray(image)
    if pixels.ndim not in (2, 3) or pixels.size == 0 or pixels.dtype.kind not in "buif":
        raise ValueError(
            f"image must be real numbers of shape (H, W) or (H, W, C), got {pixels.dtype} {pixels.shape}; "
            "did you pass a batch, a path, or a file that was not found?"
        )
    return pixels


def _checked_shape(name: str, shape: tuple[int, int]) -> tuple[int, int]:
    sides = tuple(shape)
    whole = all(isinstance(side, int | np.integer) and side > 0 for side in sides)
    if len(sides) != 2 or not whole:
        raise ValueError(
            f"{name} must be two whole numbers above 0, got {shape!r}; did you pass image.shape of a colour one?"
        )
    return int(sides[0]), int(sides[1])


def _check_choice(name: str, given: str, known: dict[str, Any]) -> None:
    if given not in list(known):
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {given!r}")
