"""Pooling, forward and backward: max, average, L2, stochastic, global, and anti-aliased (blur) pooling.

Arrays are (N, C, H, W), and every channel is pooled by itself. Names and defaults are PyTorch's: a `stride` of None
is the `kernel_size`, and `padding` is at most half of it. Padded cells are never chosen by max pooling; average
pooling counts them as zeros unless told otherwise. Each ``*_backward`` takes the gradient of the loss with respect to
the output, and returns it with respect to the input. All functions compute in float64, whatever the input.
Used first in chapters/convolution/pooling.ipynb.
"""

from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
IntOrPair = int | tuple[int, int]


class _Axis(NamedTuple):
    """How windows lie along one axis."""

    input_size: int
    kernel: int
    stride: int
    padding: int
    places: int

    @property
    def length(self) -> int:
        """Cells that the windows span, from the first one of the padding."""
        return max((self.places - 1) * self.stride + self.kernel, self.input_size + 2 * self.padding)

    def counts(self, count_include_pad: bool) -> Floats:
        """Cells of each window, with or without padding; a window that `ceil_mode` adds is cut at the padding's end."""
        start = np.arange(self.places) * self.stride - self.padding
        low, high = (-self.padding, self.input_size + self.padding) if count_include_pad else (0, self.input_size)
        return np.subtract(np.minimum(start + self.kernel, high), np.maximum(start, low), dtype=float)


def pooled_size(
    input_size: int, kernel_size: int, *, stride: int | None = None, padding: int = 0, ceil_mode: bool = False
) -> int:
    """Number of windows along one axis: floor((n + 2p - k) / s) + 1.

    With `ceil_mode` it is rounded up, so that the last pixels are not dropped; a window that would begin
    beyond the input and its first padding is left out again, as in PyTorch.

    >>> pooled_size(8, 2), pooled_size(7, 2), pooled_size(7, 2, ceil_mode=True)
    (4, 3, 4)
    >>> pooled_size(55, 3, stride=2)      # overlapping windows, as in AlexNet
    27
    """
    return _axis(input_size, kernel_size, stride, padding, ceil_mode).places


def max_pool2d(
    x: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    *,
    ceil_mode: bool = False,
) -> Floats:
    """Largest value of each window, shape (N, C, H', W'). Padding counts as minus infinity.

    >>> max_pool2d([[[[1, 3, 0, 0], [2, 4, 0, 7]]]], 2)
    array([[[[4., 7.]]]])
    >>> max_pool2d([[[[-1, -2], [-3, -4]]]], 2, 1, 1)[0, 0, 0]      # no zero of the padding wins
    array([-1., -1., -2.])
    """
    return max_pool2d_with_indices(x, kernel_size, stride, padding, ceil_mode=ceil_mode)[0]


def max_pool2d_with_indices(
    x: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    *,
    ceil_mode: bool = False,
) -> tuple[Floats, Indices]:
    """`max_pool2d`, and where each maximum stood: the index ``row * W + column`` in its own channel.

    Of equal values the first one wins, in reading order.

    >>> pooled, places = max_pool2d_with_indices([[[[1, 3, 5, 5], [2, 4, 5, 5]]]], 2)
    >>> pooled.ravel(), places.ravel()
    (array([4., 5.]), array([5, 2]))
    """
    array, rows, cols = _prepared(x, kernel_size, stride, padding, ceil_mode)
    windows = _windows(array, rows, cols, -np.inf)
    flat = windows.reshape(*windows.shape[:4], -1)
    best = flat.argmax(axis=-1)
    i, j = np.divmod(best, cols.kernel)
    row = np.arange(rows.places)[:, None] * rows.stride - rows.padding + i
    col = np.arange(cols.places) * cols.stride - cols.padding + j
    return np.take_along_axis(flat, best[..., None], axis=-1)[..., 0], row * cols.input_size + col


def max_pool2d_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    *,
    ceil_mode: bool = False,
) -> Floats:
    """Gradient for the input of `max_pool2d`: each window hands its whole gradient to its maximum.

    A pixel that wins in several overlapping windows collects all of theirs. Among equal values the first in
    reading order takes everything, as in PyTorch; any share among them would be a valid subgradient.

    >>> max_pool2d_backward([[[[10, 20]]]], [[[[1, 3, 5, 5], [2, 4, 5, 5]]]], 2)
    array([[[[ 0.,  0., 20.,  0.],
             [ 0., 10.,  0.,  0.]]]])
    """
    pooled, places = max_pool2d_with_indices(x, kernel_size, stride, padding, ceil_mode=ceil_mode)
    grad = _gradient(grad_output, pooled.shape)
    return unpool2d(grad, places, np.shape(x))


