import cv2
import numpy as np
import pytest

from utils.images import photograph


@pytest.mark.parametrize("name", ["astronaut", "camera", "cat", "coffee", "coins", "china", "flower"])
def test_photograph_is_a_large_picture(name):
    image = photograph(name)
    assert image.dtype == np.uint8
    assert min(image.shape[:2]) >= 300
    assert image.std() > 20


def test_gray_values_are_those_of_opencv():
    difference = photograph("coffee", gray=True) - cv2.cvtColor(photograph("coffee"), cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(difference).max() <= 1  # OpenCV rounds in integers


def test_photograph_is_a_copy():
    photograph("camera")[:] = 0
    assert photograph("camera").any()


def test_unknown_photograph_is_told_the_known_ones():
    with pytest.raises(ValueError, match="no photograph named 'lena'; there are astronaut, "):
        photograph("lena")
