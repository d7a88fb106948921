"""Transposed convolution against torch, against dense matrices, and against sums one can do in the head."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.transposed_convolution import (
    bilinear_kernel,
    conv_transpose2d,
    convolution_matrix,
    overlap_counts,
    phase_means,
    pixel_shuffle,
    transposed_size,
)

F = torch.nn.functional
ONES = np.ones((1, 1, 3, 3), dtype=int)
FOUR = np.array([[[[1, 2], [3, 4]]]])
two = st.tuples(*[st.integers(1, 3)] * 2)


@st.composite
def layers(draw):
    """A random map, weights, bias, and options of a transposed convolution with an output."""
    options = {"stride": draw(two), "dilation": draw(two)}
    (n, c), (o, _), kernel, sides = (draw(two) for _ in range(4))
    options["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in options["stride"])
    spans = [d * (k - 1) + 1 for d, k in zip(options["dilation"], kernel, strict=True)]
    options["padding"] = tuple(draw(st.integers(0, (span - 1) // 2)) for span in spans)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, weight = rng.standard_normal((n, c, *sides)), rng.standard_normal((c, o, *kernel))
    return x, weight, rng.standard_normal(o), options


def by_poking(kernel, shape, options):
    """Matrix of torch's convolution, one column for each poked pixel."""
    weight = torch.tensor(np.asarray(kernel, dtype=float))[None, None]
    pokes = torch.eye(shape[0] * shape[1], dtype=torch.float64).reshape(-1, 1, *shape)
    return F.conv2d(pokes, weight, **options).flatten(1).numpy().T


# Worked by hand


def test_stamps_add_where_they_meet():
    assert_array_equal(
        conv_transpose2d(FOUR, ONES, stride=2)[0, 0],
        [[1, 1, 3, 2, 2], [1, 1, 3, 2, 2], [4, 4, 10, 6, 6], [3, 3, 7, 4, 4], [3, 3, 7, 4, 4]],
    )


def test_the_stamp_is_the_kernel_and_not_its_mirror_image():
    kernel = np.arange(6).reshape(1, 1, 2, 3)
    assert_array_equal(conv_transpose2d([[[[1]]]], kernel), kernel)
    assert_array_equal(conv_transpose2d([[[[1]]]], kernel, dilation=(1, 2))[0, 0], [[0, 0, 1, 0, 2], [3, 0, 4, 0, 5]])


def test_padding_cuts_and_output_padding_leaves_room():
    full = conv_transpose2d(FOUR, ONES, stride=2)
    cut = conv_transpose2d(FOUR, ONES, stride=2, padding=1)
    assert_array_equal(cut, full[:, :, 1:-1, 1:-1])
    wide = conv_transpose2d(FOUR, ONES, stride=2, padding=1, output_padding=1)
    assert_array_equal(wide, full[:, :, 1:, 1:])  # what was cut comes back; no zero is invented
    beyond = conv_transpose2d(FOUR, ONES, stride=2, output_padding=1)
    assert_array_equal(beyond[..., -1], np.zeros((1, 1, 6)))  # no stamp reaches so far


def test_rows_and_columns_keep_their_options():
    options = {"stride": (2, 3), "padding": (1, 0), "output_padding": (0, 2), "dilation": (2, 1)}
    assert conv_transpose2d(FOUR, ONES, **options).shape == (1, 1, 5, 8)


def test_bias_is_added_once_also_where_stamps_overlap():
    assert_array_equal(conv_transpose2d(0 * FOUR, ONES.repeat(2, 1), [1, -1])[0, :, 1, 1], [1, -1])


def test_bytes_do_not_wrap_around():
    assert conv_transpose2d(np.full((1, 1, 2, 2), 200, np.uint8), ONES.astype(np.uint8)).max() == 800


@pytest.mark.parametrize(
    ("n", "k", "options", "expected"),
    [
        (4, 3, {}, 6),
        (4, 3, {"stride": 2, "padding": 1}, 7),
        (4, 3, {"stride": 2, "padding": 1, "output_padding": 1}, 8),
        (4, 2, {"stride": 3}, 11),  # gaps between the stamps
        (4, 3, {"dilation": 2, "padding": 2}, 4),
        (1, 1, {}, 1),
    ],
)
def test_transposed_size_by_hand(n, k, options, expected):
    assert transposed_size(n, k, **options) == expected
    assert len(overlap_counts(n, k, **options)) == expected


