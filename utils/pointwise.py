"""1x1 convolution: at every pixel the same matrix, from the channels that come in to those that go out.

Maps are (N, C, H, W), weights (O, C): row o holds what output channel o takes of each input channel.
Used first in chapters/convolution/one-by-one-convolution.ipynb.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Mixes(NamedTuple):
    """The best mixes of C channels, best first, for keeping only a few of them."""

    weight: Floats  # (C, C), orthonormal rows: the first k are a 1x1 convolution to k channels
    mean: Floats  # (C,), of each input channel
    share: Floats  # (C,), of the input's variance that each mix carries; falling, sums to 1


def conv1x1(x: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None, *, stride: int = 1) -> Floats:
    """1x1 convolution of maps (N, C, H, W) as one matrix product: (N, O, H', W').

    `weight` is (O, C) or PyTorch's (O, C, 1, 1), `bias` (O,). A `stride` reads pixel 0 and
    each stride-th after it, so that H' is H / stride rounded up, and drops all others.
    Bytes become float64 first.

    >>> red_green_blue = np.array([200, 100, 50], dtype=np.uint8).reshape(1, 3, 1, 1)
    >>> conv1x1(red_green_blue, [[0.5, 0.25, 0.25], [1, -1, 0]]).ravel()
    array([137.5, 100. ])
    """
    x, weight = _maps(x), np.asarray(weight, dtype=np.float64)
    if weight.ndim == 4 and weight.shape[2:] == (1, 1):
        weight = weight[:, :, 0, 0]
    if weight.ndim != 2 or weight.shape[1] != x.shape[1]:
        raise ValueError(
            f"weight must have shape (O, {x.shape[1]}) for maps of {x.shape[1]} channels, got {weight.shape}; "
            "are the maps in the order (N, H, W, C)?"
        )
    bias = np.zeros(len(weight)) if bias is None else np.asarray(bias, dtype=np.float64)
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must have shape ({len(weight)},), one value an output channel, got {bias.shape}")
    if isinstance(stride, bool) or stride != int(stride) or stride < 1:
        raise ValueError(f"stride must be a whole number of at least 1, got {stride!r}; 1 means none")
    kept = x[:, :, :: int(stride), :: int(stride)]
    pixels = kept.reshape(*kept.shape[:2], -1)  # (N, C, H' W'): one column a pixel
    return (weight @ pixels + bias[:, None]).reshape(len(x), len(weight), *kept.shape[2:])


def low_rank_factors(weight: ArrayLike, rank: int) -> tuple[Floats, Floats]:
    """Two matrices (O, rank) and (rank, C) whose product comes nearest to `weight` (O, C).

    They replace a 1x1 convolution by two with `rank` channels between them. No other pair has a
    smaller sum of squared differences, which is the sum of the squared singular values left out.

    >>> up, down = low_rank_factors([[2, 0], [0, 1]], 1)
    >>> up @ down
    array([[2., 0.],
           [0., 0.]])
    """
    weight = np.asarray(weight, dtype=np.float64)
    if weight.ndim != 2:
        raise ValueError(f"weight must have shape (O, C), got {weight.shape}")
    if not 1 <= rank <= min(weight.shape):
        raise ValueError(f"rank must lie between 1 and {min(weight.shape)}, got {rank}")
    left, singular_values, right = np.linalg.svd(weight, full_matrices=False)
    return left[:, :rank] * singular_values[:rank], right[:rank]


def principal_mixes(x: ArrayLike) -> Mixes:
    """Principal components of the channels of maps (N, C, H, W): each pixel is one sample.

    Of all 1x1 convolutions to k channels, the first k rows lose the least when a second 1x1
    (their transpose) brings the C channels back: the share of variance lost is that of the
    rows left out. Signs are arbitrary; the largest entry of each row is made positive.

    >>> mixes = principal_mixes([[[[1, 2, 3]], [[2, 4, 6]]]])     # the second channel is twice the first
    >>> mixes.share.round(6)
    array([1., 0.])
    """
    x = _maps(x)
    pixels = x.transpose(1, 0, 2, 3).reshape(x.shape[1], -1)  # (C, N H W)
    mean = pixels.mean(axis=1)
    centered = pixels - mean[:, None]
    variance, vectors = np.linalg.eigh(centered @ centered.T)
    if variance[-1] <= 0:
        raise ValueError("the channels are constant: there is no variance to keep")
    rows, variance = vectors.T[::-1], variance[::-1].clip(min=0)  # eigh sorts upwards
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return Mixes(rows * np.sign(largest), mean, variance / variance.sum())


def _maps(x: ArrayLike) -> Floats:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"maps must have shape (N, C, H, W) and no empty axis, got {x.shape}; did you mean x[None]?")
    return x
