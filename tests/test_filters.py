import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.exposure
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from utils.filters import (
    KERNEL_273,
    add_gaussian_noise,
    add_salt_and_pepper,
    adjust_gamma,
    binomial_kernel,
    closing,
    correlate,
    correlate_naive,
    gaussian_filter,
    gaussian_kernel_1d,
    maximum_filter,
    mean_filter,
    median_filter,
    minimum_filter,
    opening,
    separable_filter,
)
from utils.images import photograph

SCIPY_MODE = {
    "reflect": "mirror",
    "symmetric": "reflect",
    "replicate": "nearest",
    "zero": "constant",
    "wrap": "wrap",
}
OPENCV_MODE = {
    "reflect": cv2.BORDER_REFLECT_101,
    "symmetric": cv2.BORDER_REFLECT,
    "replicate": cv2.BORDER_REPLICATE,
    "zero": cv2.BORDER_CONSTANT,
}
BORDERS = list(SCIPY_MODE)
RANK_FILTERS = [median_filter, maximum_filter, minimum_filter]
WINDOW_FILTERS = [mean_filter, *RANK_FILTERS]

coordinate = st.integers(5, 9)
gray_images = st.tuples(coordinate, coordinate).flatmap(lambda shape: arrays(np.uint8, shape))
sizes = st.sampled_from([1, 3, 5, 7])
borders = st.sampled_from(BORDERS)


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def windows_by_loops(image, size):
    """The in-image part of every window, as a list of lists: slow and obvious."""
    reach = size // 2
    return [
        [
            image[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
            for column in range(image.shape[1])
        ]
        for row in range(image.shape[0])
    ]


# Kernels


def test_kernel_273_sums_to_its_name_and_is_read_only():
    assert KERNEL_273.sum() == 273
    assert KERNEL_273[2, 2] == 41
    with pytest.raises(ValueError, match="read-only"):
        KERNEL_273[0, 0] = 2


def test_gaussian_kernel_by_hand():
    tail = np.exp(-0.5)
    assert_allclose(gaussian_kernel_1d(1.0, 3), np.array([tail, 1, tail]) / (1 + 2 * tail))


@pytest.mark.parametrize(
    ("sigma", "size"),
    [(0.1, 1), (0.125, 3), (1.0, 9), (1.5, 13), (2.0, 17)],  # 4 * 0.125 + 0.5 = 1: exactly at the step
)
def test_gaussian_kernel_default_size(sigma, size):
    assert len(gaussian_kernel_1d(sigma)) == size


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("size", [3, 5, 9, 31])
def test_gaussian_kernel_is_opencvs(sigma, size):
    assert_allclose(gaussian_kernel_1d(sigma, size), cv2.getGaussianKernel(size, sigma)[:, 0], atol=1e-12)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_binomial_kernel_is_opencvs_table(size):
    # For 7 OpenCV's table is its own (1 3.5 7 9 7 3.5 1), not Pascal's row.
    agrees = np.allclose(binomial_kernel(size), cv2.getGaussianKernel(size, 0)[:, 0])
    assert agrees == (size < 7)


def test_binomial_kernel_has_the_variance_it_states():
    distance = np.arange(-4, 5)
    assert_allclose((binomial_kernel(9) * distance**2).sum(), 8 / 4)


def test_gaussian_kernel_of_tiny_sigma_is_an_impulse():
    assert_array_equal(gaussian_kernel_1d(1e-300, 3), [0, 1, 0])


@settings(deadline=None, max_examples=50)
@given(sigma=st.floats(0.01, 50), size=sizes)
def test_kernels_are_symmetric_positive_and_sum_to_one(sigma, size):
    for kernel in (gaussian_kernel_1d(sigma), gaussian_kernel_1d(sigma, size), binomial_kernel(size)):
        assert_allclose(kernel.sum(), 1)
        assert_array_equal(kernel, kernel[::-1])
        assert (kernel >= 0).all()


# Linear filters


def test_correlate_does_not_flip():
    impulse = np.zeros((3, 3))
    impulse[1, 1] = 1
    kernel = np.arange(9).reshape(3, 3)
    assert_array_equal(correlate(impulse, kernel, border="zero"), kernel[::-1, ::-1])


@pytest.mark.parametrize(
    ("border", "first"),
    [("reflect", "cbabc"), ("symmetric", "baabc"), ("replicate", "aaabc"), ("zero", "00abc"), ("wrap", "cdabc")],
)
def test_border_outside_a_row(border, first):
    numbers = {"0": 0, "a": 1, "b": 20, "c": 300, "d": 4000}
    row = [[1, 20, 300, 4000]]
    weights = np.array([2.0, 3, 5, 7, 11])
    expected = weights @ [numbers[letter] for letter in first]
    assert correlate(row, weights[None], border=border)[0, 0] == expected


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kernel_shape", [(1, 1), (3, 3), (5, 3), (1, 7), (7, 1)])
def test_correlate_matches_scipy(border, kernel_shape):
    image, kernel = random_image(8, 11), random_image(*kernel_shape, seed=1)
    expected = scipy.ndimage.correlate(image, kernel, mode=SCIPY_MODE[border])
    assert_allclose(correlate(image, kernel, border=border), expected, atol=1e-12)


@pytest.mark.parametrize("border", OPENCV_MODE)
def test_correlate_matches_opencv_on_colour(border):
    image, kernel = random_image(9, 12, 3), random_image(5, 3, seed=1)
    expected = cv2.filter2D(image, -1, kernel, borderType=OPENCV_MODE[border])
    assert_allclose(correlate(image, kernel, border=border), expected, atol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 2)])
