"""`utils.nets.rcnn`: shapes, sizes counted by hand, and pooling by a loop over bins."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from utils.cost import parameter_count, trace
from utils.nets.rcnn import RCNN, FasterRCNN, FastRCNN, RegionProposals, RoIPool

TRUNK = 14_714_688  # the convolutions of VGG-16
FC = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096
BOXES = [(0, 0, 100, 100), (50, 20, 300, 180), (16, 16, 20, 20)]


def zeros(*shape):
    return torch.zeros(*shape, device="meta")


def test_rcnn_sends_each_region_through_everything():
    traced = trace(RCNN(device="meta"), zeros(3, 3, 224, 224))
    assert traced[""].shapes == [(3, 20), (3, 80)]
    assert traced["trunk"].shapes == [(3, 512, 7, 7)]
    assert traced[""].parameters == TRUNK + FC + 4097 * 20 + 25_089 * 80


def test_fast_rcnn_runs_its_trunk_once():
    traced = trace(FastRCNN(device="meta"), zeros(1, 3, 320, 480), BOXES)
    assert traced["trunk"].shapes == [(1, 512, 20, 30)]
    assert traced["roi_pool"].shapes == [(3, 512, 7, 7)]
    assert traced[""].shapes == [(3, 21), (3, 84)]
    assert traced[""].parameters == TRUNK + FC + 4097 * (21 + 84)


def test_faster_rcnn_adds_the_proposal_network():
    traced = trace(FasterRCNN(device="meta"), zeros(1, 3, 320, 480), BOXES)
    assert traced["proposals"].shapes == [(1, 18, 20, 30), (1, 36, 20, 30)]
    assert traced["proposals"].parameters == (9 * 512 + 1) * 512 + 513 * (18 + 36)
    assert traced[""].parameters == 137_078_239
    assert parameter_count(RegionProposals(device="meta")) == traced["proposals"].parameters


def test_roi_pooling_takes_the_largest_of_each_bin():
    features = torch.tensor(np.random.default_rng(0).normal(size=(1, 2, 12, 20)))
    pooled = RoIPool()(features, [(16, 32, 160, 160)])[0]  # cells 1 to 10 across, 2 to 10 down
    for i, j in np.ndindex(7, 7):
        rows = slice(2 + 9 * i // 7, 2 + math.ceil(9 * (i + 1) / 7))
        cols = slice(1 + 10 * j // 7, 1 + math.ceil(10 * (j + 1) / 7))
        assert_array_equal(pooled[:, i, j], features[0, :, rows, cols].amax((1, 2)))


def test_a_region_smaller_than_a_cell_is_still_pooled():
    assert RoIPool()(torch.arange(16.0).reshape(1, 1, 4, 4), [(17, 17, 18, 18)]).unique().tolist() == [5]


@pytest.mark.parametrize("box", [(-40, 0, 20, 20), (80, 0, 120, 20)])
def test_a_region_outside_the_image_is_refused(box):
    with pytest.raises(ValueError, match="lies outside the image; did you pass fractions"):
        RoIPool()(torch.zeros(1, 1, 4, 4), [box])
