"""Detections against objects: matching, precision and recall, average precision, COCO's mean of it.

Boxes are ``x1, y1, x2, y2`` as in `utils.boxes`. Overlaps count from a threshold upwards (``>=``), and equal scores
keep the order of the input, as in COCO's own code. Used first in chapters/detection/average-precision.ipynb.
"""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.boxes import _as_boxes, _as_fraction, _as_scores, broadcast_iou

Floats = NDArray[np.float64]
Outcomes = NDArray[np.int8]

TRUE, FALSE, IGNORED = 1, 0, -1  # the outcome of a detection: a hit, a false alarm, or not counted
COCO_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
COCO_RECALL_POINTS = np.linspace(0, 1, 101)

_PAIRS_AT_ONCE = 100_000  # bounds the memory of `match_dataset`
_TINY = np.spacing(1.0)


class Detections(NamedTuple):
    """Detections of a data set, one row each: its image, its label, its box (N, 4) and its score."""

    images: ArrayLike
    labels: ArrayLike
    boxes: ArrayLike
    scores: ArrayLike


class Objects(NamedTuple):
    """Objects that are really there, one row each; `ignore` marks crowds (COCO) or difficult objects (VOC)."""

    images: ArrayLike
    labels: ArrayLike
    boxes: ArrayLike
    ignore: ArrayLike | None = None


class Evaluation(NamedTuple):
    """Interpolated precision at each IoU threshold, recall point and label: a table (T, R, K), NaN without objects."""

    labels: NDArray[np.generic]
    iou_thresholds: Floats
    precision: Floats

    def mean(self, iou_threshold: float | None = None) -> float:
        """COCO's AP: the mean over labels, recall points, and all IoU thresholds or the one given; NaN of nothing."""
        table = self.precision
        if iou_threshold is not None:
            chosen = np.isclose(self.iou_thresholds, iou_threshold, rtol=0, atol=1e-9)
            if not chosen.any():
                raise ValueError(f"no IoU threshold {iou_threshold} here, there are {self.iou_thresholds.tolist()}")
            table = table[chosen]
        counted = table[~np.isnan(table)]
        return float(counted.mean()) if counted.size else float("nan")

    def by_class(self) -> Floats:
        """AP of each IoU threshold and label, shape (T, K); NaN where a label has no objects."""
        return self.precision.mean(axis=1)


def match_detections(
    boxes: ArrayLike,
    scores: ArrayLike,
    objects: ArrayLike,
    *,
    iou_threshold: float = 0.5,
    rule: str = "coco",
    ignore: ArrayLike | None = None,
) -> tuple[Outcomes, NDArray[np.intp]]:
    """Outcome (N,) of each detection of one image and class, and the object (N,) that decided it, else -1.

    The outcome is 1 for a true positive, 0 for a false one, -1 for one that is not counted. Detections choose in
    order of falling score, ties in input order, an object with IoU ``>= iou_threshold``:
    rule "coco" the best of those still free (of equals the last), rule "voc" the best of all (of equals the first),
    and is false if that one is taken. Objects marked in `ignore` can be chosen any number of times, and the choice
    is not counted. Under "coco" they are crowds: chosen only if no other object is, by the share of the *detection*
    that they cover. Under "voc" they are difficult objects and compete by plain IoU.

    >>> match_detections([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]], [0.9, 0.8, 0.7], [[0, 0, 4, 4]])
    (array([1, 0, 0], dtype=int8), array([ 0,  0, -1]))
    """
    detected, real = _as_boxes(boxes), _as_boxes(objects, "objects")
    values, ignored = _as_scores(scores, len(detected)), _as_flags(ignore, len(real))
    least, rule = _reachable(_as_fraction("iou_threshold", iou_threshold)), _as_rule(rule)
    overlaps = _overlap(detected.T[:, :, None], real.T[:, None, :], ignored if rule == "coco" else None)

    outcome, decided_by, taken = np.zeros(len(detected), np.int8), np.full(len(detected), -1), set()
    for i in np.argsort(-values, kind="stable"):
        near = [j for j in _preference(overlaps[i], ignored, rule) if overlaps[i, j] >= least]
        free = [j for j in near if ignored[j] or j not in taken]
        if near:
            decided_by[i] = (free or near)[0]
        if free:
            outcome[i] = IGNORED if ignored[free[0]] else TRUE
            taken.add(free[0])
    return outcome, decided_by


