"""`utils.face_detector` on photographs: it finds the faces it should, and says where without moving or inventing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import hog

from utils.boxes import pairwise_iou
from utils.face_detector import BETWEEN, BLOCK, CELL, WINDOW, _pyramid, _windows, detect_faces, train_face_detector
from utils.images import photograph

HEAD = [[150, 20, 302, 195]]  # drawn by hand on the photograph of the astronaut


@pytest.fixture(scope="module")
def astronaut():
    return photograph("astronaut", gray=True)


@pytest.fixture(scope="module")
def detections(astronaut):
    return detect_faces(astronaut)


def test_best_box_is_the_head(detections):
    boxes, scores = detections
    assert pairwise_iou(boxes[[scores.argmax()]], HEAD)[0, 0] > 0.6
    assert scores.max() > 0.7


def test_detections_are_raw(detections):
    boxes, _ = detections
    assert (pairwise_iou(boxes, HEAD) > 0.4).sum() >= 5  # several boxes on one head: work for NMS
    assert (pairwise_iou(boxes, HEAD) == 0).sum() >= 5  # and honest mistakes elsewhere


def test_scores_and_boxes_keep_their_bounds(detections, astronaut):
    boxes, scores = detections
    assert scores.min() >= 0.3
    assert scores.max() <= 1
    assert boxes.min() >= 0
    assert (boxes.max(axis=0) <= np.tile(astronaut.shape[::-1], 2)).all()
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= 80 * 1.2 / 2  # a head of the smallest window, half cut away


def test_a_head_that_moves_moves_its_box(astronaut):
    shifted = np.roll(astronaut, (40, -60), axis=(0, 1))
    boxes, scores = detect_faces(shifted)
    assert pairwise_iou(boxes[[scores.argmax()]], np.add(HEAD, [-60, 40, -60, 40]))[0, 0] > 0.6


def test_a_wide_picture_is_measured_in_its_own_pixels(astronaut):
    wide = np.hstack([astronaut[:250, 30:], astronaut[:250, 30:]])
    boxes, _ = detect_faces(wide, score_threshold=0.6)
    second = np.add(HEAD, [452, 0, 452, 0])
    assert pairwise_iou(boxes, second).max() > 0.6


def test_boxes_are_cut_at_the_border(astronaut):
    boxes, _ = detect_faces(astronaut[:180, 160:280])  # a face, and the head cut away on three sides
    assert_array_equal(boxes[boxes[:, 3] > 170].max(axis=0)[2:], [120, 180])


def test_a_higher_threshold_keeps_the_same_best_boxes(astronaut, detections):
    boxes, scores = detections
    fewer, best = detect_faces(astronaut, score_threshold=0.5)
    assert_array_equal(fewer, boxes[scores >= 0.5])
    assert_array_equal(best, scores[scores >= 0.5])


def test_smallest_is_the_side_of_the_first_window(astronaut):
    boxes, _ = detect_faces(astronaut, smallest=300, score_threshold=0.05)
    inside = ((boxes > 0) & (boxes < 512)).all(axis=1)
    assert (boxes[inside, 2] - boxes[inside, 0] >= 300 * 1.39).all()


def test_two_trainings_agree():
    first, second = train_face_detector(), train_face_detector.__wrapped__()
    assert_array_equal(first.gate.coef_, second.gate.coef_)
    assert_array_equal(first.judge.dual_coef_, second.judge.dual_coef_)


@pytest.mark.parametrize("shape", [(200, 200), (47, 600), (0, 0)])
def test_nothing_to_see_gives_no_box(shape):
    boxes, scores = detect_faces(np.full(shape, 128, dtype=np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_windows_are_cut_from_the_hog_of_the_level():
    level = np.random.default_rng(0).random((70, 90))
    blocks = hog(level, pixels_per_cell=(6, 6), cells_per_block=(BLOCK, BLOCK), feature_vector=False)
    windows = _windows(level)
    assert windows.shape[:2] == (11 - 8 + 1, 15 - 8 + 1)  # whole cells, minus the eight of a window, plus one
    expected = blocks[2:7:BETWEEN, 5:10:BETWEEN]  # cells 2 to 9 and 5 to 12, in blocks of four
    assert_allclose(np.sort(windows[2, 5]), np.sort(expected, axis=None))


def test_every_pyramid_level_holds_a_window():
    sizes = [level.shape for level in _pyramid(np.zeros((100, 300), dtype=np.uint8), first=1.0, step=1.5)]
    assert sizes == [(100, 300), (67, 200)]
    assert WINDOW % CELL == 0


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((9, 9, 3), dtype=np.uint8), {}, r"gray, \(H, W\) of uint8, got \(9, 9, 3\)"),
        (np.zeros((9, 9)), {}, "got .* of float64"),
        (np.zeros((9, 9), dtype=np.uint8), {"smallest": 0}, "at least 1 pixel, got 0"),
        (np.zeros((9, 9), dtype=np.uint8), {"score_threshold": 30}, r"in \[0, 1\], got 30"),
    ],
)
def test_bad_input_is_refused(image, options, message):
    with pytest.raises(ValueError, match=message):
        detect_faces(image, **options)
