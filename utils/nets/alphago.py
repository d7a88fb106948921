"""The policy network of AlphaGo (Silver et al., 2016): thirteen convolutions, no pooling, no dense layer.

Used first in chapters/convolution/locality-and-weight-sharing.ipynb.
"""

from typing import Any

import torch
from torch import nn


class PolicyNetwork(nn.Module):
    """Logits (N, 361), one for each point of the board, of feature planes (N, 48, 19, 19).

    A 5x5 convolution, eleven 3x3, each with ReLU and padded to keep the board's size, and one 1x1 with a single
    filter and a bias of its own for each point. The version that played had 192 filters.

    >>> sum(weights.numel() for weights in PolicyNetwork(device="meta").parameters())
    3882793
    """

    def __init__(self, filters: int = 192, *, planes: int = 48, board: int = 19, device: Any = None) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(planes, filters, 5, padding=2, device=device), nn.ReLU()]
        for _ in range(11):
            layers += [nn.Conv2d(filters, filters, 3, padding=1, device=device), nn.ReLU()]
        self.trunk = nn.Sequential(*layers)
        self.last = nn.Conv2d(filters, 1, 1, bias=False, device=device)
        self.bias = nn.Parameter(torch.zeros(board, board, device=device))

    def forward(self, position: torch.Tensor) -> torch.Tensor:
        """A logit for each point, row by row."""
        logits: torch.Tensor = self.last(self.trunk(position)) + self.bias
        return logits.flatten(1)
