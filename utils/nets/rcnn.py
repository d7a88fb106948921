"""R-CNN, Fast R-CNN and Faster R-CNN on VGG-16 (Girshick et al. 2014, Girshick 2015, Ren et al. 2015).

Only the networks: where the regions come from (selective search, or proposals after suppression) is outside.
`num_classes` counts the objects, without the background. Used first in chapters/detection/detectors.ipynb.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from utils.nets.vgg import hidden_layers, vgg_trunk


class RCNN(nn.Module):
    """R-CNN: every region is cut out, warped to 224 x 224, and sent through the whole network by itself.

    One linear SVM a class reads fc7; box regressors, four numbers a class, read the last feature map.
    """

    def __init__(self, num_classes: int = 20, *, device: Any = None) -> None:
        super().__init__()
        self.trunk = vgg_trunk(device=device)
        self.hidden = hidden_layers(512 * 7 * 7, device)
        self.scores = nn.Linear(4096, num_classes, device=device)
        self.offsets = nn.Linear(512 * 7 * 7, 4 * num_classes, device=device)

    def forward(self, regions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (R, C) and box offsets (R, 4 C) of R warped regions (R, 3, 224, 224)."""
        features = self.trunk(regions).flatten(1)
        return self.scores(self.hidden(features)), self.offsets(features)


class RoIPool(nn.Module):
    """Max pooling of each region of a feature map to 7 x 7, whatever its size (bins overlap by their rounding)."""

    def __init__(self, stride: int = 16, size: int = 7) -> None:
        super().__init__()
        self.stride, self.size = stride, size

    def forward(self, features: torch.Tensor, boxes: Sequence[Sequence[float]]) -> torch.Tensor:
        """(R, C, 7, 7) from the features (1, C, H, W) of one image, and R boxes x1, y1, x2, y2 in its pixels.

        Both corners are rounded to whole cells, and both cells belong to the region.
        """
        crops = []
        for box in boxes:
            x1, y1, x2, y2 = (round(value / self.stride) for value in box)
            crop = features[:, :, y1 : max(y2, y1) + 1, x1 : max(x2, x1) + 1]
            if crop.numel() == 0 or min(x1, y1) < 0:
                raise ValueError(f"box {list(box)} lies outside the image; did you pass fractions, or x, y, w, h?")
            crops.append(F.adaptive_max_pool2d(crop, self.size))
        return torch.cat(crops)


class FastRCNN(nn.Module):
    """Fast R-CNN: the trunk runs once on the image, and each region is pooled out of its feature map."""

    def __init__(self, num_classes: int = 20, *, device: Any = None) -> None:
        super().__init__()
        self.trunk = vgg_trunk(last_pool=False, device=device)
        self.roi_pool = RoIPool()
        self.hidden = hidden_layers(512 * 7 * 7, device)
        self.scores = nn.Linear(4096, num_classes + 1, device=device)
        self.offsets = nn.Linear(4096, 4 * (num_classes + 1), device=device)

    def forward(self, image: torch.Tensor, boxes: Sequence[Sequence[float]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (R, 1 + C), background among them, and offsets (R, 4 (1 + C)), of R boxes in (1, 3, H, W)."""
        return self.second_stage(self.trunk(image), boxes)

    def second_stage(
        self, features: torch.Tensor, boxes: Sequence[Sequence[float]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is done for each region: pool, two linear layers, two outputs."""
        hidden = self.hidden(self.roi_pool(features, boxes).flatten(1))
        return self.scores(hidden), self.offsets(hidden)


class RegionProposals(nn.Module):
    """The RPN: at each cell, for each of 9 anchors, is there an object (2 logits), and where (4 offsets)?"""

    def __init__(self, channels: int = 512, anchors: int = 9, *, device: Any = None) -> None:
        super().__init__()
        self.window = nn.Conv2d(channels, 512, 3, padding=1, device=device)
        self.objectness = nn.Conv2d(512, 2 * anchors, 1, device=device)
        self.offsets = nn.Conv2d(512, 4 * anchors, 1, device=device)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (1, 18, H, W) and offsets (1, 36, H, W) for features (1, C, H, W)."""
        hidden = F.relu(self.window(features))
        return self.objectness(hidden), self.offsets(hidden)


class FasterRCNN(FastRCNN):
    """Faster R-CNN: Fast R-CNN whose regions are proposed from the very same feature map."""

    def __init__(self, num_classes: int = 20, *, device: Any = None) -> None:
        super().__init__(num_classes, device=device)
        self.proposals = RegionProposals(device=device)

    def forward(  # type: ignore[override]
        self, image: torch.Tensor, boxes: Sequence[Sequence[float]]
    ) -> tuple[torch.Tensor, ...]:
        """The two outputs of the proposals, then the two of Fast R-CNN for `boxes`.

        `boxes` stand for the proposals that suppression leaves: which ones depends on trained weights.
        """
        features = self.trunk(image)
        return *self.proposals(features), *self.second_stage(features, boxes)
