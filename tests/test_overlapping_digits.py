"""`utils.overlapping_digits`: the crops are what the docstrings say."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from utils.overlapping_digits import overlapping_digits


def test_a_seed_gives_the_same_crops_again():
    for first, second in zip(overlapping_digits(3, 5), overlapping_digits(3, 5), strict=True):
        assert_array_equal(first, second)
    assert not np.array_equal(overlapping_digits(3, 5).crops, overlapping_digits(4, 5).crops)


def test_values_are_in_range():
    crops, inks, labels = overlapping_digits(0, 200)
    assert crops.min() >= 0
    assert crops.max() <= 1
    assert set(np.unique(inks)) == {0, 1}
    assert set(labels) == {0, 1, 2, 3}


def test_ink_is_bright():
    crops, inks, _ = overlapping_digits(1, 200)
    assert crops[:, 0][inks == 1].mean() > crops[:, 0][inks == 0].mean() + 0.2


@pytest.mark.parametrize("test", [False, True])
def test_ink_is_that_of_a_digit_of_the_class_and_of_its_part_of_the_data(test):
    data = load_digits(n_class=2)
    split = len(data.images) * 2 // 3
    part = slice(split, None) if test else slice(0, split)
    # Averaging 2 x 2 doubled pixels leaves every odd one as it was.
    known = {(label, (image > 8).tobytes()) for image, label in zip(data.images[part], data.target[part], strict=True)}
    _, inks, labels = overlapping_digits(2, 40, test=test, classes=2)
    assert all((label, (ink[1::2, 1::2] > 0).tobytes()) in known for ink, label in zip(inks, labels, strict=True))


@pytest.mark.parametrize(("size", "classes"), [(0, 4), (5, 0), (5, 11)])
def test_bad_numbers_are_refused(size, classes):
    with pytest.raises(ValueError, match=f"got {size} and {classes}"):
        overlapping_digits(0, size, classes=classes)
