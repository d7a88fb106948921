"""A tiny convolutional face detector that trains in half a second, to try cures for small faces on.

It answers at every cell of a feature map with a logit, a shift of the centre, and a size, as one-stage detectors do.
It learns from real faces of 25 x 25 pixels that ship with scikit-image, resized and pasted on real photographs that
show no face; some faces and one half of every photograph are held out for testing. Gray pictures are float32 in
[0, 255]. Used in chapters/detection/small-objects-and-scale.ipynb.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from skimage.data import lfw_subset
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from utils.boxes import nms, pairwise_iou
from utils.images import photograph

Floats = NDArray[np.float64]
Picture = NDArray[np.float32]
Detections = tuple[Floats, Floats]  # boxes (N, 4) and scores (N,)

KINDS = ("plain", "separate", "fused", "dilated")
GROUNDS = ("coffee", "flower", "china", "brick", "gravel", "grass", "page", "text", "moon")
TRAINING_FACES = 75  # of 100; the rest is for testing
CROP = 56  # side of a training picture in pixels
ANY_SIZE = (0.0, np.inf)
# Which faces the finer and the coarser map of a net with two heads learn from, in pixels; some belong to both.
FINE_SIZES, COARSE_SIZES = (0.0, 24.0), (14.0, np.inf)


class FaceScene(NamedTuple):
    """A gray picture (H, W), and the boxes (N, 4) of the faces in it."""

    picture: Picture
    boxes: Floats


def face_scene(
    rng: np.random.Generator, side: int, sizes: Sequence[int], others: Sequence[int] = (), *, held_out: bool = False
) -> FaceScene:
    """A photograph's crop of `side` pixels with faces of `sizes` and `others` that are no faces pasted in, apart.

    Both are pasted the same way, so a detector that looks for traces of pasting finds both. The largest come
    first; what finds no free place in 20 tries is left out. With `held_out` the faces, the other patches and the
    halves of the photographs are those that no training picture shows.
    """
    grounds = [ground for ground in _grounds(held_out) if min(ground.shape) >= side]
    if not grounds:
        raise ValueError(f"side must be at most {max(min(g.shape) for g in _grounds(held_out))} pixels, got {side}")
    wanted = sorted([(int(size), True) for size in sizes] + [(int(size), False) for size in others], reverse=True)
    if wanted and not 2 <= wanted[-1][0] <= wanted[0][0] <= side:
        raise ValueError(
            f"sizes must be from 2 to {side} pixels, the side of the picture, got {[s for s, _ in wanted]}"
        )
    ground = grounds[rng.integers(len(grounds))]
    y, x = (int(rng.integers(0, length - side + 1)) for length in ground.shape)
    picture = ground[y : y + side, x : x + side].copy()
    boxes: list[list[int]] = []
    is_face: list[bool] = []
    for size, face in wanted:
        box = _free_place(rng, side, size, boxes)
        if box:
            _paste(picture, _patches(face, held_out), box, rng)
            boxes.append(box)
            is_face.append(face)
    return FaceScene(picture, np.array(boxes, dtype=np.float64).reshape(-1, 4)[np.array(is_face, dtype=bool)])


@cache
def training_scenes(seed: int, count: int = 400) -> tuple[FaceScene, ...]:
    """Pictures of `CROP` pixels with up to three faces each, as multi-scale training sees them.

    A scene with faces from 8 to 48 pixels (and to three quarters of its side) is shrunk to half (one in four),
    left alone (two in four) or enlarged twice (one in four), so that the net meets faces of 4 to 42 pixels.
    """
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(count):
        scale = rng.choice([0.5, 1.0, 1.0, 2.0])
        side = int(CROP / scale)
        sizes = np.rint(np.exp(rng.uniform(np.log(8), np.log(min(48, 0.75 * side)), 4))).astype(int)
        scene = face_scene(rng, side, sizes[1:].tolist(), sizes[:1].tolist())
        scenes.append(FaceScene(_resized(scene.picture, scale), scene.boxes * scale))
    return tuple(scenes)


class SmallFaceNet(nn.Module):
    """Five 3x3 convolutions, and heads that say for every cell: logit, shift in x and y, logarithm of the size.

    "plain" answers on one map of stride 8; "separate" also on a shallow one of stride 4; "fused" adds the deep map,
    enlarged, to that shallow one before its head reads it, as FPN does; "dilated" replaces the last stride by
    dilation 2 and answers on one map of stride 4. Shifts are in cells, sizes relative to three cells.
    """

    def __init__(self, kind: str = "plain") -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        super().__init__()
        self.kind = kind
        dilation = 2 if kind == "dilated" else 1
        self.strides = {"plain": (8,), "dilated": (4,)}.get(kind, (4, 8))
        self.stem = nn.Sequential(_convolution(1, 8, stride=2), _convolution(8, 16, stride=2))
        self.deep = nn.Sequential(
            _convolution(16, 24, stride=2 // dilation),
            _convolution(24, 32, dilation=dilation),
            _convolution(32, 32, dilation=dilation),
        )
        self.head = _head(32)
        if kind == "separate":
            self.shallow_head = _head(16)
        if kind == "fused":
            self.lateral, self.top = nn.Conv2d(16, 16, 1), nn.Conv2d(32, 16, 1)
            self.smooth, self.shallow_head = _convolution(16, 16), _head(16)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Answers (N, 4, H, W) of each map, finest first, for pictures (N, 1, H, W) in [0, 255]."""
        shallow = self.stem((pictures - 128) / 64)
        deep = self.deep(shallow)
        if self.kind == "separate":
            return [self.shallow_head(shallow), self.head(deep)]
        if self.kind == "fused":
            enlarged = F.interpolate(self.top(deep), size=shallow.shape[-2:])
            return [self.shallow_head(self.smooth(self.lateral(shallow) + enlarged)), self.head(deep)]
        return [self.head(deep)]


