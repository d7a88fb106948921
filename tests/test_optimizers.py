"""The oracle is torch.optim; a few steps are worked by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.optimizers import adam_step, descend, rmsprop_step, sgd_step

START = np.array([1.0, -2.0, 0.5])
CURVATURE = np.array([1.0, 10.0, -0.3])
CASES = [
    (sgd_step, torch.optim.SGD, {"lr": 0.05}),
    (sgd_step, torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
    (rmsprop_step, torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "eps": 1e-3}),
    (adam_step, torch.optim.Adam, {"lr": 0.1}),
    (adam_step, torch.optim.Adam, {"lr": 0.02, "betas": (0.5, 0.8), "eps": 1e-2}),
]


def torch_path(optimizer, options, steps):
    x = torch.tensor(START, requires_grad=True)
    driver, places = optimizer([x], **options), [START]
    for _ in range(steps):
        driver.zero_grad()
        (x**2 * torch.tensor(CURVATURE)).sum().div(2).backward()
        driver.step()
        places.append(x.detach().numpy().copy())
    return places


@pytest.mark.parametrize(("step", "optimizer", "options"), CASES)
def test_path_is_that_of_torch(step, optimizer, options):
    ours = descend(step, lambda x: CURVATURE * x, START, 25, **options)
    np.testing.assert_allclose(ours, torch_path(optimizer, options, 25), rtol=1e-9, atol=1e-12)


def test_two_steps_of_momentum_by_hand():
    # velocity 1, then 0.5 + 1
    assert descend(sgd_step, lambda _: 1.0, 0.0, 2, lr=1.0, momentum=0.5) == [0.0, -1.0, -2.5]


@given(st.floats(1e-3, 1e3), st.sampled_from([-1, 1]))
@settings(max_examples=25, deadline=None)
def test_first_step_of_adam_has_the_length_of_the_rate(size, sign):
    place, _ = adam_step(0.0, sign * size, lr=0.1)
    assert place == pytest.approx(-0.1 * sign, rel=1e-4)


def test_first_step_of_rmsprop_is_longer_by_the_missing_correction():
    assert rmsprop_step(0.0, 5.0, lr=0.1)[0] == pytest.approx(-1.0, rel=1e-6)


@pytest.mark.parametrize("step", [sgd_step, rmsprop_step, adam_step])
def test_rates_may_differ_from_row_to_row(step):
    rates = np.array([[0.1], [0.2]])
    both = descend(step, lambda x: CURVATURE * x, np.stack([START, START]), 5, lr=rates)
    for row, rate in enumerate(rates[:, 0]):
        alone = descend(step, lambda x: CURVATURE * x, START, 5, lr=rate)
        np.testing.assert_allclose([place[row] for place in both], alone)


@pytest.mark.parametrize("step", [sgd_step, rmsprop_step, adam_step])
def test_takes_tensors(step):
    place, _ = step(torch.ones(2), torch.tensor([1.0, -1.0]), lr=0.1)
    assert place.shape == (2,)
    assert place[0] < 1 < place[1]


def test_no_steps_leave_the_start():
    assert descend(sgd_step, lambda x: x, 3.0, 0, lr=1.0) == [3.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sgd_step(1.0, 1.0, lr=0.1, momentum=1.0), "momentum must be from 0 to below 1, got 1.0"),
        (lambda: rmsprop_step(1.0, 1.0, lr=0.1, alpha=-0.1), "alpha must be"),
        (lambda: adam_step(1.0, 1.0, lr=0.1, betas=(0.9, 1.5)), r"betas\[1\] must be"),
        (lambda: descend(sgd_step, lambda x: x, 1.0, -1, lr=0.1), "steps must be at least 0, got -1"),
    ],
)
def test_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
