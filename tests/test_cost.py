"""`utils.cost` against hand-counted layers."""

import pytest
import torch
from torch import nn

from utils.cost import Traced, parameter_count, trace


@pytest.mark.parametrize(
    ("layer", "shape", "out", "work"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10), (1, 8, 10, 10), 8 * 100 * 27),
        (nn.Conv2d(3, 8, 3, stride=2), (4, 3, 11, 11), (4, 8, 5, 5), 4 * 8 * 25 * 27),  # the whole batch
        (nn.Conv2d(8, 8, 3, groups=8), (1, 8, 5, 5), (1, 8, 3, 3), 8 * 9 * 9),  # depthwise: one channel in
        (nn.Conv2d(2, 4, (1, 3)), (1, 2, 5, 5), (1, 4, 5, 3), 4 * 15 * 6),
        (nn.Linear(7, 3), (5, 7), (5, 3), 5 * 21),
        (nn.ReLU(), (5, 7), (5, 7), 0),
    ],
)
def test_one_layer_by_hand(layer, shape, out, work):
    assert trace(layer, torch.zeros(shape))[""] == Traced([out], parameter_count(layer), work)


def test_containers_sum_what_is_inside():
    network = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()), nn.Conv2d(2, 3, 1))
    traced = trace(network, torch.zeros(1, 1, 2, 2))
    assert list(traced) == ["0.0", "0.1", "0", "1", ""]  # in the order in which they finish
    assert [traced[name].multiply_adds for name in ("0.0", "0", "1", "")] == [8, 8, 24, 32]
    assert [traced[name].parameters for name in ("0", "1", "")] == [4, 9, 13]


class Twice(nn.Module):
    """A layer used twice, and two outputs in a nest."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return x, [self.layer(self.layer(x))]


def test_a_layer_that_runs_twice_counts_twice_and_weighs_once():
    traced = trace(Twice(), torch.zeros(1, 4))
    assert traced["layer"] == Traced([(1, 4)], 20, 32)
    assert traced[""] == Traced([(1, 4), (1, 4)], 20, 32)


def test_meta_counts_the_same_and_hooks_are_gone():
    network, real = nn.Conv2d(3, 8, 3, device="meta"), nn.Conv2d(3, 8, 3)
    meta = trace(network, torch.zeros(1, 3, 9, 9, device="meta"))
    assert meta == trace(real, torch.zeros(1, 3, 9, 9))
    assert not network._forward_hooks


def test_hooks_are_gone_after_an_error():
    network = nn.Linear(4, 4)
    with pytest.raises(RuntimeError):
        trace(network, torch.zeros(1, 5))
    assert not network._forward_hooks
