"""`utils.nets.deepface` against the sizes in the paper and counts by hand."""

import pytest
import torch

from utils.cost import parameter_count, trace
from utils.nets.deepface import DeepFace

FACE = torch.zeros(1, 3, 152, 152, device="meta")
DENSE = 16 * 21 * 21 * 4096 + 4096 + 4096 * 4030 + 4030


def test_map_sides_are_those_of_the_paper():
    traced = trace(DeepFace(device="meta"), FACE)
    assert [traced[name].shapes[0][-1] for name in ("c1", "m2", "c3", "l4", "l5", "l6")] == [142, 71, 63, 55, 25, 21]
    assert traced[""].shapes == [(1, 4030)]


@pytest.mark.parametrize(
    ("name", "local", "shared"),
    [
        ("l4", 55 * 55 * 16 * (16 * 81 + 1), 16 * (16 * 81 + 1)),
        ("l5", 25 * 25 * 16 * (16 * 49 + 1), 16 * (16 * 49 + 1)),
        ("l6", 21 * 21 * 16 * (16 * 25 + 1), 16 * (16 * 25 + 1)),
    ],
)
def test_parameters_of_local_and_shared_layers(name, local, shared):
    assert parameter_count(getattr(DeepFace(device="meta"), name)) == local
    assert parameter_count(getattr(DeepFace(local=False, device="meta"), name)) == shared


def test_total_is_the_sum_by_hand():
    convolutions = 32 * (3 * 121 + 1) + 16 * (32 * 81 + 1)
    local = 55**2 * 16 * 1297 + 25**2 * 16 * 785 + 21**2 * 16 * 401
    assert parameter_count(DeepFace(device="meta")) == convolutions + local + DENSE == 118_923_774


@pytest.mark.parametrize("local", [True, False])
def test_sizes_do_not_depend_on_sharing(local):
    traced = trace(DeepFace(local=local, l5_stride=1, device="meta"), FACE)
    assert traced["l6"].shapes == [(1, 16, 45, 45)]
    assert traced["f7"].parameters == 16 * 45 * 45 * 4096 + 4096


def test_faces_run_and_every_layer_learns():
    network = DeepFace(10, l5_stride=8)  # a small f7
    network(torch.rand(2, 3, 152, 152)).sum().backward()
    assert all(weights.grad.abs().sum() > 0 for weights in network.parameters())