@pytest.mark.parametrize(
    ("n", "k", "options", "expected"),
    [
        (3, 3, {"stride": 2}, [1, 1, 2, 1, 2, 1, 1]),
        (3, 4, {"stride": 2, "padding": 1}, [1, 2, 2, 2, 2, 1]),
        (2, 2, {"stride": 3}, [1, 1, 0, 1, 1]),
        (2, 3, {"stride": 2, "output_padding": 1}, [1, 1, 2, 1, 1, 0]),
        (2, 2, {"dilation": 2}, [1, 1, 1, 1]),
    ],
)
def test_overlap_counts_by_hand(n, k, options, expected):
    assert_array_equal(overlap_counts(n, k, **options), expected)


def test_matrix_repeats_the_kernel_in_every_row():
    matrix = convolution_matrix(np.arange(1, 10).reshape(3, 3), (4, 4))
    assert matrix.shape == (4, 16)
    assert matrix.nnz == 36
    assert_array_equal(matrix.toarray()[3], [0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9])


def test_matrix_stores_taps_of_weight_zero_but_none_of_the_padding():
    assert convolution_matrix(np.zeros((3, 3)), (2, 2), padding=1).nnz == 16


def test_phase_means_by_hand():
    assert_array_equal(phase_means(np.arange(9).reshape(3, 3), 2), [[4, 4], [4, 4]])
    assert_array_equal(phase_means([[0, 6, 3]] * 3, 3), [[0, 6, 3]] * 3)


@pytest.mark.parametrize(("stride", "ramp"), [(1, [1]), (2, [0.25, 0.75, 0.75, 0.25]), (3, [1, 2, 3, 2, 1])])
def test_bilinear_kernel_by_hand(stride, ramp):
    ramp = np.array(ramp) / (3 if stride == 3 else 1)
    assert_allclose(bilinear_kernel(stride), np.outer(ramp, ramp))


# Oracles


@given(layers())
@settings(deadline=None, max_examples=80)
def test_conv_transpose2d_matches_torch(case):
    x, weight, bias, options = case
    expected = F.conv_transpose2d(*map(torch.from_numpy, (x, weight, bias)), **options)
    assert_allclose(conv_transpose2d(x, weight, bias, **options), expected.numpy(), atol=1e-12)


@given(layers())
@settings(deadline=None, max_examples=40)
def test_conv_transpose2d_is_the_input_gradient_of_a_convolution(case):
    grad, weight, _, options = case
    backwards = conv_transpose2d(grad, weight, **options)
    options.pop("output_padding")
    x = torch.zeros(backwards.shape, dtype=torch.float64, requires_grad=True)
    F.conv2d(x, torch.from_numpy(weight), **options).backward(torch.from_numpy(grad))
    assert_allclose(backwards, x.grad.numpy(), atol=1e-12)


@given(layers())
@settings(deadline=None, max_examples=40)
def test_matrix_matches_poked_pixels(case):
    _, weight, _, options = case
    shape = (7, 8)
    options.pop("output_padding")
    kernel = weight[0, 0]
    matrix = convolution_matrix(kernel, shape, **options)
    assert_allclose(matrix.toarray(), by_poking(kernel, shape, options), atol=1e-12)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.data())
