"""`utils.grouped_convolution` against PyTorch, and against sums written out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from utils.grouped_convolution import (
    channel_shuffle,
    compose_separable,
    connections,
    grouped_conv2d,
    nearest_separable,
    separable_conv2d,
    separable_cost,
    shuffled_reach,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- convolutions ------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(groups=st.integers(1, 3), reads=st.integers(1, 3), makes=st.integers(1, 3), stride=st.integers(1, 2))
def test_grouped_is_torchs(groups, reads, makes, stride):
    x, weight = normal(2, groups * reads, 5, 6), normal(groups * makes, reads, 3, 3, seed=1)
    expected = F.conv2d(torch.tensor(x), torch.tensor(weight), groups=groups, stride=stride, padding=1)
    np.testing.assert_allclose(grouped_conv2d(x, weight, groups=groups, stride=stride, padding=1), expected, atol=1e-12)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_separable_is_two_layers_of_torch(multiplier):
    x, depthwise, pointwise = normal(2, 3, 7, 7), normal(3 * multiplier, 1, 3, 3), normal(5, 3 * multiplier)
    maps = F.conv2d(torch.tensor(x), torch.tensor(depthwise), groups=3, stride=2, padding=1)
    expected = F.conv2d(maps, torch.tensor(pointwise)[:, :, None, None])
    np.testing.assert_allclose(separable_conv2d(x, depthwise, pointwise, stride=2, padding=1), expected, atol=1e-12)


@pytest.mark.parametrize("multiplier", [1, 3])
def test_composed_kernel_does_what_the_pair_does(multiplier):
    x, depthwise, pointwise = normal(1, 4, 6, 6), normal(4 * multiplier, 1, 3, 3), normal(2, 4 * multiplier)
    kernel = torch.tensor(compose_separable(depthwise, pointwise, multiplier=multiplier))
    expected = F.conv2d(torch.tensor(x), kernel)
    np.testing.assert_allclose(separable_conv2d(x, depthwise, pointwise), expected, atol=1e-12)


def test_composed_kernel_by_hand():
    composed = compose_separable(np.array([[[[1, 2]]], [[[3, 4]]]]), [[1, 10], [5, 0]])
    assert composed.tolist() == [[[[1, 2]], [[30, 40]]], [[[5, 10]], [[0, 0]]]]


# --- the nearest separable kernel --------------------------------------------------------------------------------


def squared_error(weight, multiplier):
    pair = nearest_separable(weight, multiplier=multiplier)
    return np.sum((compose_separable(*pair, multiplier=multiplier) - weight) ** 2)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_error_is_the_sum_of_the_squared_singular_values_left_out(multiplier):
    weight = normal(4, 3, 3, 3)
    slices = [np.linalg.svd(weight[:, c].reshape(4, 9))[1] for c in range(3)]
    assert squared_error(weight, multiplier) == pytest.approx(sum((s[multiplier:] ** 2).sum() for s in slices))


def test_separable_kernel_is_its_own_nearest():
    weight = compose_separable(normal(6, 1, 3, 3), normal(5, 6), multiplier=2)
    assert squared_error(weight, 1) > 0.1
    assert squared_error(weight, 2) < 1e-20


def test_no_other_pair_is_nearer():
    weight = normal(4, 3, 3, 3)
    others = [compose_separable(normal(3, 1, 3, 3, seed=i), normal(4, 3, seed=i + 99)) for i in range(20)]
    scaled = [(weight * o).sum() / (o * o).sum() * o for o in others]
    depthwise, pointwise = nearest_separable(weight)
    scaled += [compose_separable(depthwise + 0.01 * normal(3, 1, 3, 3, seed=i), pointwise) for i in range(20)]
    assert squared_error(weight, 1) < min(np.sum((other - weight) ** 2) for other in scaled)


# --- costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size", "multiplier"), [((32, 64), 1, 1), ((3, 128), (5, 7), 2), ((8, 8), 4, 1)])
def test_cost_counts_the_weights_of_torchs_layers_at_every_place(channels, size, multiplier):
    c, o = channels
    layers = [nn.Conv2d(c, o, 3), nn.Conv2d(c, c * multiplier, 3, groups=c), nn.Conv2d(c * multiplier, o, 1)]
    places = size * size if isinstance(size, int) else size[0] * size[1]
    cost = separable_cost(c, o, 3, output_size=size, multiplier=multiplier)
    assert list(cost) == [layer.weight.numel() * places for layer in layers]


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([1, 3, 5]), st.integers(1, 60))
def test_ratio_is_one_over_outputs_and_one_over_area(c, o, k, size):
    assert separable_cost(c, o, k, output_size=size).ratio == pytest.approx(1 / o + 1 / k**2)


# --- connections and shuffle -------------------------------------------------------------------------------------


def test_connections_are_where_a_gradient_is():
    layer = nn.Conv2d(6, 9, 1, groups=3)
    nn.init.ones_(layer.weight)
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x.view(1, 6, 1, 1)).ravel(), torch.rand(6))
    assert np.array_equal(connections(6, 9, groups=3), jacobian.numpy() != 0)


@given(st.integers(1, 5), st.integers(1, 5))
def test_shuffle_is_torchs_and_the_other_count_undoes_it(groups, size):
    x = torch.arange(2 * groups * size * 2).view(2, groups * size, 2, 1)
    shuffled = channel_shuffle(x, groups)
    assert torch.equal(shuffled, F.channel_shuffle(x, groups))
    assert torch.equal(channel_shuffle(shuffled, size), x)
    assert np.array_equal(channel_shuffle(x.numpy(), groups), shuffled.numpy())


@pytest.mark.parametrize(("groups", "layers"), [(2, 2), (4, 2), (4, 3), (8, 3), (2, 1)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_reach_is_where_a_gradient_goes(groups, layers, shuffle):
    x = torch.rand(1, 8, 1, 1, requires_grad=True)
    y = x
    for number in range(layers):
        y = channel_shuffle(y, groups) if shuffle and number else y
        y = F.conv2d(y, torch.ones(8, 8 // groups, 1, 1), groups=groups)
    rows = [torch.autograd.grad(y[0, o, 0, 0], x, retain_graph=True)[0].ravel() != 0 for o in range(8)]
    expected = torch.stack(rows).numpy()
    assert np.array_equal(shuffled_reach(8, groups, layers=layers, shuffle=shuffle), expected)


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: channel_shuffle(np.zeros((1, 6)), 4), r"divide the 6 channels, got 4; choose one of \[1, 2, 3, 6\]"),
        (lambda: connections(6, 4, groups=3), "divide the 4 output channels, got 3"),
        (lambda: grouped_conv2d(np.zeros((1, 4, 3, 3)), np.zeros((3, 2, 1, 1)), groups=2), "3 output channels"),
        (lambda: grouped_conv2d(np.zeros((1, 4, 3, 3)), np.zeros((4, 4, 1, 1)), groups=2), "of an ungrouped layer"),
        (lambda: grouped_conv2d(np.zeros((4, 3, 3)), np.zeros((4, 4, 1, 1))), r"expected x \(N, C, H, W\)"),
        (lambda: compose_separable(np.zeros((4, 1, 3, 3)), np.zeros((2, 4, 1, 1))), r"still \(O, C \* m, 1, 1\)"),
        (lambda: compose_separable(np.zeros((4, 1, 3, 3)), np.zeros((2, 4)), multiplier=3), "depthwise filters, got 3"),
        (lambda: nearest_separable(np.zeros((4, 2, 3, 3)), multiplier=5), "must be 1 to 4"),
        (lambda: nearest_separable(np.zeros((4, 9))), r"\(O, C, KH, KW\), got \(4, 9\)"),
        (lambda: shuffled_reach(8, 2, layers=0), "at least 1, got 0"),
        (lambda: connections(4, 4, groups=0), "got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
