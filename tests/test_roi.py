"""`utils.roi` against loops, grid_sample, map_coordinates, ramps, and the sentences of its docstrings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from utils.roi import roi_align, roi_pool

MAP = np.random.default_rng(0).standard_normal((3, 9, 12))
ROWS, COLUMNS = np.mgrid[0:9, 0:12] + 0.5
RAMP = (2 * COLUMNS - 3 * ROWS + 1)[None]  # its value at a place x, y is 2x - 3y + 1

places = st.floats(-4, 16).map(lambda x: round(x, 2))


@st.composite
def boxes(draw):
    x, y = sorted([draw(places), draw(places)]), sorted([draw(places), draw(places)])
    return [x[0], y[0], x[1], y[1]]


def c_round(x):
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def pool_naive(features, box, rows, columns):
    """RoIPool cell by cell: a cell is in a bin if their intervals meet."""
    x1, y1, x2, y2 = map(c_round, box)
    height, width = max(y2 - y1 + 1, 1) / rows, max(x2 - x1 + 1, 1) / columns
    out = np.zeros((len(features), rows, columns))
    for i, j in np.ndindex(rows, columns):
        ys = [
            y for y in range(features.shape[1]) if y1 + i * height - 1 < y - 1e-9 and y < y1 + (i + 1) * height - 1e-9
        ]
        xs = [x for x in range(features.shape[2]) if x1 + j * width - 1 < x - 1e-9 and x < x1 + (j + 1) * width - 1e-9]
        if ys and xs:
            out[:, i, j] = features[:, ys][:, :, xs].max(axis=(1, 2))
    return out


def sample_grid(start, end, bins, samples, offset):
    return start - offset + (np.arange(bins * samples) + 0.5) * (end - start) / (bins * samples)


# RoIPool


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0, 0, 3, 0], [1, 3]),
        ([0.4, 0, 3.4, 0], [1, 3]),  # rounds back to where it was
        ([0.5, 0, 3.5, 0], [2, 4]),  # halves away from zero, not to even
        ([2.5, 0, 5.5, 0], [4, 6]),
        ([0, 0, 2, 0], [1, 2]),  # three cells in two bins: the middle one is in both
        ([2, 0, 2, 0], [2, 2]),  # one cell, in both bins
        ([6, 0, 9, 0], [7, 0]),  # the second bin is off the map
        ([-2.5, 0, 0, 0], [0, 0]),  # from -3: bins -3..-2 and -1..0
    ],
)
def test_roi_pool_by_hand(box, expected):
    assert_array_equal(roi_pool(np.arange(8.0).reshape(1, 1, 8), [box], (1, 2))[0, 0, 0], expected)


@given(boxes(), st.integers(1, 5), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_roi_pool_matches_a_loop_over_cells(box, rows, columns):
    assert_array_equal(roi_pool(MAP, [box], (rows, columns))[0], pool_naive(MAP, box, rows, columns))


def test_roi_pool_of_the_whole_map_is_adaptive_max_pooling():
    expected = torch.nn.functional.adaptive_max_pool2d(torch.from_numpy(MAP), (4, 5)).numpy()
    assert_array_equal(roi_pool(MAP, [[0, 0, 11, 8]], (4, 5))[0], expected)


# RoIAlign


@given(st.floats(1, 5), st.floats(1, 4), st.floats(0.1, 5), st.floats(0.1, 4), st.integers(-1, 3))
@settings(deadline=None, max_examples=40)
def test_roi_align_is_exact_on_a_ramp(x, y, width, height, ratio):
    found = roi_align(RAMP, [[x, y, x + width, y + height]], (3, 4), sampling_ratio=ratio, aligned=True)[0, 0]
    centres_x, centres_y = x + (np.arange(4) + 0.5) * width / 4, y + (np.arange(3) + 0.5) * height / 3
    assert_allclose(found, 2 * centres_x - 3 * centres_y[:, None] + 1, atol=1e-9)


@pytest.mark.parametrize(("aligned", "offset"), [(True, 0.5), (False, 0.0)])
@pytest.mark.parametrize("box", [[1.3, 2.2, 7.9, 6.1], [-0.4, -0.3, 3.3, 2.0], [8.0, 5.0, 12.3, 9.2]])
def test_roi_align_matches_map_coordinates(box, aligned, offset):
    xs, ys = sample_grid(box[0], box[2], 3, 2, offset), sample_grid(box[1], box[3], 4, 2, offset)
    grid = np.meshgrid(ys, xs, indexing="ij")
    sampled = np.stack([map_coordinates(channel, grid, order=1, mode="nearest") for channel in MAP])
    expected = sampled.reshape(3, 4, 2, 3, 2).mean(axis=(2, 4))
    assert_allclose(roi_align(MAP, [box], (4, 3), 1.0, 2, aligned)[0], expected)


@given(boxes())
@settings(deadline=None, max_examples=40)
def test_roi_align_matches_grid_sample(box):
    xs, ys = np.clip(sample_grid(box[0], box[2], 5, 1, 0), 0, 12), np.clip(sample_grid(box[1], box[3], 4, 1, 0), 0, 9)
    grid = torch.tensor(np.stack(np.broadcast_arrays(xs / 6 - 1, (ys / 4.5 - 1)[:, None]), axis=-1))[None]
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
    expected = torch.nn.functional.grid_sample(torch.from_numpy(MAP)[None], grid, **options)[0].numpy()
    raw_x, raw_y = sample_grid(box[0], box[2], 5, 1, 0.5), sample_grid(box[1], box[3], 4, 1, 0.5)
    expected *= ((raw_x >= -1) & (raw_x <= 12)) & ((raw_y >= -1) & (raw_y <= 9))[:, None]
    assert_allclose(roi_align(MAP, [box], (4, 5), sampling_ratio=1, aligned=True)[0], expected, atol=1e-12)


@pytest.mark.parametrize(("side", "samples"), [(4.0, 2), (4.5, 3), (0.5, 1)])
def test_as_many_samples_as_the_bin_has_cells(side, samples):
    box = [[1.0, 1.0, 1 + side, 1 + side]]
    assert_allclose(roi_align(MAP, box, 2, aligned=True), roi_align(MAP, box, 2, 1.0, samples, True))


def test_legacy_boxes_grow_to_one_cell():
    tiny, grown = [[3.2, 4.1, 3.3, 4.2]], [[3.2, 4.1, 4.2, 5.1]]
    assert_allclose(roi_align(MAP, tiny, 2), roi_align(MAP, grown, 2))
    assert not np.allclose(roi_align(MAP, tiny, 2, aligned=True), roi_align(MAP, grown, 2, aligned=True))


def test_scale_turns_pixels_into_cells():
    box = np.array([[1.3, 2.2, 7.9, 6.1]])
    assert_allclose(roi_align(MAP, box * 16, 3, spatial_scale=1 / 16), roi_align(MAP, box, 3))
    assert_allclose(roi_pool(MAP, box * 16, 3, spatial_scale=1 / 16), roi_pool(MAP, box, 3))


@pytest.mark.parametrize("function", [roi_pool, roi_align])
def test_no_boxes_give_no_features(function):
    assert function(MAP, [], 7).shape == (0, 3, 7, 7)


@pytest.mark.parametrize("function", [roi_pool, roi_align])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MAP[None], [[0, 0, 1, 1]], 2), r"\(C, H, W\), got \(1, 3, 9, 12\); pass the map of one picture"),
        ((MAP[0], [[0, 0, 1, 1]], 2), "add the channel axis"),
        ((MAP, [0, 0, 1, 1], 2), r"one box is \[\["),
        ((MAP, [[0, 0, 0, 1, 1]], 2), "the number of the picture has no place"),
        ((MAP, [[5, 6, 2, 3]], 2), "did you pass x, y, width, height"),
        ((MAP, [[0, 0, np.nan, 1]], 2), "finite"),
        ((MAP, [[0, 0, 1, 1]], 2, 16), "got 16; did you pass the stride"),
        ((MAP, [[0, 0, 1, 1]], 2, 0), "positive, got 0"),
        ((MAP, [[0, 0, 1, 1]], (0, 2)), "at least 1"),
    ],
)
def test_bad_input_says_what_is_wrong(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