def _preference(overlap: Floats, ignored: NDArray[np.bool_], rule: str) -> NDArray[np.intp]:
    """The objects that a detection asks, first choice first."""
    if rule == "voc":
        return np.argsort(-overlap, kind="stable")[:1]
    return np.lexsort((-np.arange(len(overlap)), -overlap, ignored))


def precision_recall(hits: ArrayLike, num_objects: int, *, epsilon: float = 0.0) -> tuple[Floats, Floats]:
    """Precision and recall (N,) after each of N ranked detections, best first; `hits` says which are true.

    Precision is hits / detections so far, recall is hits so far / `num_objects` (those never found count too).
    `epsilon` is added to the detections so far: COCO's code adds 2.2e-16, which changes a last digit.

    >>> precision_recall([True, False, True], num_objects=4)
    (array([1.        , 0.5       , 0.66666667]), array([0.25, 0.25, 0.5 ]))
    """
    ranked = np.asarray(hits)
    if ranked.ndim != 1 or not np.isin(ranked, (0, 1)).all():
        raise ValueError(f"hits must be a list of True and False, best score first, got {ranked}; drop ignored (-1)")
    found = np.cumsum(ranked, dtype=np.float64)
    if num_objects < max(1, found[-1] if found.size else 0):
        raise ValueError(f"num_objects must be at least 1 and the number of hits, got {num_objects}")
    return found / (np.arange(1, len(ranked) + 1) + epsilon), found / num_objects


def average_precision(precision: ArrayLike, recall: ArrayLike, interpolation: str = "101-point") -> float:
    """Average precision of one ranking, in [0, 1], from its precision and recall after each detection.

    With p(r) = the highest precision at recall ``>= r`` (0 beyond the last), the interpolation is the mean of p at 0,
    0.1, ... 1 ("11-point", VOC until 2009), the area under p ("all-point", VOC from 2010), the mean of p at 0,
    0.01, ... 1 ("101-point", COCO), or "none": the precision at each hit, times the step in recall (scikit-learn).

    >>> precision, recall = precision_recall([True, False, True], num_objects=2)
    >>> average_precision(precision, recall, "all-point")                 # 1/2 of precision 1, 1/2 of 2/3
    0.8333333333333333
    """
    precisions, recalls = _as_curve(precision, recall)
    if interpolation in ("none", "all-point"):
        heights = precisions if interpolation == "none" else envelope(precisions)
        return float(np.sum(np.diff(recalls, prepend=0) * heights))
    points = {"11-point": np.linspace(0, 1, 11), "101-point": COCO_RECALL_POINTS}.get(interpolation)
    if points is None:
        raise ValueError(f"interpolation must be '11-point', 'all-point', '101-point' or 'none', got {interpolation!r}")
    return float(interpolated_precision(precisions, recalls, points).mean())


def envelope(precision: ArrayLike) -> Floats:
    """The highest precision from each rank on: what makes the curve fall only.

    >>> envelope([1, 0.5, 2 / 3])
    array([1.        , 0.66666667, 0.66666667])
    """
    return np.maximum.accumulate(np.asarray(precision, dtype=np.float64)[::-1])[::-1]


def interpolated_precision(precision: ArrayLike, recall: ArrayLike, points: ArrayLike) -> Floats:
    """The highest precision at recall ``>=`` each of `points`; 0 where that recall is never reached.

    >>> interpolated_precision([1, 0.5, 2 / 3], [0.5, 0.5, 1], [0, 0.5, 0.6, 1])
    array([1.        , 1.        , 0.66666667, 0.66666667])
    """
    precisions, recalls = _as_curve(precision, recall)
    return np.append(envelope(precisions), 0)[np.searchsorted(recalls, points)]


