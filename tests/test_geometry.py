"""`utils.geometry` against OpenCV, PyTorch, SciPy, scikit-image, Pillow, and the sentences of its docstrings."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.ndimage import map_coordinates
from skimage.transform import AffineTransform, ProjectiveTransform

from utils.geometry import (
    about,
    affine,
    affine_from_points,
    compose,
    cubic_kernel,
    degrees_of_freedom,
    kept_by,
    perspective,
    perspective_from_points,
    perspective_system,
    resize,
    resize_weights,
    rotation,
    sample_positions,
    similarity,
    transform_points,
    translation,
    warp,
    warp_forward_naive,
)

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]]
LEANING = compose(affine(scale=(0.9, 1.3), shear=0.2, degrees=20, center=(15, 12)), perspective(0.004, -0.003))
WAYS = ["nearest", "bilinear", "bicubic"]


def noise(seed, *shape):
    return np.random.default_rng(seed).random(shape)


def random_quad(seed):
    """A convex quadrilateral near a square of 100 pixels."""
    return np.multiply(SQUARE, 100) + np.random.default_rng(seed).uniform(-20, 20, (4, 2))


# matrices


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (translation(3, -2), [[3, -2], [4, -2], [3, -1]]),
        (rotation(90), [[0, 0], [0, -1], [1, 0]]),  # right goes up, down goes right
        (rotation(180, center=(1, 1)), [[2, 2], [1, 2], [2, 1]]),
        (similarity(2, 90, translate=(1, 0)), [[1, 0], [1, -2], [3, 0]]),
        (affine(scale=(2, 3), shear=1), [[0, 0], [2, 0], [3, 3]]),  # scaled first: 3 pixels of y shift x by 3
        (perspective(1, 0), [[0, 0], [0.5, 0], [0, 1]]),
        (about(affine(scale=(3, 1)), (1, 0)), [[-2, 0], [1, 0], [-2, 1]]),
    ],
)
def test_matrix_moves_three_corners(matrix, expected):
    assert_allclose(transform_points([[0, 0], [1, 0], [0, 1]], matrix), expected, atol=1e-12)


@pytest.mark.parametrize("degrees", [-130, 0, 10, 45])
def test_similarity_is_the_matrix_of_opencv(degrees):
    assert_allclose(similarity(1.7, degrees, center=(30, 20))[:2], cv2.getRotationMatrix2D((30, 20), degrees, 1.7))


def test_affine_is_the_matrix_of_skimage():
    # scikit-image turns the other way; its order is the same: scale, shear, turn, move.
    theirs = AffineTransform(scale=(2, 3), rotation=-np.deg2rad(25), translation=(5, 6))
    assert_allclose(affine(scale=(2, 3), degrees=25, translate=(5, 6)), theirs.params, atol=1e-12)


def test_first_of_a_composition_acts_first():
    first, second = affine(scale=(2, 1)), translation(1, 0)
    assert_allclose(transform_points([[1, 1]], compose(first, second)), [[3, 1]])
    assert_allclose(transform_points([[1, 1]], compose(second, first)), [[4, 1]])
    assert_allclose(compose(), np.eye(3))


def test_points_agree_with_opencv():
    points = 50 * noise(0, 20, 2)
    expected = cv2.perspectiveTransform(points[None], LEANING)[0]
    assert_allclose(transform_points(points, LEANING), expected)
    assert_allclose(transform_points(points, LEANING * -7), expected)  # a matrix is known up to a factor
    assert_allclose(
        transform_points(points, LEANING[:2]), transform_points(points, np.vstack([LEANING[:2], [0, 0, 1]]))
    )


# freedom and invariants


@pytest.mark.parametrize(
    ("make", "at", "free"),
    [
        (translation, [1, 2], 2),
        (lambda a, x, y: similarity(1, a, translate=(x, y)), [20, 1, 2], 3),
        (lambda s, a, x, y: similarity(s, a, translate=(x, y)), [2, 20, 1, 2], 4),
        (lambda *six: np.reshape(six, (2, 3)), [2, 1, 3, -1, 1, 1], 6),
        (lambda *eight: np.reshape([*eight, 1], (3, 3)), [5, 2, 3, -1, 5, 1, 0.2, 0.1], 8),
        (lambda *nine: np.reshape(nine, (3, 3)), [5, 2, 3, -1, 5, 1, 2, 1, 9], 8),
        (lambda x, same: translation(x + same, 0), [1, 1], 1),  # two numbers that do one thing
    ],
)
def test_degrees_of_freedom_by_hand(make, at, free):
    assert degrees_of_freedom(make, at) == free


@pytest.mark.parametrize("seed", range(5))
def test_each_wider_family_keeps_less(seed):
    a, b, c = np.random.default_rng(seed).uniform(0.2, 0.4, 3)
    names = ["length", "angle", "parallels", "midpoint", "line", "cross-ratio"]
    assert kept_by(similarity(1, 100 * a, translate=(b, c))) == names
    assert kept_by(similarity(1 + b, 100 * a)) == names[1:]
    assert kept_by(affine(scale=(1 + a, 1), shear=b)) == names[2:]
    assert kept_by(perspective(a, b)) == names[4:]


# matrices from points


@pytest.mark.parametrize("seed", range(5))
def test_affine_from_three_points_is_opencvs(seed):
    source, target = random_quad(seed)[:3], random_quad(seed + 100)[:3]
    expected = cv2.getAffineTransform(source.astype(np.float32), target.astype(np.float32))
    assert_allclose(affine_from_points(source, target)[:2], expected, atol=1e-3)


def test_affine_of_many_points_is_least_squares():
    source, target = 100 * noise(1, 9, 2), 100 * noise(2, 9, 2)
    expected = np.linalg.lstsq(np.column_stack([source, np.ones(9)]), target)[0].T
    assert_allclose(affine_from_points(source, target)[:2], expected)


@pytest.mark.parametrize("seed", range(5))
def test_perspective_from_four_points_is_opencvs(seed):
    source, target = random_quad(seed), random_quad(seed + 100)
    matrix = perspective_from_points(source, target)
    assert_allclose(transform_points(source, matrix), target)
    theirs = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    assert_allclose(matrix, theirs, atol=2e-3)


def test_perspective_of_many_points_is_skimages():
    source = 1000 + 100 * noise(3, 12, 2)
    target = transform_points(source, perspective(1e-4, 2e-4)) + 0.1 * noise(4, 12, 2)
    expected = ProjectiveTransform.from_estimate(source, target)
    assert_allclose(transform_points(source, perspective_from_points(source, target)), expected(source), atol=0.02)


def test_perspective_whose_last_entry_is_zero():
    matrix = np.array([[1.0, 0, 2], [0, 1, 3], [1, 1, 0]])
    source = np.array([[1, 1], [4, 1], [5, 6], [1, 7]])
    found = perspective_from_points(source, transform_points(source, matrix))
    assert np.linalg.norm(found) == pytest.approx(1)
    assert_allclose(found / found[0, 0], matrix, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_each_pair_of_points_adds_two_equations_up_to_eight(seed):
    source, target = 100 * noise([seed, 0], 6, 2), 100 * noise([seed, 1], 6, 2)
    ranks = [np.linalg.matrix_rank(perspective_system(source[:n], target[:n])) for n in (1, 2, 3, 4)]
    assert ranks == [2, 4, 6, 8]
    exact = perspective_system(source, transform_points(source, perspective(0.001, 0.002)))
    assert np.linalg.svd(exact / np.abs(exact).max(axis=0), compute_uv=False)[8] < 1e-12


IN_LINE = [[0, 0], [1, 1], [2, 2], [0, 5]]


@pytest.mark.parametrize(
    ("source", "target"),
    [(IN_LINE, SQUARE), (SQUARE, IN_LINE), (IN_LINE, IN_LINE), ([[0, 0]] * 2 + [[1, 0], [0, 1]], SQUARE)],
)
@pytest.mark.parametrize("scale", [1, 1000])
def test_degenerate_four_points_are_refused(source, target, scale):
    with pytest.raises(ValueError, match="three of the four points lie on one line"):
        perspective_from_points(np.multiply(source, scale) + 7, target)


# warp


@pytest.mark.parametrize("matrix", [LEANING, translation(-3.25, 40), affine(scale=(0.2, 0.2)), affine(scale=(5, 4))])
@pytest.mark.parametrize("border", ["zero", "replicate"])
@pytest.mark.parametrize("order", [0, 1])
def test_warp_agrees_with_scipy(matrix, border, order):
    image, mode = noise(5, 25, 31), {"zero": "grid-constant", "replicate": "nearest"}[border]
    grid = np.indices((40, 37))[::-1].reshape(2, -1).T
    places = transform_points(grid, np.linalg.inv(matrix))[:, ::-1].T
    expected = map_coordinates(image, places, order=order, mode=mode).reshape(40, 37)
    assert_allclose(warp(image, matrix, (40, 37), interpolation=WAYS[order], border=border), expected, atol=1e-9)


@pytest.mark.parametrize("border", ["zero", "replicate"])
@pytest.mark.parametrize("way", ["bilinear", "bicubic"])
@pytest.mark.parametrize("matrix", [LEANING, affine(scale=(3, 3), translate=(9, 9)), translation(-1.5, 0.25)])
def test_warp_agrees_with_grid_sample(border, way, matrix):
    image = noise(6, 20, 24)
    places = transform_points(np.indices((50, 45))[::-1].reshape(2, -1).T, np.linalg.inv(matrix))
    grid = torch.tensor((2 * places + 1) / [24, 20] - 1).reshape(1, 50, 45, 2)  # half-pixel corners are -1 and 1
    mode = {"zero": "zeros", "replicate": "border"}[border]
    if (way, border) == ("bicubic", "replicate"):  # torch moves the place to the edge, OpenCV and this the taps
        inside = (places >= 1).all(axis=1) & (places <= [21, 17]).all(axis=1)
    else:
        inside = np.full(len(places), True)
    theirs = torch.nn.functional.grid_sample(torch.tensor(image)[None, None], grid, way, mode, align_corners=False)
    ours = warp(image, matrix, (50, 45), interpolation=way, border=border)
    assert_allclose(ours.ravel()[inside], theirs.numpy().ravel()[inside], atol=1e-9)


@pytest.mark.parametrize("border", ["zero", "replicate"])
def test_warp_agrees_with_opencv(border):
    image = noise(7, 40, 50).astype(np.float32)  # in float64 OpenCV rounds places to 1/32 pixel
    mode = {"zero": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}[border]
    for way, flag in (("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)):
        theirs = cv2.warpPerspective(image, LEANING, (50, 40), flags=flag, borderMode=mode)
        assert_allclose(warp(image, LEANING, (40, 50), interpolation=way, border=border), theirs, atol=1e-3)


def test_far_outside_lies_the_border():
    moved = warp([[1.0, 2], [3, 4]], translation(1e9, -1e9), (2, 3), border="replicate", interpolation="bicubic")
    assert_allclose(moved, 3)  # the lower left pixel
    assert_array_equal(warp([[1, 2], [3, 4]], translation(1e9, 0), (2, 3)), np.zeros((2, 3)))


def test_horizon_within_the_canvas_is_quiet():
    horizon = np.linalg.inv(perspective(-0.25, 0))  # column 4 of the canvas comes from infinity
    assert_allclose(warp(np.ones((5, 5)), horizon, (1, 5)), [[1, 1, 1, 0, 0]])


@pytest.mark.parametrize("way", WAYS)
def test_colours_are_moved_like_gray_and_strips_leave_no_seam(way):
    image = noise(8, 60, 70, 3)
    whole = warp(image, LEANING, (300, 200), interpolation=way)
    for channel in range(3):
        assert_array_equal(whole[..., channel], warp(image[..., channel], LEANING, (300, 200), interpolation=way))
    lower = warp(image, compose(LEANING, translation(0, -150)), (150, 200), interpolation=way)
    assert_allclose(lower, whole[150:], atol=1e-6 if way != "nearest" else 0)


@given(st.integers(-4, 4), st.integers(-4, 4), st.sampled_from(WAYS))
@settings(deadline=None, max_examples=25)
def test_whole_pixels_are_copied_by_every_interpolation(dx, dy, way):
    image = np.arange(1, 31).reshape(5, 6)
    expected = np.zeros((5, 6))
    for row in range(5):
        for column in range(6):
            if 0 <= row - dy < 5 and 0 <= column - dx < 6:
                expected[row, column] = image[row - dy, column - dx]
    assert_array_equal(warp(image, translation(dx, dy), (5, 6), interpolation=way), expected)


def test_nearest_keeps_the_dtype_and_halves_go_right():
    assert warp(np.uint8([[9]]), np.eye(3), (1, 1), interpolation="nearest").dtype == np.uint8
    assert_array_equal(warp([[1, 2, 3]], translation(-0.5, 0), (1, 3), interpolation="nearest"), [[2, 3, 0]])


def test_forward_and_inverse_agree_where_every_pixel_has_one_place():
    image = noise(9, 8, 8)
    moved, hits = warp_forward_naive(image, translation(3, -2), (8, 8))
    assert_array_equal(moved, warp(image, translation(3, -2), (8, 8), interpolation="nearest"))
    assert_array_equal(hits, warp(np.ones((8, 8), int), translation(3, -2), (8, 8), interpolation="nearest"))


def test_forward_counts_holes_and_collisions():
    moved, hits = warp_forward_naive([[1, 2, 3, 4]], affine(scale=(0.5, 1)), (1, 3))
    assert_array_equal(hits, [[1, 2, 1]])  # 0, 0.5, 1, 1.5 rounded, halves up
    assert_array_equal(moved, [[1, 3, 4]])


# resize


@pytest.mark.parametrize("size", [(7, 5), (20, 31), (1, 1), (9, 40), (13, 17)])
@pytest.mark.parametrize(
    ("way", "options"),
    [(way, options) for way in WAYS[1:] for options in ({}, {"align_corners": True}, {"antialias": True})]
    + [("nearest", {}), ("nearest-exact", {})],
)
def test_resize_is_interpolate_of_pytorch(size, way, options):
    image = noise(10, 13, 17)
    theirs = torch.nn.functional.interpolate(torch.tensor(image)[None, None], size, mode=way, **options)
    assert_allclose(resize(image, size, interpolation=way, **options), theirs[0, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize(("way", "filter_"), [("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)])
@pytest.mark.parametrize("size", [(5, 6), (50, 60)])
def test_antialias_is_pillow(way, filter_, size):
    image = noise(11, 20, 25).astype(np.float32)
    theirs = np.asarray(Image.fromarray(image).resize(size[::-1], filter_))
    assert_allclose(resize(image, size, interpolation=way, antialias=True), theirs, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 6), (50, 60)])
@pytest.mark.parametrize(("way", "flag"), [("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)])
def test_without_antialias_is_opencv(way, flag, size):
    image = noise(12, 20, 25)
    assert_allclose(
        resize(image, size, interpolation=way), cv2.resize(image, size[::-1], interpolation=flag), atol=1e-5
    )


def test_colour_is_resized_channel_by_channel():
    image = noise(13, 6, 7, 3)
    expected = np.stack([resize(image[..., c], (4, 9)) for c in range(3)], axis=-1)
    assert_allclose(resize(image, (4, 9)), expected)


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([{}, {"align_corners": True}, {"antialias": True}]))
@settings(deadline=None, max_examples=40)
def test_weights_of_a_sample_sum_to_one(in_size, out_size, options):
    for way in ("bilinear", "bicubic"):
        weights = resize_weights(in_size, out_size, interpolation=way, **options)
        assert weights.shape == (out_size, in_size)
        assert_allclose(weights.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("in_size", "out_size", "corners", "expected"),
    [
        (4, 2, False, [0.5, 2.5]),
        (2, 4, False, [-0.25, 0.25, 0.75, 1.25]),
        (4, 2, True, [0, 3]),
        (2, 4, True, [0, 1 / 3, 2 / 3, 1]),
        (5, 1, True, [0]),  # no last sample: PyTorch takes the first pixel
        (5, 1, False, [2]),
    ],
)
def test_positions_by_hand(in_size, out_size, corners, expected):
    assert_allclose(sample_positions(in_size, out_size, align_corners=corners), expected)


@pytest.mark.parametrize("a", [-0.75, -0.5])
def test_cubic_reproduces_a_constant_and_is_smooth(a):
    t = np.linspace(0, 1, 11)
    assert_allclose(sum(cubic_kernel(t - tap, a) for tap in (-1, 0, 1, 2)), 1)
    assert_array_equal(cubic_kernel([-2, -1, 0, 1, 2, 3], a), [0, 0, 1, 0, 0, 0])
    for knot in (1 - 1e-6, 1 + 1e-6):
        assert np.diff(cubic_kernel([knot - 1e-7, knot + 1e-7], a)) / 2e-7 == pytest.approx(a, abs=1e-4)


# what is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: affine(scale=(0, 1)), "scale must not be 0"),
        (lambda: transform_points([[2, 0]], perspective(-0.5, 0)), "goes to infinity"),
        (lambda: transform_points([1, 2], np.eye(3)), r"one point is \[\[x, y\]\]"),
        (lambda: transform_points(np.zeros((4, 1, 2)), np.eye(3)), "OpenCV's"),
        (lambda: transform_points([[np.nan, 0]], np.eye(3)), "finite"),
        (lambda: compose(np.eye(2)), r"shape \(3, 3\), or \(2, 3\)"),
        (lambda: compose(np.full((3, 3), np.inf)), "finite numbers"),
        (lambda: affine_from_points([[0, 0], [1, 1], [2, 2]], SQUARE[:3]), "one line"),
        (lambda: affine_from_points([[1, 1]] * 3, SQUARE[:3]), "points must differ"),
        (lambda: affine_from_points(SQUARE[:2], SQUARE[:2]), "at least 3 pairs"),
        (lambda: perspective_from_points(SQUARE[:3], SQUARE[:3]), "at least 4 pairs of points, got 3"),
        (lambda: perspective_from_points(SQUARE, SQUARE[:3]), "come in pairs, got 4 and 3"),
        (lambda: warp([[1]], np.zeros((3, 3)), (1, 1)), "must be invertible"),
        (lambda: warp([[1]], np.diag([1, 0, 1]), (1, 1)), "flattens the picture"),
        (lambda: warp([[1]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]], (1, 1)), "must be invertible"),  # det is 7e-16
        (lambda: warp([[1]], np.eye(3), (1, 1), interpolation="linear"), "nearest, bilinear, bicubic"),
        (lambda: warp([[1]], np.eye(3), (1, 1), border="edge"), "zero, replicate"),
        (lambda: warp([1, 2], np.eye(3), (1, 1)), r"\(H, W\) or \(H, W, C\)"),
        (lambda: warp([[1]], np.eye(3), (1, 1, 3)), "two whole numbers above 0"),
        (lambda: resize([[1]], (0, 1)), "two whole numbers above 0"),
        (lambda: resize([[1]], (2.0, 2)), "two whole numbers"),
        (lambda: resize([[1]], (2, 2), interpolation="nearest", align_corners=True), "bilinear or bicubic"),
        (lambda: resize([[1]], (2, 2), align_corners=True, antialias=True), "align_corners=False"),
        (lambda: resize([[1]], (2, 2), interpolation="area"), "nearest-exact"),
    ],
)
def test_bad_input_is_refused_with_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()
