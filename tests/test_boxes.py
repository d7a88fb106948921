"""`utils.boxes` against painted pixels, textbook loops, OpenCV, and the sentences of its docstrings."""

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.boxes import area, batched_nms, nms, nms_steps, pairwise_iou, soft_nms

TWINS = [[0, 0, 4, 4], [0, 0, 4, 8]]  # IoU is exactly 1/2
SIZE = 12


def random_boxes(seed, count=60, size=100):
    """Whole-number boxes with 1 to size/2 pixels a side, and scores that a float32 can tell apart."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, size, size=(count, 2))
    sides = rng.integers(1, size // 2, size=(count, 2))
    return np.hstack([corner, corner + sides]), rng.permutation(count) / count


def width_height(boxes):
    """OpenCV's boxes: x, y, width, height."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


@st.composite
def boxes_and_scores(draw):
    """Up to twelve boxes on a small grid, some without area, with many equal scores."""
    corners = st.tuples(*[st.integers(0, SIZE)] * 4)
    rows = draw(st.lists(st.tuples(corners, st.sampled_from([0.1, 0.5, 0.9])), max_size=12))
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for (a, b, c, d), _ in rows]
    return np.array(boxes, dtype=float).reshape(-1, 4), np.array([score for _, score in rows])


thresholds = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.7, 1.0])


# area and pairwise_iou


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 4, 4], [0, 0, 4, 4], 1),
        ([0, 0, 4, 4], [2, 2, 6, 6], 4 / 28),
        ([0, 0, 4, 4], [2, 0, 6, 4], 1 / 3),  # half covered is a third, not a half
        ([0, 0, 9, 9], [3, 3, 6, 6], 1 / 9),  # one inside the other
        ([0, 0, 4, 4], [4, 0, 8, 4], 0),  # a shared edge
        ([0, 0, 4, 4], [9, 0, 12, 4], 0),
        ([0, 0, 4, 4], [9, 9, 12, 12], 0),  # apart on both axes: the sign trap
        ([1, 1, 1, 5], [1, 1, 1, 5], 0),  # no area at all
        ([-4, -4, 0, 0], [-4, -4, 0, 4], 1 / 2),
        ([0.1, 0.1, 0.2, 0.2], [0.3, 0.3, 0.4, 0.4], 0),  # unit coordinates, and no +1
    ],
)
def test_iou_by_hand(a, b, expected):
    assert_allclose(pairwise_iou([a], [b]), [[expected]])


@given(boxes_and_scores(), boxes_and_scores())
@settings(deadline=None)
def test_iou_matches_painted_pixels(first, second):
    a, b = first[0].astype(int), second[0].astype(int)
    painted = [[np.zeros((SIZE, SIZE), dtype=bool) for _ in group] for group in (a, b)]
    for group, layers in zip((a, b), painted, strict=True):
        for (x1, y1, x2, y2), layer in zip(group, layers, strict=True):
            layer[y1:y2, x1:x2] = True
    expected = [[(p & q).sum() / max((p | q).sum(), 1) for q in painted[1]] for p in painted[0]]
    assert_allclose(pairwise_iou(a, b), np.reshape(expected, (len(a), len(b))))


@given(boxes_and_scores(), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
@settings(deadline=None)
def test_iou_is_symmetric_and_ignores_scale_and_place(case, scale, shift):
    boxes, _ = case
    iou = pairwise_iou(boxes, boxes)
    assert_array_equal(iou, iou.T)
    assert_array_equal(np.diag(iou), area(boxes) > 0)
    assert_allclose(pairwise_iou(boxes * scale + shift, boxes * scale + shift), iou, atol=1e-6)


coordinates = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), min_size=1, max_size=8))
@settings(deadline=None)
def test_iou_of_any_floats_lies_between_0_and_1(rows):
    boxes = np.sort(np.reshape(rows, (-1, 2, 2)), axis=1).reshape(-1, 4)
    iou = pairwise_iou(boxes, boxes)
    assert (iou >= 0).all()
    assert (iou <= 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.float16, np.float32])
