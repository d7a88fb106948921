"""Convolution against torch, against its definition, and against numbers one can do in the head."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate

from utils.convolution import (
    conv2d,
    conv2d_naive,
    dilate_kernel,
    input_taps,
    mode_padding,
    multiply_adds,
    output_shape,
    output_size,
    read_counts,
    same_padding,
)

RAMP = np.arange(25).reshape(1, 1, 5, 5)
ONES = np.ones((1, 1, 3, 3), dtype=int)


def torch_conv2d(x, weight, bias, **options):
    operands = [torch.from_numpy(np.asarray(a)) for a in (x, weight, bias)]
    return torch.nn.functional.conv2d(*operands, **options).numpy()


@st.composite
def convolutions(draw, pairs=True):
    """A random image, kernel and bias, and options under which the kernel fits."""
    two = st.tuples(*[st.integers(1, 3)] * 2)
    whole = two if pairs else st.integers(1, 3)
    options = {"stride": draw(whole), "padding": draw(whole), "dilation": draw(whole)}
    (n, c), (o, _), kernel, extra = (draw(two) for _ in range(4))
    height, width = np.array(options["dilation"]) * (np.array(kernel) - 1) + extra
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, weight = rng.standard_normal((n, c, height, width)), rng.standard_normal((o, c, *kernel))
    return x, weight, rng.standard_normal(o), options


# Worked by hand


def test_conv2d_sums_the_window():
    assert conv2d(RAMP, ONES)[0, 0, 0, 0] == 0 + 1 + 2 + 5 + 6 + 7 + 10 + 11 + 12


def test_conv2d_at_rate_two_reads_nine_of_25():
    assert conv2d(RAMP, ONES, dilation=2).item() == 0 + 2 + 4 + 10 + 12 + 14 + 20 + 22 + 24


def test_conv2d_does_not_flip_the_kernel():
    first_tap = np.zeros((1, 1, 2, 2), dtype=int)
    first_tap[0, 0, 0, 0] = 1
    assert conv2d(RAMP, first_tap)[0, 0, 0, 0] == 0  # a true convolution would give 6


def test_conv2d_keeps_rows_and_columns_apart():
    tap = np.array([[[[0, 1], [0, 0]]]])
    assert conv2d(RAMP, tap, dilation=(1, 3))[0, 0, 0, 0] == 3
    assert conv2d(RAMP, tap, stride=(2, 1))[0, 0, 1, 0] == 11
    assert conv2d(RAMP, tap, padding=(1, 0)).shape == (1, 1, 6, 4)


def test_conv2d_adds_one_bias_a_channel():
    out = conv2d(np.zeros((1, 1, 2, 2)), np.ones((2, 1, 1, 1)), [1.0, -1.0])
    assert_array_equal(out[0, :, 0, 0], [1, -1])


@pytest.mark.parametrize(
    ("n", "k", "options", "expected"),
    [
        (28, 3, {}, 26),
        (28, 3, {"padding": 4, "dilation": 4}, 28),
        (224, 7, {"stride": 2, "padding": 3}, 112),
        (7, 3, {"stride": 3}, 2),  # the last pixel does not fill a stride
        (5, 3, {"dilation": 2}, 1),  # exactly one place
    ],
)
def test_output_size_by_hand(n, k, options, expected):
    assert output_size(n, k, **options) == expected


def test_output_size_adds_up_both_ends():
    assert output_size(6, 3, stride=2, padding=(0, 1)) == 3
    assert output_size(6, 3, stride=2, padding=(1, 0)) == 3
    assert output_size(6, 3, stride=2, padding=(0, 0)) == 2


@pytest.mark.parametrize(
    ("n", "k", "options", "expected"),
    [
        (5, 3, {}, (1, 1)),
        (5, 2, {}, (0, 1)),  # the odd zero comes after
        (6, 3, {"stride": 2}, (0, 1)),
        (7, 3, {"stride": 2}, (1, 1)),  # the same layer, one pixel more
        (224, 7, {"stride": 2}, (2, 3)),
        (8, 1, {"stride": 3}, (0, 0)),  # the total would be negative
        (9, 3, {"dilation": 2}, (2, 2)),
        (2, 5, {"stride": 4}, (1, 2)),  # a kernel longer than the input
    ],
)
def test_same_padding_by_hand(n, k, options, expected):
    assert same_padding(n, k, **options) == expected


def test_mode_padding_by_hand():
    assert mode_padding("valid", 6, 3, stride=2, dilation=2) == (0, 0)
    assert mode_padding("SAME", 6, 3, stride=2) == (0, 1)
    assert mode_padding("Full", 6, 3, stride=2, dilation=2) == (4, 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, (2, 8, 7, 5)), ({"padding": (1, 0)}, (2, 8, 9, 5)), ({"stride": (2, 3), "padding": "same"}, (2, 8, 5, 3))],
)
def test_output_shape_by_hand(options, expected):
    assert output_shape((2, 4, 9, 7), (8, 4, 3, 3), **options) == expected


def test_input_taps_by_hand():
    assert_array_equal(input_taps(2, 3, stride=2, padding=1), [3, 4, 5])
    assert_array_equal(input_taps(0, 2, padding=(3, 0), dilation=2), [-3, -1])  # only the zeros before count


def test_read_counts_shows_the_lost_edge():
    assert_array_equal(read_counts(8, 3, stride=2), [1, 1, 2, 1, 2, 1, 1, 0])
    assert_array_equal(read_counts(5, 1, stride=2), [1, 0, 1, 0, 1])


def test_dilate_kernel_puts_zeros_between_taps_only():
    assert_array_equal(dilate_kernel([[1, 2, 3]], (5, 2)), [[1, 0, 2, 0, 3]])
    assert_array_equal(dilate_kernel(ONES, 1), ONES)


def test_multiply_adds_of_the_first_layer_of_resnet():
    assert multiply_adds(3, 64, 7, 112) == 3 * 64 * 49 * 112 * 112
    assert multiply_adds(3, 64, (1, 7), (2, 5)) == 3 * 64 * 7 * 10


# Oracles


@given(convolutions())
@settings(deadline=None, max_examples=60)
def test_conv2d_matches_torch(case):
    x, weight, bias, options = case
    assert_allclose(conv2d(x, weight, bias, **options), torch_conv2d(x, weight, bias, **options), atol=1e-12)


@given(convolutions(pairs=False))
@settings(deadline=None, max_examples=30)
def test_conv2d_matches_its_definition(case):
    x, weight, bias, options = case
    assert_allclose(conv2d(x, weight, bias, **options), conv2d_naive(x, weight, bias, **options), atol=1e-12)


@given(convolutions(pairs=False))
@settings(deadline=None, max_examples=30)
def test_conv2d_naive_matches_torch(case):
    x, weight, bias, options = case
    assert_allclose(conv2d_naive(x, weight, bias, **options), torch_conv2d(x, weight, bias, **options), atol=1e-12)


@given(*[st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 4), st.integers(1, 4)])
@settings(deadline=None)
def test_output_size_counts_the_places(n, k, stride, padding, dilation):
    last_taps = range((k - 1) * dilation, n + 2 * padding, stride)
    if len(last_taps):
        assert output_size(n, k, stride=stride, padding=padding, dilation=dilation) == len(last_taps)
    else:
        with pytest.raises(ValueError, match="kernel spans"):
            output_size(n, k, stride=stride, padding=padding, dilation=dilation)


def test_multiply_adds_counts_what_the_loop_does():
    places = conv2d_naive(np.ones((1, 2, 6, 5)), np.ones((3, 2, 2, 2))).sum()  # each multiply-add adds one
    assert multiply_adds(2, 3, 2, (5, 4)) == places


AXIS = [st.integers(1, 14), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3)]


@given(*AXIS)
@settings(deadline=None)
def test_same_padding_adds_the_least_zeros_that_do(n, k, stride, dilation):
    before, after, span = 0, 0, dilation * (k - 1) + 1
    while len(range(0, n + before + after - span + 1, stride)) < len(range(0, n, stride)):
        before, after = (before, after + 1) if before == after else (before + 1, after)
    assert same_padding(n, k, stride=stride, dilation=dilation) == (before, after)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@given(*AXIS[:2], AXIS[3])
@settings(deadline=None, max_examples=40)
def test_same_padding_is_torch_same_at_stride_one(n, k, dilation):
    x, weight = torch.arange(1.0, n + 1)[None, None], torch.arange(1.0, k + 1)[None, None]
    theirs = torch.nn.functional.conv1d(x, weight, padding="same", dilation=dilation)
    padded = torch.nn.functional.pad(x, same_padding(n, k, dilation=dilation))
    assert_array_equal(torch.nn.functional.conv1d(padded, weight, dilation=dilation), theirs)


@pytest.mark.parametrize("mode", ["valid", "same", "full"])
@given(st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_mode_padding_gives_the_sizes_of_scipy(mode, n, k):
    if k <= n:  # SciPy swaps the two otherwise
        expected = len(correlate(np.ones(n), np.ones(k), mode))
        assert output_size(n, k, padding=mode_padding(mode, n, k)) == expected


@given(*AXIS, st.integers(0, 4), st.integers(0, 4))
@settings(deadline=None, max_examples=60)
def test_taps_and_counts_are_what_a_gradient_finds(n, k, stride, dilation, before, after):
    options = {"stride": stride, "padding": (before, after), "dilation": dilation}
    x = torch.ones(1, 1, n, requires_grad=True)
    if dilation * (k - 1) + 1 <= n + before + after:
        padded = torch.nn.functional.pad(x, (before, after))
        y = torch.nn.functional.conv1d(padded, torch.ones(1, 1, k), stride=stride, dilation=dilation)
        (last,) = torch.autograd.grad(y[0, 0, -1], x, retain_graph=True)
        (every,) = torch.autograd.grad(y.sum(), x)
        taps = input_taps(y.shape[2] - 1, k, **options)
        assert_array_equal(last[0, 0].nonzero()[:, 0], taps[(taps >= 0) & (taps < n)])
        assert_array_equal(read_counts(n, k, **options), every[0, 0])


@given(convolutions(), st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_output_shape_matches_torch_with_groups(case, groups):
    x, weight, bias, options = case
    x, weight, bias = np.tile(x, (1, groups, 1, 1)), np.tile(weight, (groups, 1, 1, 1)), np.tile(bias, groups)
    theirs = torch_conv2d(x, weight, bias, groups=groups, **options)
    assert output_shape(x.shape, weight.shape, groups=groups, **options) == theirs.shape


# Properties


@given(convolutions())
@settings(deadline=None, max_examples=40)
def test_stuffing_zeros_equals_spreading_taps(case):
    x, weight, bias, options = case
    x, weight = np.rint(9 * x).astype(int), np.rint(9 * weight).astype(int)  # whole numbers: exact sums
    dilation = options.pop("dilation")
    stuffed = conv2d(x, dilate_kernel(weight, dilation), bias, **options)
    assert_array_equal(stuffed, conv2d(x, weight, bias, dilation=dilation, **options))


@given(convolutions())
@settings(deadline=None, max_examples=30)
def test_conv2d_is_linear(case):
    x, weight, _, options = case
    other = x[::-1, :, ::-1]
    both = conv2d(2 * x + other, weight, **options)
    assert_allclose(both, 2 * conv2d(x, weight, **options) + conv2d(other, weight, **options), atol=1e-12)


@given(convolutions(pairs=False))
@settings(deadline=None, max_examples=30)
def test_stride_keeps_every_nth_place(case):
    x, weight, bias, options = case
    stride = options.pop("stride")
    dense = conv2d(x, weight, bias, **options)
    strided = conv2d(x, weight, bias, stride=stride, **options)
    assert_allclose(strided, dense[:, :, ::stride, ::stride], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.float32, np.float64])
def test_conv2d_keeps_floats_and_widens_integers(dtype):
    out = conv2d(np.full((1, 1, 3, 3), 100, dtype=dtype), ONES.astype(dtype))
    assert out.item() == 900  # would not fit in a byte
    assert out.dtype == (dtype if np.dtype(dtype).kind == "f" else np.int64)


def test_conv2d_leaves_its_inputs_alone():
    x, weight, bias = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), np.ones(1)
    conv2d(x, weight, bias, padding=1)
    conv2d_naive(x, weight, bias, padding=1)
    assert (x.sum(), weight.sum(), bias.sum()) == (16, 9, 1)


# Bad input


@pytest.mark.parametrize("function", [conv2d, conv2d_naive])
@pytest.mark.parametrize(
    ("x", "weight", "options", "message"),
    [
        (RAMP[0], ONES, {}, r"x must have shape \(N, C, H, W\), got \(1, 5, 5\)"),
        (RAMP, ONES[0, 0], {}, r"weight must have shape .* got \(3, 3\)"),
        (RAMP[:, :, :0], ONES, {}, "no empty axis"),
        (RAMP, ONES[:0], {}, "no empty axis"),
        (RAMP.reshape(1, 5, 5, 1), ONES, {}, r"x has 5 channels but weight expects 1 .*\(N, H, W, C\)"),
        (RAMP * np.nan, ONES, {}, "x must be finite, got nan"),
        (RAMP, ONES * np.inf, {}, "weight must be finite, got inf"),
        (RAMP > 3, ONES, {}, "x must hold integers or floats, got dtype bool"),
        (RAMP, ONES, {"bias": [1, 2]}, r"bias must have shape \(1,\).* got \(2,\)"),
        (RAMP, ONES, {"stride": 0}, "stride must be a whole number of at least 1, got 0; 1 means none"),
        (RAMP, ONES, {"dilation": 0}, "dilation must be a whole number of at least 1, got 0; 1 means none"),
        (RAMP, ONES, {"dilation": 1.5}, "dilation must be a whole number, got 1.5"),
        (RAMP, ONES, {"stride": True}, "stride must be a whole number"),
        (RAMP, ONES, {"padding": -1}, "padding must be a whole number of at least 0, got -1"),
        (RAMP, ONES, {"dilation": 3}, r"kernel spans 7 pixels .* padded input has 5 .* did you forget padding"),
    ],
)
def test_conv2d_says_what_is_wrong(function, x, weight, options, message):
    with pytest.raises(ValueError, match=message):
        function(x, weight, **options)


def test_conv2d_wants_two_numbers_in_a_pair():
    with pytest.raises(ValueError, match=r"padding must be an int or \(rows, columns\), got \(1, 2, 3\)"):
        conv2d(RAMP, ONES, padding=(1, 2, 3))


@pytest.mark.parametrize("weight", [[1, 2, 3], np.ones((2, 0))])
def test_dilate_kernel_wants_two_axes(weight):
    with pytest.raises(ValueError, match="weight must have shape"):
        dilate_kernel(weight, 2)


@pytest.mark.parametrize("arguments", [(0, 1, 3, 4), (1, 0, 3, 4), (1, 1, 0, 4), (1, 1, 3, -4), (1, 1, 3, 2.5)])
def test_multiply_adds_wants_positive_whole_numbers(arguments):
    with pytest.raises(ValueError, match="must be a whole number"):
        multiply_adds(*arguments)


@pytest.mark.parametrize(
    ("input_shape", "weight_shape", "options", "message"),
    [
        ((1, 6, 9, 9), (8, 3, 3, 3), {"groups": 4}, "groups must divide 6 input and 8 output channels, got 4"),
        ((1, 6, 9, 9), (9, 3, 3, 3), {"groups": 2}, "groups must divide 6 input and 9 output channels, got 2"),
        ((1, 6, 9, 9), (8, 6, 3, 3), {"groups": 2}, "3 in each of 2 groups, but the weights expect 6"),
        ((1, 9, 9, 3), (8, 3, 3, 3), {}, r"the input has 9 channels, .* expect 3; .*\(N, H, W, C\)"),
        ((1, 3, 9, 9), (8, 3, 3, 3), {"groups": 0}, "groups must be a whole number of at least 1, got 0"),
        ((1, 3, 9, 9), (8, 3, 3, 3), {"padding": -1}, "padding must be a whole number of at least 0, got -1"),
        ((1, 3, 9, 9), (8, 3, 3, 3), {"padding": "reflect"}, "mode must be one of valid, same, full, got 'reflect'"),
        ((1, 3, 4, 4), (8, 3, 5, 5), {}, "kernel spans 5 pixels .* padded input has 4"),
        ((3, 9, 9), (8, 3, 3, 3), {}, r"input_shape must be \(N, C, H, W\), got \(3, 9, 9\)"),
        ((1, 3, 9, 9), (8, 3, 0, 3), {}, "each number of weight_shape must be a whole number of at least 1, got 0"),
    ],
)
def test_output_shape_says_why_a_layer_cannot_be(input_shape, weight_shape, options, message):
    with pytest.raises(ValueError, match=message):
        output_shape(input_shape, weight_shape, **options)


@pytest.mark.parametrize(
    ("function", "arguments", "options", "message"),
    [
        (same_padding, (0, 3), {}, "input_size must be a whole number of at least 1"),
        (same_padding, (8, 0), {}, "kernel_size must be a whole number of at least 1"),
        (same_padding, (8, 3), {"stride": 0}, "stride must be .* 1 means none"),
        (mode_padding, (1, 8, 3), {}, "mode must be one of valid, same, full, got 1; is it a number of zeros"),
        (input_taps, (-1, 3), {}, "position must be a whole number of at least 0, got -1"),
        (input_taps, (0, 3), {"padding": (1, 1, 1)}, r"padding must be an int or \(before, after\), got \(1, 1, 1\)"),
        (output_size, (8, 3), {"padding": (0, -1)}, "padding must be a whole number of at least 0, got -1"),
        (read_counts, (2, 3), {}, "kernel spans 3 pixels"),
    ],
)
def test_one_axis_says_what_is_wrong(function, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)
