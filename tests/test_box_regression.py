"""`utils.box_regression` against torch, finite differences, hand-worked boxes and the inverse."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.box_regression import (
    LOG_LIMIT,
    decode_boxes,
    encode_boxes,
    l1_loss,
    l2_loss,
    smooth_l1_gradient,
    smooth_l1_loss,
)

ERRORS = np.array([-7, -1, -0.99, -1 / 9, -0.01, 0, 0.01, 0.11, 1 / 9, 0.5, 1, 1.01, 30])
betas = st.floats(0.05, 20)
errors = st.lists(st.floats(-50, 50), min_size=1, max_size=8)
IDENTITY = [[0, 0, 4, 4]]


def in_torch(function, error, **more):
    """Values and gradients of a torch loss at errors."""
    free = torch.tensor(error, dtype=torch.float64, requires_grad=True)
    loss = function(free, torch.zeros_like(free), reduction="none", **more)
    loss.sum().backward()
    return loss.detach().numpy(), free.grad.numpy()


@st.composite
def boxes(draw, count=4):
    rows = [
        [draw(st.floats(-50, 50)) for _ in range(2)] + [draw(st.floats(0.5, 60)) for _ in range(2)] for _ in "." * count
    ]
    corner, sides = np.hsplit(np.array(rows), 2)
    return np.hstack([corner, corner + sides])


# losses


def test_l1_and_l2_agree_with_torch():
    functional = torch.nn.functional
    assert_allclose(l1_loss(ERRORS), in_torch(functional.l1_loss, ERRORS)[0])
    assert_allclose(2 * l2_loss(ERRORS), in_torch(functional.mse_loss, ERRORS)[0])


@pytest.mark.parametrize("beta", [0, 1 / 9, 1, 5])
def test_smooth_l1_and_its_gradient_agree_with_torch(beta):
    values, slopes = in_torch(torch.nn.functional.smooth_l1_loss, ERRORS, beta=beta)
    assert_allclose(smooth_l1_loss(ERRORS, beta), values, atol=1e-15)
    assert_allclose(smooth_l1_gradient(ERRORS, beta), slopes, atol=1e-15)


@settings(max_examples=50, deadline=None)
@given(errors, betas)
def test_smooth_l1_lies_between_its_neighbours(error, beta):
    loss = smooth_l1_loss(error, beta)
    assert (loss <= l1_loss(error)).all()
    assert (loss <= l2_loss(error) / beta + 1e-9).all()
    assert (loss >= l1_loss(error) - beta / 2 - 1e-9).all()


@settings(max_examples=50, deadline=None)
@given(betas)
def test_pieces_meet_in_value_and_slope(beta):
    below, above = beta * (1 - 1e-9), beta * (1 + 1e-9)
    assert smooth_l1_loss(below, beta) == pytest.approx(smooth_l1_loss(above, beta), rel=1e-7)
    assert smooth_l1_gradient(below, beta) == pytest.approx(smooth_l1_gradient(above, beta), rel=1e-7)


@pytest.mark.parametrize("beta", [-1, np.nan, np.inf])
def test_impossible_beta_is_refused(beta):
    with pytest.raises(ValueError, match="beta must be finite and at least 0"):
        smooth_l1_loss([1.0], beta)


def test_error_that_is_no_number_is_refused():
    for function in (l1_loss, l2_loss, smooth_l1_loss, smooth_l1_gradient):
        with pytest.raises(ValueError, match="error must be finite, got nan; did the network diverge"):
            function([0.0, np.nan])


# encodings


@pytest.mark.parametrize(
    ("box", "anchor", "expected"),
    [
        ([0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 0, 0]),
        ([2, 0, 6, 4], [0, 0, 4, 4], [0.5, 0, 0, 0]),
        ([0, 8, 4, 12], [0, 0, 4, 4], [0, 2, 0, 0]),
        ([0, 0, 8, 2], [0, 0, 4, 4], [0.5, -0.25, np.log(2), -np.log(2)]),
        ([20, 0, 60, 40], [0, 0, 40, 40], [0.5, 0, 0, 0]),  # ten times as large: the same offsets
    ],
)
def test_offsets_worked_by_hand(box, anchor, expected):
    assert_allclose(encode_boxes([box], [anchor])[0], expected, atol=1e-15)
    assert_allclose(encode_boxes([box], [anchor], (0.1, 0.1, 0.2, 0.2))[0], np.divide(expected, [0.1, 0.1, 0.2, 0.2]))


@settings(max_examples=50, deadline=None)
@given(boxes(), boxes(), st.sampled_from([(1, 1, 1, 1), (0.1, 0.1, 0.2, 0.2)]))
def test_decoding_inverts_encoding(targets, anchors, std):
    within = np.log(targets[:, 2:] - targets[:, :2]).max() - np.log(anchors[:, 2:] - anchors[:, :2]).min() < LOG_LIMIT
    if within:
        assert_allclose(decode_boxes(encode_boxes(targets, anchors, std), anchors, std), targets, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(boxes(), boxes(), st.floats(0.1, 10), st.floats(-100, 100))
def test_offsets_do_not_depend_on_unit_and_origin(targets, anchors, unit, origin):
    moved = encode_boxes(unit * targets + origin, unit * anchors + origin)
    assert_allclose(moved, encode_boxes(targets, anchors), atol=1e-8)


def test_wild_prediction_is_cut_and_a_tiny_one_is_not():
    assert_allclose(decode_boxes([[0, 0, 99, 0]], IDENTITY)[0, [0, 2]], [2 - 125, 2 + 125])  # 4 px * 62.5
    assert decode_boxes([[0, 0, -9, 0]], IDENTITY)[0, 2] == pytest.approx(2 + 2 * np.exp(-9))


def test_nothing_gives_nothing():
    nothing = np.empty((0, 4))
    assert encode_boxes(nothing, nothing).shape == decode_boxes(nothing, nothing).shape == (0, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode_boxes([0, 0, 4, 4], IDENTITY), r"boxes must have shape \(N, 4\), got \(4,\); one box is"),
        (lambda: encode_boxes([[50, 60, 20, 30]], IDENTITY), "boxes must have sides above 0.* x, y, width, height"),
        (lambda: encode_boxes(IDENTITY, [[3, 3, 3, 9]]), "anchors must have sides above 0.* row 0"),
        (lambda: encode_boxes(IDENTITY * 2, IDENTITY), "boxes and anchors are paired row by row, got 2 and 1"),
        (lambda: encode_boxes(IDENTITY, IDENTITY, (1, 1, 0, 1)), "std must be four numbers above 0"),
        (lambda: decode_boxes([[0, 0, 0]], IDENTITY), r"offsets must have shape \(N, 4\), got \(1, 3\)"),
        (lambda: decode_boxes([[0, 0, 0, 0]] * 3, IDENTITY), "offsets and anchors are paired row by row, got 3 and 1"),
        (lambda: decode_boxes([[0, 0, np.inf, 0]], IDENTITY), "offsets must be finite"),
    ],
)
def test_bad_boxes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_input_is_left_as_it_was():
    offsets = np.zeros((1, 4))
    decode_boxes(offsets, IDENTITY)
    assert_array_equal(offsets, 0)