def test_small_dtypes_do_not_overflow(dtype):
    boxes = np.array([[0, 0, 120, 120], [10, 10, 110, 110]], dtype=dtype)
    assert_array_equal(area(boxes), [14400, 10000])
    assert_allclose(pairwise_iou(boxes, boxes), [[1, 100 / 144], [100 / 144, 1]])
    assert_array_equal(nms(boxes, [0.9, 0.8], 0.7), [0, 1])


def test_unsigned_scores_sort_downwards():
    assert_array_equal(nms([[0, 0, 1, 1], [5, 5, 6, 6]], np.array([0, 200], dtype=np.uint8), 0.5), [1, 0])


@pytest.mark.parametrize("empty", [[], np.empty((0, 4)), np.empty((0, 4), dtype=np.uint8)])
def test_empty_in_empty_out(empty):
    assert area(empty).shape == (0,)
    assert pairwise_iou(empty, TWINS).shape == (0, 2)
    assert pairwise_iou(TWINS, empty).shape == (2, 0)
    assert nms(empty, [], 0.5).dtype == np.intp
    assert [len(part) for part in (batched_nms(empty, [], [], 0.5), *soft_nms(empty, []))] == [0, 0, 0]


# nms


def test_nms_keeps_box_exactly_at_threshold():
    assert_array_equal(nms(TWINS, [0.9, 0.8], iou_threshold=0.5), [0, 1])
    assert_array_equal(nms(TWINS, [0.9, 0.8], iou_threshold=0.49), [0])


@pytest.mark.parametrize(("shared", "total"), [(1, 10), (3, 10), (7, 10), (63, 90), (9, 30), (2, 3)])
def test_threshold_written_as_a_fraction_is_met_exactly(shared, total):
    boxes = [[0, 0, total, 1], [0, 0, shared, 1]]
    assert_array_equal(nms(boxes, [0.9, 0.8], shared / total), [0, 1])  # 0.7 * 90 is below 63: a product would drop it
    assert_array_equal(nms(boxes, [0.9, 0.8], np.nextafter(shared / total, 0)), [0])


def test_equal_scores_are_visited_in_input_order():
    right_then_left = [[5, 0, 9, 4], [0, 0, 4, 4], [5, 0, 9, 4], [0, 0, 4, 4]]
    assert_array_equal(nms(right_then_left, [0.5, 0.5, 0.5, 0.5], 0.5), [0, 1])


def test_a_dropped_box_drops_nobody():
    chain = [[0, 0, 10, 1], [4, 0, 14, 1], [8, 0, 18, 1]]  # neighbours share 6/14, the ends 2/18
    assert_array_equal(nms(chain, [0.9, 0.8, 0.7], 0.4), [0, 2])


@pytest.mark.parametrize(("threshold", "kept"), [(0.0, [0, 2]), (1.0, [0, 1, 2, 3])])
def test_extreme_thresholds(threshold, kept):
    boxes = [[0, 0, 4, 4], [0, 0, 4, 4], [4, 0, 8, 4], [3, 0, 5, 4]]  # a twin, a neighbour that touches, one across
    assert_array_equal(nms(boxes, [0.9, 0.8, 0.7, 0.6], threshold), kept)


def test_boxes_without_area_are_never_dropped():
    assert_array_equal(nms([[0, 0, 9, 9], [3, 3, 3, 3], [3, 3, 3, 3]], [0.9, 0.8, 0.7], 0.0), [0, 1, 2])


def nms_textbook(boxes, scores, iou_threshold):
    """Two plain loops over pairs, in Python numbers."""

    def iou(a, b):
        both = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
        either = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
        return both / either if either else 0

    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[i], boxes[k]) <= iou_threshold for k in kept):
            kept.append(i)
    return kept