def test_correlate_naive_agrees(border, shape):
    image, kernel = random_image(*shape), random_image(3, 5, seed=1)
    assert_allclose(correlate_naive(image, kernel, border=border), correlate(image, kernel, border=border), atol=1e-12)


@pytest.mark.parametrize("border", OPENCV_MODE)
def test_separable_filter_matches_opencv(border):
    image, row, column = random_image(9, 12, 3), random_image(5, seed=1), random_image(3, seed=2)
    expected = cv2.sepFilter2D(image, -1, row, column, borderType=OPENCV_MODE[border])
    assert_allclose(separable_filter(image, row, column, border=border), expected, atol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
def test_separable_filter_is_the_outer_product(border):
    image, row, column = random_image(9, 12), random_image(5, seed=1), random_image(3, seed=2)
    in_one_pass = correlate(image, np.outer(column, row), border=border)
    assert_allclose(separable_filter(image, row, column, border=border), in_one_pass, atol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.6])
def test_gaussian_filter_matches_scipy(border, sigma):
    image = photograph("camera")[100:130, 100:140]
    expected = scipy.ndimage.gaussian_filter(image.astype(float), sigma, mode=SCIPY_MODE[border])
    assert_allclose(gaussian_filter(image, sigma, border=border), expected, atol=1e-9)


@pytest.mark.parametrize("kernel_size", [3, 5, 9])
def test_gaussian_filter_matches_opencv(kernel_size):
    image = photograph("astronaut")[100:130, 100:140].astype(float)
    expected = cv2.GaussianBlur(image, (kernel_size, kernel_size), sigmaX=1.3)
    assert_allclose(gaussian_filter(image, 1.3, kernel_size), expected, atol=1e-9)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_mean_filter_matches_scipy(border, size):
    image = random_image(8, 11)
    expected = scipy.ndimage.uniform_filter(image, size, mode=SCIPY_MODE[border])
    assert_allclose(mean_filter(image, size, border=border), expected, atol=1e-12)


@pytest.mark.parametrize("border", OPENCV_MODE)
def test_mean_filter_matches_opencv_on_colour(border):
    image = random_image(9, 12, 3)
    expected = cv2.blur(image, (5, 5), borderType=OPENCV_MODE[border])
    assert_allclose(mean_filter(image, 5, border=border), expected, atol=1e-12)


def test_mean_filter_of_integers_is_exact():
    image = photograph("camera")
    exact = correlate(image, np.ones((9, 9))) / 81
    assert_array_equal(mean_filter(image, 9), exact)


@pytest.mark.parametrize("smooth", [lambda image: mean_filter(image, 5), lambda image: gaussian_filter(image, 1.0)])
def test_smoothing_keeps_a_constant_at_a_large_offset(smooth):
    assert_allclose(smooth(np.full((20, 30), 1e9 + 0.1)), 1e9 + 0.1, rtol=1e-12)