def unpool2d(values: ArrayLike, indices: Indices, shape: tuple[int, ...]) -> Floats:
    """Zeros of `shape` (N, C, H, W) with each value added at the index it came from.

    >>> unpool2d([[[[4, 5]]]], np.array([[[[1, 3]]]]), (1, 1, 2, 2))
    array([[[[0., 4.],
             [0., 5.]]]])
    """
    n, c, h, w = shape
    total = np.zeros((n * c, h * w))
    # np.add.at, since `total[...] += ` would keep only one of several additions to the same pixel.
    np.add.at(total, (np.arange(n * c)[:, None], indices.reshape(n * c, -1)), np.reshape(values, (n * c, -1)))
    return total.reshape(shape)


def avg_pool2d(
    x: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Floats:
    """Mean of each window, shape (N, C, H', W').

    Padding adds zeros to the sum. With `count_include_pad` they count in the divisor too, so borders come out
    darker; without it a window is divided by the real pixels it holds. What `ceil_mode` adds never counts.

    >>> avg_pool2d([[[[1, 3], [2, 4]]]], 2)
    array([[[[2.5]]]])
    >>> ones = np.ones((1, 1, 2, 2))
    >>> avg_pool2d(ones, 2, 2, 1)[0, 0, 0, 0], avg_pool2d(ones, 2, 2, 1, count_include_pad=False)[0, 0, 0, 0]
    (np.float64(0.25), np.float64(1.0))
    """
    array, rows, cols = _prepared(x, kernel_size, stride, padding, ceil_mode)
    return _windows(array, rows, cols, 0.0).sum(axis=(-2, -1)) / _divisor(rows, cols, count_include_pad)


def avg_pool2d_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Floats:
    """Gradient for the input of `avg_pool2d`: each window spreads its gradient evenly, by the same divisor.

    The values of `x` play no part: average pooling is linear.

    >>> avg_pool2d_backward([[[[10, 20]]]], np.zeros((1, 1, 2, 4)), 2)
    array([[[[2.5, 2.5, 5. , 5. ],
             [2.5, 2.5, 5. , 5. ]]]])
    """
    array, rows, cols = _prepared(x, kernel_size, stride, padding, ceil_mode)
    grad = _gradient(grad_output, (*array.shape[:2], rows.places, cols.places))
    shares = (grad / _divisor(rows, cols, count_include_pad))[..., None, None]
    return _fold(np.broadcast_to(shares, (*grad.shape, rows.kernel, cols.kernel)), rows, cols)


def lp_pool2d(
    x: ArrayLike,
    norm_type: float,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
) -> Floats:
    """Norm of each window, (sum of abs(value) ** p) ** (1 / p) with p = `norm_type` of at least 1.

    At 1 it is the sum of sizes, at 2 the Euclidean length, and towards infinity the largest size. It is a sum,
    not a mean: on equal values it grows with the window. PyTorch leaves the absolute value out, which differs
    for odd p and negative values.

    >>> lp_pool2d([[[[3, 0], [0, -4]]]], 2, 2)
    array([[[[5.]]]])
    """
    array, rows, cols = _prepared(x, kernel_size, stride, 0, False)
    p = _norm_type(norm_type)
    return (np.abs(_windows(array, rows, cols, 0.0)) ** p).sum(axis=(-2, -1)) ** (1 / p)


def lp_pool2d_backward(
    grad_output: ArrayLike,
    x: ArrayLike,
    norm_type: float,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
) -> Floats:
    """Gradient for the input of `lp_pool2d`: each value takes sign(x) (abs(x) / norm) ** (p - 1).

    Large values take more, zeros nothing (for p above 1). A window of zeros has no gradient; it gets 0.

    >>> lp_pool2d_backward([[[[10]]]], [[[[3, 0], [0, -4]]]], 2, 2)
    array([[[[ 6.,  0.],
             [ 0., -8.]]]])
    """
    array, rows, cols = _prepared(x, kernel_size, stride, 0, False)
    norm = lp_pool2d(array, norm_type, kernel_size, stride)
    grad = _gradient(grad_output, norm.shape)
    windows, length = _windows(array, rows, cols, 0.0), norm[..., None, None]
    ratio = np.divide(np.abs(windows), length, out=np.zeros(windows.shape), where=length > 0)
    shares = np.sign(windows) * ratio ** (_norm_type(norm_type) - 1)
    return _fold(shares * grad[..., None, None], rows, cols)


def stochastic_pool2d(
    x: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> Floats:
    """One value of each window, drawn with a probability in proportion to it (Zeiler and Fergus, 2013).

    `x` must not be negative (it comes from a ReLU); a window of zeros gives 0. Without `rng` the result is that
    of test time: the mean under these probabilities, sum(x ** 2) / sum(x).

    >>> stochastic_pool2d([[[[1, 0], [0, 3]]]], 2)                    # 1 * 1/4 + 3 * 3/4
    array([[[[2.5]]]])
    >>> float(stochastic_pool2d([[[[1, 0], [0, 3]]]], 2, rng=np.random.default_rng(0)).item()) in (1.0, 3.0)
    True
    """
    array, rows, cols = _prepared(x, kernel_size, stride, 0, False)
    if array.min() < 0:
        raise ValueError(f"stochastic pooling needs values of at least 0, got {array.min():g}; apply a ReLU first")
    windows = _windows(array, rows, cols, 0.0)
    flat = windows.reshape(*windows.shape[:4], -1)
    total = flat.sum(axis=-1, keepdims=True)
    if rng is None:
        chances = np.divide(flat, total, out=np.zeros(flat.shape), where=total > 0)
        return (chances * flat).sum(axis=-1)
    ticket = rng.random((*flat.shape[:4], 1)) * total
    # The first cell whose running sum exceeds the ticket; a cell of 0 adds nothing and is never drawn.
    drawn = (flat.cumsum(axis=-1) <= ticket).sum(axis=-1, keepdims=True).clip(max=flat.shape[-1] - 1)
    return np.take_along_axis(flat, drawn, axis=-1)[..., 0]


def global_avg_pool2d(x: ArrayLike) -> Floats:
    """Mean of each channel, shape (N, C, 1, 1): ``adaptive_avg_pool2d(x, 1)``.

    >>> global_avg_pool2d([[[[1, 3], [2, 4]]]])
    array([[[[2.5]]]])
    """
    return _checked(x).mean(axis=(2, 3), keepdims=True)


def global_max_pool2d(x: ArrayLike) -> Floats:
    """Largest value of each channel, shape (N, C, 1, 1): ``adaptive_max_pool2d(x, 1)``.

    >>> global_max_pool2d([[[[1, 3], [2, 4]]]])
    array([[[[4.]]]])
    """
    return _checked(x).max(axis=(2, 3), keepdims=True)


def blur_pool2d(x: ArrayLike, kernel_size: int = 3, stride: int = 2) -> Floats:
    """Binomial blur, then every `stride`-th pixel: shape (N, C, ceil(H / stride), ceil(W / stride)).

    The filter is [1, 2, 1] / 4 both ways for a `kernel_size` of 3 (1 blurs nothing, so it only subsamples); it
    must be odd. Borders are mirrored without repeating the edge pixel. To make another layer anti-aliased, run
    it at stride 1 and put this behind it (Zhang, 2019): see `max_blur_pool2d`.

    >>> blur_pool2d([[[[0, 0, 4, 0]]]], 1)[0, 0]
    array([[0., 4.]])
    >>> blur_pool2d(np.tile([0.0, 0, 4, 0], (4, 1))[None, None], 3)[0, 0]
    array([[0., 2.],
           [0., 2.]])
    """
    array = _checked(x)
    down, across = (_blur_matrix(size, kernel_size, stride) for size in array.shape[2:])
    return down @ array @ across.T


def blur_pool2d_backward(grad_output: ArrayLike, x: ArrayLike, kernel_size: int = 3, stride: int = 2) -> Floats:
    """Gradient for the input of `blur_pool2d`: the same weights, transposed.

    >>> blur_pool2d_backward([[[[16]]]], np.zeros((1, 1, 2, 2)))[0, 0]       # the mirror doubles what it reflects
    array([[4., 4.],
           [4., 4.]])
    """
    array = _checked(x)
    down, across = (_blur_matrix(size, kernel_size, stride) for size in array.shape[2:])
    grad = _gradient(grad_output, (*array.shape[:2], len(down), len(across)))
    return down.T @ grad @ across


def max_blur_pool2d(x: ArrayLike, kernel_size: int = 2, stride: int = 2, *, blur_size: int = 3) -> Floats:
    """Max pooling at stride 1, then `blur_pool2d`: anti-aliased max pooling (Zhang, 2019).

    The dense maximum commutes with every shift; only the subsampling does not, and it now follows a blur.

    >>> bar = np.tile([0.0, 0, 1, 1, 0, 0, 1, 1, 0], (9, 1))[None, None]
    >>> max_blur_pool2d(bar)[0, 0, 0]
    array([0.5, 1. , 0.5, 1. ])
    """
    return blur_pool2d(max_pool2d(x, kernel_size, 1), blur_size, stride)


def _blur_matrix(size: int, kernel_size: int, stride: int) -> Floats:
    """Blur and subsampling along one axis as a matrix: (places, size)."""
    kernel_size, stride = _whole("kernel_size", kernel_size, 1), _whole("stride", stride, 1)
    half = kernel_size // 2
    if kernel_size % 2 == 0:
        raise ValueError(f"the blur's kernel_size must be odd, to stay centred on a pixel; got {kernel_size}")
    if half >= size:
        raise ValueError(f"a blur of {kernel_size} mirrors {half} pixels at each border, but the input has {size}")
    taps = np.ones(1)
    for _ in range(kernel_size - 1):
        taps = np.convolve(taps, [0.5, 0.5])
    centres = np.arange(0, size, stride)
    mirrored = np.pad(np.arange(size), half, mode="reflect")
    matrix = np.zeros((len(centres), size))
    for offset, tap in enumerate(taps):
        np.add.at(matrix, (np.arange(len(centres)), mirrored[centres + offset]), tap)
    return matrix


def _windows(array: Floats, rows: _Axis, cols: _Axis, fill: float) -> Floats:
    """View of all windows, (N, C, H', W', KH, KW)."""
    below = [(axis.padding, axis.length - axis.input_size - axis.padding) for axis in (rows, cols)]
    padded = np.pad(array, ((0, 0), (0, 0), *below), constant_values=fill)
    views = sliding_window_view(padded, (rows.kernel, cols.kernel), axis=(2, 3))[:, :, :: rows.stride, :: cols.stride]
    return views[:, :, : rows.places, : cols.places]


def _fold(shares: Floats, rows: _Axis, cols: _Axis) -> Floats:
    """Sum of windows (N, C, H', W', KH, KW) where they lie in the input: the transpose of `_windows`."""
    total = np.zeros((*shares.shape[:2], rows.length, cols.length))
    for i, j in np.ndindex(rows.kernel, cols.kernel):
        down = slice(i, i + rows.stride * (rows.places - 1) + 1, rows.stride)
        across = slice(j, j + cols.stride * (cols.places - 1) + 1, cols.stride)
        total[:, :, down, across] += shares[..., i, j]
    inside = (slice(axis.padding, axis.padding + axis.input_size) for axis in (rows, cols))
    return total[:, :, *inside]


def _divisor(rows: _Axis, cols: _Axis, count_include_pad: bool) -> Floats:
    return np.outer(rows.counts(count_include_pad), cols.counts(count_include_pad))


def _prepared(
    x: ArrayLike, kernel_size: IntOrPair, stride: IntOrPair | None, padding: IntOrPair, ceil_mode: bool
) -> tuple[Floats, _Axis, _Axis]:
    array = _checked(x)
    kernels, paddings = _pair("kernel_size", kernel_size), _pair("padding", padding)
    strides = (None, None) if stride is None else _pair("stride", stride)
    rows, cols = map(_axis, array.shape[2:], kernels, strides, paddings, (ceil_mode, ceil_mode))
    return array, rows, cols


def _axis(input_size: int, kernel_size: int, stride: int | None, padding: int, ceil_mode: bool) -> _Axis:
    n, k = _whole("input_size", input_size, 1), _whole("kernel_size", kernel_size, 1)
    s, p = k if stride is None else _whole("stride", stride, 1), _whole("padding", padding, 0)
    if p > k // 2:
        raise ValueError(
            f"padding must be at most half of kernel_size, here {k // 2}, got {p}; with more, a window could lie in "
            "the padding alone (did you mean the padding of a convolution?)"
        )
    spare = n + 2 * p - k
    places = -(-spare // s) + 1 if ceil_mode else spare // s + 1
    if ceil_mode and (places - 1) * s >= n + p:
        places -= 1
    if places < 1:
        raise ValueError(
            f"kernel_size {k} does not fit into the padded input of {n + 2 * p} pixels (input_size {n}, padding {p}); "
            "has the picture been pooled once too often?"
        )
    return _Axis(n, k, s, p, places)


def _checked(x: ArrayLike) -> Floats:
    array = np.asarray(x, dtype=np.float64)
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(
            f"x must have shape (N, C, H, W) and no empty axis, got {array.shape}; did you forget x[None, None]?"
        )
    if not np.isfinite(array).all():
        raise ValueError("x holds NaN or infinity: a maximum and its place would depend on the order of comparison")
    return array


def _gradient(grad_output: ArrayLike, shape: tuple[int, ...]) -> Floats:
    grad = np.asarray(grad_output, dtype=np.float64)
    if grad.shape != shape:
        raise ValueError(f"grad_output must have the shape of the pooled output, {shape}, got {grad.shape}")
    return grad


def _pair(name: str, value: Any) -> tuple[int, int]:
    values = value if isinstance(value, tuple) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name} must be an int or (rows, columns), got {value!r}")
    return values


def _whole(name: str, value: Any, least: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def _norm_type(norm_type: float) -> float:
    if not (np.isfinite(norm_type) and norm_type >= 1):
        raise ValueError(f"norm_type must be a finite number of at least 1, got {norm_type!r}")
    return float(norm_type)