@given(boxes_and_scores(), thresholds)
@settings(deadline=None, max_examples=300)
def test_nms_matches_the_textbook_loop(case, iou_threshold):
    boxes, scores = case
    assert_array_equal(nms(boxes, scores, iou_threshold), nms_textbook(boxes.tolist(), scores, iou_threshold))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.7])
def test_nms_matches_the_textbook_loop_on_real_numbers(seed, threshold):
    rng = np.random.default_rng(seed)
    corner = rng.normal(0, 50, size=(80, 2))
    boxes = np.hstack([corner, corner + rng.uniform(0, 80, size=(80, 2))])
    scores = rng.normal(size=80)
    assert_array_equal(nms(boxes, scores, threshold), nms_textbook(boxes.tolist(), scores, threshold))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("threshold", [0.31, 0.47, 0.71])
def test_nms_matches_opencv(seed, threshold):
    boxes, scores = random_boxes(seed)
    expected = cv2.dnn.NMSBoxes(width_height(boxes).astype(float), scores + 1, 0.0, threshold)
    assert_array_equal(nms(boxes, scores, threshold), expected)


def test_opencv_differs_where_a_float32_does():
    boxes = np.array([[0, 0, 10, 1], [0, 0, 1, 1]])  # IoU is exactly 0.1
    assert_array_equal(cv2.dnn.NMSBoxes(width_height(boxes).astype(float), [0.9, 0.8], 0.0, 0.1), [0])
    assert_array_equal(nms(boxes, [0.9, 0.8], 0.1), [0, 1])


