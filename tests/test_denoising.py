"""`utils.denoising` against OpenCV, SciPy, scikit-image, loops written out, and the sentences of its docstrings."""

import cv2
import numpy as np
import pytest
import scipy.signal
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from skimage import metrics, restoration

from utils.denoising import (
    add_poisson_noise,
    anscombe,
    bilateral_filter,
    inverse_anscombe,
    non_local_means,
    psnr,
    soft_threshold,
    ssim,
    ssim_map,
    total_variation_denoise,
    wavelet_shrink,
    wiener_filter,
)
from utils.images import photograph

PHOTO = photograph("camera")[100:140, 160:206].astype(float)
NOISY = PHOTO + np.random.default_rng(0).normal(0, 20, PHOTO.shape)

DENOISERS = {
    "bilateral": lambda image: bilateral_filter(image, 40, 1),
    "non-local means": lambda image: non_local_means(image, 20, patch_size=3, patch_distance=3),
    "total variation": lambda image: total_variation_denoise(image, 10, iterations=30),
    "wavelet": lambda image: wavelet_shrink(image, 10, levels=1),
    "Wiener": lambda image: wiener_filter(image, 3, 100),
}
each_denoiser = pytest.mark.parametrize("denoise", DENOISERS.values(), ids=DENOISERS)
images = arrays(np.float64, (8, 8), elements=st.integers(0, 255).map(float))


# bilateral_filter


@pytest.mark.parametrize(("sigma_color", "sigma_space"), [(20, 1.0), (60, 1.5), (90, 2.0)])
def test_bilateral_matches_opencv(sigma_color, sigma_space):
    size = 2 * int(3 * sigma_space + 0.5) + 1
    expected = cv2.bilateralFilter(NOISY.astype(np.float32), size, sigma_color, sigma_space)
    # OpenCV's window is a disc: what it leaves out has weights below exp(-4.5)
    assert_allclose(bilateral_filter(NOISY, sigma_color, sigma_space), expected, atol=0.8)


def test_bilateral_matches_the_definition():
    size, row, column = 5, 20, 30
    window, centre = NOISY[row - 2 : row + 3, column - 2 : column + 3], NOISY[row, column]
    i, j = np.mgrid[-2:3, -2:3]
    weight = np.exp(-(i**2 + j**2) / (2 * 1.5**2) - (window - centre) ** 2 / (2 * 30**2))
    result = bilateral_filter(NOISY, 30, 1.5, kernel_size=size)[row, column]
    assert_allclose(result, (weight * window).sum() / weight.sum())


def test_bilateral_with_a_wide_range_is_a_gaussian():
    expected = cv2.GaussianBlur(PHOTO, (7, 7), 1.0)
    assert_allclose(bilateral_filter(PHOTO, 1e6, 1.0), expected, atol=1e-3)


# non_local_means


@pytest.mark.parametrize(("sigma", "h"), [(0, 15), (20, 10)])
def test_non_local_means_matches_the_definition(sigma, h):
    padded, row, column, total, weights = np.pad(NOISY, 9, mode="reflect"), 14, 17, 0.0, 0.0
    own = padded[row + 7 : row + 12, column + 7 : column + 12]
    for i in range(15):
        for j in range(15):
            patch = padded[row + i : row + i + 5, column + j : column + j + 5]
            weight = np.exp(-max(((patch - own) ** 2).mean() - 2 * sigma**2, 0) / h**2)
            total, weights = total + weight * patch[2, 2], weights + weight
    assert_allclose(non_local_means(NOISY, h, sigma=sigma)[row, column], total / weights)


def test_non_local_means_finds_repeats_where_a_mean_finds_none():
    stripes = np.tile([0.0, 0, 90], (12, 5)) + np.random.default_rng(0).normal(0, 5, (12, 15))
    result = non_local_means(stripes, 10, patch_size=3, patch_distance=6)
    assert np.abs(result - np.tile([0.0, 0, 90], (12, 5))).mean() < 2


# total_variation_denoise


@pytest.mark.parametrize("weight", [5, 30])
def test_total_variation_matches_skimage(weight):
    # skimage counts the start as an iteration
    expected = restoration.denoise_tv_chambolle(NOISY, weight, eps=0, max_num_iter=51)
    assert_allclose(total_variation_denoise(NOISY, weight, iterations=50), expected, atol=1e-9)


def test_total_variation_moves_the_sides_of_a_step():
    step = np.repeat([[0.0] * 2 + [9.0] * 4], 3, axis=0)
    assert_allclose(total_variation_denoise(step, 2, iterations=3000)[1], [1, 1, 8.5, 8.5, 8.5, 8.5], atol=0.01)


