"""`utils.locally_connected` against a loop over places, torch's convolution, and hand-counted weights."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from utils.locally_connected import LocallyConnected2d, WeightCounts, linear_as_convolution, untie, weight_counts


def looped(layer, x):
    """The definition: each place has its own kernel and bias, numbered row by row."""
    x = nn.functional.pad(x, [layer.padding] * 4)
    out = torch.empty(len(x), len(layer.bias), *layer.output_size)
    for place, (i, j) in enumerate(np.ndindex(*layer.output_size)):
        row, col, k = i * layer.stride, j * layer.stride, layer.kernel_size
        field = x[:, :, row : row + k, col : col + k].flatten(1)
        out[:, :, i, j] = field @ layer.weight[place].T + layer.bias[:, i, j]
    return out


@pytest.mark.parametrize(
    ("size", "kernel_size", "stride", "padding"),
    [((5, 7), 3, 1, 0), ((5, 7), 3, 2, 1), (6, 1, 1, 0), ((4, 4), 4, 1, 0), ((7, 6), 2, 3, 1)],
)
def test_layer_is_a_loop_over_places(size, kernel_size, stride, padding):
    layer = LocallyConnected2d(2, 3, size, kernel_size, stride, padding)
    x = torch.randn(4, 2, *layer.input_size, generator=torch.Generator().manual_seed(0))
    assert_close(layer(x), looped(layer, x))


def test_one_place_by_hand():
    layer = LocallyConnected2d(1, 1, (1, 3), 1)
    with torch.no_grad():
        layer.weight[:] = torch.tensor([[[1.0]], [[10.0]], [[100.0]]])
        layer.bias[:] = torch.tensor([[[0.0, 0.0, 0.5]]])
    assert layer(torch.tensor([[[[1.0, 2.0, 3.0]]]])).tolist() == [[[[1.0, 20.0, 300.5]]]]


def test_weights_start_as_those_of_a_convolution():
    layer = LocallyConnected2d(4, 8, 12, 5)
    for numbers in (layer.weight, layer.bias):
        assert 0.095 < numbers.abs().max() <= 0.1  # 1 / sqrt(4 * 25)


def test_gradient_reaches_every_place():
    layer = LocallyConnected2d(1, 2, 5, 3)
    layer(torch.ones(1, 1, 5, 5)).sum().backward()
    assert (layer.weight.grad == 1).all()
    assert (layer.bias.grad == 1).all()


@pytest.mark.parametrize("shape", [(1, 2, 5, 6), (1, 3, 5, 5), (2, 5, 5)])
def test_another_input_is_refused(shape):
    with pytest.raises(ValueError, match=r"built for pictures \(N, 2, 5, 5\).*cannot change its input size"):
        LocallyConnected2d(2, 3, 5, 3)(torch.zeros(shape))


@settings(max_examples=15, deadline=None)
@given(*[st.integers(1, 3)] * 4, st.integers(0, 2), st.integers(5, 8), st.integers(5, 8))
def test_untied_convolution_starts_alike(inputs, outputs, kernel_size, stride, padding, height, width):
    convolution = nn.Conv2d(inputs, outputs, kernel_size, stride, padding)
    x = torch.rand(2, inputs, height, width)
    local = untie(convolution, (height, width))
    assert_close(local(x), convolution(x))
    assert (local.weight == local.weight[0]).all()


def test_untied_weights_are_a_copy():
    convolution = nn.Conv2d(1, 1, 3)
    local = untie(convolution, 5)
    with torch.no_grad():
        local.weight[0] += 1
        local.bias += 1
    assert (local.weight[0] != local.weight[1]).all()
    assert (convolution.bias != local.bias).all()


@pytest.mark.parametrize(
    "options",
    [{"groups": 2}, {"dilation": 2}, {"bias": False}, {"padding_mode": "reflect", "padding": 1}, {"stride": (1, 2)}],
)
def test_untie_refuses_what_it_would_change(options):
    with pytest.raises(ValueError, match="expected a square convolution with bias"):
        untie(nn.Conv2d(2, 2, 3, **options), 7)


# linear_as_convolution


@pytest.mark.parametrize("bias", [True, False])
def test_dense_scores_are_those_of_every_crop(bias):
    linear, x = nn.Linear(2 * 3 * 4, 5, bias=bias), torch.rand(2, 2, 5, 5)
    scores = linear_as_convolution(linear, (2, 3, 4))(x)
    assert scores.shape == (2, 5, 3, 2)
    for row, col in np.ndindex(3, 2):
        crop = x[:, :, row : row + 3, col : col + 4].flatten(1)
        assert_close(scores[:, :, row, col], linear(crop))


def test_dense_weights_are_a_copy():
    linear = nn.Linear(4, 2)
    convolution = linear_as_convolution(linear, (1, 2, 2))
    assert convolution.weight.data_ptr() != linear.weight.data_ptr()
    assert convolution.weight.shape == (2, 1, 2, 2)


def test_wrong_map_is_named():
    with pytest.raises(ValueError, match=r"7 x 7 x 8 has 392 numbers, the layer reads 390; is the shape \(C, H, W\)"):
        linear_as_convolution(nn.Linear(390, 10), (7, 7, 8))


# weight_counts


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((5, 3), {}, (9, 225, 81, 9)),
        ((4, 4), {}, (1, 16, 16, 16)),  # one place: all three are one layer
        ((5, 1), {}, (25, 625, 25, 1)),
        ((6, 3), {"stride": 3, "in_channels": 2}, (4, 4 * 72, 4 * 18, 18)),
        ((5, 3), {"padding": 1, "out_channels": 4}, (100, 2500, 900, 36)),
    ],
)
def test_weights_counted_by_hand(arguments, options, expected):
    assert weight_counts(*arguments, **options) == WeightCounts(*expected)


def test_counts_are_those_of_the_layers():
    counts = weight_counts(9, 3, in_channels=2, out_channels=5, stride=2, padding=1)
    local, shared = LocallyConnected2d(2, 5, 9, 3, 2, 1), nn.Conv2d(2, 5, 3, 2, 1)
    dense = nn.Linear(2 * 9 * 9, shared(torch.zeros(1, 2, 9, 9)).numel())
    assert counts[1:] == tuple(layer.weight.numel() for layer in (dense, local, shared))


@pytest.mark.parametrize("options", [{"in_channels": 0}, {"out_channels": 0}])
def test_no_channels_are_refused(options):
    with pytest.raises(ValueError, match="channels must be at least 1"):
        weight_counts(5, 3, **options)
