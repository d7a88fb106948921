import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.feature
import skimage.filters
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from utils.edges import (
    GRADIENT_KERNELS,
    boundary_scores,
    canny,
    canny_criteria,
    difference_of_gaussians,
    direction_error,
    gradient,
    gradient_gain,
    gradient_magnitude,
    hysteresis,
    laplacian_of_gaussian,
    noise_for_a_step,
    texture_gradient,
    thin_edges,
    zero_crossings,
)
from utils.images import photograph

OPERATORS = list(GRADIENT_KERNELS)
CAMERA = photograph("camera")[60:160, 180:300]
SIDES = st.tuples(st.integers(3, 12), st.integers(3, 12))
PICTURES = SIDES.flatmap(lambda shape: arrays(np.uint8, shape))
FEW_LEVELS = SIDES.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 40, 200])))


# Gradients


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (2, -3), (-0.5, 0.25)])
def test_gradient_of_a_ramp(operator, right, down):
    y, x = np.mgrid[:5, :6]
    gx, gy = gradient(right * x + down * y, operator)
    inside = np.s_[1:-1, 1:-1]
    assert_allclose(gx[inside], right * gradient_gain(operator), atol=1e-12)
    assert_allclose(gy[inside], down * gradient_gain(operator), atol=1e-12)


@pytest.mark.parametrize(("operator", "theirs"), [("sobel", cv2.Sobel), ("scharr", cv2.Scharr)])
def test_gradient_is_opencvs(operator, theirs):
    gx, gy = gradient(CAMERA, operator)
    assert_array_equal(gx, theirs(CAMERA, cv2.CV_64F, 1, 0))
    assert_array_equal(gy, theirs(CAMERA, cv2.CV_64F, 0, 1))


def test_prewitt_is_skimages():
    theirs = skimage.filters.prewitt_v(CAMERA.astype(float))  # divided by the sum of the smoothing
    assert_allclose(gradient(CAMERA, "prewitt", border="symmetric")[0] / 3, theirs, atol=1e-9)


def test_roberts_is_the_cross_turned_by_45_degrees():
    values = CAMERA.astype(float)
    fall, rise = values[1:, 1:] - values[:-1, :-1], values[1:, :-1] - values[:-1, 1:]
    gx, gy = (part[:-1, :-1] for part in gradient(values, "roberts"))
    assert_array_equal(gx, fall - rise)
    assert_array_equal(gy, fall + rise)


@pytest.mark.parametrize(("norm", "expected"), [("l1", [7, 2]), ("l2", [5, np.sqrt(2)])])
def test_magnitude_by_hand(norm, expected):
    assert_allclose(gradient_magnitude([3, -1], [-4, 1], norm), expected)


def test_magnitude_keeps_ties_of_whole_numbers():
    # 14^2 + 133^2 == 91^2 + 98^2, but np.hypot tells them apart.
    first, second = gradient_magnitude([14, 91], [133, 98])
    assert first == second


@pytest.mark.parametrize("operator", ["central", "prewitt", "sobel", "scharr"])
@pytest.mark.parametrize("wavelength", [3, 8])
def test_direction_error_by_the_transfer_function(operator, wavelength):
    (_, _, _), (side, middle, _) = GRADIENT_KERNELS[operator]
    angle = np.radians([0, 20, 100, 179, 200, 330])
    u, v = 2 * np.pi / wavelength * np.array([np.cos(angle), np.sin(angle)])
    gx, gy = np.sin(u) * (middle + 2 * side * np.cos(v)), np.sin(v) * (middle + 2 * side * np.cos(u))
    expected = np.angle((gx + 1j * gy) * np.exp(-1j * angle), deg=True)
    assert_allclose(direction_error(operator, wavelength, np.degrees(angle)), expected, atol=1e-9)