def test_total_variation_lowers_its_energy():
    def energy(u):
        down, right = np.diff(u, axis=0, append=u[-1:]), np.diff(u, axis=1, append=u[:, -1:])
        return ((u - NOISY) ** 2).sum() / 2 + 20 * np.hypot(down, right).sum()

    best = total_variation_denoise(NOISY, 20, iterations=500)
    rng = np.random.default_rng(0)
    assert all(energy(best) < energy(best + rng.normal(0, 1, best.shape)) for _ in range(5))
    assert energy(best) < min(energy(NOISY), energy(NOISY * 0 + NOISY.mean()))


# wavelet_shrink


@pytest.mark.parametrize(("value", "expected"), [(-5, -3), (-2, 0), (-1, 0), (0, 0), (2, 0), (2.5, 0.5)])
def test_soft_threshold_by_hand(value, expected):
    assert soft_threshold(value, 2) == expected


def test_haar_shrinkage_by_hand():
    # coefficients 8, -2 and -4, 0; the details move to -1 and -3
    assert_allclose(wavelet_shrink([[1.0, 3], [5, 7]], 1, levels=1), [[2, 3], [5, 6]])


@given(images, st.sampled_from(["haar", "db2"]))
@settings(deadline=None, max_examples=20)
def test_wavelet_transform_is_undone_without_a_threshold(image, wavelet):
    assert_allclose(wavelet_shrink(image, 0, wavelet=wavelet, levels=1, shifts=2), image, atol=1e-9)


def test_wavelet_shifts_average_the_places_of_the_blocks():
    by_hand = [np.roll(wavelet_shrink(np.roll(NOISY, s, (0, 1)), 30), (-s[0], -s[1]), (0, 1)) for s in np.ndindex(2, 2)]
    assert_allclose(wavelet_shrink(NOISY, 30, shifts=2), np.mean(by_hand, axis=0))


def test_wavelet_of_odd_sides_keeps_the_shape():
    assert wavelet_shrink(NOISY[:31, :45], 20).shape == (31, 45)


def test_wavelet_with_an_endless_threshold_leaves_block_means():
    means = PHOTO[:, :40].reshape(5, 8, 5, 8).mean(axis=(1, 3))
    assert_allclose(wavelet_shrink(PHOTO[:, :40], 1e9), np.kron(means, np.ones((8, 8))))


# wiener_filter


@pytest.mark.parametrize("variance", [None, 400.0])
@pytest.mark.parametrize("size", [3, 5])
def test_wiener_matches_scipy(size, variance):
    expected = scipy.signal.wiener(NOISY, size, variance)
    assert_allclose(wiener_filter(NOISY, size, variance, border="zero"), expected, atol=1e-8)


def test_wiener_without_noise_keeps_the_image():
    assert_allclose(wiener_filter(NOISY, 3, 0.0), NOISY)


# What all of them share


@each_denoiser
def test_flat_ground_stays(denoise):
    assert_allclose(denoise(np.full((12, 14), 77)), 77)


@each_denoiser
def test_brightness_is_an_offset(denoise):
    assert_allclose(denoise(NOISY + 50), denoise(NOISY) + 50, atol=1e-6)


@each_denoiser
def test_noise_on_a_photograph_is_reduced(denoise):
    assert ((denoise(NOISY) - PHOTO) ** 2).mean() < 0.7 * ((NOISY - PHOTO) ** 2).mean()


@each_denoiser
def test_bytes_do_not_wrap(denoise):
    assert_array_equal(denoise(PHOTO.astype(np.uint8)), denoise(PHOTO))


@each_denoiser
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.zeros((8, 8, 3)),
            r"gray numbers of shape \(H, W\), got float64 of shape \(8, 8, 3\); did you pass a colour",
        ),
        (np.zeros((0, 4)), r"got float64 of shape \(0, 4\)"),
        ([["a"]], "image must be gray numbers"),
        (np.full((8, 8), np.nan), "image must be finite"),
    ],
)
def test_image_must_be_gray_and_finite(denoise, image, message):
    with pytest.raises(ValueError, match=message):
        denoise(image)


# Light


@pytest.mark.parametrize("seed", range(3))
def test_poisson_noise_has_mean_and_variance_of_light(seed):
    noisy = add_poisson_noise(np.full((300, 300), 102), 10, np.random.default_rng(seed))
    assert_allclose([noisy.mean(), noisy.var()], [102, 102 * 25.5], rtol=0.03)
    assert_allclose(noisy / 25.5, np.rint(noisy / 25.5), atol=1e-9)  # whole photons


