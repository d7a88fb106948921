"""`utils.nets.tanh_classifier` against networks of torch.nn trained one by one."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from utils.nets.tanh_classifier import (
    initial_weights,
    mean_losses,
    one_sign_share,
    tanh_scores,
    train_tanh_classifiers,
)

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0, 3, (60, 4)).astype(np.float32), np.arange(60) % 3
ROWS = np.arange(40), np.arange(40, 60)
SMALL = {"hidden": 5, "steps": 6, "batch_size": 8}


def torch_net(seed, batch_norm=False):
    """The same network as a torch module, and the generator that draws its batches."""
    (first, second), (generator,) = initial_weights((4, 5, 3), [seed])
    net = nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    for layer, drawn in ((net[1], first[0]), (net[3], second[0])):
        layer.weight.data, layer.bias.data = drawn[:-1].T.clone(), drawn[-1].clone()
    return (net if batch_norm else net[1:]), generator


def torch_losses(seed, rate, optimizer, batch_norm):
    net, generator = torch_net(seed, batch_norm)
    descent = getattr(torch.optim, optimizer)(net.parameters(), lr=rate)
    losses = []
    for _ in range(6):
        pick = torch.tensor(ROWS[0])[torch.randint(40, (8,), generator=generator)]
        loss = nn.functional.cross_entropy(net(torch.tensor(X)[pick]), torch.tensor(Y)[pick])
        descent.zero_grad()
        loss.backward()
        descent.step()
        losses.append(loss.item())
    return net, losses


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_each_network_trains_as_a_torch_module_alone(optimizer, batch_norm):
    rates, seeds = [0.01, 0.1], [3, 4, 5]
    run = train_tanh_classifiers(X, Y, ROWS, rates, optimizer=optimizer, batch_norm=batch_norm, seeds=seeds, **SMALL)
    expected = [[torch_losses(seed, rate, optimizer, batch_norm)[1] for seed in seeds] for rate in rates]
    assert_allclose(run.losses, np.moveaxis(expected, -1, 0), rtol=1e-4)
    assert run.accuracies.shape == (2, 3)


def test_accuracy_is_that_of_the_test_rows():
    net, _ = torch_losses(3, 0.1, "SGD", False)
    guesses = net(torch.tensor(X[ROWS[1]])).argmax(dim=1).numpy()
    run = train_tanh_classifiers(X, Y, ROWS, [0.1], seeds=[3], **SMALL)
    assert_allclose(run.accuracies, (guesses == Y[ROWS[1]]).mean())


def test_batch_norm_is_tested_with_training_statistics():
    alone = [np.arange(40), np.array([40])]  # a batch of one has no variance of its own
    shifted = np.where(np.arange(60)[:, None] < 40, X, X + 100)
    here, far = (
        train_tanh_classifiers(x, Y, alone, [0.5], seeds=range(9), batch_norm=True, **SMALL).accuracies
        for x in (X, shifted)
    )
    assert not np.array_equal(here, far)


def test_unit_undoes_the_scale_of_the_inputs():
    plain = train_tanh_classifiers(X, Y, ROWS, [0.1], **SMALL)
    in_units = train_tanh_classifiers(X * 255, Y, ROWS, [0.1], unit=1 / 255, **SMALL)
    assert_allclose(in_units.losses, plain.losses, rtol=1e-4)
    assert_array_equal(in_units.accuracies, plain.accuracies)


def test_scores_and_losses_by_hand():
    first, second = torch.tensor([[[2.0], [0.5]]]), torch.tensor([[[1.0, -1.0], [0.0, 3.0]]])
    scores = tanh_scores(torch.tensor([[0.25]]), [first, second])
    assert_allclose(scores, [[[np.tanh(1.0), 3 - np.tanh(1.0)]]], rtol=1e-6)
    assert_allclose(mean_losses(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.long)), [np.log(4)] * 2, rtol=1e-6)


def test_gradients_of_one_row_have_the_signs_of_the_row():
    assert one_sign_share(X, Y, [[0], [1]]) == 1  # no input is negative
    assert one_sign_share(-X, Y, [[0], [1]]) == 1
    assert one_sign_share(X * [1, 1, 1, -1], Y, [[0], [1]]) == 0
    assert one_sign_share(X * [1, 1, 1, 0], Y, [[0]]) == 1  # a gradient of zero goes with either


def test_gradients_of_a_batch_have_both_signs():
    assert one_sign_share(X, Y, [range(30)]) < 0.9


def test_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="got 'SGD \\+ BN'; batch_norm is its own option"):
        train_tanh_classifiers(X, Y, ROWS, [0.1], optimizer="SGD + BN")
