"""Convolution as one matrix product: windows become columns (im2col), and columns are added back (col2im).

Names, order and defaults are PyTorch's: `im2col` is ``torch.nn.functional.unfold``, `col2im` is ``fold``. A column is
one window, its C * KH * KW pixels in the order of a flattened kernel; a row is one tap, seen from all L windows, which
are counted along the rows of the picture. Used first in chapters/convolution/im2col.ipynb.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from utils.convolution import IntOrPair, _arrays, _pair, _real
from utils.convolution import output_size as places


class Gradients(NamedTuple):
    """What the backward pass of a convolution returns, each of the shape of what it belongs to."""

    x: NDArray[Any]
    weight: NDArray[Any]
    bias: NDArray[Any]


def window_view(
    x: ArrayLike, kernel_size: IntOrPair, *, stride: IntOrPair = 1, dilation: IntOrPair = 1
) -> NDArray[Any]:
    """All windows of `x` (N, C, H, W) without a copy: a read-only view of shape (N, C, KH, KW, H', W').

    The view holds no pixel of its own: only the steps in memory are new, and windows that overlap share
    their pixels. There is no padding, because zeros that are not there cannot be viewed.

    >>> x = np.arange(16).reshape(1, 1, 4, 4)
    >>> view = window_view(x, 3)
    >>> view.shape, np.shares_memory(view, x)
    ((1, 1, 3, 3, 2, 2), True)
    >>> view[0, 0, :, :, 0, 1]     # the window at row 0, column 1
    array([[ 1,  2,  3],
           [ 5,  6,  7],
           [ 9, 10, 11]])
    """
    x = _images(x)
    (kh, kw), (sy, sx), (dy, dx) = _pair("kernel_size", kernel_size, 1), _pair("stride", stride, 1), _rates(dilation)
    _grid(x.shape[2:], (kh, kw), (sy, sx), (0, 0), (dy, dx))
    spans = (dy * (kh - 1) + 1, dx * (kw - 1) + 1)
    view = sliding_window_view(x, spans, axis=(2, 3))[:, :, ::sy, ::sx, ::dy, ::dx]
    return view.transpose(0, 1, 4, 5, 2, 3)


def im2col(
    x: ArrayLike,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> NDArray[Any]:
    """Windows of `x` (N, C, H, W) as the columns of a matrix: shape (N, C * KH * KW, L), L windows.

    The dtype stays, and `padding` adds zeros on all four sides. The matrix is a copy, KH * KW / (SH * SW)
    times the input or so; only at kernel 1, stride 1, padding 0 it is a read-only view, for nothing repeats.

    >>> x = np.arange(9).reshape(1, 1, 3, 3)
    >>> im2col(x, 2)[0]     # columns: the windows at 0, 1, 3 and 4; rows: their four taps
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    x, (py, px) = _images(x), _pair("padding", padding, 0)
    kernel_size, dilation, stride = _pair("kernel_size", kernel_size, 1), _rates(dilation), _pair("stride", stride, 1)
    _grid(x.shape[2:], kernel_size, stride, (py, px), dilation)  # complains in terms of the input, not the padded one
    if py or px:
        x = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)))
    view = window_view(x, kernel_size, stride=stride, dilation=dilation)
    n, c, kh, kw, height, width = view.shape
    return view.reshape(n, c * kh * kw, height * width)  # windows overlap, so this line copies


