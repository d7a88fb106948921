"""`utils.nets.darknet` against published parameter counts, weight files, and operation counts."""

import pytest
import torch
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.darknet import Darknet53, DarknetTrunk, Residual, YOLOv1, YOLOv2, YOLOv3, conv_unit


def zeros(side, batch=1):
    return torch.zeros(batch, 3, side, side, device="meta")


def weights_file(network):
    """Bytes of a Darknet weight file: a header of 20, and 4 for each weight, running mean and variance."""
    statistics = sum(2 * layer.num_features for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    return 20 + 4 * (parameter_count(network) + statistics)


@pytest.mark.parametrize(
    ("network", "side", "shapes", "parameters"),
    [
        (YOLOv1(device="meta"), 448, [(2, 7, 7, 30)], 271_703_550),
        (YOLOv2(device="meta"), 416, [(2, 125, 13, 13)], 50_655_389),
        (YOLOv2(80, device="meta"), 608, [(2, 425, 19, 19)], 50_962_889),
        (YOLOv3(device="meta"), 416, [(2, 255, 13, 13), (2, 255, 26, 26), (2, 255, 52, 52)], 61_949_149),
        (YOLOv3(20, device="meta"), 320, [(2, 75, 10, 10), (2, 75, 20, 20), (2, 75, 40, 40)], 61_626_049),
        (Darknet53(device="meta"), 256, [(2, 1000)], 40_584_928 + 1025 * 1000),
    ],
    ids=["v1", "v2 VOC", "v2 COCO", "v3 COCO", "v3 VOC", "darknet53"],
)
def test_shapes_and_published_sizes(network, side, shapes, parameters):
    outputs = network(zeros(side, batch=2))
    assert [tuple(each.shape) for each in ([outputs] if isinstance(outputs, torch.Tensor) else outputs)] == shapes
    assert parameter_count(network) == parameters


def test_yolov3_fills_its_published_weight_file():
    assert weights_file(YOLOv3(device="meta")) == 248_007_048


def test_yolov3_needs_the_operations_darknet_prints():
    work = trace(YOLOv3(device="meta"), zeros(416))[""].multiply_adds
    assert 2 * work == pytest.approx(65.86e9, abs=0.01e9)  # Darknet counts a multiply-add as two


def test_darknet53_has_53_layers():
    layers = [layer for layer in Darknet53(device="meta").modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 53


def test_trunk_gives_three_maps():
    maps = DarknetTrunk(device="meta")(zeros(64))
    assert [tuple(each.shape) for each in maps] == [(1, 256, 8, 8), (1, 512, 4, 4), (1, 1024, 2, 2)]


@pytest.mark.parametrize(("norm", "parameters"), [(True, 27 * 8 + 16), (False, 27 * 8 + 8)])
def test_a_unit_has_a_norm_or_a_bias(norm, parameters):
    unit = conv_unit(3, 8, 3, stride=2, norm=norm)
    assert parameter_count(unit) == parameters
    assert unit(torch.zeros(2, 3, 9, 9)).shape == (2, 8, 5, 5)


def test_a_residual_starts_as_the_identity_when_its_branch_is_silent():
    block = Residual(4).eval()
    nn.init.zeros_(block.expand[0].weight)
    x = torch.arange(36.0).reshape(1, 4, 3, 3)
    assert torch.equal(block(x), x)
