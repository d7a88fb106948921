"""`utils.roofline`: layers counted by hand, PyTorch's own counter, and the two limits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from utils.nets.googlenet import googlenet
from utils.nets.mobilenet import mobilenet_v2
from utils.roofline import LayerWork, attainable_speed, layer_work, least_seconds

positive = st.floats(1e-3, 1e9)


@pytest.mark.parametrize(
    ("layer", "shape", "flops", "numbers"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10), 2 * 800 * 27, 300 + 224 + 800),
        (nn.Conv2d(8, 8, (1, 3), groups=8), (2, 8, 5, 5), 2 * 240 * 3, 400 + 32 + 240),  # depthwise, two pictures
        (nn.Linear(7, 3), (5, 7), 2 * 5 * 21, 35 + 24 + 15),
        (nn.BatchNorm2d(4), (1, 4, 3, 3), 2 * 36, 36 + 16 + 1 + 36),  # 2 learned, 2 running, and a counter of 8 bytes
        (nn.ReLU(), (5, 7), 35, 70),
        (nn.ReLU6(), (5, 7), 35, 70),
        (nn.MaxPool2d(3, stride=2), (1, 2, 7, 7), 18 * 9, 98 + 18),
        (nn.AvgPool2d((2, 3)), (1, 1, 4, 6), 4 * 6, 24 + 4),
        (nn.LocalResponseNorm(5), (1, 4, 3, 3), 0, 72),  # traffic that no count of FLOPs sees
        (nn.Dropout(), (5, 7), 0, 0),
        (nn.Identity(), (5, 7), 0, 0),
        (nn.Flatten(), (5, 7), 0, 0),
    ],
)
def test_one_layer_by_hand(layer, shape, flops, numbers):
    extra = 4 if isinstance(layer, nn.BatchNorm2d) else 0
    assert layer_work(layer, torch.zeros(shape))[""] == LayerWork(flops, 4 * numbers + extra)


def test_half_precision_moves_half_the_bytes():
    in_half = layer_work(nn.Linear(8, 8).half(), torch.zeros(1, 8).half())[""]
    assert in_half == LayerWork(128, 2 * (8 + 72 + 8))


@pytest.mark.parametrize("make", [googlenet, mobilenet_v2])
def test_products_of_a_network_are_those_pytorch_counts(make):
    network, picture = make(device="meta").eval(), torch.zeros(1, 3, 224, 224, device="meta")
    work, modules = layer_work(network, picture), dict(network.named_modules())
    products = sum(w.flops for name, w in work.items() if isinstance(modules[name], nn.Conv2d | nn.Linear))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(picture)
    assert products == counter.get_total_flops()


def test_a_layer_that_runs_twice_counts_twice():
    layer = nn.Linear(4, 4, bias=False)
    work = layer_work(nn.ModuleList([nn.Sequential(layer, layer)])[0], torch.zeros(1, 4))
    assert work == {"0": LayerWork(64, 2 * 4 * 24)}


def test_mode_and_hooks_are_as_before_even_after_an_error():
    network = nn.Linear(4, 4)
    with pytest.raises(RuntimeError):
        layer_work(network, torch.zeros(1, 5))
    assert network.training
    assert not network._forward_hooks


def test_intensity_is_flops_over_bytes():
    assert LayerWork(12, 4).intensity == 3
    assert LayerWork(0, 4).intensity == LayerWork(0, 0).intensity == 0


@pytest.mark.parametrize(("intensity", "speed"), [(0, 0), (4, 40), (10, 100), (1000, 100)])
def test_below_the_ridge_memory_decides_and_above_it_the_peak(intensity, speed):
    assert attainable_speed(intensity, peak=100, bandwidth=10) == speed


@given(positive, positive, positive, positive)
def test_time_is_work_over_attainable_speed(flops, moved, peak, bandwidth):
    work = LayerWork(flops, moved)
    seconds = flops / attainable_speed(work.intensity, peak, bandwidth)
    assert least_seconds(work, peak, bandwidth) == pytest.approx(seconds)


def test_work_without_flops_still_takes_time():
    assert least_seconds(LayerWork(0, 100), peak=1, bandwidth=10) == 10


def test_what_no_machine_has_is_refused():
    with pytest.raises(ValueError, match="above 0, got 0 and 10"):
        attainable_speed(1, peak=0, bandwidth=10)
    with pytest.raises(ValueError, match="above 0, got 1 and nan"):
        least_seconds(LayerWork(1, 1), peak=1, bandwidth=float("nan"))
    with pytest.raises(ValueError, match="at least 0 FLOPs for each byte, got -1"):
        attainable_speed(-1, peak=1, bandwidth=1)
