"""`utils.pooling` against PyTorch, naive loops, finite differences, and the sentences of its docstrings."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils import pooling as P

ONE = np.array([[[[1.0, 3, 0, 2], [2, 4, 1, 1], [5, 0, 7, 7], [0, 0, 7, 7]]]])


def random_maps(seed, shape=(2, 3, 9, 8)):
    """Whole numbers from -4 to 4: many ties."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def tensor(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


@st.composite
def settings_of_a_layer(draw):
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = (draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2)))
    return kernel, stride, padding, draw(st.booleans())


def numeric_gradient(function, x, step=1e-6):
    """Slope of a number with respect to each entry, by central differences."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        bump = np.zeros_like(x)
        bump[place] = step
        slopes[place] = (function(x + bump) - function(x - bump)) / (2 * step)
    return slopes


# by hand


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: P.max_pool2d(x, 2), [[4, 2], [5, 7]]),
        (lambda x: P.avg_pool2d(x, 2), [[2.5, 1], [1.25, 7]]),
        (lambda x: P.lp_pool2d(x, 2, 2), [[30**0.5, 6**0.5], [5, 14]]),
        (lambda x: P.lp_pool2d(-x, 1, 2), [[10, 4], [5, 28]]),  # sizes, not signed values
        (lambda x: P.stochastic_pool2d(x, 2), [[3, 1.5], [5, 7]]),
        (lambda x: P.global_avg_pool2d(x), [[47 / 16]]),
        (lambda x: P.global_max_pool2d(x), [[7]]),
        (lambda x: P.blur_pool2d(x, 1), [[1, 0], [5, 7]]),
        (lambda x: P.max_pool2d(x, (1, 4)), [[3], [4], [7], [7]]),
        (lambda x: P.max_pool2d(x, 3, 2, ceil_mode=True), [[7, 7], [7, 7]]),
        (lambda x: P.max_pool2d(x, 3, 2), [[7]]),
    ],
)
def test_forward_by_hand(function, expected):
    assert_allclose(function(ONE)[0, 0], expected)


def test_max_hands_the_gradient_to_the_first_of_equals():
    grad = P.max_pool2d_backward([[[[1, 2], [3, 4]]]], ONE, 2)[0, 0]
    assert_array_equal(grad, [[0, 0, 0, 2], [0, 1, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])


def test_winner_of_overlapping_windows_collects():
    peak = np.zeros((1, 1, 3, 3))
    peak[0, 0, 1, 1] = 1
    assert_array_equal(P.max_pool2d_backward(np.ones((1, 1, 2, 2)), peak, 2, 1), 4 * peak)


def test_window_of_zeros_has_no_l2_gradient():
    assert_array_equal(P.lp_pool2d_backward([[[[3.0]]]], np.zeros((1, 1, 2, 2)), 2, 2), np.zeros((1, 1, 2, 2)))


# against PyTorch


@given(settings_of_a_layer(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_max_pooling_is_torchs(layer, seed):
    kernel, stride, padding, ceil = layer
    x = tensor(random_maps(seed))
    theirs, places = F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil, return_indices=True)
    grad = random_maps(seed + 1, theirs.shape)
    theirs.backward(torch.tensor(grad))
    pooled, indices = P.max_pool2d_with_indices(random_maps(seed), kernel, stride, padding, ceil_mode=ceil)
    assert_array_equal(pooled, theirs.detach())
    assert_array_equal(indices, places)
    assert_allclose(P.max_pool2d_backward(grad, random_maps(seed), kernel, stride, padding, ceil_mode=ceil), x.grad)


@given(settings_of_a_layer(), st.booleans(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_average_pooling_is_torchs(layer, include, seed):
    kernel, stride, padding, ceil = layer
    x, options = tensor(random_maps(seed)), {"ceil_mode": ceil, "count_include_pad": include}
    theirs = F.avg_pool2d(x, kernel, stride, padding, **options)
    grad = random_maps(seed + 1, theirs.shape)
    theirs.backward(torch.tensor(grad))
    assert_allclose(P.avg_pool2d(random_maps(seed), kernel, stride, padding, **options), theirs.detach(), atol=1e-12)
    ours = P.avg_pool2d_backward(grad, random_maps(seed), kernel, stride, padding, **options)
    assert_allclose(ours, x.grad, atol=1e-12)


@pytest.mark.parametrize("norm_type", [1, 2, 3, 4.5])
@pytest.mark.parametrize(("kernel", "stride"), [(2, None), (3, 2), ((2, 3), (1, 2))])
def test_lp_pooling_is_torchs_on_positive_values(norm_type, kernel, stride):
    x = tensor(np.abs(random_maps(0)) + 0.5)
    theirs = F.lp_pool2d(x, norm_type, kernel, stride)
    theirs.sum().backward()
    ours = x.detach().numpy()
    assert_allclose(P.lp_pool2d(ours, norm_type, kernel, stride), theirs.detach())
    assert_allclose(P.lp_pool2d_backward(np.ones(theirs.shape), ours, norm_type, kernel, stride), x.grad)


def test_global_pooling_is_torchs_adaptive():
    x = random_maps(3)
    assert_allclose(P.global_avg_pool2d(x), F.adaptive_avg_pool2d(torch.tensor(x), 1))
    assert_allclose(P.global_max_pool2d(x), F.adaptive_max_pool2d(torch.tensor(x), 1))


# against finite differences, OpenCV, loops


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: P.max_pool2d(x, 3, 2, 1), lambda g, x: P.max_pool2d_backward(g, x, 3, 2, 1)),
        (lambda x: P.avg_pool2d(x, 3, 2, 1), lambda g, x: P.avg_pool2d_backward(g, x, 3, 2, 1)),
        (lambda x: P.lp_pool2d(x, 3, 3, 2), lambda g, x: P.lp_pool2d_backward(g, x, 3, 3, 2)),
        (lambda x: P.blur_pool2d(x, 5, 2), lambda g, x: P.blur_pool2d_backward(g, x, 5, 2)),
    ],
    ids=["max", "average", "L3", "blur"],
)
def test_backward_matches_finite_differences(forward, backward):
    rng = np.random.default_rng(0)
    x = rng.permutation(70).reshape(1, 2, 5, 7) / 10 - 3.45  # no ties, no zero
    grad = rng.normal(size=forward(x).shape)
    assert_allclose(backward(grad, x), numeric_gradient(lambda v: (forward(v) * grad).sum(), x), atol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_blur_is_opencvs_mirrored_filter(kernel_size, stride):
    image = random_maps(5, (1, 1, 9, 12))
    taps = np.poly1d([0.5, 0.5]) ** (kernel_size - 1)
    blurred = cv2.sepFilter2D(image[0, 0], -1, taps.coeffs, taps.coeffs, borderType=cv2.BORDER_REFLECT_101)
    assert_allclose(P.blur_pool2d(image, kernel_size, stride)[0, 0], blurred[::stride, ::stride], atol=1e-12)


def test_max_blur_pool_blurs_a_dense_maximum():
    x = random_maps(6)
    dense = F.max_pool2d(torch.tensor(x), 3, 1).numpy()
    assert_allclose(P.max_blur_pool2d(x, 3, 2, blur_size=5), P.blur_pool2d(dense, 5, 2))


def test_stochastic_pooling_draws_in_proportion():
    x = np.tile([[1.0, 0], [2, 5]], (100, 100))[None, None]
    drawn = P.stochastic_pool2d(x, 2, rng=np.random.default_rng(0))
    shares = [(drawn == value).mean() for value in (0, 1, 2, 5)]
    assert_allclose(shares, [0, 1 / 8, 2 / 8, 5 / 8], atol=0.02)
    assert_allclose(P.stochastic_pool2d(x, 2), 30 / 8)


def test_stochastic_pooling_of_zeros_is_zero():
    zeros = np.zeros((1, 1, 4, 4))
    assert not P.stochastic_pool2d(zeros, 2).any()
    assert not P.stochastic_pool2d(zeros, 2, rng=np.random.default_rng(0)).any()


# properties


@given(st.integers(0, 99), st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_pooling_commutes_with_shifts_by_the_stride_only(seed, periods):
    x = random_maps(seed, (1, 1, 6, 16))
    for pool in (P.max_pool2d, P.avg_pool2d):
        shifted = pool(np.roll(x, 2 * periods, axis=3), 2)
        assert_array_equal(shifted, np.roll(pool(x, 2), periods, axis=3))


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("ceil", [False, True])
def test_pooled_size_is_torchs(size, ceil):
    for k, s, p in [(1, 1, 0), (2, 2, 1), (3, 2, 1), (3, 5, 0), (4, 3, 2), (2, 3, 0)]:
        pool = torch.nn.MaxPool1d(k, s, p, ceil_mode=ceil)
        try:
            expected = pool(torch.zeros(1, 1, size)).shape[-1]
        except RuntimeError:
            with pytest.raises(ValueError, match="does not fit"):
                P.pooled_size(size, k, stride=s, padding=p, ceil_mode=ceil)
        else:
            assert P.pooled_size(size, k, stride=s, padding=p, ceil_mode=ceil) == expected


# errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: P.max_pool2d(ONE, 3, 1, 2), "at most half of kernel_size, here 1, got 2"),
        (lambda: P.avg_pool2d(ONE, 5), r"kernel_size 5 does not fit into the padded input of 4"),
        (lambda: P.max_pool2d(ONE, 0), "kernel_size must be at least 1"),
        (lambda: P.max_pool2d(ONE, 2, 0), "stride must be at least 1"),
        (lambda: P.max_pool2d(ONE, 2, padding=-1), "padding must be at least 0"),
        (lambda: P.max_pool2d(ONE, 2.5), "whole number"),
        (lambda: P.max_pool2d(ONE, (2, 2, 2)), "rows, columns"),
        (lambda: P.max_pool2d(ONE[0, 0], 2), r"x\[None, None\]"),
        (lambda: P.max_pool2d(ONE[:, :0], 2), "no empty axis"),
        (lambda: P.global_avg_pool2d(ONE * np.nan), "NaN"),
        (lambda: P.max_pool2d_backward(np.ones((1, 1, 3, 3)), ONE, 2), "shape of the pooled output"),
        (lambda: P.lp_pool2d(ONE, 0.5, 2), "norm_type"),
        (lambda: P.stochastic_pool2d(-ONE, 2), "ReLU first"),
        (lambda: P.blur_pool2d(ONE, 4), "must be odd"),
        (lambda: P.blur_pool2d(ONE, 9), "mirrors 4 pixels"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
