"""Layers with local fields and weights of their own at each place, beside the convolution that shares them.

Sizes are (rows, columns), arrays (N, C, H, W), names and defaults PyTorch's; kernels and strides are square.
Used first in chapters/convolution/locality-and-weight-sharing.ipynb.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from utils.convolution import output_size


class LocallyConnected2d(nn.Module):
    """A convolution that shares nothing: one kernel and one bias for each filter *and* each output place.

    `input_size` is the int or (H, W) it is built for, since the number of places decides the number of weights.
    `weight` is (places, out_channels, in_channels * kernel_size ** 2), the places row by row; `bias` is
    (out_channels, H', W'). Starts as `nn.Conv2d` does: uniform within 1 / sqrt(inputs of a unit).

    >>> layer = LocallyConnected2d(1, 2, input_size=6, kernel_size=3)      # 4 x 4 places
    >>> layer.weight.shape, layer(torch.zeros(5, 1, 6, 6)).shape
    (torch.Size([16, 2, 9]), torch.Size([5, 2, 4, 4]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: int | tuple[int, int],
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        *,
        device: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
        self.in_channels, self.kernel_size, self.stride, self.padding = in_channels, kernel_size, stride, padding
        self.output_size = tuple(output_size(n, kernel_size, stride=stride, padding=padding) for n in self.input_size)
        places, fan_in = self.output_size[0] * self.output_size[1], in_channels * kernel_size**2
        self.weight = nn.Parameter(torch.empty(places, out_channels, fan_in, device=device))
        self.bias = nn.Parameter(torch.empty(out_channels, *self.output_size, device=device))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, out_channels, H', W') of pictures (N, in_channels, H, W) of the size it was built for."""
        if tuple(x.shape[1:]) != (self.in_channels, *self.input_size):
            raise ValueError(
                f"built for pictures (N, {self.in_channels}, {self.input_size[0]}, {self.input_size[1]}), got "
                f"{tuple(x.shape)}; weights belong to places, so a locally connected layer cannot change its input size"
            )
        patches = F.unfold(x, self.kernel_size, padding=self.padding, stride=self.stride)  # (N, fan_in, places)
        sums = torch.einsum("nip,poi->nop", patches, self.weight)
        return sums.unflatten(-1, self.output_size) + self.bias


def untie(convolution: nn.Conv2d, input_size: int | tuple[int, int]) -> LocallyConnected2d:
    """The locally connected layer that starts as this convolution: its kernel and bias copied to every place.

    >>> convolution = nn.Conv2d(2, 3, 3, stride=2, padding=1)
    >>> local, x = untie(convolution, (7, 8)), torch.randn(1, 2, 7, 8)
    >>> torch.allclose(local(x), convolution(x), atol=1e-5)
    True
    """
    square = all(len(set(pair)) == 1 for pair in (convolution.kernel_size, convolution.stride, convolution.padding))
    plain = convolution.groups == 1 and set(convolution.dilation) == {1} and convolution.padding_mode == "zeros"
    if not (square and plain and convolution.bias is not None):
        raise ValueError(f"expected a square convolution with bias, no groups, no dilation, got {convolution}")
    kernel, step, pad = convolution.kernel_size[0], convolution.stride[0], int(convolution.padding[0])
    local = LocallyConnected2d(
        convolution.in_channels,
        convolution.out_channels,
        input_size,
        kernel,
        step,
        pad,
        device=convolution.weight.device,
    )
    with torch.no_grad():
        local.weight.copy_(convolution.weight.flatten(1).expand_as(local.weight))
        local.bias.copy_(convolution.bias[:, None, None].expand_as(local.bias))
    return local


def linear_as_convolution(linear: nn.Linear, shape: tuple[int, int, int]) -> nn.Conv2d:
    """The convolution, as large as the map (C, H, W) that `linear` reads flattened, with the same weights.

    On a map of that size it returns (N, out_features, 1, 1), the scores of `linear`; on a larger map their
    score at each place the old map would take in it. `ValueError` where C * H * W is not ``in_features``.

    >>> linear = nn.Linear(8 * 7 * 7, 10)
    >>> convolution = linear_as_convolution(linear, (8, 7, 7))
    >>> convolution(torch.zeros(1, 8, 9, 9)).shape
    torch.Size([1, 10, 3, 3])
    """
    channels, height, width = shape
    if channels * height * width != linear.in_features:
        raise ValueError(
            f"a map {channels} x {height} x {width} has {channels * height * width} numbers, the layer reads "
            f"{linear.in_features}; is the shape (C, H, W), as it was before Flatten?"
        )
    has_bias, device = linear.bias is not None, linear.weight.device
    convolution = nn.Conv2d(channels, linear.out_features, (height, width), bias=has_bias, device=device)
    with torch.no_grad():
        convolution.weight.copy_(linear.weight.unflatten(1, shape))
        if convolution.bias is not None:
            convolution.bias.copy_(linear.bias)
    return convolution


class WeightCounts(NamedTuple):
    """Weights, without biases, of three layers with the same hidden units."""

    hidden: int
    dense: int
    local: int
    shared: int


def weight_counts(
    input_size: int, kernel_size: int, *, in_channels: int = 1, out_channels: int = 1, stride: int = 1, padding: int = 0
) -> WeightCounts:
    """Hidden units of a convolution on a square picture, and their weights if dense, local, or local and shared.

    The hidden units are its output numbers: `out_channels` at each of the places where the kernel fits. Dense, each
    reads the whole picture; local, its own field; shared, all places of a channel use one kernel.

    >>> weight_counts(5, 3)                    # 9 units, 25 pixels, fields of 9
    WeightCounts(hidden=9, dense=225, local=81, shared=9)
    """
    places = output_size(input_size, kernel_size, stride=stride, padding=padding) ** 2
    if in_channels < 1 or out_channels < 1:
        raise ValueError(f"channels must be at least 1, got {in_channels} in and {out_channels} out")
    hidden, field = out_channels * places, in_channels * kernel_size**2
    return WeightCounts(hidden, hidden * in_channels * input_size**2, hidden * field, out_channels * field)
