"""`utils.small_face_detector`: scenes, targets by hand, decoding against targets, and what a short training learns."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from utils.boxes import pairwise_iou
from utils.receptive_field import receptive_field
from utils.small_face_detector import (
    CROP,
    KINDS,
    FaceScene,
    SmallFaceNet,
    detect_small_faces,
    face_scene,
    scene_average_precision,
    targets,
    train_small_face_detector,
    training_scenes,
)


def scene_of(seed, sizes=(20, 20), others=(20,), **options):
    return face_scene(np.random.default_rng(seed), 96, sizes, others, **options)


class Oracle:
    """A net that answers what `targets` wants, surely."""

    def __init__(self, boxes, side, stride):
        self.strides, self.wanted = (stride,), targets([boxes], side, stride)[0]

    def __call__(self, pictures):
        """Logits of 9 on faces and -9 elsewhere."""
        answer = self.wanted.clone()
        answer[:, 0] = 18 * answer[:, 0] - 9
        return [answer]


# scenes


@pytest.mark.parametrize("held_out", [False, True])
def test_faces_lie_inside_and_apart(held_out):
    scene = scene_of(1, sizes=(12, 24, 18), held_out=held_out)
    assert scene.picture.shape == (96, 96)
    assert scene.picture.dtype == np.float32
    assert sorted(scene.boxes[:, 2] - scene.boxes[:, 0]) == [12, 18, 24]
    assert scene.boxes.min() >= 0
    assert scene.boxes.max() <= 96
    assert (pairwise_iou(scene.boxes, scene.boxes) > 0).sum() == 3


def test_only_boxes_change_and_others_are_no_faces():
    bare, full = scene_of(3, sizes=(), others=()), scene_of(3, sizes=(30,), others=(10,))
    changed = bare.picture != full.picture
    x1, y1, x2, y2 = full.boxes[0].astype(int)
    assert changed[y1:y2, x1:x2].mean() > 0.4
    changed[y1:y2, x1:x2] = False
    assert 0 < changed.sum() <= 100
    assert bare.boxes.shape == (0, 4)
    assert len(full.boxes) == 1


def test_what_finds_no_place_is_left_out():
    assert len(scene_of(0, sizes=[90] * 3, others=()).boxes) == 1


def test_held_out_pictures_are_other_pictures():
    assert not np.array_equal(scene_of(0).picture, scene_of(0, held_out=True).picture)


@pytest.mark.parametrize(("side", "sizes", "message"), [(999, [9], "side must be at most"), (96, [97], "from 2 to 96")])
def test_bad_scenes_are_refused(side, sizes, message):
    with pytest.raises(ValueError, match=message):
        face_scene(np.random.default_rng(0), side, sizes)


def test_training_scenes_have_one_side_and_repeat():
    scenes = training_scenes(5, count=40)
    assert {scene.picture.shape for scene in scenes} == {(CROP, CROP)}
    sizes = np.concatenate([scene.boxes[:, 2] - scene.boxes[:, 0] for scene in scenes])
    assert 4 <= sizes.min() < 8
    assert 30 < sizes.max() <= 42
    training_scenes.cache_clear()
    assert_array_equal(training_scenes(5, count=40)[7].picture, scenes[7].picture)


# nets


@pytest.mark.parametrize("kind", KINDS)
def test_maps_have_the_size_of_their_strides(kind):
    net = SmallFaceNet(kind)
    answers = net(torch.zeros(2, 1, 64, 48))
    assert [tuple(a.shape) for a in answers] == [(2, 4, 64 // s, 48 // s) for s in net.strides]


def test_dilation_keeps_weights_and_field():
    count = {kind: sum(p.numel() for p in SmallFaceNet(kind).parameters()) for kind in ("plain", "dilated")}
    assert count["plain"] == count["dilated"]
    fields = {}
    for kind in count:
        layers = [m for m in SmallFaceNet(kind).modules() if isinstance(m, torch.nn.Conv2d)]
        fields[kind] = receptive_field([(m.kernel_size[0], m.stride[0], m.dilation[0]) for m in layers])
    assert fields == {"plain": 47, "dilated": 47}


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="one of plain, separate, fused, dilated, got 'fpn'"):
        SmallFaceNet("fpn")


# targets


def test_a_small_face_has_one_cell_and_a_large_one_many():
    small, large = np.array([[10.0, 10, 14, 14]]), np.array([[0.0, 0, 32, 32]])
    wanted, _ = targets([small, large], side=32, stride=8)
    assert wanted[:, 0].sum((1, 2)).tolist() == [1, 4]  # of the large one, cells within 8 pixels of (16, 16)
    assert wanted[0, :, 1, 1] == pytest.approx([1, 0, 0, np.log(4 / 24)])
    assert wanted[1, :, 1, 2] == pytest.approx([1, -0.5, 0.5, np.log(32 / 24)])


def test_faces_out_of_range_do_not_count():
    face = np.array([[4.0, 4, 12, 12]])
    for sizes, expected in (((8, 9), 4), ((0, 8), 0), ((9, 20), 0)):
        wanted, counts = targets([face], 32, 8, sizes)
        assert wanted[0, 0].sum() == expected
        assert counts.sum() == (16 if expected else 12)


# detections


@pytest.mark.parametrize("stride", [4, 8])
def test_decoding_inverts_targets(stride):
    boxes = np.array([[3.0, 5, 17, 19], [30, 30, 54, 54]])
    picture = np.zeros((64, 64), dtype=np.float32)
    (found, scores), *_ = detect_small_faces(Oracle(boxes, 64, stride), [picture])
    sure = found[scores > 0.5]
    assert len(sure) == 2
    assert_allclose(sure[sure[:, 0].argsort()], boxes, atol=1e-4)
    (enlarged, scores), *_ = detect_small_faces(Oracle(boxes * 2, 128, stride), [picture], scales=[2])
    assert_allclose(np.sort(enlarged[scores > 0.5], axis=0), boxes, atol=1e-4)


@pytest.mark.parametrize(("scales", "expected"), [([1], 1), ([1, 0.5], 1), ([1, 2], 0)])
def test_valid_range_is_open_at_the_ends_of_the_pyramid(scales, expected):
    boxes = np.array([[8.0, 8, 16, 16]])  # below the range at scale 1: kept only where 1 is the largest scale

    class OnlyAtScale1(Oracle):
        def __call__(self, pictures):
            answer = super().__call__(pictures)
            return answer if pictures.shape[-1] == 64 else [torch.full((1, 4, 8, 8), -9.0)]

    picture = np.zeros((64, 64), dtype=np.float32)
    (_, scores), *_ = detect_small_faces(OnlyAtScale1(boxes, 64, 8), [picture], scales=scales, valid=(10, 99))
    assert (scores > 0.5).sum() == expected


def test_a_training_finds_large_faces_and_repeats():
    scenes = [scene_of(seed, sizes=[32, 32], held_out=True) for seed in range(10)]
    net = train_small_face_detector("plain", 7)
    pictures = [scene.picture for scene in scenes]
    score = scene_average_precision(detect_small_faces(net, pictures), scenes)
    assert score > 0.4 > 0.1 > scene_average_precision(detect_small_faces(SmallFaceNet().eval(), pictures), scenes)
    first = next(net.parameters()).clone()
    train_small_face_detector.cache_clear()
    assert torch.equal(first, next(train_small_face_detector("plain", 7).parameters()))


# average precision

TWO = FaceScene(np.zeros((9, 9), dtype=np.float32), np.array([[0.0, 0, 4, 4], [5, 5, 9, 9]]))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([0, 1], 1),
        ([0], 1 / 2),
        ([0, 0, 1], (1 + 2 / 3) / 2),  # the same face twice: the second is wrong
        ([2, 0, 1], (1 / 2 + 2 / 3) / 2),
        ([2], 0),
        ([], 0),
    ],
)
def test_average_precision_by_hand(rows, expected):
    choices = np.vstack([TWO.boxes, [[0, 0, 9, 9]]])  # the third overlaps both by 16/81
    found = choices[rows].reshape(-1, 4), np.linspace(0.9, 0.5, len(rows))
    assert scene_average_precision([found], [TWO]) == pytest.approx(expected)


def test_half_overlap_is_enough():
    half = np.array([[0.0, 0, 4, 2]])
    assert scene_average_precision([(half, np.array([0.5]))], [TWO]) == 0.5
