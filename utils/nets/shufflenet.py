"""ShuffleNet v1 (Zhang et al. 2018): grouped 1x1 convolutions with a channel shuffle between them.

Used first in chapters/convolution/separable-and-grouped.ipynb.
"""

from typing import Any

import torch
from torch import nn

from utils.grouped_convolution import channel_shuffle
from utils.nets.mobilenet import conv_norm_activation

WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # channels of the first stage by groups: table 1 of the paper
REPEATS = (4, 8, 4)  # units of each stage, the first with stride 2


class ShuffleUnit(nn.Module):
    """Grouped 1x1 to a quarter of the channels, shuffle, depthwise 3x3, grouped 1x1; the input added or appended.

    At stride 1 the input is added, at stride 2 its 3x3 average pooling is appended, so that the
    branch makes ``out_channels - in_channels``. `first_groups` are those of the first 1x1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        *,
        stride: int = 1,
        first_groups: int | None = None,
        shuffle: bool = True,
        device: Any = None,
    ) -> None:
        super().__init__()
        if stride == 1 and in_channels != out_channels:
            raise ValueError(f"at stride 1 the input is added: {in_channels} channels do not fit {out_channels}")
        inner, made = out_channels // 4, out_channels - (in_channels if stride == 2 else 0)
        first = groups if first_groups is None else first_groups
        self.squeeze = conv_norm_activation(in_channels, inner, 1, groups=first, activation=nn.ReLU, device=device)
        self.depthwise = conv_norm_activation(inner, inner, 3, stride, groups=inner, activation=None, device=device)
        self.expand = conv_norm_activation(inner, made, 1, groups=groups, activation=None, device=device)
        self.groups = groups if shuffle else 1
        self.shortcut = nn.AvgPool2d(3, 2, 1) if stride == 2 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, out_channels, H / stride, W / stride)."""
        branch = self.expand(self.depthwise(channel_shuffle(self.squeeze(x), self.groups)))
        whole = x + branch if self.shortcut is None else torch.cat([self.shortcut(x), branch], 1)
        return whole.relu()


class ShuffleNet(nn.Module):
    """A 3x3 convolution, a pooling, three stages of units, the mean, one linear layer."""

    def __init__(self, groups: int, width: int, num_classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_norm_activation(3, 24, 3, 2, activation=nn.ReLU, device=device), nn.MaxPool2d(3, 2, 1)
        )
        units, channels = [], 24
        for stage, repeats in enumerate(REPEATS):
            made = width * 2**stage
            for repeat in range(repeats):
                options: dict[str, Any] = {} if repeat else {"stride": 2, "first_groups": groups if stage else 1}
                units.append(ShuffleUnit(channels, made, groups, device=device, **options))
                channels = made
        self.trunk = nn.Sequential(*units)
        self.output = nn.Linear(channels, num_classes, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        return self.output(self.trunk(self.stem(images)).mean((2, 3)))


def shufflenet(groups: int = 3, num_classes: int = 1000, *, device: Any = None) -> ShuffleNet:
    """ShuffleNet 1x with the width that the paper gives to 1, 2, 3, 4 or 8 groups.

    >>> shufflenet(3, device="meta").trunk[-1].expand[0]
    Conv2d(240, 960, kernel_size=(1, 1), stride=(1, 1), groups=3, bias=False)
    """
    if groups not in WIDTHS:
        raise ValueError(f"the paper has widths for {', '.join(map(str, WIDTHS))} groups, got {groups}")
    return ShuffleNet(groups, WIDTHS[groups], num_classes, device=device)
