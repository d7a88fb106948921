"""`utils.nets.linear_unit` against torch and the normal equations."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from utils.nets.linear_unit import descent_path

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(30, 2)), RNG.normal(size=30)


def test_full_batches_follow_torch():
    unit = torch.nn.Linear(2, 1).double()
    torch.nn.init.zeros_(unit.weight), torch.nn.init.zeros_(unit.bias)
    descent = torch.optim.SGD(unit.parameters(), lr=0.3)
    path, losses = descent_path(X, T, 30, rate=0.3, updates=4)
    for weights, loss in zip(path, losses, strict=True):
        assert_allclose([*unit.weight.detach().numpy()[0], unit.bias.item()], weights)
        squared = ((unit(torch.tensor(X))[:, 0] - torch.tensor(T)) ** 2).mean()
        assert_allclose(squared.item(), loss)
        descent.zero_grad()
        (squared / 2).backward()
        descent.step()


def test_it_ends_at_the_least_squares_weights():
    path, _ = descent_path(X, T, 30, rate=0.5, updates=300)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), T)[0]
    assert_allclose(path[-1], expected, atol=1e-9)


def test_single_rows_push_along_themselves():
    steps = np.diff(descent_path(X, T, 1, rate=0.1)[0], axis=0)
    assert all(np.isclose(step[:2] / step[2], X).all(axis=1).any() for step in steps)
    assert len({tuple(np.round(step[:2] / step[2], 6)) for step in steps}) > 10


def test_a_seed_draws_the_same_rows_for_other_inputs():
    ratios = [np.diff(descent_path(x, T, 1, rate=1e-9)[0], axis=0)[:, 2] for x in (X, X - 5)]
    assert_allclose(*ratios, rtol=1e-4)
    assert not np.array_equal(descent_path(X, T, 1, rate=0.1)[0], descent_path(X, T, 1, rate=0.1, seed=1)[0])
    assert_array_equal(descent_path(X, T, 1, rate=0.1)[0], descent_path(X, T, 1, rate=0.1)[0])


@pytest.mark.parametrize(
    ("inputs", "target", "size", "message"),
    [(X, T[:3], 1, r"got \(30, 2\) and \(3,\)"), (X[:, 0], T, 1, "features"), (X, T, 31, "30 rows, got 31")],
)
def test_bad_input(inputs, target, size, message):
    with pytest.raises(ValueError, match=message):
        descent_path(inputs, target, size, rate=0.1)