SMOOTHERS = [mean_filter, lambda image, size, border: gaussian_filter(image, 0.9, size, border=border)]


@pytest.mark.parametrize("smooth", SMOOTHERS)
@settings(deadline=None, max_examples=50)
@given(image=gray_images, border=borders, scale=st.floats(-3, 3))
def test_smoothing_is_linear(smooth, image, border, scale):
    other = image[::-1, ::-1]
    of_the_mixture = smooth(image + scale * other, 5, border=border)
    mixture = smooth(image, 5, border=border) + scale * smooth(other, 5, border=border)
    assert_allclose(of_the_mixture, mixture, atol=1e-9)


@pytest.mark.parametrize("smooth", SMOOTHERS)
@settings(deadline=None, max_examples=50)
@given(image=gray_images, border=borders)
def test_smoothing_stays_between_the_extremes(smooth, image, border):
    smoothed = smooth(image, 5, border=border)
    assert (smoothed <= maximum_filter(image, 5, border=border) + 1e-9).all()
    assert (smoothed >= minimum_filter(image, 5, border=border) - 1e-9).all()


# Rank filters


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 3, 5])
def test_rank_filters_match_sorted_windows(seed, size):
    image = np.random.default_rng(seed).integers(0, 256, (7, 8), dtype=np.uint8)
    reach = size // 2
    for row in range(reach, 7 - reach):
        for column in range(reach, 8 - reach):
            ranked = sorted(image[row - reach : row + reach + 1, column - reach : column + reach + 1].flat)
            found = [rank_filter(image, size)[row, column] for rank_filter in RANK_FILTERS]
            assert found == [ranked[len(ranked) // 2], ranked[-1], ranked[0]]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("rank_filter", RANK_FILTERS)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_rank_filters_match_scipy(rank_filter, border, size):
    image = random_image(8, 11)
    expected = getattr(scipy.ndimage, rank_filter.__name__)(image, size, mode=SCIPY_MODE[border])
    assert_array_equal(rank_filter(image, size, border=border), expected)


@pytest.mark.parametrize("size", [3, 5, 11])
def test_median_filter_matches_opencv_on_colour(size):
    image = photograph("coffee")[:60, :80]
    assert_array_equal(median_filter(image, size, border="replicate"), cv2.medianBlur(image, size))


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate"])
@pytest.mark.parametrize(("rank_filter", "morphology"), [(maximum_filter, cv2.dilate), (minimum_filter, cv2.erode)])
def test_extremes_are_opencvs_morphology(rank_filter, morphology, border):
    image = photograph("coffee")[:60, :80]
    assert_array_equal(rank_filter(image, 5, border=border), morphology(image, np.ones((5, 5))))


@pytest.mark.parametrize(("ours", "operation"), [(opening, cv2.MORPH_OPEN), (closing, cv2.MORPH_CLOSE)])
def test_opening_and_closing_match_opencv(ours, operation):
    image = photograph("coffee")[:60, :80]
    assert_array_equal(ours(image, 5), cv2.morphologyEx(image, operation, np.ones((5, 5))))


@settings(deadline=None, max_examples=50)
@given(
    image=gray_images, size=st.sampled_from([1, 3, 5]), border=st.sampled_from(["reflect", "symmetric", "replicate"])
)
def test_opening_and_closing_enclose_the_image_and_are_done_at_once(image, size, border):
    opened, closed = opening(image, size, border=border), closing(image, size, border=border)
    assert ((opened <= image) & (image <= closed)).all()
    assert_array_equal(opening(opened, size, border=border), opened)
    assert_array_equal(closing(closed, size, border=border), closed)


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate"])
def test_maximum_ignores_what_is_outside(border):
    image = random_image(6, 9)
    expected = [[window.max() for window in row] for row in windows_by_loops(image, 5)]
    assert_array_equal(maximum_filter(image, 5, border=border), expected)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rank_filter", RANK_FILTERS)
def test_rank_filters_keep_the_dtype_and_invent_no_value(rank_filter, dtype):
    image = (random_image(6, 7, 3) > 0).astype(dtype)
    result = rank_filter(image, 3)
    assert result.dtype == dtype
    assert set(np.unique(result)) <= set(np.unique(image))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_linear_filters_return_float64(dtype):
    image = np.ones((9, 9), dtype)
    for result in (correlate(image, [[1]]), mean_filter(image, 3), gaussian_filter(image, 1)):
        assert result.dtype == np.float64


@settings(deadline=None, max_examples=50)
@given(image=gray_images, size=sizes, border=borders)
def test_median_lies_between_minimum_and_maximum(image, size, border):
    smallest, middle, largest = (
        rank_filter(image, size, border=border) for rank_filter in (minimum_filter, median_filter, maximum_filter)
    )
    assert ((smallest <= middle) & (middle <= largest)).all()


@settings(deadline=None, max_examples=50)
@given(image=gray_images, size=sizes, border=borders.filter(lambda name: name != "zero"))
def test_rank_filters_of_the_negative(image, size, border):
    negative = 255 - image
    assert_array_equal(maximum_filter(negative, size, border=border), 255 - minimum_filter(image, size, border=border))
    assert_array_equal(median_filter(negative, size, border=border), 255 - median_filter(image, size, border=border))


@pytest.mark.parametrize("rank_filter", RANK_FILTERS)
@settings(deadline=None, max_examples=50)
@given(image=gray_images, exponent=st.floats(0.1, 8))
def test_rank_filters_commute_with_gamma(rank_filter, image, exponent):
    unit = image / 255
    assert_allclose(rank_filter(adjust_gamma(unit, exponent), 3), adjust_gamma(rank_filter(unit, 3), exponent))


@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
def test_colour_is_filtered_channel_by_channel(window_filter):
    image = photograph("coffee")[:20, :30]
    channels = [window_filter(image[:, :, channel], 3) for channel in range(3)]
    assert_array_equal(window_filter(image, 3), np.stack(channels, axis=-1))


@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
def test_filters_leave_their_input_alone(window_filter):
    image = photograph("camera")[:20, :30]
    before = image.copy()
    window_filter(image, 3)
    window_filter(image, 1)[:] = 0
    assert_array_equal(image, before)


# Noise and gamma


@pytest.mark.parametrize(
    ("image", "white"),
    [
        (np.full((50, 60), 7, np.uint8), 255),
        (np.full((50, 60), 7, np.uint16), 65535),
        (np.full((50, 60, 3), 0.5, np.float32), 1),
    ],
)
def test_salt_and_pepper_white_and_dtype(image, white):
    noisy = add_salt_and_pepper(image, 0.3, 0.2, np.random.default_rng(0))
    assert noisy.dtype == image.dtype
    assert set(np.unique(noisy)) == {0, image.flat[0], white}


def test_salt_and_pepper_extreme_shares():
    image = np.full((9, 9), 128, np.uint8)
    for salt, pepper, level in [(0, 0, 128), (1, 0, 255), (0, 1, 0)]:
        assert (add_salt_and_pepper(image, salt, pepper, np.random.default_rng(1)) == level).all()
    assert (image == 128).all()


@pytest.mark.parametrize("seed", range(5))
def test_salt_and_pepper_shares(seed):
    noisy = add_salt_and_pepper(np.full((200, 500), 128, np.uint8), 0.3, 0.1, np.random.default_rng(seed))
    # 100,000 pixels: four standard deviations are below 0.006
    assert_allclose([(noisy == level).mean() for level in (255, 0)], [0.3, 0.1], atol=0.006)


def test_salt_and_pepper_more_noise_only_adds():
    image = photograph("camera")
    little, much = (add_salt_and_pepper(image, s, s, np.random.default_rng(2)) for s in (0.1, 0.2))
    touched = little != image
    assert_array_equal(little[touched], much[touched])


def test_salt_and_pepper_changes_all_channels_of_a_pixel():
    noisy = add_salt_and_pepper(np.full((30, 30, 3), 128, np.uint8), 0.2, 0.2, np.random.default_rng(0))
    assert (noisy == noisy[:, :, :1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_gaussian_noise_has_the_deviation_asked_for(seed):
    noise = add_gaussian_noise(np.zeros((200, 500)), 3.0, np.random.default_rng(seed))
    # 100,000 values: four standard errors are below 0.04 for the mean and 0.03 for the deviation
    assert_allclose([noise.mean(), noise.std()], [0, 3], atol=0.04)


def test_gaussian_noise_rounds_and_clips_integers():
    expected = np.random.default_rng(0).normal(0, 40, (50, 60)) + 128
    noisy = add_gaussian_noise(np.full((50, 60), 128, np.uint8), 40, np.random.default_rng(0))
    assert_array_equal(noisy, np.clip(np.rint(expected), 0, 255))
    assert noisy.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_gaussian_noise_of_zero_keeps_image_and_dtype(dtype):
    image = random_image(6, 7, 3).clip(0).astype(dtype)
    noisy = add_gaussian_noise(image, 0, np.random.default_rng(0))
    assert_array_equal(noisy, image, strict=True)


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0, 2.2])
def test_adjust_gamma_matches_skimage(gamma):
    image = photograph("coffee")[:20, :30] / 255
    assert_allclose(adjust_gamma(image, gamma), skimage.exposure.adjust_gamma(image, gamma), atol=1e-12)


def test_adjust_gamma_by_hand():
    assert_allclose(adjust_gamma([[0, 1 / 16, 1.0]], 0.25), [[0, 1 / 2, 1]])


@settings(deadline=None, max_examples=50)
@given(image=gray_images, gamma=st.floats(0.1, 8))
def test_adjust_gamma_is_undone_by_its_inverse(image, gamma):
    assert_allclose(adjust_gamma(adjust_gamma(image / 255, gamma), 1 / gamma), image / 255, atol=1e-9)


def test_adjust_gamma_returns_float64_from_float32():
    assert adjust_gamma(np.ones((2, 2), np.float32), 0.5).dtype == np.float64


# Bad input

IMAGE = np.zeros((6, 8), np.uint8)


@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
@pytest.mark.parametrize("size", [0, 2, -3, 3.0, True, "3", None, np.int64(4), (3, 3)])
def test_window_size_must_be_odd(window_filter, size):
    with pytest.raises(ValueError, match="kernel_size must be an odd whole number, 1 or more, got"):
        window_filter(IMAGE, size)


@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 5)), r"at least one pixel, got \(0, 5\); did you pass"),
        (np.zeros((5, 5, 0)), r"got \(5, 5, 0\)"),
        (np.zeros(5), r"shape \(H, W\) or \(H, W, C\) and at least one pixel, got \(5,\)"),
        (np.zeros((2, 3, 8, 8)), r"got \(2, 3, 8, 8\); did you pass a batch"),
        (7, r"got \(\)"),
        (None, "image must hold real numbers, got dtype object"),
        ([["a", "b"]], "image must hold real numbers, got dtype <U1"),
        (np.ones((4, 4), complex), "image must hold real numbers, got dtype complex128"),
        ([[1.0, np.nan, 2.0]], "image must be finite, got nan; was there"),
        ([[1.0, np.inf, 2.0]], "image must be finite, got inf"),
    ],
)
def test_image_must_be_an_image(window_filter, image, message):
    with pytest.raises(ValueError, match=message):
        window_filter(image, 3)


