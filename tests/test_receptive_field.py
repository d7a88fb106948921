"""Receptive fields against torch's gradients, against poking pixels, and against published tables."""

from functools import reduce
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from utils.convolution import conv2d
from utils.receptive_field import (
    Field,
    Layer,
    coverage,
    field_after,
    field_table,
    hdc_gaps,
    is_gap_free,
    layer_fields,
    path_counts,
    receptive_field,
    receptive_field_backward,
    satisfies_hdc,
    touched_pixels,
)

STACKS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4)), max_size=3)


def rates(*values, kernel_size=3):
    return [Layer(kernel_size, dilation=rate) for rate in values]


def gradient_of_one_output(layers):
    """Torch's answer: backpropagate one output of all-ones kernels to an image it just fits."""
    side = reduce(lambda n, layer: (n - 1) * layer[1] + layer[2] * (layer[0] - 1) + 1, reversed(layers), 1)
    x = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    out = x
    for k, stride, dilation in layers:
        out = torch.nn.functional.conv2d(out, torch.ones(1, 1, k, k).double(), stride=stride, dilation=dilation)
    (gradient,) = torch.autograd.grad(out.sum(), x)
    return gradient[0, 0].numpy()


def response_to_each_pixel(layers, side):
    """Poke the pixels one at a time and look whether the only output moves."""
    images = np.eye(side * side, dtype=int).reshape(-1, 1, side, side)
    for k, stride, dilation in layers:
        images = conv2d(images, np.ones((1, 1, k, k), dtype=int), stride=stride, dilation=dilation)
    return images.reshape(side, side)


# Worked by hand, and published


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], 1),
        ([(1, 1, 7)], 1),  # one tap has nothing to spread
        (rates(1), 3),
        (rates(2), 5),
        (rates(4), 9),
        (rates(1, 2), 7),
        (rates(1, 2, 4), 15),
        (rates(1, 1, 2, 4, 8, 16, 1), 67),  # the context module of Yu and Koltun 2016, table 1
        ([(7, 2), (3, 2)], 11),
        ([(2, 1, 2**n) for n in range(10)], 1024),  # one block of WaveNet
    ],
)
def test_receptive_field_of_known_stacks(layers, expected):
    assert receptive_field(layers) == expected


def test_receptive_field_of_resnet50():
    blocks = [(1, 1), (3, 1)] * 3 + ([(1, 1), (3, 2)] + [(1, 1), (3, 1)] * 3)
    blocks += ([(1, 1), (3, 2)] + [(1, 1), (3, 1)] * 5) + ([(1, 1), (3, 2)] + [(1, 1), (3, 1)] * 2)
    assert receptive_field([(7, 2), (3, 2), *blocks]) == 427  # stride in the 3x3


@pytest.mark.parametrize(
    ("stack", "touched", "pixels"),
    [
        ((2, 2, 2), 49, 169),
        ((3, 3, 3), 49, 361),
        ((4, 4), 25, 289),
        ((1, 2, 3), 169, 169),
        ((1, 2, 5), 289, 289),
        ((1, 2, 9), 441, 625),
        ((2, 4, 8), 225, 841),
    ],
)
def test_touched_pixels_of_known_stacks(stack, touched, pixels):
    mask = touched_pixels(rates(*stack))
    assert (mask.sum(), mask.size) == (touched, pixels)
    assert coverage(rates(*stack)) == touched / pixels


def test_rates_that_triple_reach_every_pixel_once():
    assert_array_equal(path_counts(rates(1, 3, 9)), np.ones((27, 27)))


def test_hdc_gaps_by_hand():
    assert hdc_gaps([1, 2, 5]) == (2, 5)  # max(5 - 4, 4 - 5, 2)
    assert hdc_gaps([1, 2, 9]) == (5, 9)  # max(9 - 4, 4 - 9, 2)
    assert hdc_gaps([1, 4, 2]) == (6, 2)  # max(2 - 8, 8 - 2, 4): the middle term
    assert hdc_gaps([1, 3, 3, 9]) == (3, 3, 9)
    assert hdc_gaps([6, 7]) == (7,)


