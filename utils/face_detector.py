"""A small face detector, trained in a second or two on pictures that ship with scikit-image.

HOG features (Dalal & Triggs, 2005) in a sliding window over an image pyramid; a linear model discards most windows,
and a support vector machine scores the rest. It has seen 100 faces, so it finds clear frontal faces and also makes
mistakes: real raw detections, many boxes to a face, for chapters/detection/non-maximum-suppression.ipynb.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from skimage.data import lfw_subset
from skimage.feature import hog
from skimage.transform import resize
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from utils.images import photograph

Floats = NDArray[np.float64]

WINDOW, CELL = 48, 6  # pixels of a pyramid level
BLOCK, BETWEEN = 4, 2  # cells in a side of a block, and from one block to the next
HEAD = 1.4  # the training pictures stop at forehead and chin; a box reports the head, this much wider
WITHOUT_FACES = ("coffee", "china", "flower", "brick", "text", "gravel")


class Detector(NamedTuple):
    """Two classifiers of a window's HOG features: a fast one that discards, a careful one that scores."""

    gate: LogisticRegression
    judge: SVC


def detect_faces(
    image: NDArray[np.uint8], *, score_threshold: float = 0.3, smallest: int = 80
) -> tuple[Floats, Floats]:
    """Raw head boxes (N, 4) in pixels of the gray (H, W) image, and scores (N,) in [0, 1]; nothing is suppressed.

    A window slides in steps of an eighth of its side; from `smallest` pixels a side it grows by a tenth until it
    fills the image. The score is the SVM's margin squashed by a sigmoid: it ranks, but is no probability. Boxes
    below `score_threshold` are left out (equal stays), boxes are cut at the border, and come level by level.

    >>> boxes, scores = detect_faces(photograph("astronaut", gray=True))
    >>> boxes[scores.argmax()].round(-1)                # the head is about at x 150 to 300, y 20 to 200
    array([140.,  40., 300., 200.])
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"image must be gray, (H, W) of uint8, got {image.shape} of {image.dtype}")
    if smallest < 1:
        raise ValueError(f"smallest must be at least 1 pixel, got {smallest}")
    if not 0 <= score_threshold <= 1:
        raise ValueError(f"score_threshold must be in [0, 1], got {score_threshold}")
    detector, boxes, scores = train_face_detector(), [np.empty((0, 4))], [np.empty(0)]
    for level in _pyramid(image, first=WINDOW / smallest, step=1.1):
        features = _windows(level)
        row, col = np.nonzero(detector.gate.predict_proba(_flat(features))[:, 1].reshape(features.shape[:2]) > 0.05)
        if row.size:
            margin = detector.judge.decision_function(features[row, col])
            corner = CELL * np.column_stack([col, row])
            middle, half = corner + WINDOW / 2, HEAD * WINDOW / 2
            enlarge = image.shape[0] / level.shape[0]
            boxes.append(np.hstack([middle - half, middle + half]) * enlarge)
            scores.append(1 / (1 + np.exp(-3 * margin)))
    all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
    good = all_scores >= score_threshold
    return all_boxes[good].clip(0, np.array(image.shape)[[1, 0, 1, 0]]), all_scores[good]


@cache
def train_face_detector() -> Detector:
    """The detector, trained on 100 faces and their mirror images against windows without a face.

    The windows without a face are 100 that come with the faces, and all that a first linear model takes for a face
    in photographs that show none ("hard negatives"). Nothing is random: two trainings give the same detector.
    """
    pictures = lfw_subset()  # (200, 25, 25): 100 faces, then 100 other things
    pictures = np.concatenate([pictures, pictures[:, :, ::-1]])
    features = _flat(np.stack([_windows(resize(p, (WINDOW, WINDOW), anti_aliasing=False)) for p in pictures]))
    is_face = np.tile(np.repeat([1, 0], 100), 2)

    gate = LogisticRegression(class_weight="balanced", max_iter=1000).fit(features, is_face)
    levels = [level for name in WITHOUT_FACES for level in _pyramid(photograph(name, gray=True), first=0.5, step=1.5)]
    windows = np.concatenate([_flat(_windows(level)) for level in levels])
    mistakes = windows[gate.predict(windows) == 1]

    features = np.concatenate([features, mistakes])
    is_face = np.concatenate([is_face, np.zeros(len(mistakes), dtype=int)])
    judge = SVC(C=10, class_weight="balanced")
    return Detector(gate.fit(features, is_face), judge.fit(features, is_face))


def _pyramid(image: NDArray[np.uint8], *, first: float, step: float) -> Iterator[Floats]:
    """The image at scale `first`, and smaller by `step` each time, while a window fits in."""
    scale = first
    while min(image.shape) * scale >= WINDOW:
        height, width = np.rint(np.multiply(image.shape, scale)).astype(int)
        yield resize(image, (height, width), anti_aliasing=True)
        scale /= step


def _windows(level: Floats) -> Floats:
    """HOG features of every window, (rows, cols, features); neighbours are `CELL` pixels apart."""
    cells = hog(level, pixels_per_cell=(CELL, CELL), cells_per_block=(BLOCK, BLOCK), feature_vector=False)
    side = WINDOW // CELL - BLOCK + 1
    blocks = sliding_window_view(cells, (side, side), axis=(0, 1))[..., ::BETWEEN, ::BETWEEN]
    return blocks.reshape(*blocks.shape[:2], -1)


def _flat(windows: Floats) -> Floats:
    return windows.reshape(-1, windows.shape[-1])
