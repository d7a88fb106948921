"""Network in Network (Lin et al. 2014), in the two sizes that its authors published for Caffe.

Used first in chapters/convolution/one-by-one-convolution.ipynb.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import nn

# A block is kernel size, stride, padding, and the channels of the convolution and of the two 1x1 after it.
# A dropped half of the values and 3x3 pooling of stride 2 stand between blocks; CIFAR-10's second pooling is a mean.
CIFAR10 = ((5, 1, 2, (192, 160, 96)), (5, 1, 2, (192, 192, 192)), (3, 1, 1, (192, 192)))
IMAGENET = ((11, 4, 0, (96, 96, 96)), (5, 1, 2, (256, 256, 256)), (3, 1, 1, (384, 384, 384)), (3, 1, 1, (1024, 1024)))


class NIN(nn.Module):
    """Blocks of a convolution and two 1x1, as many last maps as classes, and the mean of each: no linear layer."""

    def __init__(self, plan: str = "cifar10", num_classes: int = 10, *, device: Any = None) -> None:
        super().__init__()
        if plan not in ("cifar10", "imagenet"):
            raise ValueError(f"plan must be 'cifar10' or 'imagenet', got {plan!r}")
        blocks: Any = CIFAR10 if plan == "cifar10" else IMAGENET
        layers: list[nn.Module] = []
        channels = 3
        for number, (kernel_size, stride, padding, widths) in enumerate(blocks):
            last = number == len(blocks) - 1
            if number and (last or plan == "cifar10"):
                layers.append(nn.Dropout(0.5))
            widths = (*widths, num_classes) if last else widths
            layers.append(mlpconv(channels, widths, kernel_size, stride=stride, padding=padding, device=device))
            channels = widths[-1]
            mean = plan == "cifar10" and number == 1
            kind = nn.AvgPool2d if mean else nn.MaxPool2d
            layers += [] if last else [kind(3, stride=2, ceil_mode=True)]
        self.trunk = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, num_classes): the mean over each map, never negative, because a ReLU stands before it."""
        return self.trunk(images).mean((2, 3))


def mlpconv(
    in_channels: int,
    widths: tuple[int, ...],
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    device: Any = None,
) -> nn.Sequential:
    """A convolution to the first of `widths` channels, a 1x1 to each of the others, a ReLU after every one.

    It slides a small perceptron over the map: at each place the same layers see one patch.

    >>> mlpconv(3, (8, 6, 4), 5, padding=2)(torch.zeros(2, 3, 10, 10)).shape
    torch.Size([2, 4, 10, 10])
    """
    layers: list[nn.Module] = [nn.Conv2d(in_channels, widths[0], kernel_size, stride, padding, device=device)]
    for channels, width in pairwise(widths):
        layers += [nn.ReLU(), nn.Conv2d(channels, width, 1, device=device)]
    return nn.Sequential(*layers, nn.ReLU())


def nin(plan: str = "cifar10", num_classes: int | None = None, *, device: Any = None) -> NIN:
    """The published network for 32 x 32 CIFAR-10, or for ImageNet (224 x 224, 1000 classes).

    >>> [sum(weights.numel() for weights in nin(plan, device="meta").parameters()) for plan in ("cifar10", "imagenet")]
    [966986, 7595176]
    """
    return NIN(plan, num_classes or (10 if plan == "cifar10" else 1000), device=device)