@settings(deadline=None)
def test_overlap_counts_are_stamps_of_ones(n, k, stride, dilation, data):
    options = {"stride": stride, "dilation": dilation, "output_padding": data.draw(st.integers(0, stride - 1))}
    options["padding"] = data.draw(st.integers(0, dilation * (k - 1) // 2))
    ones = torch.nn.functional.conv_transpose1d(torch.ones(1, 1, n), torch.ones(1, 1, k), **options)
    assert_array_equal(overlap_counts(n, k, **options), ones[0, 0].numpy())


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
def test_bilinear_kernel_interpolates_away_from_the_border(stride):
    x = np.random.default_rng(stride).random((1, 1, 5, 6))
    ours = conv_transpose2d(x, bilinear_kernel(stride)[None, None], stride=stride, padding=stride // 2)
    theirs = F.interpolate(torch.from_numpy(x), scale_factor=stride, mode="bilinear", align_corners=False).numpy()
    assert ours.shape == theirs.shape
    inner = (slice(None), slice(None), slice(stride, -stride), slice(stride, -stride))
    assert_allclose(ours[inner], theirs[inner], atol=1e-12)


def test_torch_also_lets_output_padding_reach_the_dilation():
    ones = torch.ones(1, 1, 4)
    assert F.conv_transpose1d(ones, ones[..., :2], dilation=2, output_padding=1).shape == (1, 1, 7)
    with pytest.raises(ValueError, match="below the stride"):
        transposed_size(4, 2, dilation=2, output_padding=1)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffle_matches_torch(factor):
    x = np.random.default_rng(0).random((2, 3 * factor**2, 4, 5))
    assert_array_equal(pixel_shuffle(x, factor), F.pixel_shuffle(torch.from_numpy(x), factor).numpy())


# Properties


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
@settings(deadline=None)
def test_output_padding_names_all_sizes_that_a_convolution_maps_to_one(n, k, stride, dilation):
    sizes = [transposed_size(n, k, stride=stride, output_padding=o, dilation=dilation) for o in range(stride)]
    fitting = [
        m for m in range(1, 60) if m >= dilation * (k - 1) + 1 and (m - dilation * (k - 1) - 1) // stride + 1 == n
    ]
    assert sizes == fitting


@given(st.integers(1, 4), st.integers(1, 3), st.integers(5, 8))
@settings(deadline=None)
def test_overlap_is_even_inside_where_the_stride_divides_the_kernel(stride, times, n):
    span = stride * times
    assert set(overlap_counts(n, span, stride=stride)[span - stride : stride - span or None]) == {times}


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(deadline=None)
def test_phase_means_split_the_variance(seed, stride):
    picture = np.random.default_rng(seed).random((3 * stride, 2 * stride))
    means = phase_means(picture, stride)
    flat = picture - np.tile(means, (3, 2))
    assert_allclose(picture.var(), means.var() + flat.var(), atol=1e-12)


# Bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_transpose2d(FOUR, ONES.repeat(2, 0)), r"x has 1 channels but weight expects 2 .*order \(O, C"),
        (lambda: conv_transpose2d(FOUR[0], ONES), r"x must have shape \(N, C, H, W\) .* got \(1, 2, 2\)"),
        (lambda: conv_transpose2d(FOUR, ONES, [1, 2]), r"bias must have shape \(1,\)"),
        (lambda: conv_transpose2d(FOUR * np.nan, ONES), "finite"),
        (lambda: conv_transpose2d(FOUR, ONES, stride=(1, 2, 3)), "rows, columns"),
        (lambda: conv_transpose2d(FOUR, ONES, output_padding=1), "below the stride 1, got 1"),
        (lambda: transposed_size(4, 3, stride=2, output_padding=2), "among the 2 sizes"),
        (lambda: transposed_size(4, 3, stride=2, output_padding=-1), "at least 0"),
        (lambda: transposed_size(1, 3, padding=2), "nothing is left"),
        (lambda: transposed_size(1, 2, padding=1), "output of 0"),
        (lambda: transposed_size(0, 3), "nothing is left"),
        (lambda: transposed_size(4, 3, stride=0), "stride must be a whole number"),
        (lambda: transposed_size(4, 0), "kernel_size must be a whole number of at least 1, got 0"),
        (lambda: transposed_size(4, 3, padding=-1), "padding must be a whole number"),
        (lambda: convolution_matrix([1, 2], (4, 4)), r"kernel must have shape \(KH, KW\)"),
        (lambda: convolution_matrix(np.ones((5, 5)), (4, 4)), "kernel spans 5"),
        (lambda: phase_means(np.ones((1, 5)), 2), "at least 2 x 2"),
        (lambda: phase_means(np.ones(5), 2), r"\(H, W\)"),
        (lambda: bilinear_kernel(0), "at least 1, got 0"),
        (lambda: pixel_shuffle(FOUR, 2), "multiple of factor"),
        (lambda: pixel_shuffle(FOUR, 0), "got factor 0"),
        (lambda: pixel_shuffle(FOUR[0, 0], 1), r"got \(2, 2\)"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