def mean_average_precision(
    detections: Detections, objects: Objects, *, iou_thresholds: ArrayLike = COCO_IOU_THRESHOLDS
) -> Evaluation:
    """COCO's evaluation of a data set, all box sizes and 100 detections per image and class.

    `.mean()` is COCO's AP, `.mean(0.5)` its AP50, `.by_class()` the table of APs: each class weighs the same, and
    classes without an object that counts are left out. Equal scores are ranked by image, then in input order.

    >>> objects = Objects([1, 1], ["cat", "dog"], [[0, 0, 4, 4], [5, 5, 9, 9]])
    >>> detections = Detections([1, 1], ["cat", "dog"], [[0, 0, 4, 4], [5, 5, 9, 8]], [0.9, 0.8])   # IoU 1 and 3/4
    >>> mean_average_precision(detections, objects).by_class().round(3).mean(axis=0)
    array([1. , 0.6])
    """
    thresholds = np.atleast_1d(np.asarray(iou_thresholds, dtype=np.float64))
    outcomes = match_dataset(detections, objects, iou_thresholds=thresholds)
    names, real = np.asarray(detections.labels), np.asarray(objects.labels)
    counts = ~_as_flags(objects.ignore, len(real))
    best_first = np.lexsort((np.asarray(detections.images), -np.asarray(detections.scores, dtype=np.float64)))

    labels, num_objects = np.unique(real[counts], return_counts=True)
    precision = np.full((len(thresholds), len(COCO_RECALL_POINTS), len(labels)), np.nan)
    for k, label in enumerate(labels):
        of_class = outcomes[:, best_first[names[best_first] == label]]
        for t, outcome in enumerate(of_class):
            curve = precision_recall(outcome[outcome != IGNORED], num_objects[k], epsilon=_TINY)
            precision[t, :, k] = interpolated_precision(*curve, COCO_RECALL_POINTS)
    return Evaluation(labels, thresholds, precision)


def match_dataset(
    detections: Detections,
    objects: Objects,
    *,
    iou_thresholds: ArrayLike = COCO_IOU_THRESHOLDS,
    rule: str = "coco",
    max_detections: int = 100,
) -> Outcomes:
    """Outcomes (T, N) of `match_detections` for each image and label by itself, at each of T (at most 62) thresholds.

    Of each image and label only the `max_detections` best take part; the others are not counted (-1).
    Memory grows with the number of boxes: overlaps are computed within an image and label, a block at a time.

    >>> objects = Objects([7], ["cat"], [[0, 0, 4, 4]])
    >>> detections = Detections([7, 7], ["dog", "cat"], [[0, 0, 4, 4], [0, 0, 4, 3]], [0.9, 0.8])
    >>> match_dataset(detections, objects, iou_thresholds=[0.5, 0.75, 0.8])
    array([[0, 1],
           [0, 1],
           [0, 0]], dtype=int8)
    """
    thresholds = np.array([_reachable(_as_fraction("iou_thresholds", t)) for t in np.atleast_1d(iou_thresholds)])
    if not 1 <= len(thresholds) <= 62:
        raise ValueError(f"iou_thresholds must be 1 to 62 numbers, got {len(thresholds)}")
    if max_detections < 1:
        raise ValueError(f"max_detections must be at least 1, got {max_detections}")
    rule, checked = _as_rule(rule), _check_dataset(detections, objects)

    ranked = np.lexsort((-checked.scores, checked.group))
    of_group = checked.group[ranked]
    ranked = ranked[np.arange(len(ranked)) - np.searchsorted(of_group, of_group) < max_detections]
    # A set of thresholds is the bits of an integer: one visit of a pair serves them all.
    bits = 1 << np.arange(len(thresholds))
    waiting, found, skipped = ([value] * len(checked.scores) for value in (int(bits.sum()), 0, 0))
    taken = [0] * len(checked.objects)
    for one, other, overlap, crowd in _candidates(checked, ranked, thresholds.min(), rule):
        good = (overlap[:, None] >= thresholds) @ bits
        for i, j, good_at, skip in zip(one.tolist(), other.tolist(), good.tolist(), crowd.tolist(), strict=True):
            gain = good_at & waiting[i] & ~(0 if skip else taken[j])
            waiting[i] ^= gain
            if skip:
                skipped[i] |= gain
            else:
                found[i] |= gain
                taken[j] |= gain
    is_in = [(np.array(each, dtype=np.int64) & bits[:, None]) > 0 for each in (found, skipped)]
    outcomes = np.where(is_in[0], TRUE, np.where(is_in[1], IGNORED, FALSE)).astype(np.int8)
    outcomes[:, np.setdiff1d(np.arange(len(checked.scores)), ranked)] = IGNORED
    return outcomes