@given(boxes_and_scores(), thresholds, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_rows_does_not_matter_without_ties(case, iou_threshold, random):
    boxes = case[0]
    scores = np.linspace(0.1, 0.9, len(boxes))
    order = np.array(random.sample(range(len(boxes)), len(boxes)), dtype=int)
    shuffled = nms(boxes[order], scores[order], iou_threshold)
    assert_array_equal(order[shuffled], nms(boxes, scores, iou_threshold))


@given(boxes_and_scores(), thresholds)
@settings(deadline=None)
def test_survivors_are_sorted_apart_and_stable(case, iou_threshold):
    boxes, scores = case
    kept = nms(boxes, scores, iou_threshold)
    assert (np.diff(scores[kept]) <= 0).all()
    overlaps = pairwise_iou(boxes[kept], boxes[kept])
    assert (np.triu(overlaps, 1) <= iou_threshold).all()
    assert_array_equal(nms(boxes[kept], scores[kept], iou_threshold), np.arange(len(kept)))


@given(boxes_and_scores(), thresholds)
@settings(deadline=None)
def test_steps_name_every_box_once_with_the_box_that_dropped_it(case, iou_threshold):
    boxes, scores = case
    steps = list(nms_steps(boxes, scores, iou_threshold))
    named = [index for step in steps for index in (step.kept, *step.dropped)]
    assert sorted(named) == list(range(len(boxes)))
    for step in steps:
        assert (pairwise_iou(boxes[[step.kept]], boxes[step.dropped]) > iou_threshold).all()
        assert (scores[step.dropped] <= scores[step.kept]).all()
        assert (np.diff(step.dropped) > 0).all()


def test_steps_check_their_input_before_the_first_step():
    with pytest.raises(ValueError, match="scores must have shape"):
        nms_steps(TWINS, [0.9], 0.5)


def test_working_memory_grows_with_n_not_with_n_squared():
    boxes, scores = random_boxes(0, count=3000, size=1000)
    tracemalloc.start()
    nms(boxes, scores, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 1000  # bytes; one table of 3000 x 3000 numbers has 72 million


def test_inputs_are_left_alone():
    boxes, scores = random_boxes(0)
    boxes = boxes.astype(float)
    before = boxes.copy(), scores.copy()
    nms(boxes, scores, 0.5), soft_nms(boxes, scores), batched_nms(boxes, scores, scores > 0.5, 0.5)
    assert_array_equal(boxes, before[0])
    assert_array_equal(scores, before[1])


# batched_nms


def test_labels_shield_boxes_from_each_other():
    boxes = [[0, 0, 4, 4]] * 4
    assert_array_equal(batched_nms(boxes, [0.6, 0.9, 0.9, 0.7], ["cat", "face", "cat", "face"], 0.5), [1, 2])


@given(boxes_and_scores(), thresholds, st.lists(st.integers(-1, 1), min_size=12, max_size=12))
@settings(deadline=None)
def test_batched_nms_is_nms_of_each_class(case, iou_threshold, labels):
    boxes, scores = case
    labels = np.array(labels[: len(boxes)], dtype=int)
    kept = batched_nms(boxes, scores, labels, iou_threshold)
    for label in (-1, 0, 1):
        rows = np.flatnonzero(labels == label)
        assert_array_equal(kept[labels[kept] == label], rows[nms(boxes[rows], scores[rows], iou_threshold)])
    assert_array_equal(kept, sorted(kept, key=lambda i: (-scores[i], i)))


@pytest.mark.parametrize("seed", range(10))
def test_batched_nms_matches_opencv(seed):
    boxes, scores = random_boxes(seed)
    labels = np.random.default_rng(seed).integers(0, 3, size=len(boxes))
    expected = cv2.dnn.NMSBoxesBatched(width_height(boxes).tolist(), scores + 1, labels.tolist(), 0.0, 0.47)
    assert_array_equal(batched_nms(boxes, scores, labels, 0.47), expected)


# soft_nms


def test_soft_nms_by_hand():
    kept, scores = soft_nms([*TWINS, [20, 0, 24, 4]], [0.9, 0.8, 0.5])
    assert_array_equal(kept, [0, 2, 1])  # the decay changes the order
    assert_allclose(scores, [0.9, 0.5, 0.8 * np.exp(-0.25 / 0.5)])


@pytest.mark.parametrize(("iou_threshold", "expected"), [(0.49, 0.4), (0.5, 0.8)])
def test_linear_decay_begins_above_the_threshold(iou_threshold, expected):
    _, scores = soft_nms(TWINS, [0.9, 0.8], method="linear", iou_threshold=iou_threshold)
    assert_allclose(scores, [0.9, expected])


@pytest.mark.parametrize(("score_threshold", "kept"), [(0.4, [0, 1]), (0.41, [0]), (0.95, [])])
def test_soft_nms_keeps_box_exactly_at_the_score_threshold(score_threshold, kept):
    assert_array_equal(soft_nms(TWINS, [0.9, 0.8], method="linear", score_threshold=score_threshold)[0], kept)


def test_decays_multiply():
    _, scores = soft_nms([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 8]], [1, 1, 1], sigma=1, score_threshold=0)
    once, twice = np.exp(-0.25), np.exp(-0.25) * np.exp(-1)  # the box of IoU 1/2 goes second, the twin third
    assert_allclose(scores, [1, once, twice])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("method", ["gaussian", "linear"])
def test_soft_nms_matches_opencv(seed, method):
    boxes, scores = random_boxes(seed)
    number = getattr(cv2.dnn, f"SOFT_NMSMETHOD_SOFTNMS_{method.upper()}")
    scores = (scores + 0.01) / 1.1
    expected = cv2.dnn.softNMSBoxes(width_height(boxes).tolist(), scores, 0.003, 0.31, 0, 0.4, number)
    kept, lowered = soft_nms(boxes, scores, sigma=0.4, method=method, iou_threshold=0.31, score_threshold=0.003)
    assert_array_equal(kept, expected[1])
    assert_allclose(lowered, expected[0], rtol=1e-4)


@given(boxes_and_scores(), st.sampled_from(["gaussian", "linear"]), st.floats(0.05, 5))
@settings(deadline=None)
def test_soft_nms_only_lowers_and_drops_nobody_at_threshold_0(case, method, sigma):
    boxes, scores = case
    kept, lowered = soft_nms(boxes, scores, sigma=sigma, method=method, score_threshold=0)
    assert sorted(kept) == list(range(len(boxes)))
    assert (lowered <= scores[kept]).all()
    assert (np.diff(lowered) <= 0).all()


@given(boxes_and_scores())
@settings(deadline=None)
def test_a_sharp_sigma_is_hard_suppression_of_any_overlap(case):
    boxes, scores = case
    assert_array_equal(soft_nms(boxes, scores, sigma=1e-9)[0], nms(boxes, scores, 0.0))


# bad input

XYWH = [[50, 60, 20, 30]]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (XYWH, "x1 <= x2 and y1 <= y2, row 0 .* did you pass x, y, width, height"),
        ([[0, 0, 1, 1], [0, 5, 1, 4]], "row 1"),
        ([[0, 0, 1, np.nan]], "finite numbers"),
        ([[0, 0, 1, np.inf]], "finite numbers"),
        ([[0, 0, 1, 1e200]], "finite numbers"),
        ([0, 0, 1, 1], r"shape \(N, 4\), got \(4,\); one box is \[\["),
        ([[0, 0, 1, 1, 0.9]], r"got \(1, 5\); scores go in an argument of their own"),
        (np.empty((0, 3)), r"got \(0, 3\)"),
        (np.zeros((2, 2, 4)), r"got \(2, 2, 4\)"),
    ],
)
def test_bad_boxes_say_what_is_wrong(boxes, message):
    with pytest.raises(ValueError, match=message):
        area(boxes)
    with pytest.raises(ValueError, match=message):
        nms(boxes, np.ones(len(boxes)), 0.5)


