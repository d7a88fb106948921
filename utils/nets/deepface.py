"""DeepFace (Taigman et al., 2014): two convolutions, three locally connected layers, two dense ones.

It reads faces that were aligned with a 3D model before; alignment is no part of the network.
Used first in chapters/convolution/locality-and-weight-sharing.ipynb.
"""

from typing import Any

import torch
from torch import nn

from utils.convolution import output_size
from utils.locally_connected import LocallyConnected2d


class DeepFace(nn.Module):
    """The published layers, for faces (N, 3, 152, 152); map sides 142, 71, 63, 55, 25, 21.

    With ``local=False`` the layers l4 to l6 share their weights as convolutions do, and no size changes. `l5_stride`
    is the stride of the 7x7 layer, 2 in the paper. The pooling rounds up, since 71 is what the paper has.

    >>> sum(weights.numel() for weights in DeepFace(device="meta").parameters())
    118923774
    """

    def __init__(self, num_classes: int = 4030, *, local: bool = True, l5_stride: int = 2, device: Any = None) -> None:
        super().__init__()

        def unshared(side: int, kernel_size: int, stride: int = 1) -> nn.Module:
            if local:
                return LocallyConnected2d(16, 16, side, kernel_size, stride, device=device)
            return nn.Conv2d(16, 16, kernel_size, stride, device=device)

        self.c1 = nn.Conv2d(3, 32, 11, device=device)
        self.m2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.c3 = nn.Conv2d(32, 16, 9, device=device)
        self.l4, self.l5 = unshared(63, 9), unshared(55, 7, l5_stride)
        side = output_size(55, 7, stride=l5_stride)
        self.l6 = unshared(side, 5)
        self.f7 = nn.Linear(16 * output_size(side, 5) ** 2, 4096, device=device)
        self.dropout = nn.Dropout()
        self.f8 = nn.Linear(4096, num_classes, device=device)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        x = self.m2(self.c1(faces).relu())
        for layer in (self.c3, self.l4, self.l5, self.l6):
            x = layer(x).relu()
        logits: torch.Tensor = self.f8(self.dropout(self.f7(x.flatten(1)).relu()))
        return logits
