"""`utils.nets.googlenet` against table 1 of the paper."""

import torch

from utils.cost import parameter_count, trace
from utils.nets.googlenet import Inception, googlenet


def test_googlenet_has_the_published_size():
    network = googlenet(device="meta")
    assert parameter_count(network) == 6_998_552
    assert parameter_count(network.trunk[-1]) == 1_444_080  # module 5b: 1388K in the paper, counted otherwise


def test_maps_shrink_as_in_the_paper():
    traced = trace(googlenet(device="meta"), torch.zeros(1, 3, 224, 224, device="meta"))
    shapes = [shape for name, (shapes, *_) in traced.items() if name.startswith("trunk") for shape in shapes]
    assert (1, 192, 28, 28) in shapes
    assert (1, 480, 14, 14) in shapes
    assert (1, 832, 7, 7) in shapes
    assert traced["trunk"].shapes == [(1, 1024, 7, 7)]


def test_branches_come_one_after_the_other():
    block = Inception(3, (4, 2, 5, 2, 6, 7)).eval()
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(block(x)[:, 4:9], block.branches[1](x))
    assert block(x).shape == (1, 22, 8, 8)
    assert googlenet(3).eval()(torch.rand(1, 3, 64, 64)).shape == (1, 3)