@pytest.mark.parametrize("border", ["mirror", "edge", "REFLECT_101", None, 4, []])
@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
def test_border_must_be_known(window_filter, border):
    with pytest.raises(ValueError, match="border must be one of reflect, symmetric, replicate, zero, wrap; got"):
        window_filter(IMAGE, 3, border=border)


@pytest.mark.parametrize(("border", "largest"), [("reflect", 11), ("symmetric", 13), ("wrap", 13)])
@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
def test_window_must_fit_the_border(window_filter, border, largest):
    assert window_filter(IMAGE, largest, border=border).shape == IMAGE.shape
    with pytest.raises(ValueError, match=f"border '{border}' can add at most . rows to 6, but a kernel .. high needs"):
        window_filter(IMAGE, largest + 2, border=border)


def test_window_must_fit_the_border_in_the_other_direction():
    with pytest.raises(ValueError, match="can add at most 5 columns to 6, but a kernel 13 wide needs 6; use a smaller"):
        median_filter(IMAGE.T, 13)


@pytest.mark.parametrize("border", ["replicate", "zero"])
@pytest.mark.parametrize("window_filter", WINDOW_FILTERS)
def test_one_pixel_image(window_filter, border):
    assert window_filter([[5]], 3, border=border).shape == (1, 1)