@pytest.mark.parametrize("name", ["boxes_a", "boxes_b"])
def test_bad_pairs_name_the_argument(name):
    with pytest.raises(ValueError, match=f"{name} must satisfy"):
        pairwise_iou(**{"boxes_a": TWINS, "boxes_b": TWINS, name: XYWH})


@pytest.mark.parametrize("function", [nms, nms_steps, lambda b, s, t: batched_nms(b, s, [0, 0], t)])
@pytest.mark.parametrize(
    ("scores", "threshold", "message"),
    [
        ([[0.9], [0.8]], 0.5, r"shape \(2,\), one a box, got \(2, 1\); did you mean scores.ravel\(\)\?"),
        ([0.9, 0.8, 0.7], 0.5, r"got \(3,\)"),
        ([0.9, np.nan], 0.5, r"scores\[1\] is nan"),
        ([0.9, np.inf], 0.5, "must be finite"),
        ([0.9, 0.8], 50, r"iou_threshold must be in \[0, 1\], got 50; did you pass a percentage"),
        ([0.9, 0.8], -0.1, "got -0.1"),
        ([0.9, 0.8], np.nan, "got nan"),
    ],
)
def test_bad_scores_and_thresholds(function, scores, threshold, message):
    with pytest.raises(ValueError, match=message):
        function(TWINS, scores, threshold)


@pytest.mark.parametrize("labels", [[0], [[0], [1]], [0, 1, 2]])
def test_labels_must_be_one_a_box(labels):
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\)"):
        batched_nms(TWINS, [0.9, 0.8], labels, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "hard"}, "'gaussian' or 'linear', got 'hard'"),
        ({"sigma": 0}, "sigma must be positive and finite, got 0"),
        ({"sigma": np.nan}, "sigma must be positive"),
        ({"iou_threshold": 1.1}, r"iou_threshold must be in \[0, 1\]"),
        ({"score_threshold": -1}, "score_threshold must not be negative"),
    ],
)
def test_bad_options_of_soft_nms(options, message):
    with pytest.raises(ValueError, match=message):
        soft_nms(TWINS, [0.9, 0.8], **options)


def test_soft_nms_refuses_logits():
    with pytest.raises(ValueError, match=r"got -2\.0; did you pass logits"):
        soft_nms(TWINS, [0.9, -2], sigma=0.5)
