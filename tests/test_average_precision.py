"""`utils.average_precision` against pycocotools, VOC's rule in plain loops, scikit-learn and numbers by hand."""

import contextlib
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import average_precision_score

from utils import average_precision as module
from utils.average_precision import (
    COCO_IOU_THRESHOLDS,
    Detections,
    Objects,
    average_precision,
    in_coco_format,
    interpolated_precision,
    jitter_boxes,
    match_dataset,
    match_detections,
    mean_average_precision,
    precision_recall,
)

# match_detections

TAKEN, FREE = [0, 0, 10, 10], [2, 0, 12, 10]


@pytest.mark.parametrize(
    ("boxes", "objects", "threshold", "outcome"),
    [
        ([[0, 0, 4, 8]], [[0, 0, 4, 4]], 0.5, [1]),  # exactly at the threshold
        ([[0, 0, 4, 8]], [[0, 0, 4, 4]], 0.51, [0]),
        ([[0, 0, 4, 4]], [[0, 0, 4, 4]], 1, [1]),
        ([[0, 0, 1, 1 - 1e-12]], [[0, 0, 1, 1]], 1, [1]),  # a threshold of 1 forgives rounding
        ([[0, 0, 4, 4]] * 3, [[0, 0, 4, 4]], 0.5, [1, 0, 0]),  # duplicates
        ([[0, 0, 4, 4]] * 3, [[0, 0, 4, 4]] * 2, 0.5, [1, 1, 0]),
        ([[0, 0, 4, 4]], [], 0.5, [0]),
        ([], [[0, 0, 4, 4]], 0.5, []),
    ],
)
def test_matching_by_hand(boxes, objects, threshold, outcome):
    scores = np.linspace(0.9, 0.1, len(boxes))
    assert_array_equal(match_detections(boxes, scores, objects, iou_threshold=threshold)[0], outcome)


@pytest.mark.parametrize(("rule", "outcome", "decided_by"), [("voc", [1, 0], [0, 0]), ("coco", [1, 1], [0, 1])])
def test_voc_asks_the_best_object_alone_and_coco_falls_back(rule, outcome, decided_by):
    found = match_detections([TAKEN, [0.5, 0, 10.5, 10]], [0.9, 0.8], [TAKEN, FREE], rule=rule)
    assert_array_equal(found[0], outcome)
    assert_array_equal(found[1], decided_by)


@pytest.mark.parametrize(("rule", "first"), [("voc", 0), ("coco", 1)])
def test_of_equal_overlaps_voc_takes_the_first_object_and_coco_the_last(rule, first):
    assert match_detections([[1, 0, 11, 10]], [0.9], [TAKEN, FREE], rule=rule)[1] == first


def test_the_better_score_chooses_first_and_ties_keep_input_order():
    assert_array_equal(match_detections([TAKEN] * 3, [0.5, 0.9, 0.9], [TAKEN])[0], [0, 1, 0])


@pytest.mark.parametrize(("rule", "outcome"), [("coco", [-1, -1]), ("voc", [0, 0])])
def test_a_crowd_swallows_what_lies_in_it(rule, outcome):
    inside = [[0, 0, 10, 10], [50, 50, 60, 60]]  # all of each is in the crowd, which has 100 times its area
    assert_array_equal(match_detections(inside, [0.9, 0.8], [[0, 0, 100, 100]], rule=rule, ignore=[1])[0], outcome)


@pytest.mark.parametrize("rule", ["coco", "voc"])
def test_an_ignored_object_takes_any_number_of_detections(rule):
    assert_array_equal(match_detections([TAKEN] * 3, [3, 2, 1], [TAKEN], rule=rule, ignore=[True])[0], [-1] * 3)


@pytest.mark.parametrize(("rule", "outcome"), [("coco", [1, -1]), ("voc", [-1, -1])])
def test_coco_prefers_an_object_that_counts_to_a_better_one_that_does_not(rule, outcome):
    boxes, objects = [[0, 0, 10, 10]] * 2, [[0, 0, 10, 10], [0, 0, 10, 8]]
    assert_array_equal(match_detections(boxes, [0.9, 0.8], objects, rule=rule, ignore=[1, 0])[0], outcome)


# the data set against one image at a time, and against pycocotools