def in_coco_format(detections: Detections, objects: Objects) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The data set and the results as pycocotools wants them: x, y, width, height, and ids from 1.

    Images and labels must be whole numbers. The area of an object is that of its box.

    >>> found, real = Detections([1], [2], [[0, 0, 4, 3]], [0.9]), Objects([1], [2], [[1, 1, 4, 4]])
    >>> dataset, results = in_coco_format(found, real)
    >>> results
    [{'id': 1, 'image_id': 1, 'category_id': 2, 'bbox': [0.0, 0.0, 4.0, 3.0], 'area': 12.0, 'score': 0.9}]
    >>> dataset["annotations"][0]["bbox"], dataset["annotations"][0]["iscrowd"]
    ([1.0, 1.0, 3.0, 3.0], 0)
    """
    checked = _check_dataset(detections, objects)

    def rows(table: Detections | Objects, boxes: Floats, name: str, last: NDArray[Any]) -> list[dict[str, Any]]:
        sides = boxes - np.hstack([np.zeros((len(boxes), 2)), boxes[:, :2]])
        columns = (np.asarray(table.images), np.asarray(table.labels), sides, sides[:, 2] * sides[:, 3], last)
        names = ("image_id", "category_id", "bbox", "area", name)
        values = zip(*(column.tolist() for column in columns), strict=True)
        return [{"id": i, **dict(zip(names, row, strict=True))} for i, row in enumerate(values, start=1)]

    annotations = rows(objects, checked.objects, "iscrowd", checked.ignored.astype(int))
    results = rows(detections, checked.boxes, "score", checked.scores)
    every = annotations + results
    ids = {name: sorted({row[name] for row in every}) for name in ("image_id", "category_id")}
    images, categories = ([{"id": i} for i in ids[name]] for name in ("image_id", "category_id"))
    return {"images": images, "categories": categories, "annotations": annotations}, results


def jitter_boxes(boxes: ArrayLike, amount: float, seed: int) -> Floats:
    """Boxes (N, 4) whose centre moves by about `amount` of a side, and whose sides grow or shrink by about as much.

    The moves are normal numbers times `amount`; a side is multiplied by e to the power of such a number.

    >>> jitter_boxes([[0, 0, 4, 4]], 0.0, seed=0)
    array([[0., 0., 4., 4.]])
    """
    checked, rng = _as_boxes(boxes), np.random.default_rng(seed)
    sides, middle = checked[:, 2:] - checked[:, :2], (checked[:, 2:] + checked[:, :2]) / 2
    middle = middle + amount * sides * rng.normal(size=sides.shape)
    sides = sides * np.exp(amount * rng.normal(size=sides.shape))
    return np.hstack([middle - sides / 2, middle + sides / 2])


class _Dataset(NamedTuple):
    """Checked input; a group is an image and a label."""

    boxes: Floats
    scores: Floats
    group: NDArray[np.intp]
    objects: Floats
    ignored: NDArray[np.bool_]
    object_group: NDArray[np.intp]


Block = tuple[NDArray[np.intp], NDArray[np.intp], Floats, NDArray[np.bool_]]


def _candidates(data: _Dataset, ranked: NDArray[np.intp], least: float, rule: str) -> Iterator[Block]:
    """Pairs of one group with enough overlap, in the order of `ranked` and then of preference, a block at a time."""
    together = np.argsort(data.object_group, kind="stable")
    in_order = data.object_group[together]
    first, last = (np.searchsorted(in_order, data.group[ranked], side=side) for side in ("left", "right"))
    ends = np.cumsum(last - first)
    cuts = np.searchsorted(ends, np.arange(_PAIRS_AT_ONCE, ends[-1] if len(ends) else 0, _PAIRS_AT_ONCE))
    for start, stop in itertools.pairwise([0, *np.unique(cuts[cuts > 0]).tolist(), len(ranked)]):
        counts = (last - first)[start:stop]
        place = np.repeat(np.arange(start, stop), counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        other = together[first[place] + np.arange(len(place)) - before]
        one, ignored = ranked[place], data.ignored[other]
        overlap = _overlap(data.boxes[one].T, data.objects[other].T, ignored if rule == "coco" else None)
        if rule == "coco":
            order = np.lexsort((-other, -overlap, ignored, place))
        else:
            order = np.lexsort((other, -overlap, place))
            order = order[np.diff(place[order], prepend=-1) > 0]  # the best alone is asked
        order = order[overlap[order] >= least]
        yield one[order], other[order], overlap[order], ignored[order]


def _overlap(a: Floats, b: Floats, crowd: NDArray[np.bool_] | None) -> Floats:
    """IoU of boxes `a` with boxes `b`, and where `b` is a crowd the share of `a` that it covers."""
    iou = broadcast_iou(a, b)
    if crowd is None or not crowd.any():
        return iou
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared, area_a = width.clip(min=0) * height.clip(min=0), np.prod(a[2:] - a[:2], axis=0)
    return np.where(crowd, np.divide(shared, area_a, out=np.zeros_like(shared), where=shared > 0), iou)


def _reachable(threshold: float) -> float:
    """COCO's rule: an IoU of 1 must stay reachable when a division rounds down."""
    return min(threshold, 1 - 1e-10)


