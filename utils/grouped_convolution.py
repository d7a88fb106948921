"""Convolutions that connect only some channels: grouped, depthwise separable, and the shuffle between groups.

Weights are PyTorch's, (O, C / groups, KH, KW): group number i maps the i-th run of input channels to the i-th run of
output channels. Used first in chapters/convolution/separable-and-grouped.ipynb.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.convolution import IntOrPair, conv2d, multiply_adds


class SeparableCost(NamedTuple):
    """Multiply-adds of one image, of an ordinary convolution and of the pair that replaces it."""

    standard: int
    depthwise: int
    pointwise: int

    @property
    def ratio(self) -> float:
        """The pair's cost over the ordinary one's: at multiplier 1 it is 1/O + 1/k^2."""
        return (self.depthwise + self.pointwise) / self.standard


def grouped_conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    *,
    groups: int = 1,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
) -> NDArray[Any]:
    """`groups` convolutions side by side, each with its own run of channels: shape (N, O, H', W').

    `x` is (N, C, H, W), `weight` (O, C / groups, KH, KW). `groups` must divide C and O; one group is
    the ordinary convolution, C groups the depthwise one.

    >>> x = np.array([1, 10, 100, 1000]).reshape(1, 4, 1, 1)
    >>> grouped_conv2d(x, np.ones((4, 2, 1, 1)), groups=2).ravel()     # two outputs see 1 and 10, two the rest
    array([  11.,   11., 1100., 1100.])
    """
    x, weight = np.asarray(x), np.asarray(weight)
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(f"expected x (N, C, H, W) and weight (O, C / groups, KH, KW), got {x.shape}, {weight.shape}")
    size = _group_size(x.shape[1], groups, "input channels")
    _group_size(len(weight), groups, "output channels")
    if weight.shape[1] != size:
        raise ValueError(
            f"{x.shape[1]} channels in {groups} groups are {size} a group, but the weights expect {weight.shape[1]}; "
            "did you pass the weights of an ungrouped layer?"
        )
    parts = zip(np.split(x, groups, axis=1), np.split(weight, groups), strict=True)
    return np.concatenate([conv2d(*part, stride=stride, padding=padding) for part in parts], axis=1)


def separable_conv2d(
    x: ArrayLike, depthwise: ArrayLike, pointwise: ArrayLike, *, stride: IntOrPair = 1, padding: IntOrPair = 0
) -> NDArray[Any]:
    """A depthwise convolution, then a 1x1: shape (N, O, H', W').

    `x` is (N, C, H, W), `depthwise` (C * m, 1, KH, KW) with m filters for each channel, `pointwise` (O, C * m).
    The stride belongs to the depthwise part, so that both parts work at the size of the output.

    >>> x = np.arange(18).reshape(1, 2, 3, 3)
    >>> separable_conv2d(x, np.ones((2, 1, 3, 3)), [[1, 0], [1, -1]]).ravel()
    array([ 36., -81.])
    """
    channels = np.shape(x)[1]
    maps = grouped_conv2d(x, depthwise, groups=channels, stride=stride, padding=padding)
    return conv2d(maps, np.asarray(pointwise)[:, :, None, None])


def compose_separable(depthwise: ArrayLike, pointwise: ArrayLike, *, multiplier: int = 1) -> NDArray[Any]:
    """The weights (O, C, KH, KW) of the one ordinary convolution that a depthwise and a pointwise one make.

    `depthwise` is (C * m, 1, KH, KW), its filters for one channel side by side; `pointwise` is (O, C * m).
    Filter o on channel c is the sum, over the m filters of c, of a number times that filter.

    >>> compose_separable(np.ones((1, 1, 2, 2)), [[3], [5]])[:, 0]
    array([[[3., 3.],
            [3., 3.]],
    <BLANKLINE>
           [[5., 5.],
            [5., 5.]]])
    """
    depthwise, pointwise = np.asarray(depthwise), np.asarray(pointwise)
    if depthwise.ndim != 4 or depthwise.shape[1] != 1 or pointwise.shape[1:] != depthwise.shape[:1]:
        raise ValueError(
            f"expected depthwise (C * m, 1, KH, KW) and pointwise (O, C * m), got {depthwise.shape} and "
            f"{pointwise.shape}; is the pointwise weight still (O, C * m, 1, 1)?"
        )
    channels = _group_size(len(depthwise), multiplier, "depthwise filters")
    filters = depthwise.reshape(channels, multiplier, *depthwise.shape[2:])
    return np.einsum("ocm,cmyx->ocyx", pointwise.reshape(-1, channels, multiplier), filters)


def nearest_separable(weight: ArrayLike, *, multiplier: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """The depthwise (C * m, 1, KH, KW) and pointwise (O, C * m) weights closest to an ordinary `weight`.

    What a channel contributes is a matrix (O, KH * KW), and `multiplier` filters for it can make any matrix
    of that rank, no other. So its truncated singular value decomposition has the smallest squared error (Eckart and
    Young 1936). It is exact from the multiplier min(O, KH * KW) on, the largest that is accepted.

    >>> weight = np.arange(8.0).reshape(2, 1, 2, 2)
    >>> np.allclose(compose_separable(*nearest_separable(weight, multiplier=2), multiplier=2), weight)
    True
    """
    weight = np.asarray(weight, dtype=float)
    if weight.ndim != 4:
        raise ValueError(f"weight must have shape (O, C, KH, KW), got {weight.shape}")
    o, c, kh, kw = weight.shape
    if not 1 <= multiplier <= min(o, kh * kw):
        raise ValueError(
            f"multiplier must be 1 to {min(o, kh * kw)}, all that {weight.shape} can use, got {multiplier}"
        )
    left, values, right = np.linalg.svd(weight.transpose(1, 0, 2, 3).reshape(c, o, kh * kw), full_matrices=False)
    mixing = left[:, :, :multiplier] * values[:, None, :multiplier]  # (C, O, m)
    depthwise = right[:, :multiplier].reshape(c * multiplier, 1, kh, kw)
    return depthwise, mixing.transpose(1, 0, 2).reshape(o, c * multiplier)


def separable_cost(
    in_channels: int, out_channels: int, kernel_size: int, *, output_size: IntOrPair = 1, multiplier: int = 1
) -> SeparableCost:
    """Multiply-adds of a convolution and of its depthwise separable twin; at `output_size` 1, their weights.

    All three use the size of the output: with a stride, the depthwise part has it. No bias is counted.

    >>> separable_cost(256, 256, 3)
    SeparableCost(standard=589824, depthwise=2304, pointwise=65536)
    >>> round(separable_cost(256, 256, 3).ratio, 4)
    0.115
    """
    inner = in_channels * multiplier
    return SeparableCost(
        multiply_adds(in_channels, out_channels, kernel_size, output_size),
        multiply_adds(1, inner, kernel_size, output_size),
        multiply_adds(inner, out_channels, 1, output_size),
    )


def connections(in_channels: int, out_channels: int, *, groups: int = 1) -> NDArray[np.bool_]:
    """Which input a channel of the output reads: shape (out_channels, in_channels), True in blocks on the diagonal.

    >>> connections(4, 2, groups=2).astype(int)
    array([[1, 1, 0, 0],
           [0, 0, 1, 1]])
    """
    reads = _group_size(in_channels, groups, "input channels")
    makes = _group_size(out_channels, groups, "output channels")
    return np.kron(np.eye(groups, dtype=bool), np.ones((makes, reads), dtype=bool))


def channel_shuffle(x: Any, groups: int) -> Any:
    """`x` (N, C, ...) with its channels dealt out: the first of each group, then the second of each, and so on.

    Reshape to (groups, C / groups), transpose, flatten. Works on arrays and on tensors; shuffling with C / groups
    groups undoes it. 1 and C groups change nothing.

    >>> channel_shuffle(np.arange(6).reshape(1, 6), groups=2)
    array([[0, 3, 1, 4, 2, 5]])
    """
    n, channels, *rest = x.shape
    size = _group_size(channels, groups, "channels")
    return x.reshape(n, groups, size, *rest).swapaxes(1, 2).reshape(n, channels, *rest)


def shuffled_reach(channels: int, groups: int, *, layers: int = 2, shuffle: bool = True) -> NDArray[np.bool_]:
    """Which inputs each output reads through `layers` grouped layers: shape (channels, channels).

    All layers keep the number of channels; with `shuffle` there is one between each two layers.

    >>> shuffled_reach(8, 2, shuffle=False)[0].nonzero()[0], shuffled_reach(8, 2)[0].all()
    (array([0, 1, 2, 3]), np.True_)
    """
    if layers < 1:
        raise ValueError(f"layers must be at least 1, got {layers}")
    layer = connections(channels, channels, groups=groups)
    reach = layer
    for _ in range(layers - 1):
        # Row i of `reach` stands for channel i, so shuffling channels is shuffling rows.
        between = channel_shuffle(reach[None], groups)[0] if shuffle else reach
        reach = layer @ between
    return reach


def _group_size(channels: int, groups: int, what: str) -> int:
    if groups < 1 or channels % groups:
        raise ValueError(f"groups must divide the {channels} {what}, got {groups}; choose one of {_divisors(channels)}")
    return channels // groups


def _divisors(number: int) -> list[int]:
    return [each for each in range(1, number + 1) if number % each == 0]
