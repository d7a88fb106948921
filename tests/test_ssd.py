"""`utils.nets.ssd` against the numbers of the paper and of published implementations."""

import pytest
import torch

from utils.cost import parameter_count, trace
from utils.nets.ssd import BOXES_A_CELL, CHANNELS, MAPS, SSD300


@pytest.fixture(scope="module")
def images():
    return torch.zeros(2, 3, 300, 300, device="meta")


def test_six_maps_and_8732_boxes(images):
    network = SSD300(device="meta")
    assert [tuple(each.shape) for each in network.feature_maps(images)] == [
        (2, c, side, side) for c, side in zip(CHANNELS, MAPS, strict=True)
    ]
    assert [tuple(each.shape) for each in network(images)] == [(2, 8732, 4), (2, 8732, 21)]
    assert sum(k * side**2 for k, side in zip(BOXES_A_CELL, MAPS, strict=True)) == 8732


@pytest.mark.parametrize(("classes", "parameters"), [(21, 26_285_486), (91, 35_641_826)])  # VOC; torchvision's for COCO
def test_published_sizes(classes, parameters):
    assert parameter_count(SSD300(classes, device="meta")) == parameters


def test_multiply_adds_are_those_torchvision_reports():
    traced = trace(SSD300(91, device="meta"), torch.zeros(1, 3, 300, 300, device="meta"))
    assert traced[""].multiply_adds == pytest.approx(34.858e9, abs=5e5)


def test_logits_keep_cells_and_boxes_in_order():
    network = SSD300(3)
    for head in network.scores:
        torch.nn.init.zeros_(head.weight)
    with torch.no_grad():
        network.scores[0].bias[:] = torch.arange(12.0)  # four boxes of three logits
        scores = network(torch.zeros(1, 3, 300, 300))[1]
    assert scores[0, :8].flatten().tolist() == [*range(12), *range(12)]


class Columns(torch.nn.Module):
    """In place of a head: every output is the column of its cell."""

    def forward(self, features):
        return torch.arange(38.0).expand(1, 12, 38, 38)


def test_boxes_run_along_the_rows():
    network = SSD300(3)
    network.scores[0] = Columns()
    with torch.no_grad():
        scores = network(torch.zeros(1, 3, 300, 300))[1]
    assert scores[0, : 38 * 4 : 4, 0].tolist() == list(range(38))
