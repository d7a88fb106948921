"""`utils.nets.resnet` against the published sizes."""

import pytest
import torch
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.resnet import BasicBlock, Bottleneck, resnet

PUBLISHED = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}


@pytest.mark.parametrize("stride_in_3x3", [False, True])
@pytest.mark.parametrize("depth", PUBLISHED)
def test_resnet_has_the_published_size_in_both_layouts(depth, stride_in_3x3):
    network = resnet(depth, stride_in_3x3=stride_in_3x3, device="meta")
    assert parameter_count(network) == PUBLISHED[depth]
    on_the_path = [name for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sum("shortcut" not in name for name in on_the_path) == depth


@pytest.mark.parametrize(("stride_in_3x3", "multiply_adds"), [(False, 3.857e9), (True, 4.089e9)])
def test_work_of_resnet50_tells_the_layouts_apart(stride_in_3x3, multiply_adds):
    network = resnet(50, stride_in_3x3=stride_in_3x3, device="meta")
    traced = trace(network, torch.zeros(1, 3, 224, 224, device="meta"))
    assert traced[""].multiply_adds == pytest.approx(multiply_adds, rel=1e-3)
    assert traced["stages"].shapes == [(1, 2048, 7, 7)]


def test_strides_sit_where_they_are_asked_for():
    def strides(block):
        return [layer.stride[0] for layer in block.body if isinstance(layer, nn.Conv2d)]

    assert strides(Bottleneck(8, 2, 2)) == [2, 1, 1]
    assert strides(Bottleneck(8, 2, 2, stride_in_3x3=True)) == [1, 2, 1]
    assert strides(BasicBlock(8, 8, 2)) == [2, 1]


@pytest.mark.parametrize("block", [BasicBlock(4, 4), Bottleneck(4, 1)])
def test_block_adds_its_input(block):
    for layer in block.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
    x = torch.rand(2, 4, 6, 6)
    torch.testing.assert_close(block.eval()(x), x)
    assert (block(x - 2) == 0).all()  # and a ReLU comes last


def test_maps_are_those_that_the_classifier_averages():
    network = resnet(18, 5, width=2).eval()
    images = torch.rand(2, 3, 64, 96)
    assert network.maps(images).shape == (2, 16, 2, 3)
    torch.testing.assert_close(network(images), network.output(network.maps(images).mean((2, 3))))


def test_unknown_depth_is_named():
    with pytest.raises(ValueError, match="depth must be one of 18, 34, 50, 101, 152, got 51"):
        resnet(51)
