"""The networks of YOLO, versions 1 to 3 (Redmon et al. 2016, Redmon and Farhadi 2017 and 2018).

Outputs are raw: no sigmoid, no boxes; `utils.yolo` decodes those of version 3. A parameter is what training changes;
Darknet's weight files also hold the mean and variance of each normalized channel.
Used first in chapters/detection/detectors.ipynb.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


def conv_unit(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, norm: bool = True, device: Any = None
) -> nn.Module:
    """Darknet's brick: convolution, batch normalization (or else a bias), leaky ReLU of slope 0.1.

    >>> conv_unit(3, 8, 3, stride=2)(torch.zeros(2, 3, 10, 10)).shape
    torch.Size([2, 8, 5, 5])
    """
    half = kernel_size // 2
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, half, bias=not norm, device=device)
    normalize = nn.BatchNorm2d(out_channels, device=device) if norm else nn.Identity()
    return nn.Sequential(convolution, normalize, nn.LeakyReLU(0.1))


class YOLOv1(nn.Module):
    """YOLO for 448 x 448: 24 convolutions, two linear layers, 7 x 7 cells of 2 boxes and 20 classes.

    Biases and no batch normalization, as in the paper; Darknet's later configuration has it.
    """

    PLAN = (
        "64x7/2 pool 192x3 pool 128x1 256x3 256x1 512x3 pool 256x1 512x3 256x1 512x3 256x1 512x3 256x1 512x3 "
        "512x1 1024x3 pool 512x1 1024x3 512x1 1024x3 1024x3 1024x3/2 1024x3 1024x3"
    )

    def __init__(self, num_classes: int = 20, *, grid: int = 7, boxes: int = 2, device: Any = None) -> None:
        super().__init__()
        self.shape = (grid, grid, boxes * 5 + num_classes)
        self.trunk = _from_plan(3, self.PLAN, device, norm=False)
        self.hidden = nn.Linear(1024 * 7 * 7, 4096, device=device)
        self.output = nn.Linear(4096, grid * grid * self.shape[2], device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 7, 7, 30) of images (N, 3, 448, 448)."""
        hidden = F.leaky_relu(self.hidden(self.trunk(images).flatten(1)), 0.1)
        return self.output(hidden).unflatten(1, self.shape)


class YOLOv2(nn.Module):
    """YOLO9000's detector: Darknet-19, a passthrough of the finer map, 5 anchors a cell, no linear layer."""

    FINE = "32x3 pool 64x3 pool 128x3 64x1 128x3 pool 256x3 128x1 256x3 pool 512x3 256x1 512x3 256x1 512x3"
    COARSE = "pool 1024x3 512x1 1024x3 512x1 1024x3"

    def __init__(self, num_classes: int = 20, *, anchors: int = 5, device: Any = None) -> None:
        super().__init__()
        self.fine = _from_plan(3, self.FINE, device)
        self.coarse = _from_plan(512, self.COARSE, device)
        self.extra = _from_plan(1024, "1024x3 1024x3", device)
        self.passthrough = nn.Sequential(conv_unit(512, 64, 1, device=device), nn.PixelUnshuffle(2))
        self.last = conv_unit(4 * 64 + 1024, 1024, 3, device=device)
        self.output = nn.Conv2d(1024, anchors * (5 + num_classes), 1, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, anchors * (5 + C), H / 32, W / 32)."""
        fine = self.fine(images)
        both = torch.cat([self.passthrough(fine), self.extra(self.coarse(fine))], 1)
        return self.output(self.last(both))


class Residual(nn.Module):
    """A 1x1 convolution to half the channels, a 3x3 back to all of them, and the input added."""

    def __init__(self, channels: int, *, device: Any = None) -> None:
        super().__init__()
        self.squeeze = conv_unit(channels, channels // 2, 1, device=device)
        self.expand = conv_unit(channels // 2, channels, 3, device=device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape as `x`."""
        return x + self.expand(self.squeeze(x))


class DarknetTrunk(nn.Module):
    """The 52 convolutions of Darknet-53, with residuals."""

    BLOCKS = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))

    def __init__(self, *, device: Any = None) -> None:
        super().__init__()
        self.stem = conv_unit(3, 32, 3, device=device)
        self.stages = nn.ModuleList()
        for channels, repeats in self.BLOCKS:
            down = conv_unit(channels // 2, channels, 3, stride=2, device=device)
            self.stages.append(nn.Sequential(down, *(Residual(channels, device=device) for _ in range(repeats))))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The maps of strides 8, 16 and 32, with 256, 512 and 1024 channels."""
        maps = [self.stem(images)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[-3:]


class Darknet53(nn.Module):
    """The classifier: 52 convolutions, the mean over the last map, one linear layer."""

    def __init__(self, num_classes: int = 1000, *, device: Any = None) -> None:
        super().__init__()
        self.trunk = DarknetTrunk(device=device)
        self.output = nn.Linear(1024, num_classes, device=device)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes)."""
        return self.output(self.trunk(images)[-1].mean((2, 3)))


class YOLOv3(nn.Module):
    """YOLOv3: Darknet-53, and three heads at strides 32, 16 and 8, each of 3 (5 + num_classes) channels."""

    def __init__(self, num_classes: int = 80, *, device: Any = None) -> None:
        super().__init__()
        self.trunk = DarknetTrunk(device=device)
        inputs, widths = (1024, 512 + 256, 256 + 128), (512, 256, 128)
        pairs = list(zip(inputs, widths, strict=True))
        self.necks = nn.ModuleList(_from_plan(c, f"{w}x1 {2 * w}x3 {w}x1 {2 * w}x3 {w}x1", device) for c, w in pairs)
        self.bridges = nn.ModuleList(conv_unit(w, w // 2, 1, device=device) for w in widths[:2])
        self.heads = nn.ModuleList()
        for width in widths:
            last = nn.Conv2d(2 * width, 3 * (5 + num_classes), 1, device=device)
            self.heads.append(nn.Sequential(conv_unit(width, 2 * width, 3, device=device), last))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Raw outputs (N, 3 (5 + C), S, S), coarse to fine: S is the input side / 32, / 16 and / 8."""
        fine, middle, coarse = self.trunk(images)
        hidden = [self.necks[0](coarse)]
        for bridge, neck, side in zip(self.bridges, list(self.necks)[1:], (middle, fine), strict=True):
            up = F.interpolate(bridge(hidden[-1]), scale_factor=2)
            hidden.append(neck(torch.cat([up, side], 1)))
        return [head(each) for head, each in zip(self.heads, hidden, strict=True)]


def _from_plan(in_channels: int, plan: str, device: Any, *, norm: bool = True) -> nn.Sequential:
    """Layers from words: "64x7/2" is 64 filters of 7 x 7 with stride 2, "pool" halves the size."""
    layers: list[nn.Module] = []
    for word in plan.split():
        if word == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            width, _, rest = word.partition("x")
            kernel_size, _, stride = rest.partition("/")
            sizes = int(kernel_size), int(stride or 1)
            layers.append(conv_unit(in_channels, int(width), *sizes, norm=norm, device=device))
            in_channels = int(width)
    return nn.Sequential(*layers)
