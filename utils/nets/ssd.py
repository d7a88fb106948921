"""SSD300 on VGG-16 (Liu et al., 2016): boxes from six feature maps, in one pass and without proposals.

`num_classes` counts the background too, as in the paper: 21 for VOC. Used first in chapters/detection/detectors.ipynb.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from utils.nets.vgg import VGG16, relu_convolutions

MAPS = (38, 19, 10, 5, 3, 1)
CHANNELS = (512, 1024, 512, 256, 256, 256)
BOXES_A_CELL = (4, 6, 6, 6, 4, 4)


class SSD300(nn.Module):
    """SSD for pictures of 300 x 300: 8732 default boxes, each with 4 offsets and `num_classes` logits."""

    def __init__(self, num_classes: int = 21, *, device: Any = None) -> None:
        super().__init__()
        self.num_classes = num_classes
        one, two, three, four, five = VGG16
        self.to_conv4 = nn.Sequential(
            relu_convolutions(3, one, device),
            nn.MaxPool2d(2),
            relu_convolutions(64, two, device),
            nn.MaxPool2d(2),
            relu_convolutions(128, three, device),
            nn.MaxPool2d(2, ceil_mode=True),  # 75 becomes 38, not 37
            relu_convolutions(256, four, device),
        )
        self.scale = nn.Parameter(torch.full((512,), 20.0, device=device))
        self.to_conv7 = nn.Sequential(
            nn.MaxPool2d(2),
            relu_convolutions(512, five, device),
            nn.MaxPool2d(3, stride=1, padding=1),  # keeps 19 x 19, so that fc6 becomes a dilated convolution
            nn.Conv2d(512, 1024, 3, padding=6, dilation=6, device=device),
            nn.ReLU(),
            nn.Conv2d(1024, 1024, 1, device=device),
            nn.ReLU(),
        )
        sizes = ((1024, 256, 512, 2), (512, 128, 256, 2), (256, 128, 256, 1), (256, 128, 256, 1))
        self.extras = nn.ModuleList(_shrink(*size, device=device) for size in sizes)
        per_map = list(zip(CHANNELS, BOXES_A_CELL, strict=True))
        self.offsets = nn.ModuleList(nn.Conv2d(c, 4 * k, 3, padding=1, device=device) for c, k in per_map)
        self.scores = nn.ModuleList(nn.Conv2d(c, num_classes * k, 3, padding=1, device=device) for c, k in per_map)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Offsets (N, 8732, 4) and logits (N, 8732, num_classes) of images (N, 3, 300, 300)."""
        maps = self.feature_maps(images)
        offsets = [_flat(head(each), 4) for head, each in zip(self.offsets, maps, strict=True)]
        scores = [_flat(head(each), self.num_classes) for head, each in zip(self.scores, maps, strict=True)]
        return torch.cat(offsets, 1), torch.cat(scores, 1)

    def feature_maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The six maps that are looked at, from 38 x 38 down to 1 x 1."""
        conv4 = self.to_conv4(images)
        maps = [F.normalize(conv4) * self.scale[:, None, None], self.to_conv7(conv4)]
        for shrink in self.extras:
            maps.append(shrink(maps[-1]))
        return maps


def _shrink(in_channels: int, between: int, out_channels: int, stride: int, device: Any) -> nn.Sequential:
    # With stride 1 and no padding a 3x3 convolution takes 5 to 3, and 3 to 1.
    last = nn.Conv2d(between, out_channels, 3, stride=stride, padding=stride - 1, device=device)
    return nn.Sequential(nn.Conv2d(in_channels, between, 1, device=device), nn.ReLU(), last, nn.ReLU())


def _flat(outputs: torch.Tensor, numbers: int) -> torch.Tensor:
    """(N, k * numbers, H, W) to (N, H * W * k, numbers)."""
    return outputs.permute(0, 2, 3, 1).reshape(len(outputs), -1, numbers)
