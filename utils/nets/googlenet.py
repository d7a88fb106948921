"""GoogLeNet, the first Inception network (Szegedy et al. 2015), without its two auxiliary classifiers.

Used first in chapters/convolution/receptive-field.ipynb.
"""

from typing import Any

import torch
from torch import nn

# Channels of the 1x1; of the 3x3 and of the 1x1 before it; of the 5x5 likewise; of the 1x1 after pooling.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four branches side by side: 1x1, 3x3, 5x5, and 3x3 max pooling."""

    def __init__(self, in_channels: int, plan: tuple[int, ...], *, device: Any = None) -> None:
        super().__init__()
        one, three_in, three, five_in, five, pooled = plan
        self.branches = nn.ModuleList(
            [
                _unit(in_channels, one, 1, device=device),
                nn.Sequential(_unit(in_channels, three_in, 1, device=device), _unit(three_in, three, 3, device=device)),
                nn.Sequential(_unit(in_channels, five_in, 1, device=device), _unit(five_in, five, 5, device=device)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _unit(in_channels, pooled, 1, device=device)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The branches' channels, one after the other, at the size of `x`."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class GoogLeNet(nn.Module):
    """A stem of stride 8, nine inception modules with two poolings between, the mean, one linear layer."""

    def __init__(self, num_classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            _unit(3, 64, 7, 2, device=device),
            _half(),
            nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75),
            _unit(64, 64, 1, device=device),
            _unit(64, 192, 3, device=device),
            nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75),
            _half(),
        ]
        channels = 192
        for name, plan in MODULES.items():
            layers += [_half()] if name in ("4a", "5a") else []
            layers.append(Inception(channels, plan, device=device))
            channels = plan[0] + plan[2] + plan[4] + plan[5]
        self.trunk = nn.Sequential(*layers)
        self.output = nn.Sequential(nn.Dropout(0.4), nn.Linear(channels, num_classes, device=device))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        return self.output(self.trunk(images).mean((2, 3)))


def googlenet(num_classes: int = 1000, *, device: Any = None) -> GoogLeNet:
    """GoogLeNet with biases and no batch normalization: 6,998,552 parameters for 1000 classes.

    >>> sum(weights.numel() for weights in googlenet(device="meta").parameters())
    6998552
    """
    return GoogLeNet(num_classes, device=device)


def _half() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _unit(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, device: Any = None
) -> nn.Sequential:
    """A convolution that keeps the size up to its stride, and a ReLU."""
    sizes = kernel_size, stride, kernel_size // 2
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, *sizes, device=device), nn.ReLU())
