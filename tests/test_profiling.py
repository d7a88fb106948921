"""`utils.profiling`: layers that sleep for a known time, and what is left behind."""

import itertools
import time

import pytest
import torch
from torch import nn

from utils import profiling
from utils.profiling import layer_seconds, median_seconds, operator_seconds, recorded


class Sleep(nn.Module):
    """Takes at least the given seconds."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def forward(self, x):
        time.sleep(self.seconds)
        return x


def test_the_median_leaves_out_the_first_run_and_the_odd_one():
    waits = iter([0.2, 0.02, 0.2, 0.02])
    assert 0.02 <= median_seconds(lambda: time.sleep(next(waits)), repeats=3) < 0.1
    with pytest.raises(ValueError, match="at least 1, got 0"):
        median_seconds(lambda: None, repeats=0)


def test_each_layer_has_its_own_time_and_containers_have_none():
    twice = Sleep(0.02)
    network = nn.Sequential(nn.Sequential(Sleep(0.0), twice), twice)
    seconds = layer_seconds(network, torch.zeros(1), repeats=2)
    assert list(seconds) == ["0.0", "0.1"]
    assert seconds["0.0"] < 0.01
    assert seconds["0.1"] >= 0.04  # a layer that runs twice


def test_the_shortest_run_of_a_layer_can_be_picked():
    waits = itertools.cycle([0.0, 0.1, 0.0, 0.1])  # the first run does not count
    network = Sleep(0.0)
    network.forward = lambda x: time.sleep(next(waits))
    assert layer_seconds(network, torch.zeros(1), repeats=3)[""] >= 0.1
    assert layer_seconds(network, torch.zeros(1), repeats=3, pick=min)[""] < 0.1


def test_hooks_are_gone_and_the_mode_is_back_even_after_an_error():
    network = nn.Linear(4, 4)
    with pytest.raises(RuntimeError):
        layer_seconds(network, torch.zeros(1, 5))
    layer_seconds(network, torch.zeros(1, 4), repeats=1)
    assert not network._forward_hooks
    assert not network._forward_pre_hooks
    assert network.training


def test_operators_come_largest_first():
    seconds = operator_seconds(nn.Sequential(nn.Conv2d(8, 32, 3), nn.ReLU()), torch.zeros(1, 8, 64, 64))
    assert list(seconds.values()) == sorted(seconds.values(), reverse=True)
    assert {"aten::relu", "aten::conv2d"} <= set(seconds)


def test_a_record_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(profiling, "RECORDED", tmp_path)
    (tmp_path / "phones.json").write_text('{"machine": "one"}')
    assert recorded("phones") == {"machine": "one"}
    with pytest.raises(ValueError, match="no record is called 'laptops'; there are: phones"):
        recorded("laptops")