def col2im(
    columns: ArrayLike,
    output_size: IntOrPair,
    kernel_size: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> NDArray[Any]:
    """Adds columns (N, C * KH * KW, L) back to where `im2col` read them: images (N, C, H, W).

    `output_size` is (H, W). Pixels in several windows get the *sum*, pixels in none 0, and what falls on the
    padding is dropped: the adjoint (transpose) of `im2col`, and its inverse only where each pixel is in
    exactly one window. Integers stay integers. NaN and infinity are refused.

    >>> x = np.ones((1, 1, 3, 3), dtype=int)
    >>> col2im(im2col(x, 2), (3, 3), 2)[0, 0]     # how many windows hold each pixel
    array([[1, 2, 1],
           [2, 4, 2],
           [1, 2, 1]])
    """
    columns = _real("columns", columns)
    (h, w), (kh, kw) = _pair("output_size", output_size, 1), _pair("kernel_size", kernel_size, 1)
    (sy, sx), (py, px), (dy, dx) = _pair("stride", stride, 1), _pair("padding", padding, 0), _rates(dilation)
    height, width = _grid((h, w), (kh, kw), (sy, sx), (py, px), (dy, dx))
    if columns.ndim != 3 or columns.shape[1] % (kh * kw) or columns.shape[2] != height * width or 0 in columns.shape:
        raise ValueError(
            f"columns must have shape (N, C * {kh * kw}, {height * width}), for {kh} x {kw} taps and {height} x "
            f"{width} windows, got {columns.shape}; are stride, padding and dilation those of im2col?"
        )
    taps = columns.reshape(len(columns), -1, kh, kw, height, width)
    images = np.zeros((*taps.shape[:2], h + 2 * py, w + 2 * px), dtype=columns.dtype)
    for i, j in np.ndindex(kh, kw):
        # Seen through one tap no two windows share a pixel, so += loses nothing.
        rows, cols = slice(i * dy, i * dy + sy * height, sy), slice(j * dx, j * dx + sx * width, sx)
        images[:, :, rows, cols] += taps[:, :, i, j]
    return images[:, :, py : py + h, px : px + w]


def conv2d_im2col(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> NDArray[Any]:
    """What ``utils.convolution.conv2d`` computes, as one matrix product an image: shape (N, O, H', W').

    Kernels become the rows of an O x (C * KH * KW) matrix, windows the columns of another, and the product
    is only reshaped. Arguments, types and errors are those of `conv2d`; no operand is changed.

    >>> x = np.arange(25).reshape(1, 1, 5, 5)
    >>> conv2d_im2col(x, np.ones((1, 1, 3, 3), dtype=int), dilation=2)
    array([[[[108]]]])
    """
    x, weight, bias = _arrays(x, weight, bias)
    kernel_size = weight.shape[2:]
    height, width = _grid(x.shape[2:], kernel_size, stride, padding, dilation)
    columns = im2col(x, kernel_size, stride=stride, padding=padding, dilation=dilation)  # (N, C * KH * KW, L)
    product = weight.reshape(len(weight), -1) @ columns  # (N, O, L)
    return product.reshape(len(x), len(weight), height, width) + bias[:, None, None]


def conv2d_im2col_backward(
    gradient: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Gradients:
    """Gradients of a loss with respect to `x`, `weight` and bias, from its `gradient` (N, O, H', W') at the output.

    With Y = W X for the columns X, dW is dY times X transposed, dX is W transposed times dY, and `col2im` adds dX
    up over the windows: the one place where a convolution layer needs it.

    >>> x, weight = np.ones((1, 1, 3, 3)), np.full((1, 1, 2, 2), 5.0)
    >>> backward = conv2d_im2col_backward(np.ones((1, 1, 2, 2)), x, weight)
    >>> backward.weight[0, 0, 0, 0], backward.x[0, 0, 1, 1], backward.bias     # 4 windows read ones; 4 kernels of 5
    (np.float64(4.0), np.float64(20.0), array([4.]))
    """
    x, weight, _ = _arrays(x, weight, None)
    gradient, kernel_size = _real("gradient", gradient), weight.shape[2:]
    expected = (len(x), len(weight), *_grid(x.shape[2:], kernel_size, stride, padding, dilation))
    if gradient.shape != expected:
        raise ValueError(f"gradient must have the output's shape {expected}, got {gradient.shape}")
    slide: dict[str, IntOrPair] = {"stride": stride, "padding": padding, "dilation": dilation}
    flat = gradient.reshape(len(x), len(weight), -1)  # (N, O, L)
    columns = im2col(x, kernel_size, **slide)
    of_weight = (flat @ columns.transpose(0, 2, 1)).sum(axis=0).reshape(weight.shape)
    of_columns = weight.reshape(len(weight), -1).T @ flat  # (N, C * KH * KW, L)
    of_x = col2im(of_columns, x.shape[2:], kernel_size, **slide)
    return Gradients(of_x, of_weight, flat.sum(axis=(0, 2)))


def _images(x: ArrayLike) -> NDArray[Any]:
    """`x` as an array of four axes, none of them empty, of any dtype."""
    x = np.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"x must have shape (N, C, H, W), got {x.shape}; did you mean x[None, None]?")
    if 0 in x.shape:
        raise ValueError(f"x must have no empty axis, got shape {x.shape}")
    return x


def _rates(dilation: IntOrPair) -> tuple[int, int]:
    return _pair("dilation", dilation, 1)


def _grid(
    sides: tuple[int, ...], kernel_size: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair
) -> tuple[int, int]:
    """Rows and columns of windows; `ValueError` where there is no place for one."""
    kernel, strides = _pair("kernel_size", kernel_size, 1), _pair("stride", stride, 1)
    pads, rates = _pair("padding", padding, 0), _rates(dilation)
    height, width = (
        places(sides[axis], kernel[axis], stride=strides[axis], padding=pads[axis], dilation=rates[axis])
        for axis in (0, 1)
    )
    return height, width