def random_data(seed, images=12, classes=3, whole=True, crowds=0.1):
    """Objects, and detections near some of them; on whole pixels there are many equal overlaps and scores."""
    rng = np.random.default_rng(seed)
    count, found = images * 6, images * 12
    where, labels = rng.integers(0, images, count) + 1, rng.integers(0, classes, count) + 1
    corner = rng.integers(0, 20, (count, 2))
    real = np.hstack([corner, corner + rng.integers(6, 14, (count, 2))])
    near = rng.integers(0, count, found)
    noise = rng.integers(-2, 3, (found, 4)) if whole else rng.normal(0, 1.2, (found, 4))
    boxes, scores = real[near] + noise, rng.integers(1, 30, found) / 32
    other = np.where(rng.random(found) < 0.8, labels[near], rng.integers(0, classes, found) + 1)
    flags = (rng.random(count) < crowds).astype(int)
    return Detections(where[near], other, boxes, scores), Objects(where, labels, real, flags)


def coco_precision(detections, objects):
    """Pycocotools' table of precisions (T, R, K), all box sizes, 100 detections."""

    def rows(table, **columns):
        boxes = np.hstack([np.asarray(table.boxes)[:, :2], np.diff(np.reshape(table.boxes, (-1, 2, 2)), axis=1)[:, 0]])
        sizes = (boxes[:, 2] * boxes[:, 3]).tolist()
        names = ("image_id", "category_id", "bbox", "area", *columns)
        values = (table.images, table.labels, boxes, sizes, *columns.values())
        values = [np.asarray(value).tolist() for value in values]
        return [{"id": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(zip(*values, strict=True), 1)]

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        numbers = [np.union1d(a, b).astype(int).tolist() for a, b in zip(objects[:2], detections[:2], strict=True)]
        images, categories = ([{"id": i} for i in each] for each in numbers)
        annotations = rows(objects, iscrowd=objects.ignore)
        truth.dataset = {"images": images, "categories": categories, "annotations": annotations}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows(detections, score=detections.scores)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., 0, 2]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_coco_evaluation_is_pycocotools_to_the_last_digit(seed, whole):
    data = random_data(seed, whole=whole, classes=1 + seed % 4)
    theirs, ours = coco_precision(*data), mean_average_precision(*data)
    assert_array_equal(ours.precision, theirs[:, :, (theirs > -1).any(axis=(0, 1))])
    assert ours.mean() == theirs[theirs > -1].mean()
    assert ours.mean(0.75) == theirs[5][theirs[5] > -1].mean()


def test_only_100_detections_of_an_image_and_class_count():
    rows = np.arange(150)
    detections = Detections(np.ones(150), rows % 2, np.tile([0, 0, 10, 10], (150, 1)) + rows[:, None], 1 - rows / 200)
    objects = Objects(np.ones(4), [0, 0, 1, 1], np.add([[0], [148], [1], [149]], [0, 0, 10, 10]), np.zeros(4))
    assert_array_equal(mean_average_precision(detections, objects).precision, coco_precision(detections, objects))
    few = match_dataset(detections, objects, max_detections=2, iou_thresholds=0.5)
    assert_array_equal(few, [[1, 1, 0, 0] + [-1] * 146])


@pytest.mark.parametrize(("rule", "outcome"), [("coco", [1, 0]), ("voc", [1, 1])])
def test_a_tie_of_overlaps_decides_who_is_left_for_the_next(rule, outcome):
    found = Detections([1, 1], [1, 1], [[1, 0, 11, 10], FREE], [0.9, 0.8])  # 9/11 with each; 1 with the last
    real = Objects([1, 1], [1, 1], [TAKEN, FREE], [0, 0])
    assert_array_equal(match_dataset(found, real, iou_thresholds=0.75, rule=rule), [outcome])
    assert_array_equal(mean_average_precision(found, real).precision, coco_precision(found, real))


@pytest.mark.parametrize("rule", ["coco", "voc"])
@pytest.mark.parametrize("seed", range(6))
def test_a_data_set_is_matched_as_its_images_and_classes_are(seed, rule, monkeypatch):
    monkeypatch.setattr(module, "_PAIRS_AT_ONCE", 7)  # many blocks
    found, real = random_data(seed)
    outcomes = match_dataset(found, real, rule=rule, iou_thresholds=[0.6, 0.3])
    for image, label in {*zip(found.images, found.labels, strict=True)}:
        rows, own = ((t.images == image) & (t.labels == label) for t in (found, real))
        for t, threshold in enumerate((0.6, 0.3)):
            one = found.boxes[rows], found.scores[rows], real.boxes[own]
            alone = match_detections(*one, iou_threshold=threshold, rule=rule, ignore=real.ignore[own])
            assert_array_equal(outcomes[t, rows], alone[0])


