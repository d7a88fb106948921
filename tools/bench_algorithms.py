"""The book's algorithms beside those of well-kept libraries, on the same data, in turns, in one run.

`contests` says what runs against what; `measure` times it. Called by tools/bench.py.
"""

import contextlib
import io
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import convolution_race
import cv2
import numpy as np
import torch
from convolution_race import Layer
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy import ndimage
from skimage.feature import canny as skimage_canny
from skimage.filters import gaussian as skimage_gaussian
from skimage.filters import median as skimage_median
from skimage.transform import resize
from skimage.transform import warp as skimage_warp

from utils.average_precision import Detections, Objects, mean_average_precision
from utils.boxes import nms, pairwise_iou
from utils.cost import trace
from utils.edges import canny
from utils.filters import gaussian_filter, median_filter
from utils.geometry import perspective_from_points, warp
from utils.images import photograph
from utils.nets.resnet import resnet
from utils.network_field import last_field

Run = Callable[[], Any]
TURNS = 5
SIDE = 1000  # of a picture of one megapixel
CONVOLUTION = "convolution 3x3, 64 x 56 x 56, 64 filters"


@dataclass(frozen=True)
class Contest:
    """Our function and the libraries' on one task; `aim` is the ratio to the fastest of them we want to stay within."""

    name: str
    ours: Run
    others: Mapping[str, Run]
    aim: float | None = None
    repeats: Mapping[str, int] = field(default_factory=dict)  # of a run that does only a part: times the whole takes it


class Result(NamedTuple):
    """Median seconds of ours, and of each library."""

    ours: float
    others: dict[str, float]

    @property
    def fastest(self) -> str:
        """The library that needs the least time."""
        return min(self.others, key=lambda name: self.others[name])

    @property
    def ratio(self) -> float:
        """Our time in units of the fastest library's."""
        return self.ours / self.others[self.fastest]


def measure(contest: Contest, *, turns: int = TURNS) -> Result:
    """Run ours and the others in turns, so that a busy second hits all alike; the first turn does not count."""
    runs = {"ours": contest.ours, **contest.others}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times[1:]) * contest.repeats.get(name, 1) for name, times in seconds.items()}
    return Result(medians.pop("ours"), medians)


def peak_memory(run: Run) -> int:
    """Bytes that `run` holds at its worst moment, beyond what was there before."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def growth_of_memory() -> Iterator[tuple[str, float]]:
    """Peak memory at twice the number of boxes, in units of that at once: 2 where it is linear, 4 where quadratic."""
    for name, make in (("NMS", suppression), ("AP", evaluation)):
        single, double = (peak_memory(make(count).ours) for count in (10_000, 20_000))
        yield f"{name}: peak memory at 20,000 boxes over that at 10,000", double / single


def read_resnet_152() -> None:
    """Make the network, and read its field, parameters and multiply-adds; without numbers, on the meta device."""
    network = resnet(152, device="meta")
    last_field(network)
    trace(network, torch.zeros(1, 3, 224, 224, device="meta"))


def memory_of_convolution() -> Iterator[tuple[str, float]]:
    """Megabytes by which each way of computing the layer of `convolution` lifts the peak of resident memory."""
    for way in convolution_race.WAYS:
        yield f"{CONVOLUTION}: peak memory, {way}", convolution_race.peak_bytes(way, Layer()) / 1e6


def contests() -> Iterator[Contest]:
    """All of them; each makes its data when its turn has come."""
    yield overlap(1000)
    yield suppression(10_000)
    yield evaluation(100_000)
    yield from filters()
    yield perspective()
    yield convolution(Layer())


# --- boxes -------------------------------------------------------------------------------------------------------


def random_boxes(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Boxes of 10 to 110 pixels a side in a picture of 1000 x 1000."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 890, (count, 2))
    return np.hstack([corner, corner + rng.uniform(10, 110, (count, 2))])


def width_height(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same boxes as x, y, width, height."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def overlap(count: int) -> Contest:
    """IoU of each of so many boxes with each of as many others."""
    a, b = random_boxes(count), random_boxes(count, seed=1)
    a_xywh, b_xywh, crowd = width_height(a), width_height(b), [0] * count
    others = {"pycocotools": lambda: coco_mask.iou(a_xywh, b_xywh, crowd)}
    return Contest(f"IoU matrix, {count:,} x {count:,}", lambda: pairwise_iou(a, b), others, aim=3)


def suppression(count: int) -> Contest:
    """Non-maximum suppression at 0.5."""
    boxes, scores = random_boxes(count), (np.random.default_rng(1).permutation(count) + 1) / count
    xywh: Any = width_height(boxes)  # OpenCV's stub asks for sequences, its code takes arrays
    ranks: Any = scores
    others = {"OpenCV": lambda: cv2.dnn.NMSBoxes(xywh, ranks, 0.0, 0.5)}
    return Contest(f"NMS, {count:,} boxes", lambda: nms(boxes, scores, 0.5), others, aim=3)


def evaluation(count: int) -> Contest:
    """COCO's AP of so many detections: 20 in an image, of 10 objects and 5 classes."""
    rng, images = np.random.default_rng(2), count // 20
    places = np.repeat(np.arange(images), 10)
    labels, real = rng.integers(0, 5, len(places)), random_boxes(len(places), seed=3)
    twice = np.repeat(np.arange(len(places)), 2)
    found = real[twice] + rng.normal(0, 6, (len(twice), 2))[:, [0, 1, 0, 1]]
    scores = rng.random(len(twice))
    detections = Detections(places[twice], labels[twice], found, scores)
    objects = Objects(places, labels, real)
    truth = in_coco(places, labels, real)
    with contextlib.redirect_stdout(io.StringIO()):
        answer = truth.loadRes(np.column_stack([places[twice], width_height(found), scores, labels[twice]]))

    def pycocotools() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            run = COCOeval(truth, answer, "bbox")
            run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = [[0, 1e10]], ["all"], [100]
            run.evaluate()
            run.accumulate()
        return float(run.eval["precision"].mean())

    others = {"pycocotools": pycocotools}
    return Contest(f"AP, {count:,} detections", lambda: mean_average_precision(detections, objects), others, aim=3)