@pytest.mark.parametrize("sigma", [0, -1, np.nan, np.inf])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(ValueError, match=f"sigma must be positive and finite, got {sigma}; it is the width"):
        gaussian_filter(IMAGE, sigma, 5)


@pytest.mark.parametrize("size", [0, 4, 5.0])
def test_kernel_size_must_be_odd(size):
    for make in (binomial_kernel, lambda kernel_size: gaussian_kernel_1d(1.0, kernel_size)):
        with pytest.raises(ValueError, match="kernel_size must be an odd whole number"):
            make(size)


@pytest.mark.parametrize("filter_with", [correlate, correlate_naive])
@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.ones((2, 2)), r"kernel must be 2-D with odd sides, got shape \(2, 2\); an even window"),
        (np.ones((3, 4)), r"got shape \(3, 4\)"),
        (np.ones(3), r"got shape \(3,\); .* separable_filter"),
        (np.ones((0, 3)), r"got shape \(0, 3\)"),
        ([[np.nan]], "kernel must be finite, got nan"),
        ([["a"]], "kernel must hold real numbers"),
    ],
)
def test_kernel_must_be_odd_and_numeric(filter_with, kernel, message):
    with pytest.raises(ValueError, match=message):
        filter_with(IMAGE, kernel)


def test_separable_kernels_must_be_one_dimensional():
    with pytest.raises(ValueError, match=r"must be 1-D, got shapes \(3, 3\) and \(3,\); a 2-D kernel belongs"):
        separable_filter(IMAGE, np.ones((3, 3)), np.ones(3))


