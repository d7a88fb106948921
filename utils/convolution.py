"""Two-dimensional convolution as deep learning means it: nothing is flipped, arrays are (N, C, H, W).

A kernel tap at index t reads the input ``t * dilation`` pixels after the first tap, and the first tap moves by
`stride` from one output to the next. So a kernel spans ``dilation * (kernel_size - 1) + 1`` pixels, of which it
reads `kernel_size`. Names, order and defaults are PyTorch's: a stride or dilation of 1, a padding of 0 mean none.
"""

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntOrPair = int | tuple[int, int]


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> NDArray[Any]:
    """Cross-correlation of images with kernels, plus a bias: shape (N, O, H', W').

    `x` is (N, C, H, W), `weight` (O, C, KH, KW), `bias` (O,). `stride`, `padding` (zeros
    on all four sides) and `dilation` are an int or (rows, columns). There is one shifted
    copy of the input a tap: dilation moves the copies apart, no zero is multiplied.
    Integers stay integers, and sums are exact. NaN and infinity are refused.

    >>> x = np.arange(25).reshape(1, 1, 5, 5)
    >>> ones = np.ones((1, 1, 3, 3), dtype=int)
    >>> conv2d(x, ones)[0, 0]
    array([[ 54,  63,  72],
           [ 99, 108, 117],
           [144, 153, 162]])
    >>> conv2d(x, ones, dilation=2)     # 0 + 2 + 4 + 10 + 12 + 14 + 20 + 22 + 24
    array([[[[108]]]])
    >>> conv2d(x, ones, padding=2, dilation=2).shape     # padding = rate keeps the size
    (1, 1, 5, 5)
    """
    x, weight, bias = _arrays(x, weight, bias)
    (n, _, h, w), (o, _, kh, kw) = x.shape, weight.shape
    (sy, sx), (dy, dx) = _pair("stride", stride, 1), _pair("dilation", dilation, 1)
    py, px = _pair("padding", padding, 0)
    height = output_size(h, kh, stride=sy, padding=py, dilation=dy)
    width = output_size(w, kw, stride=sx, padding=px, dilation=dx)
    x = np.pad(x, ((0, 0), (0, 0), (py, py), (px, px)))
    output = np.zeros((n, o, height, width), np.result_type(x, weight, bias))
    for i, j in np.ndindex(kh, kw):
        rows = slice(i * dy, i * dy + sy * height, sy)
        cols = slice(j * dx, j * dx + sx * width, sx)
        tap, copy = weight[:, :, i, j], x[:, :, rows, cols]
        output += np.einsum("oc,nchw->nohw", tap, copy, optimize=True)
    return output + bias[:, None, None]


