"""`utils.nets.alexnet` against published sizes, and a normalization by hand."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from utils.cost import parameter_count, trace
from utils.nets.alexnet import alexnet

LAYERS = (34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000)


def test_parameters_of_each_layer_counted_by_hand():
    network = alexnet(device="meta")
    counts = [parameter_count(module) for module in network.modules() if hasattr(module, "weight")]
    assert tuple(counts) == LAYERS
    assert parameter_count(network) == sum(LAYERS) == 60_965_224


def test_the_maps_are_those_of_the_paper():
    traced = trace(alexnet(device="meta"), torch.zeros(1, 3, 227, 227, device="meta"))
    sides = [traced[f"trunk.{number}"].shapes[0][1:] for number in (0, 4, 8, 10, 12, 14)]
    assert sides == [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13), (256, 6, 6)]
    assert traced[""].multiply_adds == 724_406_816  # the count of the Caffe model, often given as 724 M


def test_without_halves_the_three_layers_weigh_twice():
    whole, halves = (parameter_count(alexnet(groups=groups, device="meta")) for groups in (1, 2))
    assert whole - halves == 25 * 48 * 256 + 9 * 192 * 384 + 9 * 192 * 256


def test_the_picture_of_the_paper_is_too_small():
    with pytest.raises(RuntimeError):
        alexnet(device="meta")(torch.zeros(1, 3, 200, 200, device="meta"))


def test_normalization_by_the_formula_of_the_paper():
    maps = np.random.default_rng(0).normal(size=(1, 7, 2, 2)).astype(np.float32)
    squares = [(maps[0, max(i - 2, 0) : i + 3] ** 2).sum(0) for i in range(7)]
    expected = maps[0] / (2 + 1e-4 * np.array(squares)) ** 0.75
    assert_allclose(alexnet(device="cpu").trunk[2](torch.tensor(maps))[0], expected, rtol=1e-5)