def test_satisfies_hdc_exactly_at_the_kernel_size():
    assert satisfies_hdc([1, 3, 9])  # M_2 is 3
    assert not satisfies_hdc([1, 3, 10])
    assert satisfies_hdc([1, 3, 10], kernel_size=4)


def test_is_gap_free_exactly_at_the_field_of_the_smaller_rates():
    assert is_gap_free([7, 2, 1])
    assert not is_gap_free([8, 2, 1])
    assert is_gap_free([], kernel_size=3)
    assert is_gap_free([5], kernel_size=1)


# Oracles


@given(STACKS)
@settings(deadline=None, max_examples=60)
def test_path_counts_are_torch_gradients(layers):
    assert_array_equal(path_counts(layers), gradient_of_one_output(layers))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3)), max_size=2))
@settings(deadline=None, max_examples=25)
def test_path_counts_are_what_poking_pixels_finds(layers):
    assert_array_equal(path_counts(layers), response_to_each_pixel(layers, receptive_field(layers)))


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
def test_is_gap_free_agrees_with_counting_on_every_small_triple(kernel_size):
    for stack in product(range(1, 9), repeat=3):
        covered = coverage(rates(*stack, kernel_size=kernel_size)) == 1
        assert is_gap_free(stack, kernel_size) == covered, stack


def test_satisfies_hdc_is_exact_for_rising_rates_from_one():
    rising = [stack for stack in product(range(1, 12), repeat=3) if 1 == stack[0] <= stack[1] <= stack[2]]
    assert all(satisfies_hdc(stack) == is_gap_free(stack) for stack in rising)


@pytest.mark.parametrize("stack", [(2, 2, 2), (2, 3, 5), (9, 2, 1)])
def test_satisfies_hdc_is_not_sufficient_otherwise(stack):
    assert satisfies_hdc(stack)
    assert coverage(rates(*stack)) < 1


@pytest.mark.parametrize("stack", [(1, 3, 1), (1, 4, 2), (3, 1, 9)])
def test_satisfies_hdc_is_not_necessary_otherwise(stack):
    assert not satisfies_hdc(stack)
    assert coverage(rates(*stack)) == 1