def conv2d_naive(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> NDArray[Any]:
    """What `conv2d` computes, one output value at a time: the definition, readable and slow.

    `stride`, `padding` and `dilation` are ints here.

    >>> x = np.arange(25).reshape(1, 1, 5, 5)
    >>> conv2d_naive(x, np.ones((1, 1, 3, 3), dtype=int), dilation=2)
    array([[[[108]]]])
    """
    x, weight, bias = _arrays(x, weight, bias)
    kernel_height, kernel_width = weight.shape[2:]
    height = output_size(x.shape[2], kernel_height, stride=stride, padding=padding, dilation=dilation)
    width = output_size(x.shape[3], kernel_width, stride=stride, padding=padding, dilation=dilation)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    output = np.zeros((len(x), len(weight), height, width), dtype=np.result_type(x, weight, bias))
    for n, o, row, col in np.ndindex(*output.shape):
        total = bias[o]
        for c, i, j in np.ndindex(*weight.shape[1:]):
            total += weight[o, c, i, j] * x[n, c, row * stride + i * dilation, col * stride + j * dilation]
        output[n, o, row, col] = total
    return output


def output_size(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: IntOrPair = 0, dilation: int = 1
) -> int:
    """Number of places a kernel takes along one axis: floor((n + 2p - span) / s) + 1.

    The span is ``dilation * (kernel_size - 1) + 1``. `padding` is an int for both ends, or (before, after), whose sum
    then stands for 2p. Rounding down drops pixels at the far edge that do not fill a stride. A span larger than the
    padded input leaves no place: an error, as in PyTorch.

    >>> output_size(28, 3), output_size(28, 3, padding=1), output_size(28, 3, padding=2, dilation=2)
    (26, 28, 28)
    >>> output_size(28, 3, stride=2, padding=1), output_size(27, 3, stride=2, padding=1)
    (14, 14)
    >>> output_size(28, 2), output_size(28, 2, padding=(0, 1))
    (27, 28)
    """
    n, s = _whole("input_size", input_size, 1), _whole("stride", stride, 1)
    (before, after), span = _ends(padding), _span(kernel_size, dilation)
    if span > n + before + after:
        raise ValueError(
            f"the kernel spans {span} pixels (kernel_size {kernel_size}, dilation {dilation}) but the padded input has "
            f"{n + before + after} (input_size {n}, padding {padding}); did you forget padding = dilation * "
            f"(kernel_size - 1) / 2?"
        )
    return (n + before + after - span) // s + 1


def output_shape(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> tuple[int, int, int, int]:
    """Shape (N, O, H', W') of a convolution of (N, C, H, W) with weights (O, C / groups, KH, KW).

    `stride`, `padding` and `dilation` are an int or (rows, columns); `padding` may also be a
    mode of `mode_padding`. Nothing is computed but the shape. `ValueError` where the layer
    cannot exist: `groups` does not divide C and O, channels do not match, no place is left.

    >>> output_shape((1, 3, 224, 224), (64, 3, 7, 7), stride=2, padding=3)
    (1, 64, 112, 112)
    >>> output_shape((1, 32, 9, 8), (64, 1, 3, 3), stride=2, padding="same", groups=32)
    (1, 64, 5, 4)
    """
    n, channels, *sides = _four("input_shape", input_shape, "(N, C, H, W)")
    out_channels, depth, *kernel = _four("weight_shape", weight_shape, "(O, C / groups, KH, KW)")
    groups = _whole("groups", groups, 1)
    if channels % groups or out_channels % groups:
        raise ValueError(f"groups must divide {channels} input and {out_channels} output channels, got {groups}")
    if depth * groups != channels:
        raise ValueError(
            f"the input has {channels} channels, {channels // groups} in each of {groups} groups, but the weights "
            f"expect {depth}; is the input in the order (N, H, W, C)?"
        )
    strides, rates = _pair("stride", stride, 1), _pair("dilation", dilation, 1)
    pads: Sequence[IntOrPair]
    if isinstance(padding, str):
        pads = [
            mode_padding(padding, *axis[:2], stride=axis[2], dilation=axis[3])
            for axis in zip(sides, kernel, strides, rates, strict=True)
        ]
    else:
        pads = _pair("padding", padding, 0)
    height, width = (
        output_size(size, k, stride=s, padding=p, dilation=d)
        for size, k, s, p, d in zip(sides, kernel, strides, pads, rates, strict=True)
    )
    return n, out_channels, height, width


def same_padding(input_size: int, kernel_size: int, *, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Zeros (before, after) that TensorFlow's SAME puts at the two ends of one axis.

    The output has ``ceil(input_size / stride)`` places. So many zeros are added that the last
    place just fits, and never a negative number. An odd total puts the extra zero *after*.
    At stride 1 this is PyTorch's ``padding="same"``; at larger strides PyTorch refuses.
    TensorFlow is not at hand: this is its documented rule.

    >>> same_padding(5, 3), same_padding(5, 3, stride=2)
    ((1, 1), (1, 1))
    >>> same_padding(6, 3, stride=2), same_padding(224, 7, stride=2)     # PyTorch's ResNet has (3, 3)
    ((0, 1), (2, 3))
    >>> same_padding(6, 1, stride=2)     # a kernel shorter than the stride
    (0, 0)
    """
    n, s = _whole("input_size", input_size, 1), _whole("stride", stride, 1)
    places = -(-n // s)
    total = max((places - 1) * s + _span(kernel_size, dilation) - n, 0)
    return total // 2, total - total // 2


def mode_padding(
    mode: str, input_size: int, kernel_size: int, *, stride: int = 1, dilation: int = 1
) -> tuple[int, int]:
    """Zeros (before, after) along one axis for the mode "valid", "same" or "full", in any case.

    *Valid* adds none. *Same* is `same_padding`. *Full* adds ``span - 1`` at both ends, so that
    the first place shares one pixel with the input, as the last does at stride 1. *Valid* and
    *full* do not depend on `input_size` and `stride`.

    >>> [mode_padding(mode, 8, 3) for mode in ("VALID", "SAME", "FULL")]
    [(0, 0), (1, 1), (2, 2)]
    """
    same, span = same_padding(input_size, kernel_size, stride=stride, dilation=dilation), _span(kernel_size, dilation)
    paddings = {"valid": (0, 0), "same": same, "full": (span - 1, span - 1)}
    if not isinstance(mode, str) or mode.lower() not in paddings:
        raise ValueError(f"mode must be one of {', '.join(paddings)}, got {mode!r}; is it a number of zeros?")
    return paddings[mode.lower()]


def input_taps(
    position: int, kernel_size: int, *, stride: int = 1, padding: IntOrPair = 0, dilation: int = 1
) -> NDArray[np.int64]:
    """Input indices that output number `position` reads along one axis: shape (kernel_size,).

    Index ``position * stride - padding + t * dilation`` for tap t; of a `padding` (before,
    after) only *before* counts. Indices below 0, or of at least the input's size, lie on
    the padding. `position` counts from 0, and is not held against a size.

    >>> input_taps(0, 3, padding=1), input_taps(2, 3, stride=2, padding=1)
    (array([-1,  0,  1]), array([3, 4, 5]))
    >>> input_taps(2, 3, dilation=2)
    array([2, 4, 6])
    """
    k, d = _whole("kernel_size", kernel_size, 1), _whole("dilation", dilation, 1)
    first = _whole("position", position, 0) * _whole("stride", stride, 1) - _ends(padding)[0]
    return first + d * np.arange(k)


def read_counts(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: IntOrPair = 0, dilation: int = 1
) -> NDArray[np.int64]:
    """How many outputs read each input pixel along one axis: shape (input_size,); 0 is a pixel lost.

    >>> read_counts(8, 3), read_counts(8, 3, stride=2)     # the last pixel does not fill a stride
    (array([1, 2, 3, 3, 3, 3, 2, 1]), array([1, 1, 2, 1, 2, 1, 1, 0]))
    """
    places = output_size(input_size, kernel_size, stride=stride, padding=padding, dilation=dilation)
    counts = np.zeros(input_size, dtype=np.int64)
    for position in range(places):
        taps = input_taps(position, kernel_size, stride=stride, padding=padding, dilation=dilation)
        counts[taps[(taps >= 0) & (taps < input_size)]] += 1
    return counts


def dilate_kernel(weight: ArrayLike, dilation: IntOrPair = 1) -> NDArray[Any]:
    """`weight` (..., KH, KW) with ``dilation - 1`` zeros between neighbouring taps, none outside.

    An ordinary convolution with this kernel equals the dilated one with `weight`. It is the picture by which
    dilation is explained, not the way it is computed: at rate 2 it multiplies by 16 zeros for nine weights.

    >>> dilate_kernel([[1, 2], [3, 4]], 2)
    array([[1, 0, 2],
           [0, 0, 0],
           [3, 0, 4]])
    """
    weight = np.asarray(weight)
    if weight.ndim < 2 or 0 in weight.shape:
        raise ValueError(f"weight must have shape (..., KH, KW) and no empty axis, got {weight.shape}")
    dy, dx = _pair("dilation", dilation, 1)
    height, width = weight.shape[-2:]
    stuffed = np.zeros((*weight.shape[:-2], dy * (height - 1) + 1, dx * (width - 1) + 1), dtype=weight.dtype)
    stuffed[..., ::dy, ::dx] = weight
    return stuffed


def multiply_adds(in_channels: int, out_channels: int, kernel_size: IntOrPair, output_size: IntOrPair) -> int:
    """Multiply-adds of one convolution of one image: weights of the kernel times places it takes.

    `kernel_size` and `output_size` are an int for a square, or (rows, columns). Dilation does not appear: it
    costs nothing at a place. Bias is not counted; taps that fall on the padding are. FLOPs are twice as many.

    >>> multiply_adds(256, 256, 3, 14), multiply_adds(256, 256, 3, 28)
    (115605504, 462422016)
    """
    kernel_height, kernel_width = _pair("kernel_size", kernel_size, 1)
    height, width = _pair("output_size", output_size, 1)
    channels = _whole("in_channels", in_channels, 1) * _whole("out_channels", out_channels, 1)
    return channels * kernel_height * kernel_width * height * width


def _span(kernel_size: int, dilation: int) -> int:
    """Pixels from the first tap of a kernel to its last, both counted."""
    return _whole("dilation", dilation, 1) * (_whole("kernel_size", kernel_size, 1) - 1) + 1


def _ends(padding: IntOrPair) -> tuple[int, int]:
    """Zeros before and after one axis."""
    if isinstance(padding, (tuple, list)) and len(padding) != 2:
        raise ValueError(f"padding must be an int or (before, after), got {padding!r}")
    return _pair("padding", padding, 0)


def _four(name: str, shape: Sequence[int], axes: str) -> list[int]:
    if len(shape) != 4:
        raise ValueError(f"{name} must be {axes}, got {tuple(shape)}")
    return [_whole(f"each number of {name}", size, 1) for size in shape]


def _arrays(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The three operands as real, finite arrays of matching shapes; no bias becomes zeros."""
    x, weight = _real("x", x), _real("weight", weight)
    for name, array, axes in (("x", x, "(N, C, H, W)"), ("weight", weight, "(O, C, KH, KW)")):
        if array.ndim != 4:
            raise ValueError(f"{name} must have shape {axes}, got {array.shape}; did you mean {name}[None, None]?")
        if 0 in array.shape:
            raise ValueError(f"{name} must have no empty axis, got shape {array.shape}")
    if x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} channels but weight expects {weight.shape[1]} (shapes {x.shape} and "
            f"{weight.shape}); is x in the order (N, H, W, C)?"
        )
    bias = np.zeros(len(weight), dtype=weight.dtype) if bias is None else _real("bias", bias)
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must have shape ({len(weight)},), one value an output channel, got {bias.shape}")
    return x, weight, bias


def _real(name: str, array: ArrayLike) -> NDArray[Any]:
    array = np.asarray(array)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold integers or floats, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}; is a pixel missing?")
    # Unsigned bytes would wrap around at 256, small integers soon after.
    return array if array.dtype.kind == "f" else array.astype(np.int64)


def _whole(name: str, value: int, least: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}") from None
    if isinstance(value, bool) or number < least:
        hint = "; 1 means none" if name in ("stride", "dilation") else ""
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}{hint}")
    return number


def _pair(name: str, value: IntOrPair, least: int) -> tuple[int, int]:
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be an int or (rows, columns), got {value!r}")
        return _whole(name, value[0], least), _whole(name, value[1], least)
    return _whole(name, value, least), _whole(name, value, least)