@pytest.mark.parametrize(
    ("salt", "pepper", "message"),
    [
        (-0.1, 0, r"salt must lie in \[0, 1\], got -0.1"),
        (0, 5, r"pepper must lie in \[0, 1\], got 5; it is a share of the pixels, not a percentage"),
        (0.6, 0.5, r"salt \+ pepper must lie in \[0, 1\], got 1.1"),
        (np.nan, 0, "salt must lie in"),
    ],
)
def test_salt_and_pepper_shares_must_be_shares(salt, pepper, message):
    with pytest.raises(ValueError, match=message):
        add_salt_and_pepper(IMAGE, salt, pepper, np.random.default_rng(0))


@pytest.mark.parametrize(
    "add_noise", [lambda rng: add_salt_and_pepper(IMAGE, 0.1, 0.1, rng), lambda rng: add_gaussian_noise(IMAGE, 1, rng)]
)
def test_noise_needs_a_generator(add_noise):
    with pytest.raises(ValueError, match=r"rng must be a NumPy Generator, got 0; pass np.random.default_rng\(0\)"):
        add_noise(0)


@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf])
def test_gaussian_noise_sigma_must_be_a_deviation(sigma):
    with pytest.raises(ValueError, match=f"sigma must be at least 0 and finite, got {sigma}; it is a deviation"):
        add_gaussian_noise(IMAGE, sigma, np.random.default_rng(0))


@pytest.mark.parametrize("image", [IMAGE.astype(int), IMAGE > 0])
def test_gaussian_noise_must_know_the_range(image):
    with pytest.raises(ValueError, match=f"unsigned integers or floats, got {image.dtype}; a list has no range"):
        add_gaussian_noise(image, 1, np.random.default_rng(0))


@pytest.mark.parametrize("image", [IMAGE.astype(int), IMAGE + 1.5, IMAGE - 0.5, IMAGE > 0])
def test_salt_and_pepper_must_know_white(image):
    with pytest.raises(ValueError, match=r"floats in \[0, 1\], got .* did you forget to divide by 255"):
        add_salt_and_pepper(image, 0.1, 0.1, np.random.default_rng(0))


@pytest.mark.parametrize("image", [IMAGE, IMAGE + 1.5, IMAGE - 0.5])
def test_gamma_needs_the_unit_interval(image):
    with pytest.raises(ValueError, match=r"floats in \[0, 1\], got .* did you forget to divide by 255"):
        adjust_gamma(image, 0.5)


@pytest.mark.parametrize("gamma", [0, -1, np.nan, np.inf])
def test_gamma_must_be_positive(gamma):
    with pytest.raises(ValueError, match=f"gamma must be positive and finite, got {gamma}; below 1 brightens"):
        adjust_gamma(IMAGE / 255, gamma)
