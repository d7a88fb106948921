"""MobileNet v1 (Howard et al. 2017) and v2 (Sandler et al. 2018), at full width.

Used first in chapters/convolution/receptive-field.ipynb.
"""

from typing import Any

import torch
from torch import nn

V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class MobileNetV1(nn.Module):
    """A 3x3 convolution, 13 pairs of a depthwise 3x3 and a pointwise 1x1, the mean, one linear layer."""

    def __init__(self, num_classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        layers, channels = [conv_norm_activation(3, 32, 3, 2, device=device)], 32
        for width, stride in V1:
            layers.append(conv_norm_activation(channels, channels, 3, stride, groups=channels, device=device))
            layers.append(conv_norm_activation(channels, width, 1, device=device))
            channels = width
        self.trunk = nn.Sequential(*layers)
        self.output = nn.Linear(channels, num_classes, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        return self.output(self.trunk(images).mean((2, 3)))


class InvertedResidual(nn.Module):
    """1x1 up to `expansion` times the channels, depthwise 3x3, 1x1 down without ReLU; the input added if it fits."""

    def __init__(self, expansion: int, in_channels: int, width: int, stride: int, *, device: Any = None) -> None:
        super().__init__()
        inner = expansion * in_channels
        up = [conv_norm_activation(in_channels, inner, 1, device=device)] if expansion > 1 else []
        depthwise = conv_norm_activation(inner, inner, 3, stride, groups=inner, device=device)
        self.body = nn.Sequential(*up, depthwise, conv_norm_activation(inner, width, 1, activation=None, device=device))
        self.adds_input = stride == 1 and in_channels == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width, H / stride, W / stride)."""
        return x + self.body(x) if self.adds_input else self.body(x)


class MobileNetV2(nn.Module):
    """A 3x3 convolution, 17 inverted residuals, a 1x1 to 1280 channels, the mean, one linear layer."""

    def __init__(self, num_classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_norm_activation(3, 32, 3, 2, device=device)]
        channels = 32
        for expansion, width, repeats, stride in V2:
            for repeat in range(repeats):
                step = 1 if repeat else stride
                layers.append(InvertedResidual(expansion, channels, width, step, device=device))
                channels = width
        self.trunk = nn.Sequential(*layers, conv_norm_activation(channels, 1280, 1, device=device))
        self.output = nn.Linear(1280, num_classes, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        return self.output(self.trunk(images).mean((2, 3)))


def mobilenet_v1(num_classes: int = 1000, *, device: Any = None) -> MobileNetV1:
    """MobileNet v1 of width 1: 4,231,976 parameters for 1000 classes.

    >>> sum(weights.numel() for weights in mobilenet_v1(device="meta").parameters())
    4231976
    """
    return MobileNetV1(num_classes, device=device)


def mobilenet_v2(num_classes: int = 1000, *, device: Any = None) -> MobileNetV2:
    """MobileNet v2 of width 1: 3,504,872 parameters for 1000 classes.

    >>> sum(weights.numel() for weights in mobilenet_v2(device="meta").parameters())
    3504872
    """
    return MobileNetV2(num_classes, device=device)


def conv_norm_activation(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU6,
    device: Any = None,
) -> nn.Sequential:
    """Convolution that keeps the size up to its stride, batch normalization, and the activation if there is one.

    >>> conv_norm_activation(8, 8, 3, 2, groups=8)(torch.zeros(2, 8, 10, 10)).shape
    torch.Size([2, 8, 5, 5])
    """
    sizes = kernel_size, stride, kernel_size // 2
    convolution = nn.Conv2d(in_channels, out_channels, *sizes, groups=groups, bias=False, device=device)
    layers = [convolution, nn.BatchNorm2d(out_channels, device=device)]
    return nn.Sequential(*layers, *([activation()] if activation else []))