@cache
def train_small_face_detector(
    kind: str = "plain", seed: int = 0, *, valid: tuple[float, float] = ANY_SIZE, steps: int = 90
) -> SmallFaceNet:
    """A net trained on `training_scenes` of the seed; only faces of a size within `valid` count, in pixels.

    `valid` is ``low <= size < high``. Cells on a face outside of it are neither positive nor negative: they add
    nothing to the loss. Training takes `steps` steps of Adam with 16 pictures each, on one thread.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net, scenes = SmallFaceNet(kind), training_scenes(seed)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster
    pictures = torch.from_numpy(np.stack([scene.picture for scene in scenes])[:, None])
    ranges = [(max(low, valid[0]), min(high, valid[1])) for low, high in _size_ranges(net)]
    wanted = [targets([s.boxes for s in scenes], CROP, *pair) for pair in zip(net.strides, ranges, strict=True)]
    order = torch.cat([torch.randperm(len(scenes)) for _ in range(16 * steps // len(scenes) + 1)])
    weights = list(net.parameters())
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    for step in range(1, steps + 1):
        batch = order[16 * (step - 1) : 16 * step]
        answers = net(pictures[batch].to(memory_format=torch.channels_last))
        loss = torch.stack([_loss(a, t[batch], m[batch]) for a, (t, m) in zip(answers, wanted, strict=True)]).sum()
        rate = 0.01 * min(step / steps / 0.3, (1.01 - step / steps) / 0.7)
        _adam_step(weights, torch.autograd.grad(loss, weights), moments, rate, step)
    return net.eval()


def targets(
    boxes: Sequence[Floats], side: int, stride: int, sizes: tuple[float, float] = ANY_SIZE
) -> tuple[Tensor, Tensor]:
    """What every cell should answer, (N, 4, H, W), and whether it counts, (N, H, W), for squares of `side` pixels.

    A cell is positive when its centre lies within a quarter of the face's size from the face's centre on both
    axes, or within half a stride where that is more: so the smallest face has a cell. A face whose size is not
    ``low <= size < high`` makes its cells count nothing. The channels are those of `SmallFaceNet`.

    >>> wanted, counts = targets([np.array([[4.0, 4, 12, 12]])], side=16, stride=8)
    >>> wanted[0, 0]                                   # a face between the four cells belongs to all of them
    tensor([[1., 1.],
            [1., 1.]])
    >>> wanted[0, 1]                                   # its centre is half a cell away
    tensor([[ 0.5000, -0.5000],
            [ 0.5000, -0.5000]])
    """
    cells = side // stride
    centre = (np.arange(cells) + 0.5) * stride
    wanted = np.zeros((len(boxes), 4, cells, cells), dtype=np.float32)
    counts = np.ones((len(boxes), cells, cells), dtype=np.float32)
    for answer, count, faces in zip(wanted, counts, boxes, strict=True):
        for x1, y1, x2, y2 in faces:
            size, reach = x2 - x1, max((x2 - x1) / 4, stride / 2)
            right, down = (x1 + x2) / 2 - centre, (y1 + y2) / 2 - centre
            inside = (np.abs(down) <= reach)[:, None] & (np.abs(right) <= reach)
            if not sizes[0] <= size < sizes[1]:
                count[inside] = 0
                continue
            answer[0][inside], answer[3][inside] = 1, np.log(size / (3 * stride))
            answer[1] = np.where(inside, right / stride, answer[1])
            answer[2] = np.where(inside, down[:, None] / stride, answer[2])
    return torch.from_numpy(wanted), torch.from_numpy(counts)


def detect_small_faces(
    net: SmallFaceNet,
    pictures: Sequence[Picture],
    *,
    scales: Sequence[float] = (1,),
    valid: tuple[float, float] | None = None,
) -> list[Detections]:
    """Boxes and scores, best first, for each of `pictures` (all of one shape), from every scale, after NMS at 0.4.

    The pictures are resized to each of `scales`; boxes come back in their own pixels. With `valid`, a scale keeps
    only boxes with ``low <= size at that scale < high``; the largest scale has no lower and the smallest no upper
    bound, so that every size is somebody's. Each map of each scale gives at most its 40 best cells.
    """
    found: list[list[Detections]] = [[] for _ in pictures]
    for scale in scales:
        low, high = valid or ANY_SIZE
        low, high = 0 if scale == max(scales) else low, np.inf if scale == min(scales) else high
        for own, (boxes, scores) in zip(found, _answers(net, pictures, scale), strict=True):
            size = (boxes[:, 2] - boxes[:, 0]) * scale
            keep = (size >= low) & (size < high)
            own.append((boxes[keep], scores[keep]))
    merged = []
    for own in found:
        boxes, scores = np.concatenate([b for b, _ in own]), np.concatenate([s for _, s in own])
        kept = nms(boxes, scores, 0.4)
        merged.append((boxes[kept], scores[kept]))
    return merged


def scene_average_precision(detections: Iterable[Detections], scenes: Iterable[FaceScene]) -> float:
    """Average precision at an IoU of 0.5: the area under the steps of precision over recall, not interpolated.

    A box (best score first in each picture) is right when the free face it overlaps most overlaps it by 0.5 or
    more; the face is then taken. Faces that nothing finds count.

    >>> scene = FaceScene(np.zeros((9, 9), dtype=np.float32), np.array([[0.0, 0, 4, 4], [5, 5, 9, 9]]))
    >>> scene_average_precision([(np.array([[0.0, 0, 4, 4]]), np.array([0.9]))], [scene])
    0.5
    """
    right: list[bool] = []
    all_scores: list[float] = []
    faces = 0
    for (boxes, scores), scene in zip(detections, scenes, strict=True):
        overlap = pairwise_iou(boxes, scene.boxes)
        faces += len(scene.boxes)
        for row in overlap:
            best = row.argmax() if row.size else 0
            right.append(bool(row.size and row[best] >= 0.5))
            if right[-1]:
                overlap[:, best] = 0  # taken
        all_scores.extend(scores)
    if not any(right):
        return 0.0
    return float(average_precision_score(right, all_scores) * sum(right) / faces)


def _convolution(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def _head(inputs: int) -> nn.Conv2d:
    head = nn.Conv2d(inputs, 4, 1)
    nn.init.constant_(head.bias[:1], -3.0)  # type: ignore[index]  # few cells are faces: start there
    return head


def _size_ranges(net: SmallFaceNet) -> list[tuple[float, float]]:
    return [FINE_SIZES, COARSE_SIZES] if len(net.strides) == 2 else [ANY_SIZE]


def _loss(answers: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
    """Binary cross-entropy everywhere, and absolute errors of shift (in sizes of the face) and size on faces."""
    positive = wanted[:, 0]
    score = F.binary_cross_entropy_with_logits(answers[:, 0], positive, reduction="none")
    error = (answers[:, 1:] - wanted[:, 1:]).abs()
    place = 0.7 * error[:, :2].sum(1) * torch.exp(-wanted[:, 3]) + error[:, 2]
    return ((2 * score + 1.5 * place * positive) * counts).sum() / ((positive * counts).sum() + 1)


@torch.no_grad()
def _adam_step(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    moments: Sequence[tuple[Tensor, Tensor]],
    rate: float,
    step: int,
) -> None:
    # torch.optim would import a compiler first, which takes longer than training the net.
    for weight, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
        first.lerp_(gradient, 0.1)
        second.lerp_(gradient**2, 0.01)
        scale = (second / (1 - 0.99**step)).sqrt_().add_(1e-8)
        weight.addcdiv_(first, scale, value=-rate / (1 - 0.9**step))


@torch.inference_mode()
def _answers(net: SmallFaceNet, pictures: Sequence[Picture], scale: float) -> list[Detections]:
    """Boxes in the pixels of the pictures and scores, of the best cells of each map at one scale."""
    x = torch.from_numpy(np.stack([_resized(picture, scale) for picture in pictures])[:, None])
    boxes, scores = [], []
    for answer, stride in zip(net(x), net.strides, strict=True):
        logit, right, down, size = answer.unbind(1)
        rows, columns = (torch.arange(length) + 0.5 for length in logit.shape[-2:])
        middle_x, middle_y = (columns + right) * stride, (rows[:, None] + down) * stride
        half = 1.5 * stride * torch.exp(size.clamp(-3, 3))
        box = torch.stack([middle_x - half, middle_y - half, middle_x + half, middle_y + half], -1).flatten(1, 2)
        best = logit.flatten(1).topk(min(40, logit[0].numel()))
        boxes.append(box.gather(1, best.indices[..., None].expand(-1, -1, 4)) / scale)
        scores.append(best.values.sigmoid())
    return list(zip(torch.cat(boxes, 1).double().numpy(), torch.cat(scores, 1).double().numpy(), strict=True))


def _resized(picture: Picture, scale: float) -> Picture:
    if scale == 1:
        return picture
    shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=shrinks))


@cache
def _grounds(held_out: bool) -> tuple[Picture, ...]:
    """One half of each photograph, and the same at half its size."""
    halves = []
    for name in GROUNDS:
        half = np.array_split(photograph(name, gray=True), 2, axis=1)[int(held_out)].astype(np.float32)
        halves += [half, _resized(half, 0.5)]
    return tuple(halves)


@cache
def _patches(faces: bool, held_out: bool) -> Picture:
    """Pictures of 25 x 25: faces, or what is no face."""
    kind = lfw_subset()[:100] if faces else lfw_subset()[100:]
    part = kind[TRAINING_FACES:] if held_out else kind[:TRAINING_FACES]
    return (255 * part).astype(np.float32)


def _free_place(rng: np.random.Generator, side: int, size: int, placed: Sequence[Sequence[int]]) -> list[int] | None:
    for _ in range(20):
        x, y = (int(corner) for corner in rng.integers(0, side - size + 1, 2))
        if not any(x < b[2] and b[0] < x + size and y < b[3] and b[1] < y + size for b in placed):
            return [x, y, x + int(size), y + int(size)]
    return None


def _paste(picture: Picture, patches: Picture, box: Sequence[int], rng: np.random.Generator) -> None:
    """Blend a random patch, mirrored or not, into the box: an oval that fades at its rim."""
    x1, y1, x2, y2 = box
    patch = patches[rng.integers(len(patches))][:, :: rng.choice([-1, 1])]
    patch = _resized(np.ascontiguousarray(patch), (x2 - x1) / patch.shape[0])
    across = (np.arange(x2 - x1) + 0.5) / (x2 - x1) * 2 - 1
    oval = np.clip(4.3 - 4 * np.hypot(across[:, None] / 0.95, across / 0.85), 0, 1)
    picture[y1:y2, x1:x2] += oval * (patch - picture[y1:y2, x1:x2])
