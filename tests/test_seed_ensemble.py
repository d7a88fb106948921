"""`utils.nets.seed_ensemble` against one network trained by a plain loop."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from torch import nn

from utils.nets.seed_ensemble import accuracy_by_seed

X, Y = (torch.tensor(part) for part in load_iris(return_X_y=True))
X = X.float()


def small_net():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def trained_alone(seed, train_size, steps, batch_size, lr):
    torch.manual_seed(seed)
    network, rng = small_net(), np.random.default_rng(seed)
    order = rng.permutation(len(Y))
    optimizer = torch.optim.Adam(network.parameters(), lr)
    for _ in range(steps):
        pick = rng.choice(order[:train_size], batch_size)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(X[pick]), Y[pick]).backward()
        optimizer.step()
    test = order[train_size:]
    return (network(X[test]).argmax(1) == Y[test]).double().mean().item()


@pytest.mark.parametrize("options", [(90, 40, 16, 0.02), (60, 25, 8, 0.05)])
def test_seeds_do_not_touch_each_other(options):
    names = dict(zip(("train_size", "steps", "batch_size", "lr"), options, strict=True))
    together = accuracy_by_seed(small_net, [X] * 3, Y, [3, 4, 5], **names)
    assert_allclose(together, [trained_alone(seed, *options) for seed in (3, 4, 5)], atol=0.02)
    assert len(set(together)) > 1


def test_each_seed_sees_its_own_inputs():
    blind = accuracy_by_seed(small_net, [X, torch.zeros_like(X)], Y, [0, 0], steps=200, train_size=100, lr=0.02)
    assert blind[0] > 0.85 > 0.5 > blind[1]


def test_same_seed_same_result_and_global_state_is_left_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second = (accuracy_by_seed(small_net, [X], Y, [7], steps=20, train_size=100) for _ in range(2))
    assert_array_equal(first, second)
    assert_array_equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("inputs", "size", "message"),
    [([X, X], 50, "inputs for each of 1 seeds, got 2"), ([X[:9]], 5, "150 samples a seed"), ([X], 150, "fewer in")],
)
def test_mismatch_is_refused(inputs, size, message):
    with pytest.raises(ValueError, match=message):
        accuracy_by_seed(small_net, inputs, Y, [0], train_size=size)
