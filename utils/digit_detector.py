"""Handwritten digits on photographs, and a small detector of them, trained in a few seconds.

The digits are scikit-learn's (8 by 8 pixels, real handwriting), laid as white ink on photographs at known places:
real detector output of ten classes, with every object known. A network of two layers looks at each window of an
image pyramid; per-class suppression follows. Used first in chapters/detection/average-precision.ipynb.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from skimage.transform import resize
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.utils import Bunch

from utils.boxes import batched_nms, pairwise_iou
from utils.images import photograph

Floats = NDArray[np.float64]
Digits = NDArray[np.intp]

HEIGHT, WIDTH = 120, 160  # pixels of a scene
SIDES = (14, 32)  # shortest and longest side of a digit, in pixels of the scene
DIMMED = 0.6  # of its brightness is left to a photograph, so that white ink shows
CELLS, MARGIN = 8, 1  # pixels of a pyramid level: a digit, and what a window sees around it
TRAIN_DIGITS = 1297  # the first 1297 of 1797 digits are for training, the last 500 (other writers) for tests
TRAIN_PHOTOGRAPHS = ("camera", "cat", "brick", "grass", "gravel", "moon")
TEST_PHOTOGRAPHS = ("astronaut", "china", "coffee", "flower")


class DigitScene(NamedTuple):
    """A gray picture (H, W) in 0..255, the boxes (N, 4) of its digits, and which digits they are (N,)."""

    image: Floats
    boxes: Floats
    labels: Digits


def digit_scene(seed: int, *, train: bool = False) -> DigitScene:
    """A piece of a photograph, 120 by 160 pixels, with five to eight real digits on it; the same for the same seed.

    Digits are squares of 14 to 32 pixels at any place, and two overlap by an IoU of at most 0.1. Scenes for
    training and for tests share neither digits nor photographs.

    >>> scene = digit_scene(0)
    >>> scene.image.shape, scene.boxes.shape, scene.labels
    ((120, 160), (5, 4), array([5, 0, 1, 8, 4]))
    """
    rng = np.random.default_rng([seed, int(train)])
    image = _background(rng, TRAIN_PHOTOGRAPHS if train else TEST_PHOTOGRAPHS)
    data = _digits()
    numbers = np.arange(TRAIN_DIGITS) if train else np.arange(TRAIN_DIGITS, len(data.target))
    boxes: Floats = np.empty((0, 4))
    labels: list[int] = []
    for number in rng.choice(numbers, rng.integers(5, 9)):
        side = int(rng.integers(SIDES[0], SIDES[1] + 1))
        corner = rng.integers(0, (WIDTH - side + 1, HEIGHT - side + 1))
        box = np.concatenate([corner, corner + side]).astype(float)
        if (pairwise_iou([box], boxes) > 0.1).any():
            continue
        ink = resize(data.images[number] / 16, (side, side), order=1) * rng.uniform(0.7, 1)
        part = image[corner[1] : corner[1] + side, corner[0] : corner[0] + side]
        part += (255 - part) * ink
        boxes, labels = np.vstack([boxes, box]), [*labels, data.target[number]]
    return DigitScene(image, boxes, np.array(labels, dtype=np.intp))


def detect_digits(
    image: Floats, *, score_threshold: float = 0.05, nms_threshold: float = 0.4
) -> tuple[Floats, Floats, Digits]:
    """Boxes (N, 4), scores (N,) and digits (N,) that the detector finds, best first; one window may be two digits.

    The score is a softmax probability; those below `score_threshold` are left out (equal stays).

    >>> boxes, scores, digits = detect_digits(digit_scene(0).image)
    >>> boxes.shape == (len(scores), 4), bool((scores >= 0.05).all())
    (True, True)
    """
    if image.ndim != 2 or min(image.shape) < SIDES[1]:
        raise ValueError(f"image must be gray, (H, W) of at least {SIDES[1]} pixels a side, got {image.shape}")
    network, found = train_digit_detector(), []
    for windows, boxes in _levels(image):
        probability = network.predict_proba(_standardized(windows))[:, :10].astype(float)
        window, digit = np.nonzero(probability >= score_threshold)
        found.append((boxes[window], probability[window, digit], digit))
    every_box, every_score, every_digit = (np.concatenate(part) for part in zip(*found, strict=True))
    kept = batched_nms(every_box, every_score, every_digit, nms_threshold)
    voted = [_vote(every_box[k], every_box, every_score * (every_digit == every_digit[k])) for k in kept]
    return np.reshape(voted, (-1, 4)), every_score[kept], every_digit[kept]


def _vote(box: Floats, boxes: Floats, weights: Floats) -> Floats:
    """The mean of the boxes around `box`, by weight: finer than the steps of the window."""
    weights = weights * (pairwise_iou([box], boxes)[0] >= 0.5)
    return np.asarray(weights @ boxes / weights.sum(), dtype=np.float64)


@cache
def train_digit_detector(scenes: int = 60) -> MLPClassifier:
    """The detector's classifier of windows (N, 100): ten digits, and class 10 for none; always the same.

    A window counts as a digit from an IoU of 0.65 with it, as none below 0.4; those between are left out. It learns
    from random windows without a digit first, then also from those it took for one ("hard negatives").
    """
    network = MLPClassifier((96,), random_state=0, batch_size=256, learning_rate_init=2e-3)
    _fit(network, *_windows_to_learn(range(scenes // 3), None), epochs=4)
    return _fit(network, *_windows_to_learn(range(scenes), network), epochs=8)


def _fit(network: MLPClassifier, windows: NDArray[np.float32], labels: Digits, epochs: int) -> MLPClassifier:
    for _ in range(epochs):  # a few passes are enough: `fit` would warn that it has not converged
        network.partial_fit(windows, labels, classes=range(11))
    return network


def _windows_to_learn(seeds: range, network: MLPClassifier | None) -> tuple[NDArray[np.float32], Digits]:
    """Windows of training scenes and their labels; those without a digit are random, or the network's mistakes too."""
    features, labels = [], []
    for seed in seeds:
        scene, rng = digit_scene(seed, train=True), np.random.default_rng(seed)
        for windows, boxes in _levels(scene.image):
            iou = pairwise_iou(boxes, scene.boxes)
            good, bad = (np.flatnonzero(each) for each in (iou.max(axis=1) >= 0.65, iou.max(axis=1) < 0.4))
            chosen = rng.choice(bad, 40)
            if network is not None:
                nothing = network.predict_proba(_standardized(windows[bad]))[:, 10]
                chosen = np.append(chosen, bad[np.argsort(nothing, kind="stable")[:80]])
            features.append(_standardized(windows[np.append(good, chosen)]))
            labels += [scene.labels[iou[good].argmax(axis=1)], np.full(len(chosen), 10)]
    return np.concatenate(features), np.concatenate(labels)


