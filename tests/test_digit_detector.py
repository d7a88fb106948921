"""`utils.digit_detector`: known scenes, and a detector that has learned."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from utils.average_precision import match_detections
from utils.boxes import pairwise_iou
from utils.digit_detector import (
    TEST_PHOTOGRAPHS,
    TRAIN_PHOTOGRAPHS,
    _levels,
    detect_digits,
    digit_scene,
    train_digit_detector,
)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_lie_in_the_picture_and_hardly_overlap(seed):
    scene = digit_scene(seed)
    assert (scene.boxes >= 0).all()
    assert (scene.boxes <= [160, 120, 160, 120]).all()
    iou = pairwise_iou(scene.boxes, scene.boxes)
    assert (np.triu(iou, 1) <= 0.1).all()
    assert len(scene.labels) == len(scene.boxes) <= 8
    assert 0 <= scene.image.min() <= scene.image.max() <= 255


def test_a_seed_gives_one_scene_and_training_scenes_are_others():
    assert_array_equal(digit_scene(1).image, digit_scene(1).image)
    assert not np.array_equal(digit_scene(1).image, digit_scene(2).image)
    assert not np.array_equal(digit_scene(1).image, digit_scene(1, train=True).image)
    assert not set(TRAIN_PHOTOGRAPHS) & set(TEST_PHOTOGRAPHS)


@pytest.mark.parametrize("train", [True, False])
def test_training_and_test_digits_are_kept_apart(train, monkeypatch):
    data = load_digits()
    data.images[slice(1297, None) if train else slice(1297)] = np.nan  # a digit of the other side would show
    monkeypatch.setattr("utils.digit_detector._digits", lambda: data)
    for seed in range(5):
        assert np.isfinite(digit_scene(seed, train=train).image).all()


def test_windows_and_boxes_go_together():
    image = np.zeros((120, 160))
    image[40:60, 100:120] = 255
    for windows, boxes in _levels(image):
        centre = windows.reshape(-1, 10, 10)[:, 1:-1, 1:-1].mean(axis=(1, 2))
        assert pairwise_iou(boxes[[centre.argmax()]], [[100, 40, 120, 60]]) > 0.35
        assert (boxes[:, 2:] <= [160.001, 120.001]).all()


def test_the_detector_finds_most_digits_it_has_never_seen():
    found = total = 0
    for seed in range(100, 112):
        scene = digit_scene(seed)
        boxes, scores, digits = detect_digits(scene.image)
        assert (np.diff(scores) <= 0).all()
        for digit in range(10):
            rows, own = digits == digit, scene.labels == digit
            found += (match_detections(boxes[rows], scores[rows], scene.boxes[own])[0] == 1).sum()
            total += own.sum()
    assert found / total > 0.75


def test_training_is_the_same_every_time():
    first, second = (train_digit_detector.__wrapped__(3).coefs_[0] for _ in range(2))
    assert_array_equal(first, second)


def test_an_empty_picture_and_a_high_threshold_give_no_boxes():
    boxes, scores, digits = detect_digits(np.zeros((120, 160)), score_threshold=1)
    assert boxes.shape == (0, 4)
    assert len(scores) == len(digits) == 0


@pytest.mark.parametrize("image", [np.zeros((120, 160, 3)), np.zeros((20, 160))])
def test_bad_pictures_are_refused(image):
    with pytest.raises(ValueError, match=r"image must be gray, \(H, W\) of at least 32 pixels"):
        detect_digits(image)
