"""`utils.place_filters` against scikit-learn, a loop over places, and patterns planted by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.extmath import randomized_svd

from utils.place_filters import place_filters


def random_pictures(seed, count=10, sides=(5, 6)):
    return np.random.default_rng(seed).normal(size=(count, *sides))


def contrast_at(pictures, row, col, size):
    windows = pictures[:, row : row + size, col : col + size].reshape(len(pictures), -1)
    return windows - windows.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_each_place_is_a_svd_of_its_own(seed):
    pictures = random_pictures(seed)
    found = place_filters(pictures, 3)
    for place, (row, col) in enumerate(np.ndindex(3, 4)):
        windows = contrast_at(pictures, row, col, 3)
        best = randomized_svd(windows[::2], 1, random_state=0)[2][0]
        caught = ((windows[1::2] @ best) ** 2).sum() / (windows[1::2] ** 2).sum()
        assert_allclose(np.abs(found.own[place]), np.abs(best), atol=1e-6)
        assert_allclose(found.caught_by_own[place], caught)


def test_shared_filter_is_the_svd_of_all_windows():
    pictures = random_pictures(5)
    windows = np.stack([contrast_at(pictures, row, col, 3) for row, col in np.ndindex(3, 4)], axis=1)
    best = randomized_svd(windows[::2].reshape(-1, 9), 1, random_state=0)[2][0]
    found = place_filters(pictures, 3)
    assert_allclose(np.abs(found.shared), np.abs(best), atol=1e-6)
    total = (windows[1::2] ** 2).sum()
    assert_allclose(found.shares()[1], ((windows[1::2] @ best) ** 2).sum() / total)
    assert_allclose(found.contrast.sum(), total)


def test_two_planted_patterns_need_two_filters():
    left, right = np.array([[0, 1], [0, 1]]), np.array([[0, 0], [2, 2]])
    pictures = [np.hstack([k * left, 3 * k * right]) for k in (1, 2, 3, 4)]
    found = place_filters(pictures, 2)
    assert_allclose(found.caught_by_own[[0, 2]], 1)
    assert_allclose(found.caught_by_shared[0], 0, atol=0.2)
    assert found.shares()[0] > found.shares()[1]


def test_sign_and_length():
    found = place_filters(random_pictures(1), 3)
    filters = np.vstack([found.own, found.shared])
    assert_allclose((filters**2).sum(axis=1), 1)
    assert (np.take_along_axis(filters, np.abs(filters).argmax(axis=1)[:, None], 1) > 0).all()


def test_gray_and_brightness_do_not_count():
    pictures = random_pictures(2)
    brighter = pictures + np.arange(10)[:, None, None]
    assert_allclose(place_filters(brighter, 3).caught_by_own, place_filters(pictures, 3).caught_by_own)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [(np.zeros((1, 5, 5)), "two or more"), (np.zeros((5, 5)), r"\(N, H, W\)"), (np.ones((4, 5, 5)), "no contrast")],
)
def test_pictures_that_teach_nothing_are_refused(pictures, message):
    with pytest.raises(ValueError, match=message):
        place_filters(pictures, 3)
