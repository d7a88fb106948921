"""ResNet-18 to ResNet-152 (He et al. 2016), with the stride in either place.

Used first in chapters/convolution/receptive-field.ipynb.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, and the input added: the block of ResNet-18 and ResNet-34."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, *, device: Any = None) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(in_channels, width, 3, stride, device),
            nn.ReLU(),
            *_convolution(width, width, 3, 1, device),
        )
        self.shortcut = _shortcut(in_channels, width, stride, device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width, H / stride, W / stride)."""
        return F.relu(self.body(x) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1 down to `width` channels, 3x3, 1x1 up to four times as many, and the input added.

    The authors' models have the stride in the first 1x1; `stride_in_3x3` is the later layout, known as version 1.5.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, *, stride_in_3x3: bool = False, device: Any = None
    ) -> None:
        super().__init__()
        strides = (1, stride) if stride_in_3x3 else (stride, 1)
        self.body = nn.Sequential(
            *_convolution(in_channels, width, 1, strides[0], device),
            nn.ReLU(),
            *_convolution(width, width, 3, strides[1], device),
            nn.ReLU(),
            *_convolution(width, 4 * width, 1, 1, device),
        )
        self.shortcut = _shortcut(in_channels, 4 * width, stride, device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 4 * width, H / stride, W / stride)."""
        return F.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Stem of stride 4, four stages of blocks, the mean over the last map, one linear layer.

    `width` is the number of channels of the first stage: 64 in the paper; 1 keeps the shape and costs next to nothing.
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = 1000,
        *,
        stride_in_3x3: bool = False,
        width: int = 64,
        in_channels: int = 3,
        device: Any = None,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth must be one of {', '.join(map(str, BLOCKS))}, got {depth}")
        self.stem = nn.Sequential(
            *_convolution(in_channels, width, 7, 2, device), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)
        )
        options: dict[str, Any] = {} if depth < 50 else {"stride_in_3x3": stride_in_3x3}
        block: Any = BasicBlock if depth < 50 else Bottleneck
        channels, stages = width, []
        for number, repeats in enumerate(BLOCKS[depth]):
            blocks = []
            for repeat in range(repeats):
                stride = 2 if number and not repeat else 1
                blocks.append(block(channels, width * 2**number, stride, device=device, **options))
                channels = width * 2**number * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.output = nn.Linear(channels, num_classes, device=device)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """The last map, (N, C, H / 32, W / 32)."""
        return self.stages(self.stem(images))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        return self.output(self.maps(images).mean((2, 3)))


def resnet(depth: int, num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 18, 34, 50, 101 or 152 layers; ResNet-50 has 25,557,032 parameters, wherever its stride sits.

    >>> sum(weights.numel() for weights in resnet(50, device="meta").parameters())
    25557032
    """
    return ResNet(depth, num_classes, **options)


def _convolution(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, device: Any
) -> Sequence[nn.Module]:
    """A convolution that keeps the size up to its stride, and batch normalization."""
    sizes = kernel_size, stride, kernel_size // 2
    convolution = nn.Conv2d(in_channels, out_channels, *sizes, bias=False, device=device)
    return convolution, nn.BatchNorm2d(out_channels, device=device)


def _shortcut(in_channels: int, out_channels: int, stride: int, device: Any) -> nn.Module:
    """The input as it is, or a 1x1 convolution where its shape has to change."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(*_convolution(in_channels, out_channels, 1, stride, device))
