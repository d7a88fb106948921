"""YOLOv3 outside its network: priors, decoding, who is responsible for an object, and the loss term by term.

A box is ``x1, y1, x2, y2`` in pixels of a square input. Raw outputs of one scale have shape (A (5 + C), S, S): for each
of A anchors t_x, t_y, t_w, t_h, objectness, and C classes, all before any sigmoid. Scales go from coarse to fine.
Redmon and Farhadi, *YOLOv3: an incremental improvement* (2018). Used first in chapters/detection/detectors.ipynb.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from utils.boxes import broadcast_iou
from utils.losses import sigmoid

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STRIDES = (32, 16, 8)
# Width and height in pixels, k-means clusters of the boxes of COCO; three for each stride.
ANCHORS = (((116, 90), (156, 198), (373, 326)), ((30, 61), (62, 45), (59, 119)), ((10, 13), (16, 30), (33, 23)))
XY_LOSSES = ("squared", "squared sigmoid", "bce")
TERMS = ("xy", "wh", "object", "no object", "class")

# A centre on the border of a cell has its inverse sigmoid at infinity.
_EDGE = 1e-3


class Decoded(NamedTuple):
    """Boxes (A, S, S, 4) in pixels, objectness (A, S, S) and class probabilities (A, S, S, C), both in 0 to 1."""

    boxes: Floats
    objectness: Floats
    classes: Floats


class Assignment(NamedTuple):
    """The one anchor that answers for an object, and what it shall say."""

    scale: int  # 0 is the coarsest
    anchor: int
    row: int
    col: int
    target: Floats  # centre as fractions of the cell, in [0, 1); logarithms of box side / anchor side
    overlaps: Floats  # (scales, A): IoU of the object with each anchor, centres aligned


class Loss(NamedTuple):
    """The five terms by name, the gradient with respect to each raw output, and which anchors are excused."""

    terms: dict[str, float]
    gradients: list[Floats]  # shapes of the raw outputs
    ignored: list[Bools]  # (A, S, S) for each scale

    @property
    def total(self) -> float:
        """The sum of the terms."""
        return sum(self.terms.values())


def decode(raw: ArrayLike, anchors: ArrayLike, stride: int) -> Decoded:
    """Boxes and probabilities from the raw output of one scale.

    The sigmoid keeps a centre inside its cell; width and height are the anchor's times an exponential.

    >>> decode(np.zeros((6, 1, 1)), [(20, 10)], stride=8).boxes            # all zeros: the prior in mid-cell
    array([[[[-6., -1., 14.,  9.]]]])
    >>> decode(np.zeros((2 * 25, 13, 13)), [(20, 10), (5, 5)], 32).classes.shape
    (2, 13, 13, 20)
    """
    outputs, sizes = _split(raw, anchors)
    rows, cols = np.indices(outputs.shape[2:])
    x = (cols + sigmoid(outputs[:, 0])) * stride
    y = (rows + sigmoid(outputs[:, 1])) * stride
    half = sizes.T[:, :, None, None] * np.exp(np.moveaxis(outputs[:, 2:4], 1, 0)) / 2  # (2, A, S, S)
    boxes = np.stack([x - half[0], y - half[1], x + half[0], y + half[1]], axis=-1)
    return Decoded(boxes, sigmoid(outputs[:, 4]), np.moveaxis(sigmoid(outputs[:, 5:]), 1, -1))


def prior_boxes(size: int, anchors: ArrayLike, stride: int) -> Floats:
    """The anchors of one scale in the middle of each cell, (A, S, S, 4): what a raw output of zeros means.

    >>> prior_boxes(416, ANCHORS[0], 32).shape
    (3, 13, 13, 4)
    """
    cells = _cells(size, stride)
    return decode(np.zeros((5 * len(np.asarray(anchors)), cells, cells)), anchors, stride).boxes


def assign(
    box: ArrayLike, size: int = 416, anchors: ArrayLike = ANCHORS, strides: Sequence[int] = STRIDES
) -> Assignment:
    """The anchor whose shape overlaps `box` (4,) best, of all scales, in the cell that holds the centre.

    Shapes are compared with their centres aligned. Among equals the first wins, coarse before fine.
    A centre on the line between two cells belongs to the right, or lower, one.

    >>> assign([100, 100, 260, 300])[:4]              # 160 x 200 is nearest to 156 x 198, at stride 32
    (0, 1, 6, 5)
    """
    x1, y1, x2, y2 = _boxes_inside(np.asarray(box)[None], size)[0]
    width, height = x2 - x1, y2 - y1
    shapes = np.asarray(anchors, dtype=np.float64)
    centred = np.moveaxis(np.concatenate([-shapes, shapes], axis=-1) / 2, -1, 0)
    overlaps = broadcast_iou(np.array([-width, -height, width, height]).reshape(4, 1, 1) / 2, centred)
    scale, anchor = divmod(int(overlaps.argmax()), overlaps.shape[1])
    x, y = (x1 + x2) / 2 / strides[scale], (y1 + y2) / 2 / strides[scale]
    target = np.array([x % 1, y % 1, *np.log([width, height] / shapes[scale, anchor])])
    return Assignment(scale, anchor, int(y), int(x), target, overlaps)


def overlapping(candidates: ArrayLike, boxes: ArrayLike, threshold: float = 0.5) -> Bools:
    """Which of the candidates (..., 4) overlap one of `boxes` (N, 4) by an IoU greater than `threshold`.

    >>> overlapping([[0, 0, 4, 4], [0, 0, 4, 8], [9, 9, 12, 12]], [[0, 0, 4, 4]])        # IoU 1, 1/2 and 0
    array([ True, False, False])
    """
    found = np.moveaxis(np.asarray(candidates, dtype=np.float64), -1, 0)
    hits = np.zeros(found.shape[1:], dtype=bool)
    for box in np.asarray(boxes, dtype=np.float64):
        hits |= broadcast_iou(box.reshape(4, *[1] * hits.ndim), found) > threshold
    return hits


def yolov3_loss(
    raw: Sequence[ArrayLike],
    boxes: ArrayLike,
    labels: Sequence[int],
    *,
    xy: str = "squared",
    ignore_threshold: float = 0.5,
    ignore_by: str = "priors",
    anchors: ArrayLike = ANCHORS,
    strides: Sequence[int] = STRIDES,
) -> Loss:
    """The loss of one image, five sums without weights, and its gradient in closed form.

    `raw` has one output for each scale, `boxes` (N, 4) are in pixels, `labels` (N,) count from 0.

    * xy: by `xy`, "squared" is (t - logit of the target)**2 as in the paper (target kept 0.001 away from 0 and 1),
      "squared sigmoid" is (sigmoid(t) - target)**2, "bce" is the cross-entropy of sigmoid(t) and the target;
    * wh: squared error of t_w and t_h;
    * object, no object: cross-entropy of the objectness, 1 at each responsible anchor and 0 elsewhere, except at
      anchors whose IoU with an object is greater than `ignore_threshold`: their prior's (`ignore_by` "priors", as
      the paper words it) or their decoded box's ("predictions", as Darknet does it);
    * class: cross-entropy of each class by itself, at responsible anchors.

    Where two objects want the same anchor, the later one has it.

    >>> zeros = [np.zeros((3 * 7, 13 * f, 13 * f)) for f in (1, 2, 4)]        # two classes
    >>> loss = yolov3_loss(zeros, [[100, 100, 260, 300]], [1])
    >>> round(loss.terms["class"], 4), loss.gradients[0][7 + 5 : 7 + 7, 6, 5]              # 2 log 2, and p - t
    (1.3863, array([ 0.5, -0.5]))
    """
    _check_options(xy, ignore_by, ignore_threshold)
    size = np.asarray(raw[0]).shape[-1] * strides[0]
    truths = _boxes_inside(boxes, size)
    if len(labels) != len(truths):
        raise ValueError(f"labels must be {len(truths)}, one a box, got {len(labels)}")
    outputs = [_split(each, sizes)[0] for each, sizes in zip(raw, np.asarray(anchors), strict=True)]
    gradients = [np.zeros_like(output) for output in outputs]
    terms = dict.fromkeys(TERMS, 0.0)

    responsible = [np.zeros(output[:, 4].shape, dtype=bool) for output in outputs]
    found = [assign(box, size, anchors, strides) for box in truths]
    owners = {assigned[:4]: (assigned.target, label) for assigned, label in zip(found, labels, strict=True)}
    for (scale, anchor, row, col), (target, label) in owners.items():
        responsible[scale][anchor, row, col] = True
        output, gradient = (arrays[scale][anchor, :, row, col] for arrays in (outputs, gradients))  # views
        _add_box_terms(terms, output, gradient, target, xy)
        _add_class_terms(terms, output, gradient, label)

    ignored = []
    for each, output, sizes, stride, gradient, mine in zip(
        raw, outputs, np.asarray(anchors), strides, gradients, responsible, strict=True
    ):
        meant = np.zeros_like(output).reshape(-1, *output.shape[2:]) if ignore_by == "priors" else each
        ignored.append(overlapping(decode(meant, sizes, stride).boxes, truths, ignore_threshold) & ~mine)
        logits, counted = output[:, 4], ~ignored[-1]
        entropy = _bce(logits, mine)
        terms["object"] += float(entropy[mine].sum())
        terms["no object"] += float(entropy[~mine & counted].sum())
        gradient[:, 4] = (sigmoid(logits) - mine) * counted
    return Loss(terms, [gradient.reshape(-1, *gradient.shape[2:]) for gradient in gradients], ignored)


def xy_loss(logits: ArrayLike, targets: ArrayLike, kind: str) -> tuple[Floats, Floats]:
    """Loss and derivative of a centre coordinate: raw output `logits`, target a fraction of the cell.

    `kind` is one of `XY_LOSSES`; see `yolov3_loss`.

    >>> for kind in XY_LOSSES:
    ...     print(kind, [float(part.round(4)) for part in xy_loss(0.0, 0.75, kind)])
    squared [1.2069, -2.1972]
    squared sigmoid [0.0625, -0.125]
    bce [0.6931, -0.25]
    """
    t, target = np.asarray(logits, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    p = sigmoid(t)
    if kind == "squared":
        kept = target.clip(_EDGE, 1 - _EDGE)
        error = t - np.log(kept / (1 - kept))
        return error**2, 2 * error
    if kind == "squared sigmoid":
        return (p - target) ** 2, 2 * (p - target) * p * sigmoid(-t)
    return _bce(t, target), p - target


def _add_box_terms(terms: dict[str, float], output: Floats, gradient: Floats, target: Floats, xy: str) -> None:
    loss, gradient[:2] = xy_loss(output[:2], target[:2], xy)
    error = output[2:4] - target[2:]
    gradient[2:4] = 2 * error
    terms["xy"] += float(loss.sum())
    terms["wh"] += float((error**2).sum())


def _add_class_terms(terms: dict[str, float], output: Floats, gradient: Floats, label: int) -> None:
    logits = output[5:]
    if not 0 <= label < len(logits):
        raise ValueError(f"a label must be in 0 to {len(logits) - 1}, got {label}; did you count from 1?")
    one_hot = np.arange(len(logits)) == label
    gradient[5:] = sigmoid(logits) - one_hot
    terms["class"] += float(_bce(logits, one_hot).sum())


def _bce(logits: Floats, targets: ArrayLike) -> Floats:
    """Cross-entropy of sigmoid(logits) and targets in [0, 1]."""
    return np.asarray(np.logaddexp(0, logits) - np.asarray(targets) * logits)


def _split(raw: ArrayLike, anchors: ArrayLike) -> tuple[Floats, Floats]:
    """The raw output as (A, 5 + C, S, S), and the anchors as (A, 2)."""
    outputs, sizes = np.asarray(raw, dtype=np.float64), np.asarray(anchors, dtype=np.float64)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not (sizes > 0).all():
        raise ValueError(f"anchors of a scale must be positive, with shape (A, 2), got shape {sizes.shape}")
    fits = outputs.ndim == 3 and outputs.shape[0] % len(sizes) == 0 and outputs.shape[0] >= 5 * len(sizes)
    if not fits or outputs.shape[1] != outputs.shape[2]:
        cause = "; one image, without the batch axis" if outputs.ndim == 4 else ""
        raise ValueError(f"raw output must be ({len(sizes)} (5 + C), S, S), got {outputs.shape}{cause}")
    return outputs.reshape(len(sizes), -1, *outputs.shape[1:]), sizes


def _cells(size: int, stride: int) -> int:
    if size <= 0 or size % stride:
        raise ValueError(f"the side of the input must be a multiple of the stride {stride}, got {size}")
    return size // stride


def _boxes_inside(boxes: ArrayLike, size: int) -> Floats:
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must have shape (N, 4), got {array.shape}")
    x1, y1, x2, y2 = array.T
    centres = np.stack([x1 + x2, y1 + y2]) / 2
    good = (x1 < x2) & (y1 < y2) & (centres >= 0).all(axis=0) & (centres < size).all(axis=0)
    if not good.all():
        raise ValueError(
            f"boxes need an area and a centre in the picture of {size} pixels, got {array[~good][0]}; "
            "did you pass x, y, width, height, or fractions?"
        )
    return array


def _check_options(xy: str, ignore_by: str, ignore_threshold: float) -> None:
    if xy not in XY_LOSSES:
        raise ValueError(f"xy must be one of {', '.join(XY_LOSSES)}, got {xy!r}")
    if ignore_by not in ("priors", "predictions"):
        raise ValueError(f"ignore_by must be 'priors' or 'predictions', got {ignore_by!r}")
    if not 0 <= ignore_threshold <= 1:
        raise ValueError(f"ignore_threshold must be in [0, 1], got {ignore_threshold}; did you pass a percentage?")
