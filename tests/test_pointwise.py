"""`utils.pointwise` against PyTorch, scikit-learn and hand-worked pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from utils.pointwise import conv1x1, low_rank_factors, principal_mixes


def maps(seed, n=2, channels=4, height=5, width=7):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, channels, height, width)) @ rng.normal(size=(width, width))


# --- conv1x1 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "bias", "expected"),
    [
        ([[1, 0]], None, [[1, 2]]),
        ([[0, 1], [1, 0]], None, [[10, 20], [1, 2]]),  # a permutation
        ([[2, 1]], [100], [[112, 124]]),
    ],
)
def test_two_pixels_by_hand(weight, bias, expected):
    x = np.array([[[[1, 2]], [[10, 20]]]])  # one row of two pixels, two channels
    assert_allclose(conv1x1(x, weight, bias)[0, :, 0], expected)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1, 1)])
def test_agrees_with_torch(stride, shape):
    rng = np.random.default_rng(stride)
    x, weight, bias = maps(stride), rng.normal(size=shape), rng.normal(size=3)
    kernel = torch.tensor(weight.reshape(3, 4, 1, 1))
    expected = torch.conv2d(torch.tensor(x), kernel, torch.tensor(bias), stride=stride)
    assert_allclose(conv1x1(x, weight, bias, stride=stride), expected, atol=1e-12)


def test_bytes_do_not_wrap():
    assert conv1x1(np.full((1, 2, 1, 1), 200, dtype=np.uint8), [[1, 1]]).item() == 400


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_two_in_a_row_are_their_product_and_pixels_may_move(seed):
    rng = np.random.default_rng(seed)
    first, second, x = rng.normal(size=(3, 4)), rng.normal(size=(5, 3)), maps(seed)
    assert_allclose(conv1x1(conv1x1(x, first), second), conv1x1(x, second @ first), atol=1e-9)
    order = rng.permutation(7)
    assert_allclose(conv1x1(x[..., order], first), conv1x1(x, first)[..., order], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 4, 4)), np.eye(3)), r"maps must have shape \(N, C, H, W\).*got \(3, 4, 4\)"),
        ((np.zeros((1, 3, 0, 4)), np.eye(3)), r"no empty axis, got \(1, 3, 0, 4\)"),
        ((np.zeros((1, 4, 4, 3)), np.eye(3)), r"\(O, 4\).*got \(3, 3\); are the maps in the order \(N, H, W, C\)"),
        ((np.zeros((1, 3, 4, 4)), np.zeros((2, 3, 3, 3))), r"got \(2, 3, 3, 3\)"),
        ((np.zeros((1, 3, 4, 4)), np.eye(3), np.zeros(2)), r"bias must have shape \(3,\).*got \(2,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv1x1(*arguments)


@pytest.mark.parametrize("stride", [0, -1, 1.5, True])
def test_stride_must_count(stride):
    with pytest.raises(ValueError, match=r"stride must be a whole number of at least 1, got"):
        conv1x1(np.zeros((1, 1, 2, 2)), [[1]], stride=stride)


# --- low_rank_factors --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), rank=st.integers(1, 4))
def test_no_other_pair_of_the_rank_comes_nearer(seed, rank):
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(6, 4))
    up, down = low_rank_factors(weight, rank)
    assert (up.shape, down.shape) == ((6, rank), (rank, 4))
    error = ((up @ down - weight) ** 2).sum()
    # With `down` drawn freely, least squares gives the best `up`.
    other = rng.normal(size=(rank, 4))
    best_up = np.linalg.lstsq(other.T, weight.T, rcond=None)[0].T
    assert error <= ((best_up @ other - weight) ** 2).sum() + 1e-9
    assert_allclose(error, (np.linalg.eigvalsh(weight.T @ weight)[: 4 - rank]).sum(), atol=1e-9)


def test_full_rank_gives_the_weights_back():
    weight = np.arange(6.0).reshape(2, 3)
    up, down = low_rank_factors(weight, 2)
    assert_allclose(up @ down, weight, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 3])
def test_rank_beyond_the_matrix_is_refused(rank):
    with pytest.raises(ValueError, match=rf"rank must lie between 1 and 2, got {rank}"):
        low_rank_factors(np.ones((2, 3)), rank)


def test_factors_want_a_matrix():
    with pytest.raises(ValueError, match=r"weight must have shape \(O, C\), got \(2, 3, 1, 1\)"):
        low_rank_factors(np.ones((2, 3, 1, 1)), 1)


# --- principal_mixes ---------------------------------------------------------------------------------------------


def test_mixes_are_scikit_learns_components():
    x = maps(0, n=3)
    mixes = principal_mixes(x)
    oracle = PCA().fit(x.transpose(0, 2, 3, 1).reshape(-1, 4))
    assert_allclose(np.abs(mixes.weight), np.abs(oracle.components_), atol=1e-9)
    assert_allclose(mixes.share, oracle.explained_variance_ratio_, atol=1e-12)
    assert_allclose(mixes.mean, oracle.mean_, atol=1e-12)


def test_largest_entry_of_each_mix_is_positive():
    weight = principal_mixes(maps(1)).weight
    assert (weight[np.arange(4), np.abs(weight).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_share_left_out_is_what_is_lost(kept):
    x = maps(2)
    weight, mean, share = principal_mixes(x)
    down = conv1x1(x, weight[:kept], -weight[:kept] @ mean)
    back = conv1x1(down, weight[:kept].T, mean)
    spread = ((x - mean[:, None, None]) ** 2).sum()
    assert_allclose(((back - x) ** 2).sum() / spread, share[kept:].sum(), atol=1e-10)


def test_constant_channels_have_nothing_to_keep():
    with pytest.raises(ValueError, match="the channels are constant"):
        principal_mixes(np.ones((1, 3, 4, 4)))