# Second order


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.5])
def test_log_is_scipys(sigma):
    theirs = scipy.ndimage.gaussian_laplace(CAMERA.astype(float), sigma, mode="mirror")
    flat = scipy.ndimage.gaussian_laplace(np.ones((99, 99)), sigma)[49, 49]
    blurred = scipy.ndimage.gaussian_filter(CAMERA.astype(float), sigma, mode="mirror")
    assert_allclose(laplacian_of_gaussian(CAMERA, sigma), theirs - flat * blurred, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_log_of_a_flat_image_is_zero_and_of_a_parabola_two(sigma):
    assert_allclose(laplacian_of_gaussian(np.full((40, 40), 255), sigma), 0, atol=1e-11)
    parabola = np.tile((np.arange(81) - 40.0) ** 2, (81, 1))
    assert_allclose(laplacian_of_gaussian(parabola, sigma)[40, 40], 2, atol=0.05 if sigma > 0.9 else 1.5)


def test_dog_is_the_difference_of_two_blurs():
    values = CAMERA.astype(float)
    wide, narrow = (scipy.ndimage.gaussian_filter(values, s, mode="mirror") for s in (3.2, 2.0))
    assert_allclose(difference_of_gaussians(CAMERA, 2.0), wide - narrow, atol=1e-9)


def test_dog_becomes_log_as_the_ratio_nears_one():
    dog, log = difference_of_gaussians(CAMERA, 2.0, 1.01), laplacian_of_gaussian(CAMERA, 2.0)
    assert_allclose(dog / (0.01 * 4), log, atol=0.03 * np.abs(log).max())


@pytest.mark.parametrize(
    ("response", "threshold", "marked"),
    [
        ([[1, -1]], 0, [[1, 0]]),
        ([[1], [-1]], 0, [[1], [0]]),
        ([[0, -1, 0]], 0, [[1, 1, 0]]),  # zero counts as positive
        ([[0, 1, 2]], 0, [[0, 0, 0]]),
        ([[1, -1]], 2, [[0, 0]]),  # exactly at the threshold
        ([[1, -1]], 1.9, [[1, 0]]),
        ([[1, 1], [1, -1]], 0, [[0, 1], [1, 0]]),
    ],
)
def test_zero_crossings_by_hand(response, threshold, marked):
    assert_array_equal(zero_crossings(response, threshold), np.array(marked, bool))


@settings(deadline=None, max_examples=30)
@given(arrays(np.int8, (6, 7)))
def test_zero_crossings_by_loops(response):
    values = response.astype(int)
    for (r, c), found in np.ndenumerate(zero_crossings(values)):
        others = [values[i, j] for i, j in ((r + 1, c), (r, c + 1)) if i < 6 and j < 7]
        assert found == any((values[r, c] < 0) != (other < 0) for other in others)


@pytest.mark.parametrize(
    ("operator", "expected"), [("central", 2**0.5), ("sobel", 12**0.5 / 4), ("scharr", 236**0.5 / 16)]
)
def test_noise_for_a_step_is_the_root_of_summed_squares(operator, expected):
    assert_allclose(noise_for_a_step(lambda image: gradient(image, operator)[0]), expected, rtol=0.04)


# Thinning and hysteresis


@pytest.mark.parametrize(
    ("gx", "gy", "size", "kept"),
    [
        (1, 0, [[1, 2, 1]] * 3, [[0, 1, 0]] * 3),
        (0, 1, [[1, 1, 1], [2, 2, 2], [1, 1, 1]], [[0, 0, 0], [1, 1, 1], [0, 0, 0]]),
        (1, 0, [[2, 2, 1]], [[1, 0, 0]]),  # a tie: the left one
        (0, -1, [[1], [2], [2]], [[0], [1], [0]]),  # a tie: the upper one, whichever way the gradient points
        (1, 1, [[2, 0, 0], [0, 2, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),  # a diagonal tie: none
        (1, -1, [[2, 0, 0], [0, 2, 0], [0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 0]]),  # along the edge: both
        (1, 0.41, [[0, 0, 0], [0, 1, 0], [0, 0, 2]], [[0, 0, 0], [0, 1, 0], [0, 0, 1]]),  # below 22.5 degrees
        (1, 0.42, [[0, 0, 0], [0, 1, 0], [0, 0, 2]], [[0, 0, 0], [0, 0, 0], [0, 0, 1]]),
        (0.41, 1, [[0, 0, 0], [0, 1, 0], [0, 0, 2]], [[0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ],
)
def test_thin_by_sector(gx, gy, size, kept):
    shape = np.shape(size)
    assert_array_equal(thin_edges(np.full(shape, gx), np.full(shape, gy), size), np.array(kept, bool))


@pytest.mark.parametrize(
    ("gx", "gy", "corner", "kept"),
    [(1, 0, 9, True), (2, 1, 2, True), (2, 1, 2.1, False), (2, 1, 9, False), (-1, -2, 2, True), (-1, -2, 2.1, False)],
)
def test_thin_interpolated(gx, gy, corner, kept):
    # At a slant of one half the value between 0 and `corner` is corner / 2, against 1 in the middle.
    size = [[0, 0, 0], [0, 1, 0], [0, 0, corner]]
    directions = np.full((3, 3), gx), np.full((3, 3), gy)
    assert thin_edges(*directions, size, neighbours="interpolated")[1, 1] == kept


@pytest.mark.parametrize(("above", "kept"), [(1.9, True), (2, False)])
@pytest.mark.parametrize("neighbours", ["sector", "interpolated"])
def test_thin_above_is_strict(above, kept, neighbours):
    level = np.zeros((1, 3))
    assert thin_edges(level + 1, level, [[0, 2, 0]], above=above, neighbours=neighbours)[0, 1] == kept


@settings(deadline=None, max_examples=30)
@given(PICTURES, st.integers(0, 200), st.integers(0, 55))
def test_hysteresis_is_flood_fill(strength, low, more):
    found, kept = list(zip(*np.nonzero(strength > low + more), strict=True)), np.zeros(strength.shape, bool)
    while found:
        r, c = found.pop()
        if 0 <= r < len(strength) and 0 <= c < strength.shape[1] and strength[r, c] > low and not kept[r, c]:
            kept[r, c] = True
            found += [(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert_array_equal(hysteresis(strength, low, low + more), kept)


def test_hysteresis_at_the_thresholds():
    assert_array_equal(hysteresis([[50, 51, 100, 0, 101, 50]], 50, 100), [[0, 0, 0, 0, 1, 0]])


# Canny


@pytest.mark.parametrize("name", ["camera", "coins", "grass", "coffee"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize(("low", "high"), [(100, 200), (33.3, 77.7), (60, 60), (0, 5)])
def test_canny_is_opencvs_on_photographs(name, norm, low, high):
    image = photograph(name, gray=True)[:150, :200]
    theirs = cv2.Canny(image, low, high, L2gradient=norm == "l2") > 0
    assert_array_equal(canny(image, low, high, norm=norm), theirs)


@settings(deadline=None, max_examples=100)
@given(st.one_of(PICTURES, FEW_LEVELS), st.sampled_from(["l1", "l2"]), st.integers(0, 300), st.integers(0, 300))
def test_canny_is_opencvs_on_any_picture(image, norm, low, more):
    theirs = cv2.Canny(image, low, low + more, L2gradient=norm == "l2") > 0
    assert_array_equal(canny(image, low, low + more, norm=norm), theirs)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize("name", ["camera", "coins"])
def test_canny_is_skimages_inside(name, sigma):
    image = photograph(name)
    theirs = skimage.feature.canny(image, sigma=sigma, low_threshold=50, high_threshold=100)
    ours = canny(image, 50, 100, sigma=sigma, neighbours="interpolated")
    assert np.mean((ours == theirs)[12:-12, 12:-12]) >= 0.9999


def test_canny_of_a_flat_image_is_empty():
    assert not canny(np.full((6, 7), 9), 0, 0).any()


@settings(deadline=None, max_examples=30)
@given(PICTURES, st.integers(-100, 100))
def test_canny_ignores_brightness(image, offset):
    assert_array_equal(canny(image, 50, 100), canny(image.astype(int) + offset, 50, 100))


def test_canny_one_pixel():
    assert_array_equal(canny([[7]], 1, 2, sigma=3), [[False]])


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_criteria_signal_to_noise_by_the_kernel(sigma):
    kernel = np.convolve(np.exp(-0.5 * (np.arange(-20, 21) / sigma) ** 2), [1, 0, -1])
    expected = np.abs(np.cumsum(kernel)).max() / (0.5 * np.sqrt((kernel**2).sum()))
    assert_allclose(canny_criteria(sigma)[0], expected, rtol=0.05)


def test_criteria_without_noise_and_in_noise_alone():
    assert canny_criteria(2, noise=0, rows=3) == (np.inf, 0.5, 1.0)
    ratio, _, answers = canny_criteria(1, noise=50)
    assert ratio < 0.1
    assert answers > 3


# Boundaries


def test_texture_gradient_by_hand():
    # Window 1: each side is one pixel, so two different bins share nothing.
    assert_array_equal(texture_gradient([[0, 0, 9, 9]], window=1, bins=2), [[0, 1, 1, 0]])


def test_texture_gradient_bins_by_equal_width():
    assert_array_equal(texture_gradient([[0, 0, 4, 4, 9, 9]], window=1, bins=2), [[0, 0, 0, 1, 1, 0]])


@pytest.mark.parametrize("turned", [False, True])
def test_texture_gradient_peaks_at_the_seam_both_ways(turned):
    rng = np.random.default_rng(0)
    # Equal means: noise of two levels against noise of two others.
    picture = np.hstack([rng.choice([0, 8], (40, 30)), rng.choice([3, 5], (40, 30))])
    change = texture_gradient(picture.T, 9).T if turned else texture_gradient(picture, 9)
    assert abs(change.mean(axis=0).argmax() - 29.5) < 2
    assert 0.99 < change.max() <= 1 + 1e-12


def test_texture_gradient_of_a_flat_image_is_zero():
    assert_array_equal(texture_gradient(np.full((6, 7), 3), window=3), np.zeros((6, 7)))


@pytest.mark.parametrize(("tolerance", "expected"), [(0, (0, 0)), (1, (0.5, 1)), (1.4, (0.5, 1)), (1.5, (1, 1))])
def test_boundary_scores_by_hand(tolerance, expected):
    found = [[1, 0, 0], [0, 0, 0], [0, 1, 0]]  # the root of 2, and 1, away from the true one
    truth = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert boundary_scores(found, truth, tolerance) == expected


def test_boundary_scores_of_nothing():
    nothing, all_of_it = np.zeros((2, 2)), np.ones((2, 2))
    assert_array_equal(boundary_scores(nothing, all_of_it, 1), [np.nan, 0])
    assert_array_equal(boundary_scores(all_of_it, nothing, 1), [0, np.nan])


# Bad input


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5, 3)), r"gray image \(H, W\) .* got shape \(4, 5, 3\); is it in colour"),
        (np.zeros((0, 5)), r"at least one pixel, got shape \(0, 5\)"),
        (None, r"got shape \(\)"),
        ([["a", "b"]], "finite real numbers, got dtype <U1"),
        ([[1, np.nan]], "or NaN or infinity among them"),
    ],
)
def test_image_must_be_gray_and_finite(image, message):
    for edges in (gradient, zero_crossings, texture_gradient, lambda picture: canny(picture, 1, 2)):
        with pytest.raises(ValueError, match=message):
            edges(image)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient(CAMERA, "Sobel"), "operator must be one of roberts, .*; got 'Sobel'"),
        (lambda: gradient_gain([]), r"got \[\]"),
        (lambda: gradient_magnitude([1], [1], "L2"), "norm must be 'l1' or 'l2', got 'L2'; OpenCV"),
        (lambda: difference_of_gaussians(CAMERA, 1, 0.6), "ratio must be above 1 and finite, got 0.6"),
        (lambda: thin_edges(CAMERA, CAMERA, CAMERA[1:]), r"one shape, got \(100, 120\), .*\(99, 120\)"),
        (lambda: thin_edges(CAMERA, CAMERA, CAMERA, neighbours="8"), "'sector' or 'interpolated', got '8'"),
        (lambda: hysteresis(CAMERA, 2, 1), "got low=2, high=1; are they swapped"),
        (lambda: canny(CAMERA, 200, 100), "got low=200, high=100; are they swapped"),
        (lambda: canny(CAMERA, -1, 100), "got low=-1"),
        (lambda: canny(CAMERA, 1, 2, sigma=-1), "sigma must be at least 0 and finite, got -1"),
        (lambda: direction_error("sobel", 2, [0]), "wavelength must be above 2 pixels, got 2"),
        (lambda: texture_gradient(CAMERA, 4), "kernel_size must be an odd whole number"),
        (lambda: texture_gradient(CAMERA, 5, bins=1), "bins must be a whole number of at least 2, got 1"),
        (lambda: boundary_scores(CAMERA, CAMERA[1:], 1), r"one shape, got \(100, 120\) and \(99, 120\)"),
        (lambda: boundary_scores(CAMERA, CAMERA, -1), "tolerance must be at least 0, got -1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
