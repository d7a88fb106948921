"""Transposed convolution: the transpose of the matrix of a convolution, and other ways to make a map larger.

Each input pixel stamps the whole kernel, times its value, on the output; the stamps move by `stride` and add up. A
stamp spans ``dilation * (kernel_size - 1) + 1`` pixels. Names, order and defaults are PyTorch's, and `padding` is that
of the convolution which is transposed: here it *cuts* so many pixels off each side.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from utils.convolution import IntOrPair, input_taps, output_size, read_counts

Numbers = NDArray[np.int64] | NDArray[np.floating]


def convolution_matrix(
    kernel: ArrayLike,
    input_shape: tuple[int, int],
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> csr_array:
    """Sparse matrix C, one row an output and one column a pixel, with ``C @ x.ravel() == conv2d(x).ravel()``.

    `kernel` is (KH, KW), `input_shape` (H, W); rows and columns count in reading order. A row
    holds the taps that fall on the picture, also those of weight 0: taps on the padding have
    no column. ``C.T`` is the transposed convolution, to the size `input_shape`.

    >>> convolution_matrix([[1, 2]], (1, 4)).toarray()
    array([[1, 2, 0, 0],
           [0, 1, 2, 0],
           [0, 0, 1, 2]])
    >>> convolution_matrix(np.ones((3, 3)), (4, 4)).shape
    (4, 16)
    """
    weights, (h, w) = _finite("kernel", kernel, 2, "(KH, KW)"), input_shape
    sides = (h, w)
    taps = []
    for axis, options in enumerate(_by_axis(stride, padding, dilation)):
        places = range(output_size(sides[axis], weights.shape[axis], **options))
        taps.append(np.array([input_taps(i, weights.shape[axis], **options) for i in places]))
    row, col = taps[0][:, None, :, None], taps[1][None, :, None, :]  # (H', 1, KH, 1) and (1, W', 1, KW)
    inside = (row >= 0) & (row < h) & (col >= 0) & (col < w)
    place = np.arange(len(taps[0]) * len(taps[1])).reshape(len(taps[0]), len(taps[1]), 1, 1)
    entries = [np.broadcast_to(each, inside.shape)[inside] for each in (weights, place, row * w + col)]
    return csr_array((entries[0], (entries[1], entries[2])), shape=(place.size, h * w))


def transposed_size(
    input_size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """Output size along one axis: (n - 1) s - 2p + d (k - 1) + 1 + output_padding.

    The sizes that a convolution maps to `input_size` are this one and the next ``stride - 1``;
    `output_padding` chooses among them, so it must be below `stride` (PyTorch also lets it
    be below `dilation`). A padding that cuts everything away is an error.

    >>> transposed_size(4, 3, stride=2, padding=1), transposed_size(4, 3, stride=2, padding=1, output_padding=1)
    (7, 8)
    >>> transposed_size(16, 4, stride=2, padding=1)
    32
    """
    taps = input_taps(0, kernel_size, stride=stride, padding=padding, dilation=dilation)  # checks all four, too
    if not 0 <= output_padding < stride:
        raise ValueError(
            f"output_padding must be at least 0 and below the stride {stride}, got {output_padding}; "
            f"it only chooses among the {stride} sizes that a convolution maps to one"
        )
    size = (input_size - 1) * stride - 2 * padding + int(taps[-1] - taps[0]) + 1 + output_padding
    if input_size < 1 or size < 1:
        raise ValueError(f"nothing is left: input_size {input_size}, padding {padding} give an output of {size}")
    return size


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Numbers:
    """Transposed convolution of (N, C, H, W) with weights (C, O, KH, KW): shape (N, O, H', W').

    The weights are those of the convolution from O to C channels that is transposed, so the
    input's channels come first. H' and W' are `transposed_size`: `padding` cuts both sides,
    `output_padding` is room at the bottom and the right, which a stamp may reach or not.
    Integers stay integers. The kernel is not flipped.

    >>> conv_transpose2d([[[[1, 10]]]], [[[[1, 2, 3]]]], stride=2)[0, 0, 0]     # the stamps meet in one pixel
    array([ 1,  2, 13, 20, 30])
    >>> conv_transpose2d([[[[1, 10]]]], [[[[1, 2, 3]]]], stride=2, padding=(0, 1))[0, 0, 0]
    array([ 2, 13, 20])
    """
    x, weight = _finite("x", x, 4, "(N, C, H, W)"), _finite("weight", weight, 4, "(C, O, KH, KW)")
    if x.shape[1] != weight.shape[0]:
        raise ValueError(
            f"x has {x.shape[1]} channels but weight expects {weight.shape[0]} (shapes {x.shape} and {weight.shape}); "
            f"is weight in the order (O, C, KH, KW) of a convolution?"
        )
    bias = np.zeros(weight.shape[1], weight.dtype) if bias is None else _finite("bias", bias, 1, "(O,)")
    if bias.shape != weight.shape[1:2]:
        raise ValueError(f"bias must have shape ({weight.shape[1]},), one value an output channel, got {bias.shape}")
    (h, w), (kh, kw) = x.shape[2:], weight.shape[2:]
    (sy, sx), (py, px), (dy, dx) = _pair(stride), _pair(padding), _pair(dilation)
    oy, ox = _pair(output_padding)
    height = transposed_size(h, kh, stride=sy, padding=py, output_padding=oy, dilation=dy)
    width = transposed_size(w, kw, stride=sx, padding=px, output_padding=ox, dilation=dx)
    # Stamp on the uncut canvas, cut at the end: no stamp has to know of the padding.
    canvas = np.zeros((len(x), len(bias), height + 2 * py, width + 2 * px), np.result_type(x, weight, bias))
    for i, j in np.ndindex(kh, kw):
        rows = slice(i * dy, i * dy + sy * (h - 1) + 1, sy)
        cols = slice(j * dx, j * dx + sx * (w - 1) + 1, sx)
        canvas[:, :, rows, cols] += np.einsum("co,nchw->nohw", weight[:, :, i, j], x, optimize=True)
    return canvas[:, :, py : py + height, px : px + width] + bias[:, None, None]


def overlap_counts(
    input_size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> NDArray[np.int64]:
    """How many stamps reach each output pixel along one axis, shape (transposed_size,).

    It is how often the convolution that is transposed reads each pixel. In two dimensions the counts of rows
    and columns multiply. They are even, away from the ends, where `stride` divides `kernel_size`.

    >>> overlap_counts(4, 3, stride=2), overlap_counts(4, 4, stride=2)
    (array([1, 1, 2, 1, 2, 1, 2, 1, 1]), array([1, 1, 2, 2, 2, 2, 2, 2, 1, 1]))
    """
    size = transposed_size(
        input_size, kernel_size, stride=stride, padding=padding, output_padding=output_padding, dilation=dilation
    )
    return read_counts(size, kernel_size, stride=stride, padding=padding, dilation=dilation)


def phase_means(picture: ArrayLike, stride: int) -> NDArray[np.float64]:
    """Mean of the pixels in each place of a `stride` x `stride` grid: shape (stride, stride).

    Entry (i, j) is the mean of ``picture[i::stride, j::stride]``. All entries are equal where no checkerboard of
    that period lies over the picture; their variance is what it adds to the variance of the pixels.

    >>> phase_means([[1, 2, 1, 2], [3, 4, 3, 4]], 2)
    array([[1., 2.],
           [3., 4.]])
    """
    array = np.asarray(picture, dtype=np.float64)
    if array.ndim != 2 or stride < 1 or min(array.shape) < stride:
        raise ValueError(f"expected a picture (H, W) of at least {stride} x {stride} pixels, got {array.shape}")
    return np.array([[array[i::stride, j::stride].mean() for j in range(stride)] for i in range(stride)])


def bilinear_kernel(stride: int) -> NDArray[np.float64]:
    """Kernel with which a transposed convolution interpolates linearly (Long et al., 2015), shape (k, k).

    The side k is 2 * stride for an even stride and 2 * stride - 1 for an odd one. With ``padding = stride // 2`` an
    input of n pixels gives n * stride, and away from the border the result is bilinear interpolation.

    >>> bilinear_kernel(2)[1] / 0.75
    array([0.25, 0.75, 0.75, 0.25])
    """
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    side = 2 * stride - stride % 2
    distance = np.abs(np.arange(side) - (side - 1) / 2)  # from the centre of the stamp, in output pixels
    ramp = 1 - distance / stride
    return np.outer(ramp, ramp)


def pixel_shuffle(x: ArrayLike, factor: int) -> Numbers:
    """Groups of ``factor ** 2`` channels laid out as squares: (N, O * factor ** 2, H, W) to (N, O, H * f, W * f).

    Channel ``o * factor ** 2 + i * factor + j`` fills the pixels (i, j) of each square of output channel o, as in
    PyTorch. After a convolution this is the sub-pixel layer (Shi et al., 2016).

    >>> pixel_shuffle([[[[1]], [[2]], [[3]], [[4]]]], 2)
    array([[[[1, 2],
             [3, 4]]]])
    """
    array = _finite("x", x, 4, "(N, C, H, W)")
    n, c, h, w = array.shape
    if factor < 1 or c % factor**2:
        raise ValueError(f"the {c} channels of x must be a multiple of factor ** 2, got factor {factor}")
    squares = array.reshape(n, c // factor**2, factor, factor, h, w)
    return squares.transpose(0, 1, 4, 2, 5, 3).reshape(n, -1, h * factor, w * factor)


def _by_axis(stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> list[dict[str, int]]:
    """Options of the rows, then of the columns."""
    pairs = zip(_pair(stride), _pair(padding), _pair(dilation), strict=True)
    return [{"stride": s, "padding": p, "dilation": d} for s, p, d in pairs]


def _pair(value: IntOrPair) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"expected an int or (rows, columns), got {value!r}")
        return value[0], value[1]
    return value, value


def _finite(name: str, array: ArrayLike, ndim: int, axes: str) -> Numbers:
    array = np.asarray(array)
    if array.ndim != ndim or 0 in array.shape:
        raise ValueError(f"{name} must have shape {axes} and no empty axis, got {array.shape}")
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite integers or floats, got dtype {array.dtype}; is a pixel missing?")
    # Unsigned bytes would wrap around at 256.
    return array if array.dtype.kind == "f" else array.astype(np.int64)
