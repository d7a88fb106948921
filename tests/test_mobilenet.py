"""`utils.nets.mobilenet` against the published sizes."""

import pytest
import torch
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.mobilenet import InvertedResidual, mobilenet_v1, mobilenet_v2


@pytest.mark.parametrize(
    ("network", "parameters", "multiply_adds", "channels"),
    [
        (mobilenet_v1(device="meta"), 4_231_976, 568_740_352, 1024),
        (mobilenet_v2(device="meta"), 3_504_872, 300_774_272, 1280),
    ],
)
def test_published_parameters_and_multiply_adds(network, parameters, multiply_adds, channels):
    traced = trace(network, torch.zeros(1, 3, 224, 224, device="meta"))
    assert parameter_count(network) == parameters
    assert traced[""].multiply_adds == multiply_adds
    assert traced["trunk"].shapes == [(1, channels, 7, 7)]


def test_inverted_residual_adds_its_input_only_where_it_fits():
    x = torch.rand(1, 4, 6, 6)
    for width, stride, adds in [(4, 1, True), (4, 2, False), (8, 1, False)]:
        block = InvertedResidual(6, 4, width, stride).eval()
        nn.init.zeros_(block.body[-1][0].weight)
        expected = x if adds else torch.zeros(1, width, 6 // stride, 6 // stride)
        torch.testing.assert_close(block(x), expected)


def test_last_layer_of_an_inverted_residual_is_linear():
    assert not any(isinstance(layer, nn.ReLU6) for layer in InvertedResidual(6, 4, 4, 1).body[-1])
    assert len(InvertedResidual(1, 4, 4, 1).body) == 2  # no expansion, no first 1x1


@pytest.mark.parametrize("build", [mobilenet_v1, mobilenet_v2])
def test_logits_have_a_row_for_each_image(build):
    assert build(7).eval()(torch.rand(2, 3, 32, 64)).shape == (2, 7)
