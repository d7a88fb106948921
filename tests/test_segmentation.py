"""`utils.segmentation` against scikit-learn, plain sets, and the sentences of its docstrings."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

from utils.segmentation import (
    class_iou,
    dice_from_iou,
    mean_iou,
    pairwise_mask_iou,
    panoptic_quality,
    pixel_accuracy,
    pixel_confusion,
    soft_dice_loss,
)

masks = arrays(bool, (3, 4, 5))
labels = arrays(np.uint8, (6, 7), elements=st.integers(0, 3))
quick = settings(deadline=None, max_examples=40)


def as_set(mask):
    return set(zip(*np.nonzero(mask), strict=True))


@given(masks, masks)
@quick
def test_mask_iou_is_that_of_sets_of_pixels(a, b):
    expected = [[len(p & q) / max(len(p | q), 1) for q in map(as_set, b)] for p in map(as_set, a)]
    assert_allclose(pairwise_mask_iou(a, b[:2]), np.array(expected)[:, :2])


@given(masks, masks)
@quick
def test_iou_and_dice_are_jaccard_and_f1(a, b):
    a[0, 0, 0] = True  # scikit-learn warns of two empty masks
    iou = pairwise_mask_iou(a[:1], b[:1])[0, 0]
    assert_allclose(iou, jaccard_score(a[0].ravel(), b[0].ravel()))
    assert_allclose(dice_from_iou(iou), f1_score(a[0].ravel(), b[0].ravel()))
    assert_allclose(1 - soft_dice_loss(b[0], a[0]), dice_from_iou(iou))


@given(labels, labels)
@quick
def test_confusion_and_its_scores_match_scikit_learn(truth, predicted):
    counts = pixel_confusion(truth, predicted, 4)
    assert_array_equal(counts, confusion_matrix(truth.ravel(), predicted.ravel(), labels=range(4)))
    assert_allclose(pixel_accuracy(counts), accuracy_score(truth.ravel(), predicted.ravel()))
    there = np.union1d(truth, predicted)
    expected = jaccard_score(truth.ravel(), predicted.ravel(), labels=there, average=None)
    assert_allclose(class_iou(counts)[there], expected)
    assert_allclose(mean_iou(counts), expected.mean())


def test_absent_classes_do_not_count():
    counts = np.diag([5, 0, 7])
    assert_array_equal(class_iou(counts), [1, np.nan, 1])
    assert mean_iou(counts) == 1


def test_nothing_has_no_score():
    assert math.isnan(mean_iou(np.zeros((2, 2))))
    assert math.isnan(pixel_accuracy(np.zeros((2, 2))))
    assert math.isnan(panoptic_quality(np.zeros((0, 2, 2)), np.zeros((0, 2, 2))))
    assert pairwise_mask_iou(np.zeros((1, 2, 2)), np.zeros((1, 2, 2))) == 0


def test_small_labels_do_not_overflow():
    high = np.full((1, 3), 200, dtype=np.uint8)
    assert pixel_confusion(high, high, 201)[200, 200] == 3


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([[1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]], 1),
        ([[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]], 1.75 / 2),
        ([[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]], 1 / 2),  # exactly 0.5 is no match
        ([[1, 1, 1, 1, 1, 1, 1, 1]], 0),  # two coins as one
        ([[1, 1, 1, 1, 0, 0, 0, 0]], 1 / 1.5),  # one missed
    ],
)
def test_panoptic_quality_by_hand(predicted, expected):
    truth = [[[1, 1, 1, 1, 0, 0, 0, 0]], [[0, 0, 0, 0, 1, 1, 1, 1]]]
    assert panoptic_quality(truth, np.array(predicted)[:, None]) == pytest.approx(expected)


def test_soft_dice_of_a_constant():
    target = np.array([1] + [0] * 9)
    for p in (0.1, 0.5, 1.0):
        assert soft_dice_loss(np.full(10, p), target) == pytest.approx(1 - 2 * p / (10 * p + 1))


def test_smooth_forgives_an_empty_picture():
    nothing = np.zeros(9)
    assert soft_dice_loss(nothing, nothing, smooth=1) == 0
    with pytest.raises(ValueError, match="smooth > 0"):
        soft_dice_loss(nothing, nothing)


ONE, TWO = np.ones((1, 2, 2), dtype=int), np.ones((2, 2, 2), dtype=int)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pairwise_mask_iou(ONE[0], ONE), r"masks_a must have shape \(N, H, W\), got \(2, 2\); one mask is"),
        (lambda: pairwise_mask_iou(ONE, ONE * 2), "masks_b must hold 0 and 1; did you pass labels"),
        (lambda: pairwise_mask_iou(ONE, np.ones((1, 2, 3))), r"one size, got \(2, 2\) and \(2, 3\)"),
        (lambda: dice_from_iou(50), "did you pass a percentage"),
        (lambda: pixel_confusion(ONE, TWO, 2), r"one shape, got \(1, 2, 2\) and \(2, 2, 2\)"),
        (lambda: pixel_confusion(ONE, ONE * 0.5, 2), "predicted must hold whole numbers, got float64"),
        (lambda: pixel_confusion(ONE * 255, ONE, 2), r"truth must lie in 0\.\.1, got 255\.\.255; leave out"),
        (lambda: pixel_confusion(ONE, -ONE, 2), r"got -1\.\.-1"),
        (lambda: mean_iou([1, 2]), r"confusion must be square, got \(2,\)"),
        (lambda: pixel_accuracy([[1, -1], [0, 1]]), "counts of 0 or more"),
        (lambda: panoptic_quality(TWO, ONE), "truth must not overlap"),
        (lambda: panoptic_quality(ONE, TWO), "predicted must not overlap"),
        (lambda: soft_dice_loss(ONE * 3, ONE), "did you pass logits"),
        (lambda: soft_dice_loss(ONE, ONE * 2), "targets must be 0 or 1"),
        (lambda: soft_dice_loss(ONE, TWO), "one shape"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
