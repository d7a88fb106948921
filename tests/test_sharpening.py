"""`utils.sharpening` against kernels written out, OpenCV, scikit-image, and the sentences of its docstrings."""

import cv2
import numpy as np
import pytest
import skimage.filters
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from utils.images import photograph
from utils.sharpening import LAPLACIAN_4, LAPLACIAN_8, high_boost, laplacian_sharpen, unsharp_mask

PHOTO = photograph("camera")[100:148, 160:220]
EDGE = np.array([[2.0, 2, 2, 8, 8, 8]] * 3)

images = arrays(np.float64, (6, 7), elements=st.integers(0, 255).map(float))


def test_laplacian_sharpen_by_hand():
    assert_allclose(laplacian_sharpen(EDGE)[1], [2, 2, 2 - 6, 8 + 6, 8, 8])
    assert_allclose(laplacian_sharpen(EDGE, 0.5, diagonals=True)[1], [2, 2, 2 - 9, 8 + 9, 8, 8])


def test_unsharp_mask_by_hand():
    side = np.exp(-2) / (1 + 2 * np.exp(-2) + 2 * np.exp(-8))  # weight of a neighbour at sigma 1/2
    far = side * np.exp(-6)
    expected = [2, 2 - 12 * far, 2 - 12 * (side + far), 8 + 12 * (side + far), 8 + 12 * far, 8]
    assert_allclose(unsharp_mask(EDGE, amount=2, sigma=0.5, border="replicate")[1], expected)


@pytest.mark.parametrize(("amount", "sigma"), [(0.5, 0.7), (1.5, 2.0)])
def test_unsharp_mask_matches_skimage(amount, sigma):
    expected = skimage.filters.unsharp_mask(PHOTO.astype(float), sigma, amount, preserve_range=True)
    assert_allclose(unsharp_mask(PHOTO, amount, sigma, border="symmetric"), expected, atol=1e-9)


def test_unsharp_mask_matches_opencv():
    blur = cv2.GaussianBlur(PHOTO.astype(float), (9, 9), 1.0)
    assert_allclose(unsharp_mask(PHOTO, 0.8, 1.0), cv2.addWeighted(PHOTO.astype(float), 1.8, blur, -0.8, 0), atol=1e-9)


@pytest.mark.parametrize(
    ("diagonals", "kernel"),
    [(False, [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]), (True, [[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]])],
)
def test_laplacian_sharpen_is_the_well_known_kernel(diagonals, kernel):
    expected = cv2.filter2D(PHOTO, cv2.CV_64F, np.array(kernel, float))
    assert_allclose(laplacian_sharpen(PHOTO, diagonals=diagonals), expected, atol=1e-9)


@given(images, st.floats(0.5, 2))
@settings(deadline=None, max_examples=20)
def test_high_boost_of_two_is_unsharp_mask_of_one(image, sigma):
    assert_allclose(
        high_boost(image, 2, sigma, border="replicate"), unsharp_mask(image, 1, sigma, border="replicate"), atol=1e-9
    )


@pytest.mark.parametrize("boost", [1.25, 3.0])
def test_larger_boost_sharpens_less_in_proportion(boost):
    expected = unsharp_mask(PHOTO, 1 / (boost - 1), 1.5)
    assert_allclose(high_boost(PHOTO, boost, 1.5) / (boost - 1), expected, atol=1e-9)


def test_boost_of_one_leaves_the_mask():
    assert_allclose(high_boost(PHOTO, 1), unsharp_mask(PHOTO, 1) - PHOTO, atol=1e-9)


@given(images, st.floats(0, 4), st.floats(-50, 50))
@settings(deadline=None, max_examples=20)
def test_sharpening_keeps_flat_ground_and_offsets(image, amount, offset):
    for sharpen in (lambda x: unsharp_mask(x, amount, border="replicate"), lambda x: laplacian_sharpen(x, amount)):
        assert_allclose(sharpen(np.full((6, 7), offset)), offset, atol=1e-9)
        assert_allclose(sharpen(image + offset), sharpen(image) + offset, atol=1e-6)


@pytest.mark.parametrize("sharpen", [unsharp_mask, laplacian_sharpen])
def test_amount_zero_changes_nothing(sharpen):
    assert_array_equal(sharpen(PHOTO, 0.0), PHOTO)


def test_threshold_keeps_equal_and_drops_smaller():
    hole = np.ones((9, 9))
    hole[4, 4] = 0
    mask = -unsharp_mask(hole)[4, 4]
    assert unsharp_mask(hole, threshold=mask)[4, 4] == -mask
    assert_array_equal(unsharp_mask(hole, threshold=np.nextafter(mask, 1)), hole)


@pytest.mark.parametrize("sharpen", [unsharp_mask, laplacian_sharpen, high_boost])
def test_bytes_neither_wrap_nor_clip(sharpen):
    assert_array_equal(sharpen(PHOTO), sharpen(PHOTO.astype(float)))
    assert sharpen(PHOTO).max() > 255 or sharpen(PHOTO).min() < 0


@pytest.mark.parametrize("sharpen", [unsharp_mask, laplacian_sharpen, high_boost])
def test_colours_are_sharpened_each_alone(sharpen):
    colour = photograph("coffee")[:20, :24]
    assert_allclose(sharpen(colour)[..., 1], sharpen(colour[..., 1]))


def test_laplacian_kernels_are_constant_and_sum_to_zero():
    assert LAPLACIAN_4.sum() == LAPLACIAN_8.sum() == 0
    for kernel in (LAPLACIAN_4, LAPLACIAN_8):
        with pytest.raises(ValueError, match="read-only"):
            kernel[0, 0] = 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unsharp_mask(PHOTO, -1), "amount must be at least 0 and finite, got -1; to blur, use"),
        (lambda: unsharp_mask(PHOTO, threshold=-1), "threshold must be at least 0"),
        (lambda: unsharp_mask(PHOTO, sigma=0), "sigma must be positive"),
        (lambda: laplacian_sharpen(PHOTO, np.nan), "amount must be at least 0 and finite, got nan"),
        (lambda: high_boost(PHOTO, 0.5), "boost must be at least 1 and finite, got 0.5; .* did you pass the amount"),
        (lambda: unsharp_mask(PHOTO[None, None]), "did you pass a batch"),
        (lambda: laplacian_sharpen(PHOTO, border="mirror"), "border must be one of"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
