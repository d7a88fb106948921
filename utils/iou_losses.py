"""IoU as a loss, and what was added so that it also pulls boxes that do not meet: GIoU, DIoU, CIoU.

Each function takes torch tensors of predicted and true boxes, (..., 4) as ``x1, y1, x2, y2`` in one unit, row against
row, and returns one loss a row, (...,). All can be differentiated with respect to both. A quotient with a denominator
of 0 counts as 0, and the ranges are those of boxes with an area. Used first in chapters/detection/iou.ipynb.
"""

import math

import torch
from torch import Tensor


def iou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """``1 - IoU``, in [0, 1]: 1, with no gradient, for all boxes that do not overlap (Yu et al., 2016, take a log).

    >>> target = torch.tensor([0.0, 0, 4, 4])
    >>> iou_loss(torch.tensor([[2.0, 0, 6, 4], [9, 0, 13, 4], [99, 0, 103, 4]]), target)
    tensor([0.6667, 1.0000, 1.0000])
    """
    iou, _ = _iou_and_union(*_checked(boxes, targets))
    return 1 - iou


def giou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """``1 - GIoU``, in [0, 2): adds the empty share of the smallest box around both (Rezatofighi et al., 2019).

    >>> target = torch.tensor([0.0, 0, 4, 4])
    >>> giou_loss(torch.tensor([[2.0, 0, 6, 4], [4, 0, 8, 4], [12, 0, 16, 4]]), target)   # hulls: full, full, half full
    tensor([0.6667, 1.0000, 1.5000])
    """
    boxes, targets = _checked(boxes, targets)
    iou, union = _iou_and_union(boxes, targets)
    hull = _hull_sides(boxes, targets).prod(-1)
    return 1 - iou + _quotient(hull - union, hull)


def diou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """``1 - DIoU``, in [0, 2): adds the squared distance of the centres, as a share of the hull's squared diagonal.

    From Zheng et al. (2020).

    >>> diou_loss(torch.tensor([[3.0, 0, 7, 4]]), torch.tensor([0.0, 0, 4, 4]))    # 1 - 4 / 28 + 3² / (7² + 4²)
    tensor([0.9956])
    """
    boxes, targets = _checked(boxes, targets)
    iou, _ = _iou_and_union(boxes, targets)
    apart = (_centre(boxes) - _centre(targets)).square().sum(-1)
    return 1 - iou + _quotient(apart, _hull_sides(boxes, targets).square().sum(-1))


def ciou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """`diou_loss` plus ``alpha * v``, where v in [0, 1) compares the aspect ratios (Zheng et al., 2020).

    ``v = (2 / π · (atan(w / h) - atan(w' / h')))²``, ``alpha = v / (1 - IoU + v)``. As in the paper, alpha is a weight
    and gets no gradient.

    >>> target = torch.tensor([0.0, 0, 2, 8])
    >>> ciou_loss(torch.tensor([[0.0, 0, 1, 4], [0, 0, 8, 2]]), target)        # half as large in one shape, then turned
    tensor([0.8125, 1.1662])
    """
    boxes, targets = _checked(boxes, targets)
    iou, _ = _iou_and_union(boxes, targets)
    v = (2 / math.pi * (_angle(boxes) - _angle(targets))).square()
    with torch.no_grad():
        alpha = _quotient(v, 1 - iou + v)
    return diou_loss(boxes, targets) + alpha * v


def _iou_and_union(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    shared = torch.minimum(boxes[..., 2:], targets[..., 2:]) - torch.maximum(boxes[..., :2], targets[..., :2])
    intersection = shared.clamp(min=0).prod(-1)  # the clamp stops the gradient of boxes that do not meet
    union = _sides(boxes).prod(-1) + _sides(targets).prod(-1) - intersection
    return _quotient(intersection, union), union


def _hull_sides(boxes: Tensor, targets: Tensor) -> Tensor:
    """Width and height of the smallest box around both, (..., 2)."""
    return torch.maximum(boxes[..., 2:], targets[..., 2:]) - torch.minimum(boxes[..., :2], targets[..., :2])


def _sides(boxes: Tensor) -> Tensor:
    return boxes[..., 2:] - boxes[..., :2]


def _centre(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _angle(boxes: Tensor) -> Tensor:
    """Angle of the diagonal, from the aspect ratio; atan2 stands a height of 0."""
    width, height = _sides(boxes).unbind(-1)
    return torch.atan2(width, height)


def _quotient(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Quotient, 0 where the denominator is not positive; the inner `where` keeps NaN out of the gradient, too."""
    positive = denominator > 0
    return torch.where(positive, numerator / torch.where(positive, denominator, 1), 0)


def _checked(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    for name, given in (("boxes", boxes), ("targets", targets)):
        if not isinstance(given, Tensor) or not given.is_floating_point():
            kind = given.dtype if isinstance(given, Tensor) else type(given).__name__
            raise ValueError(f"{name} must be a tensor of floats, got {kind}; integers have no gradient")
        if given.ndim == 0 or given.shape[-1] != 4:
            raise ValueError(f"{name} must have shape (..., 4), got {tuple(given.shape)}")
        if not given.isfinite().all():
            raise ValueError(f"{name} must be finite; did the network diverge?")
        if (given[..., 2:] < given[..., :2]).any():
            raise ValueError(f"{name} must satisfy x1 <= x2 and y1 <= y2; did you pass x, y, width, height?")
    try:
        torch.broadcast_shapes(boxes.shape, targets.shape)
    except RuntimeError:
        shapes = f"{tuple(boxes.shape)} and {tuple(targets.shape)}"
        raise ValueError(f"boxes and targets are compared row by row, and their shapes {shapes} do not fit") from None
    return boxes, targets
