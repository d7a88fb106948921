"""im2col and col2im against torch's unfold and fold, each other's transpose, and windows one can copy by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate2d

from utils.convolution import conv2d_naive
from utils.im2col import col2im, conv2d_im2col, conv2d_im2col_backward, im2col, window_view

functional = torch.nn.functional
RAMP = np.arange(25).reshape(1, 1, 5, 5)
ONES = np.ones((1, 1, 3, 3), dtype=int)


@st.composite
def layers(draw, pairs=True):
    """A random image, kernel and bias, and options under which the kernel fits."""
    two = st.tuples(*[st.integers(1, 3)] * 2)
    pad = st.tuples(*[st.integers(0, 2)] * 2)
    options = {"stride": draw(two), "padding": draw(pad), "dilation": draw(two)}
    options = options if pairs else {name: pair[0] for name, pair in options.items()}
    (n, c), (o, _), kernel, extra = (draw(two) for _ in range(4))
    height, width = np.array(options["dilation"]) * (np.array(kernel) - 1) + extra
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, weight = rng.standard_normal((n, c, height, width)), rng.standard_normal((o, c, *kernel))
    return x, weight, rng.standard_normal(o), options


def in_torch(function, *arrays, **options):
    return function(*(torch.from_numpy(array) for array in arrays), **options).numpy()


# Worked by hand


def test_a_column_is_a_window_and_a_row_is_a_tap():
    columns = im2col(RAMP, 3)[0]
    assert_array_equal(columns[:, 4], [6, 7, 8, 11, 12, 13, 16, 17, 18])  # the middle window
    assert_array_equal(columns[0], [0, 1, 2, 5, 6, 7, 10, 11, 12])  # the first tap


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ({"stride": 2}, [12, 13, 17, 18]),
        ({"stride": (1, 3)}, [18, 19, 23, 24]),
        ({"dilation": (1, 4)}, [15, 19, 20, 24]),
        ({"padding": 1}, [24, 0, 0, 0]),
        ({"padding": (0, 1)}, [19, 0, 24, 0]),
    ],
)
def test_im2col_reads_the_last_window(options, last):
    assert_array_equal(im2col(RAMP, 2, **options)[0, :, -1], last)


def test_channels_follow_one_another_in_a_column():
    assert_array_equal(im2col(np.stack([RAMP[0, 0], -RAMP[0, 0]])[None], (1, 2))[0, :, 0], [0, 1, 0, -1])


def test_col2im_adds_where_windows_overlap_and_drops_the_padding():
    assert_array_equal(col2im(np.full((1, 2, 3), 5), (1, 2), (1, 2), padding=(0, 1))[0, 0], [[10, 10]])
    assert_array_equal(col2im(np.ones((1, 1, 4)), (3, 3), 1, stride=2)[0, 0], [[1, 0, 1], [0, 0, 0], [1, 0, 1]])


def test_conv2d_im2col_sums_the_window_and_does_not_flip():
    first_tap = np.zeros((1, 1, 2, 2), dtype=int)
    first_tap[0, 0, 0, 0] = 1
    assert conv2d_im2col(RAMP, ONES)[0, 0, 0, 0] == 0 + 1 + 2 + 5 + 6 + 7 + 10 + 11 + 12
    assert conv2d_im2col(RAMP, first_tap, [7])[0, 0, 0, 0] == 7  # a true convolution would give 13


# Oracles


@given(layers())
@settings(deadline=None, max_examples=50)
def test_im2col_is_torch_unfold(layer):
    x, weight, _, options = layer
    theirs = in_torch(functional.unfold, x, kernel_size=weight.shape[2:], **options)
    assert_array_equal(im2col(x, weight.shape[2:], **options), theirs)


@given(layers())
@settings(deadline=None, max_examples=50)
def test_col2im_is_torch_fold(layer):
    x, weight, _, options = layer
    sides, kernel = x.shape[2:], weight.shape[2:]
    columns = np.random.default_rng(0).standard_normal(im2col(x, kernel, **options).shape)
    theirs = in_torch(functional.fold, columns, output_size=sides, kernel_size=kernel, **options)
    assert_allclose(col2im(columns, sides, kernel, **options), theirs, atol=1e-12)


@given(layers())
@settings(deadline=None, max_examples=50)
def test_conv2d_im2col_is_torch_conv2d(layer):
    *operands, options = layer
    assert_allclose(conv2d_im2col(*operands, **options), in_torch(functional.conv2d, *operands, **options), atol=1e-12)


@given(layers(pairs=False))
@settings(deadline=None, max_examples=25)
def test_conv2d_im2col_is_the_definition(layer):
    *operands, options = layer
    assert_allclose(conv2d_im2col(*operands, **options), conv2d_naive(*operands, **options), atol=1e-12)


def test_conv2d_im2col_is_scipy_correlation_summed_over_channels():
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((1, 3, 9, 8)), rng.standard_normal((2, 3, 3, 2))
    theirs = [sum(map(lambda a, b: correlate2d(a, b, mode="valid"), x[0], kernels)) for kernels in weight]
    assert_allclose(conv2d_im2col(x, weight)[0], theirs, atol=1e-12)


@given(layers())
@settings(deadline=None, max_examples=40)
def test_backward_is_what_autograd_finds(layer):
    x, weight, bias, options = layer
    operands = [torch.tensor(each, requires_grad=True) for each in (x, weight, bias)]
    out = functional.conv2d(*operands, **options)
    gradient = torch.from_numpy(np.random.default_rng(2).standard_normal(out.shape))
    theirs = torch.autograd.grad(out, operands, gradient)
    for ours, their in zip(conv2d_im2col_backward(gradient, x, weight, **options), theirs, strict=True):
        assert_allclose(ours, their, atol=1e-12)


# Properties


@given(layers(), st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_col2im_is_the_adjoint_of_im2col(layer, seed):
    x, weight, _, options = layer
    columns = im2col(x, weight.shape[2:], **options)
    y = np.random.default_rng(seed).standard_normal(columns.shape)
    assert np.isclose((columns * y).sum(), (x * col2im(y, x.shape[2:], weight.shape[2:], **options)).sum(), atol=1e-9)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
@settings(deadline=None, max_examples=20)
def test_col2im_inverts_windows_that_tile(k, rows, cols):
    x = np.random.default_rng(k).standard_normal((2, 3, k * rows, k * cols))
    assert_array_equal(col2im(im2col(x, k, stride=k), x.shape[2:], k, stride=k), x)


@given(layers())
@settings(deadline=None, max_examples=30)
def test_there_and_back_multiplies_by_the_counts(layer):
    x, weight, _, options = layer
    kernel, sides = weight.shape[2:], x.shape[2:]
    counts = col2im(im2col(np.ones_like(x), kernel, **options), sides, kernel, **options)
    assert_allclose(col2im(im2col(x, kernel, **options), sides, kernel, **options), counts * x, atol=1e-12)


@given(layers())
@settings(deadline=None, max_examples=30)
def test_the_view_holds_the_columns_without_a_copy(layer):
    x, weight, _, options = layer
    del options["padding"]
    view = window_view(x, weight.shape[2:], **options)
    assert np.shares_memory(view, x)
    assert_array_equal(view.reshape(len(x), -1, view.shape[4] * view.shape[5]), im2col(x, weight.shape[2:], **options))


def test_nothing_can_be_written_through_the_view():
    with pytest.raises(ValueError, match="read-only"):
        window_view(RAMP, 3)[0, 0, 0, 0, 0, 0] = 1


def test_the_matrix_is_a_copy_except_where_nothing_repeats():
    assert np.shares_memory(im2col(RAMP, 1), RAMP)
    for options in ({"kernel_size": 2}, {"kernel_size": 1, "padding": 1}, {"kernel_size": 1, "stride": 2}):
        assert not np.shares_memory(im2col(RAMP, **options), RAMP)


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.float32])
def test_im2col_keeps_the_dtype_and_whatever_is_in_it(dtype):
    assert im2col(RAMP.astype(dtype), 3, padding=1).dtype == dtype
    assert np.isnan(im2col(RAMP * np.nan, 3)).all()


def test_sums_of_small_integers_do_not_wrap_round():
    assert conv2d_im2col(RAMP.astype(np.uint8) + 200, ONES.astype(np.uint8)).max() == 9 * 218
    added = col2im(np.full((1, 4, 4), 100, np.uint8), 3, 2)
    assert (added.max(), added.dtype) == (400, np.int64)


def test_operands_stay_as_they_were():
    x, weight = np.asfortranarray(np.ones((1, 2, 4, 4), np.float32)), np.asfortranarray(np.ones((3, 2, 3, 3), "f4"))
    conv2d_im2col_backward(conv2d_im2col(x, weight), x, weight)
    assert (x.shape, weight.shape, x.sum(), weight.sum()) == ((1, 2, 4, 4), (3, 2, 3, 3), 32, 54)


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: im2col(RAMP[0], 3), r"x must have shape \(N, C, H, W\), got \(1, 5, 5\); did you mean"),
        (lambda: im2col(RAMP[:, :, :0], 3), r"x must have no empty axis, got shape \(1, 1, 0, 5\)"),
        (lambda: im2col(RAMP, 6), r"kernel spans 6 pixels .* the padded input has 5"),
        (lambda: im2col(RAMP, 5, padding=1, dilation=2), r"spans 9 .* has 7 \(input_size 5, padding 1\)"),
        (lambda: im2col(RAMP, 0), "kernel_size must be a whole number of at least 1, got 0"),
        (lambda: im2col(RAMP, 3, stride=0), "stride must be .* got 0; 1 means none"),
        (lambda: im2col(RAMP, 3, padding=-1), "padding must be a whole number of at least 0, got -1"),
        (lambda: window_view(RAMP, (1, 2, 3)), r"kernel_size must be an int or \(rows, columns\), got \(1, 2, 3\)"),
        (lambda: window_view(RAMP, 3, dilation=3), "kernel spans 7 pixels"),
        (lambda: col2im(np.ones((1, 9, 8)), 5, 3), r"shape \(N, C \* 9, 9\), .* 3 x 3 windows, got \(1, 9, 8\); are"),
        (lambda: col2im(np.ones((1, 8, 9)), 5, 3), r"got \(1, 8, 9\)"),
        (lambda: col2im(np.ones((9, 9)), 5, 3), r"got \(9, 9\)"),
        (lambda: col2im(np.ones((0, 9, 9)), 5, 3), r"got \(0, 9, 9\)"),
        (lambda: col2im(np.full((1, 9, 9), np.nan), 5, 3), "columns must be finite, got nan"),
        (lambda: conv2d_im2col(RAMP, ONES, padding="same"), "padding must be a whole number, got 'same'"),
        (lambda: conv2d_im2col(RAMP, ONES, [1, 2]), r"bias must have shape \(1,\)"),
        (lambda: conv2d_im2col_backward(RAMP, RAMP, ONES), r"output's shape \(1, 1, 3, 3\), got \(1, 1, 5, 5\)"),
    ],
)
def test_what_cannot_be_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
