"""A U-Net (Ronneberger et al., 2015) of two poolings, small enough to train in a second, whose skips can be cut.

Used first in chapters/detection/instance-masks-and-segmentation.ipynb.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_block(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, batch normalization, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


class TinyUNet(nn.Module):
    """Logits (N, 1, H, W) of gray pictures (N, 1, H, W) whose sides are multiples of 4.

    `skip` multiplies the features that jump over: 1 is a U-Net, 0 the same layers and parameters without skips.
    """

    def __init__(self, skip: float = 1.0, width: int = 8) -> None:
        super().__init__()
        self.skip = skip
        self.fine, self.middle = conv_block(1, width), conv_block(width, 2 * width)
        self.coarse = conv_block(2 * width, 4 * width)
        self.up_middle, self.up_fine = conv_block(6 * width, 2 * width), conv_block(3 * width, width)
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Shrink twice, grow twice; at each size the old features are concatenated."""
        if x.shape[-1] % 4 or x.shape[-2] % 4:
            raise ValueError(f"sides must be multiples of 4, got {tuple(x.shape[-2:])}; pad the picture")
        fine = self.fine(x)
        middle = self.middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        grown = self.up_middle(torch.cat([F.interpolate(coarse, scale_factor=2), self.skip * middle], dim=1))
        grown = self.up_fine(torch.cat([F.interpolate(grown, scale_factor=2), self.skip * fine], dim=1))
        logits: Tensor = self.last(grown)
        return logits