def voc_outcomes(boxes, scores, objects, difficult, threshold):
    """VOCevaldet.m in plain Python, without its pixel added to widths and heights."""
    taken, outcome = [False] * len(objects), [0] * len(boxes)
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        best, chosen = -1.0, None
        for j, b in enumerate(objects):
            a = boxes[i]
            w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            both = w * h if w > 0 and h > 0 else 0
            iou = both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
            if iou > best:
                best, chosen = iou, j
        if best >= threshold:
            outcome[i] = -1 if difficult[chosen] else int(not taken[chosen])
            taken[chosen] = True
    return outcome


@pytest.mark.parametrize("seed", range(6))
def test_voc_rule_is_vocs(seed):
    found, real = random_data(seed, images=1, classes=1, crowds=0.3)
    arguments = found.boxes, found.scores, real.boxes
    expected = voc_outcomes(*(a.tolist() for a in (*arguments, real.ignore)), 0.5)
    assert_array_equal(match_detections(*arguments, rule="voc", ignore=real.ignore)[0], expected)


def test_names_may_be_text_and_empty_tables_are_fine():
    objects = Objects(["a.jpg"], ["cat"], [[0, 0, 4, 4]])
    nothing = Detections([], [], [], [])
    assert mean_average_precision(nothing, objects).mean() == 0
    assert np.isnan(mean_average_precision(nothing, Objects([], [], [])).mean())
    assert mean_average_precision(Detections(["a.jpg"], ["dog"], [[0, 0, 4, 4]], [1]), objects).mean() == 0
    assert match_dataset(nothing, objects).shape == (10, 0)


def test_a_class_with_crowds_only_is_left_out():
    real = Objects([1, 1], ["a", "b"], [[0, 0, 4, 4]] * 2, [0, 1])
    result = mean_average_precision(Detections([1], ["a"], [[0, 0, 4, 4]], [0.5]), real, iou_thresholds=0.5)
    assert_array_equal(result.labels, ["a"])
    assert_allclose(result.by_class(), [[1]])


def test_working_memory_does_not_grow_with_all_pairs():
    found, real = random_data(0, images=1500)  # 18,000 detections, 9,000 objects: 162 million pairs
    tracemalloc.start()
    mean_average_precision(found, real)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 18_000 * 1500


def test_coco_format_holds_the_same_numbers():
    found, real = random_data(3)
    dataset, results = in_coco_format(found, real)
    x, y, width, height = np.transpose([row["bbox"] for row in results])
    assert_array_equal(np.transpose([x, y, x + width, y + height]), found.boxes)
    assert [row["score"] for row in results] == found.scores.tolist()
    assert [row["iscrowd"] for row in dataset["annotations"]] == real.ignore.tolist()
    assert [row["category_id"] for row in dataset["annotations"]] == real.labels.tolist()
    assert {row["image_id"] for row in results} <= {image["id"] for image in dataset["images"]}


def test_jitter_moves_and_stretches_by_about_the_amount():
    box = np.tile([10.0, 20, 14, 28], (5000, 1))
    moved = jitter_boxes(box, 0.1, seed=1)
    sides = moved[:, 2:] - moved[:, :2]
    assert_allclose(np.std(moved[:, :2] + sides / 2, axis=0), [0.4, 0.8], rtol=0.1)
    assert_allclose(np.std(np.log(sides), axis=0), [0.1, 0.1], rtol=0.1)
    assert_array_equal(jitter_boxes(box, 0.1, seed=1), moved)


# precision_recall, average_precision

HITS = [1, 1, 0, 1, 0, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [
        ("11-point", (4 * 1 + 2 * 3 / 4 + 1 * 4 / 7 + 2 * 5 / 9) / 11),
        ("all-point", (1 + 1 + 3 / 4 + 4 / 7 + 5 / 9) / 6),
        ("none", (1 + 1 + 3 / 4 + 4 / 7 + 5 / 9) / 6),
        ("101-point", (34 * 1 + 17 * 3 / 4 + 16 * 4 / 7 + 17 * 5 / 9) / 101),
    ],
)
def test_average_precision_by_hand(interpolation, expected):
    assert_allclose(average_precision(*precision_recall(HITS, 6), interpolation), expected)