def in_coco(images: NDArray[np.intp], labels: NDArray[np.int64], boxes: NDArray[np.float64]) -> COCO:
    """Objects as pycocotools wants them."""
    rows = [
        {"id": i, "image_id": int(image), "category_id": int(label), "bbox": list(box), "area": 1, "iscrowd": 0}
        for i, (image, label, box) in enumerate(zip(images, labels, width_height(boxes), strict=True), start=1)
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": int(image)} for image in np.unique(images)],
        "categories": [{"id": int(label)} for label in np.unique(labels)],
        "annotations": rows,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


# --- pictures ----------------------------------------------------------------------------------------------------


def megapixel() -> NDArray[np.uint8]:
    """A gray photograph, enlarged to one megapixel."""
    enlarged: NDArray[np.float64] = resize(photograph("astronaut", gray=True), (SIDE, SIDE), preserve_range=True)
    return np.rint(enlarged).astype(np.uint8)


def filters() -> Iterator[Contest]:
    """Smoothing, ranking and edges on one megapixel."""
    gray = megapixel()
    exact = gray.astype(np.float64)
    others: dict[str, Run] = {
        "OpenCV": lambda: cv2.GaussianBlur(exact, (0, 0), 2.0),
        "SciPy": lambda: ndimage.gaussian_filter(exact, 2.0),
        "scikit-image": lambda: skimage_gaussian(exact, 2.0),
    }
    yield Contest("separable Gaussian, sigma 2, 1 megapixel", lambda: gaussian_filter(exact, 2.0), others)
    others = {
        "OpenCV": lambda: cv2.medianBlur(gray, 5),
        "SciPy": lambda: ndimage.median_filter(gray, 5),
        "scikit-image": lambda: skimage_median(gray, np.ones((5, 5))),
    }
    yield Contest("median 5x5, 1 megapixel", lambda: median_filter(gray, 5), others)
    others = {
        "OpenCV": lambda: cv2.Canny(gray, 100, 200, L2gradient=True),
        "scikit-image": lambda: skimage_canny(gray, 1e-6, 12, 25),
    }
    yield Contest("Canny, no blur, 1 megapixel", lambda: canny(gray, 100, 200), others)


def perspective() -> Contest:
    """A bilinear warp of one megapixel."""
    gray = megapixel()
    matrix = perspective_from_points(
        [[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], [[80, 40], [900, 0], [1000, 940], [0, 1000]]
    )
    back = np.linalg.inv(matrix)
    others: dict[str, Run] = {
        "OpenCV": lambda: cv2.warpPerspective(gray, matrix, (SIDE, SIDE)),
        "scikit-image": lambda: skimage_warp(gray, back),
    }
    return Contest("perspective warp, bilinear, 1 megapixel", lambda: warp(gray, matrix, (SIDE, SIDE)), others)


# --- networks ----------------------------------------------------------------------------------------------------


def convolution(layer: Layer) -> Contest:
    """A layer by im2col, by the book's two loops, and by the libraries; one filter of the six-fold loop is run."""
    runs = {way: convolution_race.runner(way, layer) for way in convolution_race.WAYS if way != "loop over windows"}
    scaled = f"six-fold loop (scaled from 1 of {layer.filters} filters)"
    runs[scaled] = runs.pop("six-fold loop, one filter")
    return Contest(CONVOLUTION, runs.pop("im2col"), runs, repeats={scaled: layer.filters})
