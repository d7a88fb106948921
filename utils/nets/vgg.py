"""VGG: nothing but 3x3 convolutions, 2x2 pooling, and three large linear layers (Simonyan and Zisserman, 2015).

The trunk of R-CNN, Faster R-CNN and SSD. Used first in chapters/detection/detectors.ipynb.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # configuration D


def relu_convolutions(in_channels: int, widths: Sequence[int], device: Any = None) -> nn.Sequential:
    """3x3 convolutions that keep the size, each followed by a ReLU; `widths` are their output channels.

    >>> relu_convolutions(3, (64, 64))(torch.zeros(1, 3, 10, 10)).shape
    torch.Size([1, 64, 10, 10])
    """
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(in_channels, width, 3, padding=1, device=device), nn.ReLU()]
        in_channels = width
    return nn.Sequential(*layers)


def vgg_trunk(plan: Sequence[Sequence[int]] = VGG16, *, last_pool: bool = True, device: Any = None) -> nn.Sequential:
    """The convolutions of a VGG, a 2x2 pooling after each block; without the last one the stride is 16, not 32.

    >>> vgg_trunk(last_pool=False, device="meta")(torch.zeros(1, 3, 224, 224, device="meta")).shape
    torch.Size([1, 512, 14, 14])
    """
    blocks: list[nn.Module] = []
    for before, widths in zip([(3,), *plan], plan, strict=False):
        blocks += [relu_convolutions(before[-1], widths, device), nn.MaxPool2d(2)]
    return nn.Sequential(*(blocks if last_pool else blocks[:-1]))


class VGG(nn.Module):
    """A VGG for pictures of 224 x 224: `trunk`, then `hidden` (fc6 and fc7, 4096 each), then `output`."""

    def __init__(self, plan: Sequence[Sequence[int]], num_classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        self.trunk = vgg_trunk(plan, device=device)
        self.hidden = hidden_layers(plan[-1][-1] * 7 * 7, device)
        self.output = nn.Linear(4096, num_classes, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes) of images (N, 3, 224, 224)."""
        return self.output(self.hidden(self.trunk(images).flatten(1)))


def vgg16(num_classes: int = 1000, *, device: Any = None) -> VGG:
    """VGG-16, configuration D of the paper: 138,357,544 parameters for 1000 classes.

    >>> sum(weights.numel() for weights in vgg16(device="meta").parameters())
    138357544
    """
    return VGG(VGG16, num_classes, device=device)


def hidden_layers(in_features: int, device: Any = None) -> nn.Sequential:
    """The two hidden linear layers fc6 and fc7, with ReLU and dropout."""
    fc6, fc7 = nn.Linear(in_features, 4096, device=device), nn.Linear(4096, 4096, device=device)
    return nn.Sequential(fc6, nn.ReLU(), nn.Dropout(), fc7, nn.ReLU(), nn.Dropout())
