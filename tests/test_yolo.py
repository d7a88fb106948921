"""`utils.yolo` against torch's autograd and losses, the paper's formulas in plain loops, and hand-worked boxes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.boxes import pairwise_iou
from utils.yolo import (
    ANCHORS,
    STRIDES,
    TERMS,
    XY_LOSSES,
    assign,
    decode,
    overlapping,
    prior_boxes,
    xy_loss,
    yolov3_loss,
)

CLASSES = 3
TWO = np.array([[50, 60, 92, 103], [100, 20, 260, 220]])  # inside a picture of 288 pixels


def random_outputs(seed, grid=9, classes=CLASSES):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(3 * (5 + classes), grid * f, grid * f)) for f in (1, 2, 4)]


def torch_loss(raw, boxes, labels, ignored, xy):
    """The five terms from their definition, with torch's losses, for objects that share no anchor."""
    outputs = [each.unflatten(0, (3, -1)) for each in raw]
    terms, counted = dict.fromkeys(TERMS, torch.zeros(())), [~torch.tensor(mask) for mask in ignored]
    for box, label in zip(boxes, labels, strict=True):
        scale, anchor, row, col, target, _ = assign(box, outputs[0].shape[-1] * 32)
        t, goal = outputs[scale][anchor, :, row, col], torch.tensor(target)
        pair = {
            "squared": lambda t=t, goal=goal: F.mse_loss(t[:2], torch.logit(goal[:2]), reduction="sum"),
            "squared sigmoid": lambda t=t, goal=goal: F.mse_loss(t[:2].sigmoid(), goal[:2], reduction="sum"),
            "bce": lambda t=t, goal=goal: F.binary_cross_entropy_with_logits(t[:2], goal[:2], reduction="sum"),
        }
        hot = F.one_hot(torch.tensor(label), CLASSES).double()
        terms["xy"] = terms["xy"] + pair[xy]()
        terms["wh"] = terms["wh"] + F.mse_loss(t[2:4], goal[2:], reduction="sum")
        terms["object"] = terms["object"] - F.logsigmoid(t[4])
        terms["class"] = terms["class"] + F.binary_cross_entropy_with_logits(t[5:], hot, reduction="sum")
        counted[scale][anchor, row, col] = False
    terms["no object"] = sum(-F.logsigmoid(-each[:, 4][use]).sum() for each, use in zip(outputs, counted, strict=True))
    return terms


# decode and prior_boxes


def test_decode_by_hand():
    raw = np.zeros((7, 2, 2))
    raw[:, 1, 0] = [math.log(3), 0, math.log(2), 0, -math.log(3), 0, math.log(9)]  # sigmoids 3/4, 1/2; 1/4, 1/2, 0.9
    decoded = decode(raw, [(20, 10)], stride=8)
    assert_allclose(decoded.boxes[0, 1, 0], [6 - 20, 12 - 5, 6 + 20, 12 + 5])  # column 0, row 1
    assert_allclose([decoded.objectness[0, 1, 0], *decoded.classes[0, 1, 0]], [0.25, 0.5, 0.9])


def test_decode_matches_the_formulas_of_the_paper_in_a_loop():
    raw, sizes = random_outputs(0)[0], ANCHORS[0]
    boxes = decode(raw, sizes, 32).boxes
    for a, row, col in np.ndindex(3, 9, 9):
        tx, ty, tw, th = raw[8 * a : 8 * a + 4, row, col]
        x, y = 32 * (col + 1 / (1 + math.exp(-tx))), 32 * (row + 1 / (1 + math.exp(-ty)))
        w, h = sizes[a][0] * math.exp(tw), sizes[a][1] * math.exp(th)
        assert_allclose(boxes[a, row, col], [x - w / 2, y - h / 2, x + w / 2, y + h / 2])


@given(st.floats(-700, 700))
@settings(deadline=None, max_examples=30)
def test_a_centre_never_leaves_its_cell(t):
    raw = np.zeros((5, 3, 3))
    raw[:2] = t
    x1, y1, x2, y2 = decode(raw, [(10, 10)], 32).boxes[0, 2, 1]
    assert 32 <= (x1 + x2) / 2 <= 64
    assert 64 <= (y1 + y2) / 2 <= 96


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_priors_stand_in_the_middle_of_their_cells(scale):
    boxes = prior_boxes(416, ANCHORS[scale], STRIDES[scale])
    cells = 416 // STRIDES[scale]
    assert boxes.shape == (3, cells, cells, 4)
    assert_allclose(
        boxes[..., 2:] - boxes[..., :2], np.array(ANCHORS[scale])[:, None, None] * np.ones((1, cells, cells, 1))
    )
    assert_allclose((boxes[:, 1, 2, :2] + boxes[:, 1, 2, 2:]) / 2, [[2.5 * STRIDES[scale], 1.5 * STRIDES[scale]]] * 3)