def test_poisson_noise_scales_with_white():
    dim, bright = (
        add_poisson_noise(np.full((9, 9), v), 30, np.random.default_rng(0), white=w) for v, w in ((0.5, 1), (128, 256))
    )
    assert_allclose(dim * 256, bright)
    assert add_poisson_noise(np.zeros((4, 4)), 5, np.random.default_rng(0)).max() == 0


@pytest.mark.parametrize("mean", [4, 10, 50])
def test_anscombe_makes_the_deviation_one(mean):
    counts = np.arange(400)
    chance = scipy.stats.poisson.pmf(counts, mean)
    first, second = (chance @ anscombe(counts) ** k for k in (1, 2))
    assert_allclose(np.sqrt(second - first**2), 1, atol=0.02)


@pytest.mark.parametrize("mean", [0, 0.1, 1, 3, 20, 200])
def test_unbiased_inverse_undoes_the_average(mean):
    counts = np.arange(600)
    average = scipy.stats.poisson.pmf(counts, mean) @ anscombe(counts)
    assert_allclose(inverse_anscombe(average), mean, atol=0.03)


def test_plain_inverse_undoes_one_count():
    assert_allclose(inverse_anscombe(anscombe(np.arange(50)), unbiased=False), np.arange(50), atol=1e-9)
    assert inverse_anscombe(0.0) == 0


# Success


def test_psnr_by_hand():
    assert psnr([[0, 0, 0, 2]], [[0, 0, 0, 0]], data_range=10) == pytest.approx(20)
    assert psnr(PHOTO, PHOTO) == np.inf
    assert psnr((NOISY + PHOTO) / 2, PHOTO) - psnr(NOISY, PHOTO) == pytest.approx(6.0206, abs=1e-4)


@pytest.mark.parametrize("data_range", [255, 300])
def test_success_matches_skimage(data_range):
    assert psnr(NOISY, PHOTO, data_range=data_range) == pytest.approx(
        metrics.peak_signal_noise_ratio(PHOTO, NOISY, data_range=data_range)
    )
    like_paper = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = metrics.structural_similarity(NOISY, PHOTO, data_range=data_range, **like_paper)
    assert ssim(NOISY, PHOTO, data_range=data_range) == pytest.approx(expected)


@given(
    arrays(np.float64, (12, 12), elements=st.floats(0, 255)), arrays(np.float64, (12, 12), elements=st.floats(0, 255))
)
@settings(deadline=None, max_examples=20)
def test_ssim_is_symmetric_and_bounded(a, b):
    assert ssim(a, b) == pytest.approx(ssim(b, a))
    assert -1 - 1e-9 <= ssim(a, b) <= 1 + 1e-9
    assert ssim_map(a, a) == pytest.approx(np.ones((2, 2)))


# Bad input

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bilateral_filter(PHOTO, 0, 1), "sigma_color must be positive and finite, got 0"),
        (lambda: bilateral_filter(PHOTO, 30, -1), "sigma_space must be positive"),
        (lambda: bilateral_filter(PHOTO, 30, 1, 4), "kernel_size must be an odd whole number, 1 or more, got 4"),
        (lambda: bilateral_filter(PHOTO[:4], 30, 2), "a window that reaches 6 pixels does not fit an image of 4 x 46"),
        (lambda: bilateral_filter(PHOTO[:3], 30, 1), "a window that reaches 3 pixels does not fit"),
        (lambda: non_local_means(PHOTO, 0), "h must be positive"),
        (lambda: non_local_means(PHOTO, 9, patch_size=4), "patch_size must be an odd whole number"),
        (lambda: total_variation_denoise(PHOTO, 0), "weight must be positive"),
        (lambda: wavelet_shrink(PHOTO, np.nan), "threshold must be at least 0, got nan"),
        (lambda: wiener_filter(PHOTO, 3, -1), "noise_variance must be at least 0, got -1; it is the square"),
        (lambda: add_poisson_noise(PHOTO - 200, 30, RNG), "image must not be negative, got -.*: was a mean"),
        (lambda: add_poisson_noise(PHOTO, 0, RNG), "peak must be positive"),
        (lambda: add_poisson_noise(PHOTO, 9, 0), "rng must be a NumPy Generator, got 0"),
        (lambda: anscombe([-1]), "counts must be at least 0"),
        (lambda: psnr(PHOTO, PHOTO[1:]), r"must have one shape, got \(40, 46\) and \(39, 46\); was one cropped"),
        (lambda: psnr(PHOTO, PHOTO, data_range=0), "data_range must be positive"),
        (lambda: ssim(PHOTO[:10], PHOTO[:10]), r"at least 11 rows and columns, .* got \(10, 46\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
