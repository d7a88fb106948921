"""`utils.intensity` against OpenCV, scikit-learn, scikit-image, PyTorch and numbers worked by hand."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from skimage import exposure
from sklearn.preprocessing import StandardScaler

from utils.images import photograph
from utils.intensity import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    channel_statistics,
    clahe,
    clip_histogram,
    equalization_table,
    equalize_histogram,
    histogram,
    rescale_range,
    share_reversed,
    standardize,
)

PHOTOGRAPHS = ["moon", "coins", "page", "camera", "cat", "flower"]
RNG = np.random.default_rng(0)
COLOUR = [RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8), RNG.integers(0, 90, (3, 2, 3), dtype=np.uint8)]

bytes_images = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)))


# rescale_range


@pytest.mark.parametrize(
    ("image", "low", "high", "source", "expected"),
    [
        (np.array([0, 255], np.uint8), 0, 1, None, [0, 1]),
        (np.array([0, 65535], np.uint16), 0, 1, None, [0, 1]),
        (np.array([-128, 127], np.int8), 0, 1, None, [0, 1]),
        (np.array([0, 255], np.uint8), -1, 1, None, [-1, 1]),
        (np.array([0, 255], np.uint8), 1, 0, None, [1, 0]),  # the negative
        ([0.0, 16.0, 32.0], 0, 255, (0, 16), [0, 255, 510]),  # outside stays outside
    ],
)
def test_range_by_hand(image, low, high, source, expected):
    assert_allclose(rescale_range(image, low, high, source=source), expected)


def test_range_is_that_of_the_type_not_of_the_picture():
    assert rescale_range(np.array([10, 20], np.uint8)).max() == 20 / 255


def test_results_are_float64_whatever_the_input():
    single = np.zeros((2, 2), dtype=np.float32)
    results = rescale_range(single, source=(0, 1)), standardize(single, 0, 1), *channel_statistics([single])
    assert {result.dtype for result in results} == {np.dtype(np.float64)}


def test_range_matches_scikit_image():
    ours = rescale_range(photograph("coffee"), -1, 1)
    assert_allclose(ours, exposure.rescale_intensity(photograph("coffee") / 1.0, (0, 255), (-1, 1)), atol=1e-12)


# channel_statistics


@pytest.mark.parametrize("pick", [(...,), (..., 0)], ids=["colour", "gray"])
def test_statistics_are_those_of_all_pixels_together(pick):
    images = [image[pick] for image in COLOUR]
    together = np.concatenate([image.reshape(-1, *image.shape[2:]) for image in images]).astype(float)
    mean, std = channel_statistics(iter(images))
    assert_allclose(mean, together.mean(axis=0))
    assert_allclose(std, together.std(axis=0))
    assert mean.shape == std.shape == images[0].shape[2:]


def test_statistics_match_scikit_learn_in_parts():
    scaler = StandardScaler()
    for image in COLOUR:
        scaler.partial_fit(image.reshape(-1, 3))
    mean, std = channel_statistics(COLOUR)
    assert_allclose(mean, scaler.mean_)
    assert_allclose(std, scaler.scale_)


def test_a_large_mean_does_not_cancel_the_deviation():
    images = [np.array([[0.0, 2.0]]) + 1e9, np.array([[0.0, 2.0]]) + 1e9]
    assert_allclose(channel_statistics(images)[1], 1, rtol=1e-6)
    naive = np.mean(np.square(images)) - np.mean(images) ** 2
    assert abs(naive - 1) > 0.5  # E[x^2] - E[x]^2


def test_float32_images_are_summed_in_float64():
    image = np.full((2000, 2000), 0.1, dtype=np.float32)
    assert_allclose(channel_statistics([image])[0], np.float64(np.float32(0.1)), rtol=1e-12)


@given(st.lists(bytes_images, min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_images_does_not_matter(images, random):
    shuffled = random.sample(images, len(images))
    assert_allclose(channel_statistics(images), channel_statistics(shuffled), atol=1e-9)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "at least one image, got none; is the generator used up"),
        (np.zeros((4, 4, 3)), r"got an array of shape \(4, 4, 3\); one image is \[image\]"),
        (np.zeros((4, 4)), "one image is"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 4))], r"image 1 has channels \(\), those before had \(3,\)"),
        ([np.zeros((0, 4))], r"image 0 must have shape \(H, W\) or \(H, W, C\), got \(0, 4\)"),
        ([np.array([[np.nan]])], "image 0 must be finite"),
    ],
)
def test_bad_images_say_what_is_wrong(images, message):
    with pytest.raises(ValueError, match=message):
        channel_statistics(images)


# standardize


def test_standardize_with_imagenet_statistics_by_hand():
    ends = np.array([[[0] * 3, [255] * 3]], dtype=np.uint8)
    scaled = standardize(ends, IMAGENET_MEAN * 255, IMAGENET_STD * 255)
    assert_allclose(scaled[0], [[-2.118, -2.036, -1.804], [2.249, 2.429, 2.640]], atol=5e-4)


def test_standardize_matches_torch_broadcasting():
    tensor = torch.from_numpy(COLOUR[0]).permute(2, 0, 1).double()
    expected = (tensor - torch.tensor([1.0, 2, 3])[:, None, None]) / torch.tensor([4.0, 5, 6])[:, None, None]
    assert_allclose(standardize(COLOUR[0], [1, 2, 3], [4, 5, 6]), expected.permute(1, 2, 0))


@pytest.mark.parametrize("images", [COLOUR, [image[..., 0] for image in COLOUR]], ids=["colour", "gray"])
def test_own_statistics_give_mean_0_and_std_1(images):
    scaled = [standardize(image, *channel_statistics(images)) for image in images]
    mean, std = channel_statistics(scaled)
    assert_allclose(mean, 0, atol=1e-12)
    assert_allclose(std, 1)


def test_bytes_below_the_mean_do_not_wrap_around():
    assert_array_equal(standardize(np.array([[100]], np.uint8), np.uint8(120), np.uint8(1)), [[-20]])


@pytest.mark.parametrize(
    ("image", "mean", "std", "message"),
    [
        (np.zeros((3, 2, 2)), [1, 2, 3], 1, r"mean has shape \(3,\).*is the image \(C, H, W\)"),
        (np.zeros((2, 2, 3)), 0, [1, 1], r"std has shape \(2,\)"),
        (np.zeros((2, 2, 3)), 0, [1, 0, 1], "std must be positive"),
        (np.zeros((2, 2)), 0, -1, "std must be positive, got -1"),
        (np.full((2, 2), np.inf), 0, 1, "image must be finite"),
        (np.zeros((2, 2), dtype=complex), 0, 1, "real numbers"),
    ],
)
def test_bad_statistics_say_what_is_wrong(image, mean, std, message):
    with pytest.raises(ValueError, match=message):
        standardize(image, mean, std)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros(2), {}, "float64 has no range of its own; give source"),
        (np.zeros(2), {"source": (1, 1)}, "lowest, highest"),
        (np.zeros(2), {"source": (0, np.inf)}, "ends finite"),
        (np.array([True]), {}, "real numbers"),
    ],
)
def test_bad_ranges_say_what_is_wrong(image, options, message):
    with pytest.raises(ValueError, match=message):
        rescale_range(image, **options)


# histogram and equalization


@given(bytes_images)
@settings(deadline=None, max_examples=30)
def test_histogram_counts_each_value(image):
    assert_array_equal(histogram(image), [(image == value).sum() for value in range(256)])


@given(bytes_images)
@settings(deadline=None)
def test_equalization_is_opencvs_to_the_bit(image):
    assert_array_equal(equalize_histogram(image), cv2.equalizeHist(image))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_equalization_of_photographs_is_opencvs_to_the_bit(name):
    image = photograph(name, gray=True)
    assert_array_equal(equalize_histogram(image), cv2.equalizeHist(image))


@pytest.mark.parametrize("counts", [(2, 1, 1), (1, 2, 4, 3), (1, 1, 1)])
def test_halves_round_to_even_as_in_opencv(counts):
    image = np.repeat(np.arange(len(counts), dtype=np.uint8) * 9, counts)[None]
    assert_array_equal(equalize_histogram(image), cv2.equalizeHist(image))


@given(bytes_images)
@settings(deadline=None, max_examples=50)
def test_table_never_falls_and_spans_the_range(image):
    table = equalization_table(image).astype(int)
    assert (np.diff(table) >= 0).all()
    if image.min() < image.max():
        assert (table[image.min()], table[image.max()]) == (0, 255)


@pytest.mark.parametrize("value", [0, 77, 255])
def test_an_image_of_one_value_keeps_it(value):
    image = np.full((3, 4), value, dtype=np.uint8)
    assert_array_equal(equalize_histogram(image), image)


def test_equalization_agrees_with_scikit_image_up_to_the_darkest_value():
    image = photograph("camera")
    theirs = exposure.equalize_hist(image) * 255  # counts the darkest value too
    assert np.abs(equalize_histogram(image) - theirs).max() <= 255 * histogram(image)[image.min()] / image.size + 0.5


# clahe


@pytest.mark.parametrize(
    ("counts", "limit", "expected"),
    [
        ([9, 0, 0, 2], 4, [6, 1, 1, 3]),
        ([1, 2, 3], 3, [1, 2, 3]),  # nothing to cut
        ([8, 0, 0, 0], 4, [5, 1, 1, 1]),  # divides evenly
        ([7, 0, 0, 0, 0], 4, [5, 1, 1, 0, 0]),  # 3 left for 5 bins: step 1
        ([6, 0, 0, 0, 0], 4, [5, 0, 1, 0, 0]),  # 2 left: every second bin, then stop
    ],
)
def test_clipped_counts_by_hand(counts, limit, expected):
    assert_array_equal(clip_histogram(counts, limit), expected)
    assert sum(expected) == sum(counts)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize(("clip_limit", "grid"), [(2, (8, 8)), (40, (3, 5)), (0.1, (4, 6)), (300, (1, 2))])
def test_clahe_is_opencvs_up_to_one_gray_value(name, clip_limit, grid):
    image = photograph(name, gray=True)
    theirs = cv2.createCLAHE(clip_limit, grid[::-1]).apply(image)
    difference = np.abs(clahe(image, clip_limit=clip_limit, grid=grid) - theirs.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


def test_one_tile_and_no_limit_is_one_table_for_all():
    image = photograph("coins")
    share = np.cumsum(histogram(image)) / image.size  # counts the darkest value, unlike equalize_histogram
    assert_array_equal(clahe(image, clip_limit=256, grid=(1, 1)), np.rint(255 * share)[image])


def test_contrast_grows_with_the_limit():
    spreads = [clahe(photograph("moon"), clip_limit=limit).std() for limit in (1, 2, 4, 8)]
    assert spreads == sorted(spreads)


def test_a_limit_below_one_count_becomes_one():
    image = photograph("coins")[:8, :8]
    assert_array_equal(clahe(image, clip_limit=1e-9, grid=(1, 1)), clahe(image, clip_limit=4, grid=(1, 1)))


def test_share_of_reversed_pairs_by_hand():
    image = photograph("coins")
    assert share_reversed(image, image) == 0
    assert share_reversed(image, 255 - image) == 1
    assert share_reversed([0, 1, 2], [0, 2, 1]) == pytest.approx(1 / 3, abs=0.02)  # of three pairs one turns round
    with pytest.raises(ValueError, match="got 1 and 2"):
        share_reversed([0], [0, 1])


@pytest.mark.parametrize("function", [histogram, equalization_table, equalize_histogram, clahe])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4)), "must be uint8, 0 to 255, got float64; did you normalize it already"),
        (np.zeros((4, 4, 3), np.uint8), r"got \(4, 4, 3\); equalize the lightness"),
        (np.zeros((0, 4), np.uint8), r"got \(0, 4\)"),
    ],
)
def test_only_gray_bytes_are_equalized(function, image, message):
    with pytest.raises(ValueError, match=message):
        function(image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_limit": 0}, "clip_limit must be positive"),
        ({"clip_limit": np.nan}, "got nan"),
        ({"grid": (0, 8)}, "rows, columns"),
        ({"grid": (8, 64)}, "did you pass the size of a tile"),
    ],
)
def test_bad_options_of_clahe(options, message):
    with pytest.raises(ValueError, match=message):
        clahe(np.zeros((64, 64), np.uint8), **options)


@pytest.mark.parametrize(("counts", "limit"), [([], 1), ([[1]], 1), ([-1], 1), ([1], 0)])
def test_bad_counts(counts, limit):
    with pytest.raises(ValueError, match="expected counts"):
        clip_histogram(counts, limit)