def test_a_late_rise_lifts_the_envelope_but_not_the_plain_sum():
    curve = precision_recall([0, 1, 1], 2)  # precision 0, 1/2, 2/3
    assert_allclose([average_precision(*curve, name) for name in ("none", "all-point")], [7 / 12, 2 / 3])


hit_lists = st.lists(st.booleans(), max_size=30)


@given(hit_lists, st.integers(1, 5))
@settings(deadline=None)
def test_interpolation_is_the_best_precision_at_that_recall_or_more(hits, missed):
    precision, recall = precision_recall(hits, sum(hits) + missed)
    points = np.linspace(0, 1, 11)
    expected = [max([p for p, r in zip(precision, recall, strict=True) if r >= at], default=0) for at in points]
    assert_array_equal(interpolated_precision(precision, recall, points), expected)


@given(hit_lists)
@settings(deadline=None)
def test_without_interpolation_it_is_scikit_learns(hits):
    hits = [*hits, True]
    scores = np.linspace(1, 0.1, len(hits))
    ours = average_precision(*precision_recall(hits, sum(hits)), "none")
    assert_allclose(ours, average_precision_score(hits, scores))


@given(hit_lists, st.sampled_from(["11-point", "all-point", "101-point", "none"]))
@settings(deadline=None)
def test_false_alarms_at_the_end_cost_nothing_and_bounds_hold(hits, interpolation):
    objects = sum(hits) + 1
    short, long = (average_precision(*precision_recall(h, objects), interpolation) for h in (hits, [*hits, False]))
    assert short == pytest.approx(long)
    assert 0 <= short < 1
    perfect = precision_recall([True] * objects, objects)
    assert average_precision(*perfect, interpolation) == pytest.approx(1)


def test_coco_adds_a_last_digit():
    assert precision_recall([True], 1, epsilon=np.spacing(1))[0] < 1
    assert precision_recall([True], 1)[0] == 1


# bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: match_detections([[0, 0, 1, 1]], [1], [[0, 0, 1, 1]], rule="kitti"), "'coco' or 'voc', got 'kitti'"),
        (lambda: match_detections([[0, 0, 1, 1]], [1], [[5, 5, 1, 1]]), "objects must satisfy .* x, y, width, height"),
        (lambda: match_detections([[0, 0, 1, 1]], [1], [], iou_threshold=50), "iou_threshold .* a percentage"),
        (lambda: match_detections([], [], [[0, 0, 1, 1]], ignore=[0, 1]), "ignore must be 1 flags"),
        (lambda: match_detections([], [], [[0, 0, 1, 1]], ignore=[2]), "flags of 0 or 1"),
        (lambda: precision_recall([1, -1], 2), r"drop ignored \(-1\)"),
        (lambda: precision_recall([1, 1], 1), "the number of hits, got 1"),
        (lambda: precision_recall([], 0), "at least 1"),
        (lambda: average_precision([1, 1], [0.5]), "one length"),
        (lambda: average_precision([1], [50]), r"recall must lie in \[0, 1\], .* a percentage"),
        (lambda: average_precision([0.5, 1], [1, 0]), "recall must not fall"),
        (lambda: average_precision([1], [1], "13-point"), "got '13-point'"),
        (lambda: match_dataset(Detections([1], [], [[0, 0, 1, 1]], [1]), Objects([], [], [])), "labels of detections"),
        (lambda: match_dataset(Detections([], [], [], []), Objects([1], ["a"], [])), "images of objects"),
        (
            lambda: match_dataset(Detections([1], [1], [[0, 0, 1, 1]], [1]), Objects([1], ["a"], [[0, 0, 1, 1]])),
            "labels are text in one table and numbers in the other",
        ),
        (lambda: match_dataset(Detections([], [], [], []), Objects([], [], []), iou_thresholds=[]), "1 to 62"),
        (lambda: match_dataset(Detections([], [], [], []), Objects([], [], []), max_detections=0), "at least 1, got 0"),
        (
            lambda: mean_average_precision(Detections([], [], [], []), Objects([], [], [])).mean(0.33),
            "no IoU threshold 0.33",
        ),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_coco_thresholds_are_ten():
    assert_allclose(COCO_IOU_THRESHOLDS, np.arange(50, 100, 5) / 100)