@given(STACKS, st.integers(0, 2), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_field_of_each_output_is_what_a_nan_finds(layers, padding, place):
    stack = [(*layer, padding) for layer in layers]
    *_, field = layer_fields(stack)
    side = max(60, field.last + 3 * field.jump + 1)
    x = torch.zeros(side, 1, 1, side, dtype=torch.float64)
    x[range(side), 0, 0, range(side)] = torch.nan  # one poked column in each picture
    for k, stride, dilation, pad in stack:
        x = torch.nn.functional.conv2d(
            x, torch.ones(1, 1, 1, k).double(), stride=stride, padding=(0, pad), dilation=dilation
        )
    seen = x[:, 0, 0, place].isnan().nonzero().flatten().tolist()
    low, high = field.first + place * field.jump, field.last + place * field.jump
    if seen and low >= 0 and high < side:
        assert (seen[0], seen[-1]) == (low, high)


@given(STACKS)
def test_forwards_backwards_and_fields_agree(layers):
    assert receptive_field(layers) == receptive_field_backward(layers) == layer_fields(layers)[-1].size


@pytest.mark.parametrize(("n", "layer"), [(7, (3, 2, 1, 1)), (8, (3, 2, 1, 1)), (9, (2, 3, 4, 2)), (5, (5, 1, 1, 0))])
def test_sizes_in_the_table_are_those_of_torch(n, layer):
    k, stride, dilation, padding = layer
    out = torch.nn.functional.conv2d(torch.zeros(1, 1, n, n), torch.ones(1, 1, k, k), None, stride, padding, dilation)
    assert field_table([layer], n)[1].size == out.shape[2]


def test_field_table_by_hand():
    rows = field_table([(2, 2), (3, 1, 1, 1)], 8)
    assert rows == [(8, 1, 0.0, 1), (4, 2, 0.5, 2), (4, 2, 0.5, 6)]


def test_field_after_keeps_both_ends():
    assert field_after(Field(2, -1, 4), Layer(3, 3, 2, 1)) == Field(6, -3, 10)


def test_field_table_names_the_layer_that_does_not_fit():
    with pytest.raises(ValueError, match="layer 1 spans more than its input of 2 pixels with padding 0"):
        field_table([(3, 2), (3,)], 6)
    with pytest.raises(ValueError, match="input_size must be a whole number of at least 1"):
        field_table([], 0)


# Properties


@given(STACKS)
@settings(deadline=None)
def test_field_counts_and_mask_agree(layers):
    counts, mask = path_counts(layers), touched_pixels(layers)
    assert counts.shape == mask.shape == (receptive_field(layers),) * 2
    assert_array_equal(mask, counts > 0)
    assert counts.sum() == np.prod([layer[0] ** 2 for layer in layers])


@given(STACKS)
@settings(deadline=None)
def test_counts_are_symmetric_and_corners_have_one_path(layers):
    counts = path_counts(layers)
    assert_array_equal(counts, counts.T)
    assert_array_equal(counts, counts[::-1, ::-1])
    assert counts[0, 0] == counts[0, -1] == 1


@given(st.permutations([1, 2, 2, 5]))
def test_order_does_not_matter_without_strides(stack):
    assert_array_equal(path_counts(rates(*stack)), path_counts(rates(1, 2, 2, 5)))


@given(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_common_factor_leaves_one_sub_lattice(factor, stack):
    apart, dense = touched_pixels(rates(*(factor * r for r in stack))), touched_pixels(rates(*stack))
    assert_array_equal(apart[::factor, ::factor], dense)
    assert apart.sum() == dense.sum()


def test_touched_pixels_goes_deeper_than_path_counts():
    assert touched_pixels(rates(*[1] * 100)).all()
    with pytest.raises(ValueError, match="20 layers have too many paths for 64 bits; try touched_pixels"):
        path_counts(rates(*[1] * 20))


def test_path_counts_fill_64_bits_without_wrapping():
    assert path_counts(rates(*[1] * 19)).sum() == 9**19


def test_generators_serve_as_stacks():
    assert receptive_field((3, 1, rate) for rate in (1, 2)) == 7
    assert path_counts(iter(rates(1, 2))).shape == (7, 7)


# Bad input


@pytest.mark.parametrize(
    "function", [receptive_field, receptive_field_backward, layer_fields, path_counts, touched_pixels, coverage]
)
@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([(3, 1, 0)], r"dilation of layer 0 must be a whole number of at least 1 \(1 means none\), got 0"),
        ([(3,), (3, 0)], "stride of layer 1 must be .* got 0"),
        ([(0, 1, 1)], "kernel_size of layer 0 must be .* got 0"),
        ([(3, 1, 1.5)], "dilation of layer 0 must be a whole number, got 1.5"),
        ([(3, True)], "stride of layer 0 must be a whole number"),
        ([(3, 1, 1, -1)], r"padding of layer 0 must be a whole number of at least 0 \(0 means none\), got -1"),
        ([(3, 1, 1, 1, 1)], r"layer 0 must be \(kernel_size, stride, dilation, padding\), got \(3, 1, 1, 1, 1\)"),
        ((3, 1, 2), r"layer 0 must be .* got 3; a stack of one layer is \[layer\]"),
    ],
)
def test_layers_say_what_is_wrong(function, layers, message):
    with pytest.raises(ValueError, match=message):
        function(layers)


@pytest.mark.parametrize("function", [hdc_gaps, satisfies_hdc, is_gap_free])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, 0], "rate 2 must be a whole number of at least 1 .* got 0"),
        ([1.5, 2], "rate 1 must be a whole number, got 1.5"),
        ([1, np.nan], "rate 2 must be a whole number, got nan"),
    ],
)
def test_rates_say_what_is_wrong(function, bad, message):
    with pytest.raises(ValueError, match=message):
        function(bad)


def test_hdc_needs_a_second_layer():
    with pytest.raises(ValueError, match=r"M_2 needs a second layer: at least two rates, got \[1\]"):
        hdc_gaps([1])


@pytest.mark.parametrize("function", [satisfies_hdc, is_gap_free])
def test_kernel_size_must_be_positive(function):
    with pytest.raises(ValueError, match="kernel_size must be a whole number of at least 1"):
        function([1, 2], 0)
