"""AlexNet: five convolutions and three large linear layers (Krizhevsky, Sutskever and Hinton, 2012).

Used first in chapters/convolution/parameters-and-flops.ipynb.
"""

from typing import Any

import torch
from torch import nn

from utils.nets.vgg import hidden_layers


class AlexNet(nn.Module):
    """The network of the paper, whose two halves ran on two cards: with `groups=2` three layers see one half each.

    The paper draws pictures of 224 x 224, from which an 11 x 11 window of stride 4 does not reach the 55 x 55 maps it
    states; 227 x 227 does, and is what implementations take.
    """

    def __init__(self, num_classes: int = 1000, *, groups: int = 2, device: Any = None) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(3, 96, 11, stride=4, device=device), nn.ReLU(), _normalization(), nn.MaxPool2d(3, stride=2)),
            *(nn.Conv2d(96, 256, 5, padding=2, groups=groups, device=device), nn.ReLU(), _normalization()),
            nn.MaxPool2d(3, stride=2),
            *(nn.Conv2d(256, 384, 3, padding=1, device=device), nn.ReLU()),
            *(nn.Conv2d(384, 384, 3, padding=1, groups=groups, device=device), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1, groups=groups, device=device), nn.ReLU()),
            nn.MaxPool2d(3, stride=2),
        )
        self.hidden = hidden_layers(256 * 6 * 6, device)
        self.output = nn.Linear(4096, num_classes, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes) of images (N, 3, 227, 227)."""
        return self.output(self.hidden(self.trunk(images).flatten(1)))


def alexnet(num_classes: int = 1000, *, groups: int = 2, device: Any = None) -> AlexNet:
    """AlexNet, 60,965,224 parameters for 1000 classes: the paper's "60 million".

    >>> sum(weights.numel() for weights in alexnet(device="meta").parameters())
    60965224
    """
    return AlexNet(num_classes, groups=groups, device=device)


def _normalization() -> nn.Module:
    """Local response normalization with the constants of the paper (torch divides alpha by the size)."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
