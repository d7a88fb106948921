"""Many small classifiers trained side by side: one hidden tanh layer, a network for each learning rate and seed.

A layer of N networks is one tensor (N, inputs + 1, outputs) whose last row is the bias, so that a learning-rate sweep
over several seeds costs little more than one run. Used first in chapters/image-processing/normalizing-images.ipynb.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

OPTIMIZERS = ("SGD", "Adam")


class Training(NamedTuple):
    """Cross-entropy of each update's batch (steps, rates, seeds), and accuracy on the test rows (rates, seeds)."""

    losses: NDArray[np.float32]
    accuracies: NDArray[np.float64]


def initial_weights(sizes: Sequence[int], seeds: Sequence[int]) -> tuple[list[Tensor], list[torch.Generator]]:
    """One tensor (seeds, inputs + 1, outputs) a layer, uniform in +-1 / sqrt(inputs), and the generators that drew.

    The range is that of ``torch.nn.Linear``, made for inputs near 1. The generators go on to draw the batches.

    >>> layers, _ = initial_weights((64, 32, 10), seeds=range(5))
    >>> [tuple(layer.shape) for layer in layers], bool(layers[0].abs().max() <= 1 / 8)
    ([(5, 65, 32), (5, 33, 10)], True)
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    layers = []
    for inputs, outputs in pairwise(sizes):
        drawn = [torch.rand(inputs + 1, outputs, generator=generator) for generator in generators]
        layers.append((2 * torch.stack(drawn) - 1) / inputs**0.5)
    return layers, generators


def tanh_scores(x: Tensor, weights: Sequence[Tensor], statistics: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Scores (N, rows, classes) of N networks for inputs (rows, features) or (N, rows, features).

    `statistics`, a mean and a variance for each feature, turn on batch normalization before the first layer,
    without a scale and shift of its own: the layer that follows has both.
    """
    first, second = weights
    if statistics is not None:
        mean, variance = statistics
        x = (x - mean) / (variance + 1e-5).sqrt()
    hidden = torch.tanh(x @ first[:, :-1] + first[:, -1:])
    return hidden @ second[:, :-1] + second[:, -1:]


def mean_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each network, shape (N,), from scores (N, rows, classes) and labels (N, rows)."""
    each = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(dim=1)


def train_tanh_classifiers(
    inputs: ArrayLike,
    labels: ArrayLike,
    rows: tuple[ArrayLike, ArrayLike],
    rates: Sequence[float],
    *,
    optimizer: str = "SGD",
    batch_norm: bool = False,
    unit: float = 1.0,
    seeds: Sequence[int] = range(5),
    hidden: int = 32,
    steps: int = 130,
    batch_size: int = 64,
) -> Training:
    """Losses and test accuracies of one network for each learning rate of `rates` and each of `seeds`.

    `rows` are the row numbers of the training and the test set; a seed decides weights and batches, the same for
    each rate. With `batch_norm` the first layer sees features normalized by their batch, and in the test by the
    training set. First-layer weights start `unit` times as large and learn at ``unit ** 2`` times the rate: with SGD
    the inputs ``x / unit`` then have the run that the inputs ``x`` have with a unit of 1.
    """
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {OPTIMIZERS}, got {optimizer!r}; batch_norm is its own option")
    x, y = torch.tensor(np.asarray(inputs), dtype=torch.float32), torch.tensor(np.asarray(labels), dtype=torch.long)
    train, test = (torch.tensor(np.asarray(part)) for part in rows)
    layers, generators = initial_weights((x.shape[1], hidden, int(y.max()) + 1), seeds)
    layers[0][:, :-1] *= unit
    weights = [layer.repeat(len(rates), 1, 1).requires_grad_() for layer in layers]
    rate = torch.tensor(rates, dtype=torch.float32).repeat_interleave(len(seeds))[:, None, None]
    of_rows = torch.ones(x.shape[1] + 1, 1)
    of_rows[:-1] = unit**2
    moments, losses = [[torch.zeros(2, *w.shape), 0] for w in weights], []
    for _ in range(steps):
        picks = [torch.randint(len(train), (batch_size,), generator=generator) for generator in generators]
        pick = train[torch.stack(picks).repeat(len(rates), 1)]
        scores = tanh_scores(x[pick], weights, _statistics(x[pick]) if batch_norm else None)
        losses.append(mean_losses(scores, y[pick]))
        gradients = torch.autograd.grad(losses[-1].sum(), weights)  # networks do not touch: one sum serves all
        for w, gradient, moment, own in zip(weights, gradients, moments, (rate * of_rows, rate), strict=True):
            with torch.no_grad():
                w -= own * (_adam_direction(gradient, moment) if optimizer == "Adam" else gradient)
    guesses = tanh_scores(x[test], weights, _statistics(x[train]) if batch_norm else None).argmax(dim=-1)
    right = (guesses == y[test]).double().mean(dim=-1)
    shape = (len(rates), len(seeds))
    return Training(torch.stack(losses).detach().reshape(steps, *shape).numpy(), right.reshape(shape).numpy())


def one_sign_share(inputs: ArrayLike, labels: ArrayLike, batches: ArrayLike, seeds: Sequence[int] = range(5)) -> float:
    """Share of first-layer units, over `batches` (rows of row numbers) and `seeds`, whose gradients have one sign.

    Looked at before training, for 32 hidden units. A gradient of zero goes with either sign, and the bias is left out.
    """
    x, y, alike = torch.tensor(np.asarray(inputs), dtype=torch.float32), torch.tensor(np.asarray(labels)), []
    (first, second), _ = initial_weights((x.shape[1], 32, int(y.max()) + 1), seeds)
    first.requires_grad_()
    for pick in torch.tensor(np.asarray(batches)):
        loss = mean_losses(tanh_scores(x[pick], (first, second)), y[pick].expand(len(seeds), -1)).sum()
        gradient = torch.autograd.grad(loss, first)[0][:, :-1]
        alike.append((gradient >= 0).all(dim=1) | (gradient <= 0).all(dim=1))
    return torch.stack(alike).double().mean().item()


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(-2, keepdim=True), x.var(-2, unbiased=False, keepdim=True)


def _adam_direction(gradient: Tensor, moment: list[Any]) -> Tensor:
    """Adam's step for rate 1, with PyTorch's defaults; `moment` (both means, count of steps) moves on in place."""
    (first, second), moment[1] = moment[0], moment[1] + 1
    first.mul_(0.9).add_(gradient, alpha=0.1)
    second.mul_(0.999).add_(gradient * gradient, alpha=0.001)
    return (first / (1 - 0.9 ** moment[1])) / ((second / (1 - 0.999 ** moment[1])).sqrt() + 1e-8)
