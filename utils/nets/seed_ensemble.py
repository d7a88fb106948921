"""The same network trained from several seeds at once, for claims that must hold whatever the seed.

Used first in chapters/convolution/locality-and-weight-sharing.ipynb.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


def accuracy_by_seed(
    build: Callable[[], nn.Module],
    inputs: Sequence[Tensor],
    labels: Tensor,
    seeds: Sequence[int],
    *,
    train_size: int = 300,
    steps: int = 200,
    batch_size: int = 64,
    lr: float = 0.01,
) -> NDArray[np.float64]:
    """Share of test samples classified correctly, one number for each seed.

    ``inputs[i]`` are the samples (N, ...) that seed i sees and `labels` (N,) their classes. A seed draws the starting
    weights, which `train_size` samples are for training (all others test), and the batches; Adam runs `steps` steps on
    the cross-entropy. The networks share no number: `vmap` only runs them side by side. No dropout, no batch norm.

    >>> x = torch.eye(2).repeat(20, 1)
    >>> accuracy_by_seed(lambda: nn.Linear(2, 2), [x, x], torch.arange(40) % 2, [0, 1], train_size=20)
    array([1., 1.])
    """
    if len(inputs) != len(seeds):
        raise ValueError(f"expected inputs for each of {len(seeds)} seeds, got {len(inputs)}")
    if any(len(samples) != len(labels) for samples in inputs) or not 0 < train_size < len(labels):
        raise ValueError(
            f"expected {len(labels)} samples a seed, as many as labels, and fewer in train_size ({train_size})"
        )
    networks = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(seed)
            networks.append(build())
    weights, buffers = stack_module_state(networks)
    run = vmap(lambda own, x: functional_call(networks[0], (own, buffers), (x,)))
    generators = [np.random.default_rng(seed) for seed in seeds]
    orders = [generator.permutation(len(labels)) for generator in generators]
    optimizer = torch.optim.Adam(weights.values(), lr)

    def logits_and_labels(rows: list[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        logits = run(weights, torch.stack([x[row] for x, row in zip(inputs, rows, strict=True)]))
        return logits, labels[torch.tensor(np.stack(rows))]

    for _ in range(steps):
        picks = [rng.choice(order[:train_size], batch_size) for rng, order in zip(generators, orders, strict=True)]
        logits, truth = logits_and_labels(picks)
        # The mean over all seeds would make each gradient smaller by their number.
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), truth.flatten()) * len(seeds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits, truth = logits_and_labels([order[train_size:] for order in orders])
    right: NDArray[np.float64] = (logits.argmax(-1) == truth).double().mean(dim=1).numpy()
    return right
