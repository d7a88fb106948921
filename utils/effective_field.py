"""The effective receptive field: how much each input pixel matters, by the gradient of one output (Luo et al. 2016).

A small network that says for each pixel of a mosaic of real digits which digit it lies on can be trained here too.
Used first in chapters/convolution/receptive-field.ipynb.
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import nn


def influence(run: Callable[[torch.Tensor], torch.Tensor], pictures: torch.Tensor) -> NDArray[np.float64]:
    """Mean squared gradient of the middle output, for each pixel (H, W) of pictures (N, C, H, W).

    The output is the sum over the channels of `run(pictures)` (N, C', h, w) at (h // 2, w // 2). Squared, because
    random weights have gradients of both signs, which would cancel in the mean.

    >>> convolution = nn.Conv2d(1, 1, 3, padding=1)
    >>> mass = influence(convolution, torch.zeros(1, 1, 7, 7))
    >>> int((mass > 0).sum())
    9
    """
    pictures = pictures.detach().clone().requires_grad_()
    outputs = run(pictures)
    middle = outputs[:, :, outputs.shape[2] // 2, outputs.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(middle, pictures)
    return (gradient.double() ** 2).mean((0, 1)).numpy()


def spread(mass: ArrayLike) -> float:
    """Standard deviation in pixels of a distribution (H, W), the mean of both axes' variances under the root.

    >>> spread(np.ones((3, 3)))     # -1, 0 and 1, equally likely
    0.816496580927726
    """
    mass = _checked_mass(mass)
    return float(np.sqrt(np.mean([_variance(mass.sum(axis)) for axis in (0, 1)])))


def central_side(mass: ArrayLike, share: float = 0.95, center: tuple[int, int] | None = None) -> int:
    """Side of the smallest square around `center` (row, col; the middle if left out) that holds `share` of the mass.

    `ValueError` where no square inside the picture does.

    >>> central_side(np.ones((5, 5)), share=0.3), central_side(np.ones((5, 5)), share=9 / 25)
    (3, 3)
    """
    mass = _checked_mass(mass)
    row, col = center or (mass.shape[0] // 2, mass.shape[1] // 2)
    # A share that is met exactly must not be missed by a rounding error.
    wanted = share * mass.sum() * (1 - 1e-12)
    for reach in range(min(row, col, mass.shape[0] - 1 - row, mass.shape[1] - 1 - col) + 1):
        if mass[row - reach : row + reach + 1, col - reach : col + reach + 1].sum() >= wanted:
            return 2 * reach + 1
    raise ValueError(f"no square around ({row}, {col}) inside {mass.shape} holds {share} of the mass")


def convolution_stack(depth: int, channels: int = 8, *, relu: bool = True, norm: bool = False) -> nn.Sequential:
    """3x3 convolutions from 1 channel that keep the size, with random weights and no biases (seed torch first).

    >>> convolution_stack(2)(torch.zeros(1, 1, 5, 5)).shape
    torch.Size([1, 8, 5, 5])
    """
    layers: list[nn.Module] = []
    for number in range(depth):
        convolution = nn.Conv2d(channels if number else 1, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu" if relu else "linear")
        layers += [convolution, *([nn.BatchNorm2d(channels)] if norm else []), *([nn.ReLU()] if relu else [])]
    return nn.Sequential(*layers)


def digit_mosaics(
    side: int, count: int, tiles: int, generator: torch.Generator, *, held_out: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mosaics of real handwritten digits, `side` pixels each, and the digit at each pixel.

    Pictures (count, 1, tiles * side, tiles * side) in 0 to 1, labels without the channel. The digits are the first
    1400 of scikit-learn's set, or with `held_out` the other 397, enlarged bilinearly from 8 x 8.

    >>> pictures, labels = digit_mosaics(8, 2, 3, torch.Generator().manual_seed(0))
    >>> pictures.shape, labels.shape, len(labels[0, :8, :8].unique())
    (torch.Size([2, 1, 24, 24]), torch.Size([2, 24, 24]), 1)
    """
    pictures, digits = _digits(side)
    chosen = torch.randint(*((1400, 1797) if held_out else (0, 1400)), (count, tiles, tiles), generator=generator)
    mosaics = pictures[chosen].permute(0, 1, 3, 2, 4).reshape(count, 1, tiles * side, tiles * side)
    return mosaics, digits[chosen].repeat_interleave(side, 1).repeat_interleave(side, 2)


def influence_of_training(
    side: int, seed: int, *, tiles: int, steps: int = 100, depth: int = 8, probes: Sequence[int] = ()
) -> tuple[list[NDArray[np.float64]], float]:
    """Influence before, at the steps `probes` and after training to label the pixels of mosaics; then the accuracy.

    The network has `depth` 3x3 layers of 8 channels with normalization, and a 1x1 at the end. Influence is that of
    its last 3x3 map, in evaluation mode, and accuracy the share of pixels, both on 16 mosaics of held-out digits.
    `tiles` must be odd, so that the middle output lies in the middle of a digit.
    """
    if tiles % 2 == 0:
        raise ValueError(f"tiles must be odd, got {tiles}: the middle output would lie where four digits meet")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trunk, head = convolution_stack(depth, norm=True), nn.Conv2d(8, 10, 1)
    generator, other = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1000)
    unseen, truth = digit_mosaics(side, 16, tiles, other, held_out=True)
    with torch.no_grad():
        for _ in range(5):  # running statistics, so that evaluation mode means something before training
            trunk(digit_mosaics(side, 6, tiles, generator)[0])
    maps = [influence(trunk.eval(), unseen)]
    optimizer = torch.optim.Adam([*trunk.parameters(), *head.parameters()], lr=0.01)
    for step in range(1, steps + 1):
        pictures, labels = digit_mosaics(side, 6, tiles, generator)
        loss = F.cross_entropy(head(trunk.train()(pictures)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in probes or step == steps:
            maps.append(influence(trunk.eval(), unseen))
    with torch.no_grad():
        accuracy = (head(trunk(unseen)).argmax(1) == truth).double().mean().item()
    return maps, accuracy


@cache
def _digits(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    return F.interpolate(pictures, size=(side, side), mode="bilinear")[:, 0], torch.tensor(digits.target)


def _variance(axis: NDArray[np.float64]) -> float:
    places, weights = np.arange(len(axis)), axis / axis.sum()
    return float(weights @ (places - weights @ places) ** 2)


def _checked_mass(mass: ArrayLike) -> NDArray[np.float64]:
    checked = np.asarray(mass, dtype=np.float64)
    if checked.ndim != 2 or not (checked >= 0).all() or not checked.sum() > 0:
        raise ValueError(f"mass must be (H, W), at least 0 and not all 0, got shape {checked.shape}")
    return checked