# assign


@pytest.mark.parametrize("number", range(9))
def test_an_object_shaped_like_an_anchor_gets_that_anchor(number):
    scale, anchor = divmod(number, 3)
    half = np.array(ANCHORS[scale][anchor]) / 2
    found = assign([208 - half[0], 200 - half[1], 208 + half[0], 200 + half[1]])
    assert found[:4] == (scale, anchor, 200 // STRIDES[scale], 208 // STRIDES[scale])
    assert_allclose(found.target, [208 / STRIDES[scale] % 1, 200 / STRIDES[scale] % 1, 0, 0], atol=1e-12)
    assert_allclose(found.overlaps[scale, anchor], 1)


def test_overlaps_are_those_of_boxes_with_one_centre():
    width, height = 70, 110
    shapes = np.reshape(ANCHORS, (9, 2))
    expected = pairwise_iou([[-width, -height, width, height]], np.hstack([-shapes, shapes]))
    assert_allclose(assign([10, 20, 80, 130]).overlaps.ravel(), expected[0])


def test_a_centre_on_a_line_belongs_to_the_next_cell():
    assert assign([64 - 58, 96 - 45, 64 + 58, 96 + 45])[:4] == (0, 0, 3, 2)
    assert assign([64 - 59, 96 - 46, 64 + 57, 96 + 44])[:4] == (0, 0, 2, 1)


def test_the_first_of_equal_anchors_wins():
    found = assign([0, 0, 10, 10], 64, anchors=[[(10, 10), (10, 10)], [(10, 10), (5, 5)]], strides=(32, 16))
    assert found[:2] == (0, 0)


@given(st.integers(0, 10_000), st.integers(0, 2))
@settings(deadline=None, max_examples=30)
def test_decoding_the_target_gives_the_object_back(seed, aspect):
    rng = np.random.default_rng([seed, aspect])
    centre, half = rng.uniform(20, 396, 2), rng.uniform(4, 200, 2)
    box = [*(centre - half), *(centre + half)]
    scale, anchor, row, col, target, _ = assign(box)
    raw = np.zeros((3, 5, 416 // STRIDES[scale], 416 // STRIDES[scale]))
    raw[anchor, :4, row, col] = [*np.log(target[:2] / (1 - target[:2])), *target[2:]]
    assert_allclose(
        decode(raw.reshape(15, *raw.shape[2:]), ANCHORS[scale], STRIDES[scale]).boxes[anchor, row, col], box
    )


# overlapping


def test_an_overlap_of_exactly_the_threshold_is_not_above_it():
    candidates = np.array([[[0, 0, 4, 8], [0, 0, 4, 7]]])
    assert_array_equal(overlapping(candidates, [[0, 0, 4, 4]], 0.5), [[False, True]])
    assert_array_equal(overlapping(candidates, np.empty((0, 4))), [[False, False]])


# yolov3_loss


@pytest.mark.parametrize("xy", XY_LOSSES)
@pytest.mark.parametrize("seed", [0, 1])
def test_terms_and_gradients_match_autograd(xy, seed):
    raw = [torch.tensor(each, requires_grad=True) for each in random_outputs(seed)]
    loss = yolov3_loss([each.detach().numpy() for each in raw], TWO, [2, 0], xy=xy)
    expected = torch_loss(raw, TWO, [2, 0], loss.ignored, xy)
    assert_allclose([loss.terms[name] for name in TERMS], [expected[name].item() for name in TERMS])
    sum(expected.values()).backward()
    for ours, each in zip(loss.gradients, raw, strict=True):
        assert_allclose(ours, each.grad.numpy(), atol=1e-12)


def test_all_zero_outputs_by_hand():
    loss = yolov3_loss(
        [np.zeros((21, 13 * f, 13 * f)) for f in (1, 2, 4)], [[192 - 58, 176 - 45, 192 + 58, 176 + 45]], [0]
    )
    assert_allclose(loss.terms["xy"], math.log(999) ** 2)  # the centre is on a line across, and mid-cell down
    assert loss.terms["wh"] == 0
    assert_allclose([loss.terms["object"], loss.terms["class"]], [math.log(2), 2 * math.log(2)])
    others = 10647 - 1 - sum(mask.sum() for mask in loss.ignored)
    assert_allclose(loss.terms["no object"], others * math.log(2))
    assert_allclose(loss.total, sum(loss.terms.values()))


def test_no_object_leaves_one_term():
    loss = yolov3_loss(random_outputs(2), [], [])
    assert [name for name in TERMS if loss.terms[name] > 0] == ["no object"]
    assert not any(mask.any() for mask in loss.ignored)


@pytest.mark.parametrize("ignore_by", ["priors", "predictions"])
def test_ignored_anchors_are_not_best_and_overlap(ignore_by):
    raw = random_outputs(3)
    loss = yolov3_loss(raw, TWO, [0, 1], ignore_by=ignore_by)
    for scale, mask in enumerate(loss.ignored):
        boxes = prior_boxes(288, ANCHORS[scale], STRIDES[scale])
        if ignore_by == "predictions":
            boxes = decode(raw[scale], ANCHORS[scale], STRIDES[scale]).boxes
        close = (pairwise_iou(boxes.reshape(-1, 4), TWO) > 0.5).any(axis=1).reshape(mask.shape)
        for s, anchor, row, col, *_ in map(assign, TWO, [288, 288]):
            close[anchor, row, col] &= s != scale
        assert_array_equal(mask, close)
    assert sum(mask.sum() for mask in loss.ignored) > 0
    quiet = [
        g.reshape(3, -1, *mask.shape[1:])[:, 4][mask] for g, mask in zip(loss.gradients, loss.ignored, strict=True)
    ]
    assert not np.concatenate(quiet).any()


def test_the_later_of_two_objects_in_one_place_wins():
    raw = random_outputs(4)
    twice = yolov3_loss(raw, [TWO[0], TWO[0]], [0, 1])
    once = yolov3_loss(raw, [TWO[0]], [1])
    assert twice.terms == once.terms


def test_loss_is_finite_for_huge_outputs():
    loss = yolov3_loss([each * 1000 for each in random_outputs(5)], TWO, [0, 1], xy="bce")
    assert np.isfinite(list(loss.terms.values())).all()


@pytest.mark.parametrize("kind", XY_LOSSES)
@pytest.mark.parametrize("target", [0.2, 0.5, 0.9])
def test_xy_losses_are_least_at_the_target(kind, target):
    best = math.log(target / (1 - target))
    assert_allclose(xy_loss(best, target, kind)[1], 0, atol=1e-12)
    assert xy_loss(best, target, kind)[0] < min(
        xy_loss(best + 0.1, target, kind)[0], xy_loss(best - 0.1, target, kind)[0]
    )


# bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [[50, 60, 20, 30]]}, "did you pass x, y, width, height, or fractions"),
        ({"boxes": [[300, 10, 400, 60]]}, "a centre in the picture of 288 pixels"),
        ({"boxes": [1, 2, 3, 4]}, r"shape \(N, 4\), got \(4,\)"),
        ({"labels": [3]}, "must be in 0 to 2, got 3; did you count from 1"),
        ({"labels": [0, 1]}, "labels must be 1, one a box, got 2"),
        ({"xy": "l2"}, "xy must be one of squared, squared sigmoid, bce, got 'l2'"),
        ({"ignore_by": "anchors"}, "'priors' or 'predictions', got 'anchors'"),
        ({"ignore_threshold": 50}, "did you pass a percentage"),
        (
            {"raw": [each[None] for each in random_outputs(0)]},
            r"got \(1, 24, 9, 9\); one image, without the batch axis",
        ),
        ({"raw": [each[:-1] for each in random_outputs(0)]}, r"must be \(3 \(5 \+ C\), S, S\), got \(23, 9, 9\)"),
    ],
)
def test_bad_input_says_what_is_wrong(change, message):
    good = {"raw": random_outputs(0), "boxes": TWO[:1], "labels": [0]}
    with pytest.raises(ValueError, match=message):
        yolov3_loss(**(good | change))


def test_bad_anchors_and_sizes():
    with pytest.raises(ValueError, match=r"shape \(A, 2\), got shape \(2,\)"):
        decode(np.zeros((5, 2, 2)), (10, 20), 8)
    with pytest.raises(ValueError, match="multiple of the stride 32, got 400"):
        prior_boxes(400, ANCHORS[0], 32)
