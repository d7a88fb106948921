"""`utils.nets.alphago` against the shape in the paper."""

import torch
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.alphago import PolicyNetwork

BOARD = torch.zeros(1, 48, 19, 19, device="meta")


def test_parameters_are_the_sum_by_hand():
    by_hand = 192 * (25 * 48 + 1) + 11 * 192 * (9 * 192 + 1) + 192 + 361
    assert parameter_count(PolicyNetwork(device="meta")) == by_hand == 3_882_793


def test_thirteen_convolutions_keep_the_board():
    network = PolicyNetwork(device="meta")
    kernels = [layer.kernel_size[0] for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [5] + [3] * 11 + [1]
    traced = trace(network, BOARD)
    assert {record.shapes[0][-2:] for name, record in traced.items() if name} == {(19, 19)}
    assert traced[""].shapes == [(1, 361)]


def test_points_are_numbered_row_by_row_with_a_bias_each():
    network = PolicyNetwork(4, planes=2, board=5)
    with torch.no_grad():
        network.last.weight.zero_()
        network.bias.copy_(torch.arange(25.0).view(5, 5))
    assert network(torch.rand(3, 2, 5, 5)).tolist() == [list(range(25))] * 3


def test_every_layer_is_rectified_but_the_last():
    network = PolicyNetwork(4, planes=2, board=5)
    assert [type(layer) for layer in network.trunk] == [nn.Conv2d, nn.ReLU] * 12