def _levels(image: Floats) -> Iterator[tuple[NDArray[np.float32], Floats]]:
    """Every window of each level of a pyramid, flat, and its box in pixels of the image."""
    for side in np.geomspace(*SIDES, 7):
        height, width = np.rint(np.multiply(image.shape, CELLS / side)).astype(int)
        level = np.pad(resize(image / 255, (height, width), anti_aliasing=True), MARGIN, mode="edge").astype(np.float32)
        seen = CELLS + 2 * MARGIN
        windows = sliding_window_view(level, (seen, seen)).reshape(-1, seen * seen)
        row, col = np.indices((height - CELLS + 1, width - CELLS + 1)).reshape(2, -1)
        corner = np.column_stack([col, row])
        enlarge = np.divide(image.shape[::-1], (width, height))
        yield windows, np.hstack([corner * enlarge, (corner + CELLS) * enlarge])


def _standardized(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = windows - windows.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.einsum("ij,ij->i", centred, centred) / windows.shape[1])
    return np.divide(centred, spread[:, None] + np.float32(0.05), out=centred)


def _background(rng: np.random.Generator, names: tuple[str, ...]) -> Floats:
    picture = photograph(names[rng.integers(len(names))], gray=True)
    row, col = rng.integers(0, (picture.shape[0] - HEIGHT + 1, picture.shape[1] - WIDTH + 1))
    return np.asarray(picture[row : row + HEIGHT, col : col + WIDTH] * DIMMED, dtype=np.float64)


@cache
def _digits() -> Bunch:
    return load_digits()