def _as_rule(rule: str) -> str:
    if rule not in ("coco", "voc"):
        raise ValueError(f"rule must be 'coco' or 'voc', got {rule!r}")
    return rule


def _as_flags(flags: ArrayLike | None, count: int) -> NDArray[np.bool_]:
    array = np.zeros(count, bool) if flags is None else np.asarray(flags)
    if array.shape != (count,) or not np.isin(array, (0, 1)).all():
        raise ValueError(f"ignore must be {count} flags of 0 or 1, one an object, got {array}")
    return array.astype(bool)


def _as_curve(precision: ArrayLike, recall: ArrayLike) -> tuple[Floats, Floats]:
    precisions, recalls = np.asarray(precision, dtype=np.float64), np.asarray(recall, dtype=np.float64)
    if precisions.ndim != 1 or precisions.shape != recalls.shape:
        raise ValueError(f"precision and recall must be two lists of one length, got {precisions.shape, recalls.shape}")
    for name, values in (("precision", precisions), ("recall", recalls)):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name} must lie in [0, 1], got {values}; did you pass a percentage?")
    if (np.diff(recalls) < 0).any():
        raise ValueError(
            f"recall must not fall, got {recalls}; did you pass recall first, or a curve from scikit-learn?"
        )
    return precisions, recalls


def _check_dataset(detections: Detections, objects: Objects) -> _Dataset:
    boxes, real = _as_boxes(detections.boxes), _as_boxes(objects.boxes, "objects")
    numbers = []
    for name in ("images", "labels"):
        columns = [np.asarray(getattr(table, name)) for table in (detections, objects)]
        for column, count, of in zip(columns, (len(boxes), len(real)), ("detections", "objects"), strict=True):
            if column.shape != (count,):
                raise ValueError(f"{name} of {of} must have shape ({count},), one a box, got {column.shape}")
        used = [column for column in columns if column.size]  # an empty list has a type of its own
        if len({column.dtype.kind in "US" for column in used}) > 1:
            raise ValueError(f"{name} are text in one table and numbers in the other: {[c[0] for c in used]}")
        numbers.append(np.unique(np.concatenate(used), return_inverse=True)[1] if used else np.empty(0, np.intp))
    image, label = numbers
    group = image * (label.max(initial=0) + 1) + label
    scores = _as_scores(detections.scores, len(boxes))
    ignored = _as_flags(objects.ignore, len(real))
    return _Dataset(boxes, scores, group[: len(boxes)], real, ignored, group[len(boxes) :])
