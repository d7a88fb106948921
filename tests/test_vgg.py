"""`utils.nets.vgg` against the published table."""

import torch
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.vgg import VGG16, hidden_layers, relu_convolutions, vgg16, vgg_trunk


def test_vgg16_has_the_published_size():
    network = vgg16(device="meta")
    assert parameter_count(network) == 138_357_544
    assert parameter_count(network.trunk) == sum(
        (9 * a + 1) * b
        for a, b in [
            *[(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)],
            *[(512, 512)] * 5,
        ]
    )
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules()) == 16


def test_every_block_halves_the_picture():
    traced = trace(vgg16(10, device="meta"), torch.zeros(2, 3, 224, 224, device="meta"))
    assert [traced[f"trunk.{i}"].shapes[0] for i in range(1, 10, 2)] == [
        (2, 64, 112, 112),
        (2, 128, 56, 56),
        (2, 256, 28, 28),
        (2, 512, 14, 14),
        (2, 512, 7, 7),
    ]
    assert traced[""].shapes == [(2, 10)]


def test_trunk_without_its_last_pooling_has_stride_16():
    assert vgg_trunk(VGG16, last_pool=False, device="meta")(torch.zeros(1, 3, 64, 96, device="meta")).shape == (
        1,
        512,
        4,
        6,
    )


def test_bricks():
    assert (relu_convolutions(3, (4, 5))(torch.randn(1, 3, 6, 6)) >= 0).all()
    assert parameter_count(hidden_layers(10, "meta")) == 11 * 4096 + 4097 * 4096
