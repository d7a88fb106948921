"""`utils.iou_losses` against painted pixels, hand-worked boxes, NumPy's IoU and finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from utils.boxes import pairwise_iou
from utils.iou_losses import ciou_loss, diou_loss, giou_loss, iou_loss

LOSSES = [iou_loss, giou_loss, diou_loss, ciou_loss]
SQUARE = [0.0, 0, 4, 4]


def loss_of(loss, box, target):
    return loss(torch.tensor(box, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)).item()


@st.composite
def whole_boxes(draw, smallest=0):
    x1, y1 = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    sides = st.integers(smallest, 9)
    return [x1, y1, x1 + draw(sides), y1 + draw(sides)]


def painted(box, size=20):
    canvas = np.zeros((size, size), dtype=bool)
    canvas[box[1] : box[3], box[0] : box[2]] = True
    return canvas


def giou_by_counting(a, b):
    """GIoU of boxes painted on a grid; the hull is what rows and columns with paint span."""
    both, either = painted(a) & painted(b), painted(a) | painted(b)
    rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
    hull = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return both.sum() / either.sum() - (hull - either.sum()) / hull


# what they are


@pytest.mark.parametrize(
    ("box", "iou", "giou", "diou"),
    [
        (SQUARE, 0, 0, 0),
        ([2.0, 0, 6, 4], 2 / 3, 2 / 3, 2 / 3 + 4 / 52),  # half a width aside: the hull is full
        ([2.0, 2, 6, 6], 24 / 28, 24 / 28 + 8 / 36, 24 / 28 + 8 / 72),
        ([4.0, 0, 8, 4], 1, 1, 1 + 16 / 80),  # touching
        ([4.0, 4, 8, 8], 1, 1 + 32 / 64, 1 + 32 / 128),  # touching at a corner
        ([12.0, 0, 16, 4], 1, 1 + 32 / 64, 1 + 144 / 272),
        ([1.0, 1, 3, 3], 3 / 4, 3 / 4, 3 / 4),  # inside, same centre
    ],
)
def test_losses_worked_by_hand(box, iou, giou, diou):
    found = [loss_of(loss, box, SQUARE) for loss in LOSSES]
    assert_allclose(found, [iou, giou, diou, diou], atol=1e-12)  # all are squares: no term for the aspect ratio


def test_aspect_ratio_worked_by_hand():
    # 2 x 8 in the corner of 8 x 2: they share 4 of 28, the centres are (3, -3) apart, the hull is 8 x 8.
    v = (2 / math.pi * (math.atan(1 / 4) - math.atan(4))) ** 2
    expected = 24 / 28 + 18 / 128 + v * v / (24 / 28 + v)
    assert loss_of(ciou_loss, [0.0, 0, 2, 8], [0.0, 0, 8, 2]) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(whole_boxes(), whole_boxes())
def test_iou_loss_agrees_with_numpy(a, b):
    assert loss_of(iou_loss, a, b) == pytest.approx(1 - pairwise_iou([a], [b])[0, 0], abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(whole_boxes(smallest=1), whole_boxes(smallest=1))
def test_giou_loss_agrees_with_painted_pixels(a, b):
    assert loss_of(giou_loss, a, b) == pytest.approx(1 - giou_by_counting(a, b), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(whole_boxes(), whole_boxes(), st.sampled_from(LOSSES))
def test_losses_ignore_order_place_and_unit(a, b, loss):
    moved = [[0.5 * (x + 7) for x in box] for box in (a, b)]
    assert loss_of(loss, b, a) == pytest.approx(loss_of(loss, a, b), abs=1e-12)
    assert loss_of(loss, *moved) == pytest.approx(loss_of(loss, a, b), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(whole_boxes(smallest=1), whole_boxes(smallest=1))
def test_penalties_are_never_negative_and_ordered(a, b):
    iou, giou, diou, ciou = (loss_of(loss, a, b) for loss in LOSSES)
    assert 0 <= iou <= min(giou, diou) + 1e-12
    assert diou <= ciou + 1e-12
    assert max(giou, diou) < 2


# gradients


@settings(max_examples=50, deadline=None)
@given(whole_boxes(smallest=1), whole_boxes(smallest=1), st.sampled_from(LOSSES[:3]))
def test_gradient_is_that_of_finite_differences(a, b, loss):
    box = torch.tensor(a, dtype=torch.float64) + torch.tensor([0.31, 0.17, 0.43, 0.29])  # away from the kinks
    assert torch.autograd.gradcheck(lambda free: loss(free, torch.tensor(b, dtype=torch.float64)), box.requires_grad_())


@pytest.mark.parametrize(
    ("loss", "moves"), [(iou_loss, False), (giou_loss, True), (diou_loss, True), (ciou_loss, True)]
)
def test_gradient_of_boxes_that_do_not_meet(loss, moves):
    box = torch.tensor([9.0, 0, 13, 4], requires_grad=True)
    loss(box, torch.tensor(SQUARE)).backward()
    assert bool(box.grad.any()) is moves
    if moves:
        assert box.grad[0] > 0  # downhill is towards the target, to the left


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("box", [[3.0, 3, 3, 3], [3.0, 0, 3, 4]], ids=["point", "line"])
def test_box_without_area_has_a_finite_loss_and_gradient(loss, box):
    free = torch.tensor(box, requires_grad=True)
    value = loss(free, torch.tensor(box))
    value.backward()
    assert value == 1
    assert free.grad.isfinite().all()


def test_weight_of_the_aspect_ratio_has_no_gradient():
    tall, wide = torch.tensor([0.0, 0, 2, 8], dtype=torch.float64), torch.tensor([0.0, 0, 8, 2], dtype=torch.float64)
    free = tall.clone().requires_grad_()
    (ciou_loss(free, wide) - diou_loss(free, wide)).backward()
    v = lambda w: (2 / math.pi * (math.atan(w / 8) - math.atan(4))) ** 2  # noqa: E731
    alpha, step = v(2) / (24 / 28 + v(2)), 1e-6
    assert free.grad[2].item() == pytest.approx(alpha * (v(2 + step) - v(2 - step)) / (2 * step), rel=1e-5)


# shapes and bad input


def test_rows_are_compared_with_rows_and_one_target_serves_all():
    boxes = torch.tensor([SQUARE, [4, 0, 8, 4]])
    assert iou_loss(boxes, torch.tensor(SQUARE)).tolist() == [0, 1]
    assert iou_loss(boxes[None], boxes).shape == (1, 2)
    assert iou_loss(torch.empty(0, 4), torch.empty(0, 4)).shape == (0,)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("boxes", "targets", "message"),
    [
        ([SQUARE], torch.tensor([SQUARE]), "tensor of floats, got list"),
        (torch.tensor([[0, 0, 4, 4]]), torch.tensor([SQUARE]), "got torch.int64; integers have no gradient"),
        (torch.zeros(2, 5), torch.zeros(2, 4), r"boxes must have shape \(..., 4\), got \(2, 5\)"),
        (torch.zeros(2, 4), torch.zeros(3, 4), r"row by row, and their shapes \(2, 4\) and \(3, 4\)"),
        (torch.tensor([SQUARE]), torch.tensor([[50.0, 60, 20, 30]]), "targets must satisfy .* x, y, width, height"),
        (torch.tensor([[0, 0, 4, math.nan]]), torch.tensor([SQUARE]), "boxes must be finite"),
    ],
)
def test_bad_input_is_refused(loss, boxes, targets, message):
    with pytest.raises(ValueError, match=message):
        loss(boxes, targets)
