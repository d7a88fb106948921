"""`utils.anchors` against loops, hand-counted maps, and the formulas of the papers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.anchors import (
    SSD300,
    AnchorMap,
    boxes_per_map,
    default_boxes,
    match_anchors,
    pyramid_level,
    valid_at_scale,
)
from utils.boxes import pairwise_iou

ROW = [[0, 0, 8, 8], [8, 0, 16, 8], [16, 0, 24, 8]]


def square(size, x=0.0, y=0.0):
    return [x, y, x + size, y + size]


# default boxes


def test_ssd300_has_8732_boxes_counted_by_hand():
    by_hand = [38 * 38 * 4, 19 * 19 * 6, 10 * 10 * 6, 5 * 5 * 6, 3 * 3 * 4, 1 * 1 * 4]
    assert_array_equal(boxes_per_map(), by_hand)
    assert sum(by_hand) == len(default_boxes()) == 8732


def test_boxes_match_the_loop_of_the_paper():
    expected = []
    for cells, step, small, large, ratios in SSD300:
        for i, j in itertools.product(range(cells), repeat=2):
            x, y = (j + 0.5) * step, (i + 0.5) * step
            shapes = [(small, small), (math.sqrt(small * large),) * 2]
            for r in ratios:
                shapes += [(small * r**0.5, small / r**0.5), (small / r**0.5, small * r**0.5)]
            expected += [[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for w, h in shapes]
    assert_allclose(default_boxes(), expected)


def test_counts_agree_with_boxes_for_any_maps():
    maps = [AnchorMap(3, 4, 5, 7, ()), AnchorMap(2, 6, 9, 9, (2, 3, 5))]
    assert boxes_per_map(maps).tolist() == [18, 32]
    assert len(default_boxes(maps)) == 50
    assert default_boxes([]).shape == (0, 4)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (AnchorMap(0, 8, 30, 60, (2,)), "at least one cell .* got 0"),
        (AnchorMap(3, 0, 30, 60, (2,)), "positive step, got 3 and 0"),
        (AnchorMap(3, 8, 60, 30, (2,)), "min_size <= max_size, got 60 and 30"),
        (AnchorMap(3, 8, 30, 60, (2, -1)), "ratios must be positive"),
    ],
)
def test_bad_maps_are_refused(one, message):
    with pytest.raises(ValueError, match=message):
        default_boxes([one])


# matching


def test_equal_to_the_threshold_is_no_match():
    anchors = [[0, 0, 4, 4], [0, 0, 4, 8]]  # the second has an IoU of exactly 1/2
    assert_array_equal(match_anchors(anchors, [[0, 0, 4, 4]]), [0, -1])
    assert_array_equal(match_anchors(anchors, [[0, 0, 4, 4]], 0.49), [0, 0])


def test_two_objects_on_one_anchor_both_get_one():
    objects = [[0, 0, 8, 8], [1, 0, 9, 8]]  # both overlap the first anchor most
    assert_array_equal(match_anchors(ROW, objects), [0, 1, -1])
    assert_array_equal(match_anchors(ROW, objects[::-1]), [1, 0, -1])


def test_a_forced_match_beats_a_better_one_of_another_object():
    anchors = [[0, 0, 10, 10], [0, 0, 10, 11]]
    big, small = [0, 0, 10, 10], [0, 0, 1, 1]
    assert_array_equal(match_anchors(anchors, [big, small]), [0, 1])


def test_an_object_that_meets_no_anchor_gets_none():
    assert_array_equal(match_anchors(ROW, [square(4, 100, 100)]), [-1, -1, -1])
    assert_array_equal(match_anchors(ROW[:1], [ROW[0], ROW[0]]), [0])


def test_empty_input_matches_nothing():
    assert_array_equal(match_anchors(ROW, []), [-1, -1, -1])
    assert match_anchors([], ROW).shape == (0,)


@given(st.lists(st.tuples(st.integers(0, 280), st.integers(0, 280), st.integers(4, 150)), min_size=1, max_size=4))
@settings(deadline=None, max_examples=25)
def test_matching_agrees_with_loops(rows):
    anchors, objects = default_boxes(SSD300[1:4]), np.array([square(s, x, y) for x, y, s in rows], dtype=float)
    iou = pairwise_iou(anchors, objects)
    expected = [int(row.argmax()) if row.max() > 0.5 else -1 for row in iou]
    pairs = sorted((-iou[a, o], a, o) for a, o in np.ndindex(iou.shape))
    taken, served = set(), set()
    for value, a, o in pairs:
        if value < 0 and a not in taken and o not in served:
            taken.add(a)
            served.add(o)
            expected[a] = o
    assert_array_equal(match_anchors(anchors, objects), expected)


@pytest.mark.parametrize("threshold", [-0.1, 50, np.nan])
def test_bad_threshold_is_refused(threshold):
    with pytest.raises(ValueError, match="did you pass a percentage"):
        match_anchors(ROW, ROW, threshold)


# levels


@pytest.mark.parametrize(
    ("size", "level"), [(1, 2), (55, 2), (111, 2), (112, 3), (223, 3), (224, 4), (447, 4), (448, 5), (2000, 5)]
)
def test_fpn_level_of_a_square(size, level):
    assert pyramid_level([square(size)]) == [level]


def test_level_depends_on_the_area_alone():
    assert_array_equal(pyramid_level([[0, 0, 112, 448], [5, 5, 453, 117]]), [4, 4])


def test_levels_can_be_cut_elsewhere():
    assert pyramid_level([square(8)], lowest=-9) == [-1]
    assert pyramid_level([square(64)], canonical_size=64, canonical_level=3) == [3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 6}, "lowest must be at most highest, got 6 and 5"),
        ({"canonical_size": 0}, "canonical_size must be positive, got 0"),
    ],
)
def test_bad_pyramids_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pyramid_level([square(9)], **options)


def test_box_without_area_has_no_level():
    with pytest.raises(ValueError, match="without area has no level, got row 1"):
        pyramid_level([square(9), square(0)])


def test_valid_range_includes_its_lower_end_only():
    assert_array_equal(valid_at_scale([9, 10, 20, 21], 0.5, 5, 10), [False, True, False, False])


@pytest.mark.parametrize(("scale", "low", "high"), [(0, 1, 2), (-1, 1, 2), (1, 2, 2), (1, -1, 2)])
def test_bad_range_is_refused(scale, low, high):
    with pytest.raises(ValueError, match="got"):
        valid_at_scale([5], scale, low, high)
