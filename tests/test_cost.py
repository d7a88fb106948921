"""`utils.cost` against hand-counted layers, PyTorch's own counter, and loops whose every operation is counted."""

import functools
import math
import operator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from utils.cost import (
    Counted,
    Traced,
    _products,
    conv_flops,
    conv_parameters,
    flops,
    linear_flops,
    linear_parameters,
    operations,
    parameter_count,
    pool_flops,
    trace,
)
from utils.nets.alexnet import alexnet
from utils.nets.mobilenet import mobilenet_v2
from utils.nets.resnet import resnet


@pytest.mark.parametrize(
    ("layer", "shape", "out", "work"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10), (1, 8, 10, 10), 8 * 100 * 27),
        (nn.Conv2d(3, 8, 3, stride=2), (4, 3, 11, 11), (4, 8, 5, 5), 4 * 8 * 25 * 27),  # the whole batch
        (nn.Conv2d(8, 8, 3, groups=8), (1, 8, 5, 5), (1, 8, 3, 3), 8 * 9 * 9),  # depthwise: one channel in
        (nn.Conv2d(2, 4, (1, 3)), (1, 2, 5, 5), (1, 4, 5, 3), 4 * 15 * 6),
        (nn.Conv1d(2, 4, 3, groups=2), (1, 2, 9), (1, 4, 7), 4 * 7 * 3),
        (nn.Conv3d(2, 4, (1, 2, 3)), (1, 2, 4, 4, 4), (1, 4, 4, 3, 2), 4 * 24 * 12),
        (
            nn.ConvTranspose1d(4, 6, 3, stride=2, groups=2),
            (1, 4, 5),
            (1, 6, 11),
            5 * 4 * 3 * 3,
        ),  # each input, 3 kernels
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (2, 4, 5, 5), (2, 6, 11, 11), 2 * 25 * 4 * 6 * 9),
        (nn.ConvTranspose3d(1, 2, 2), (1, 1, 2, 2, 2), (1, 2, 3, 3, 3), 8 * 2 * 8),
        (nn.Linear(7, 3), (5, 7), (5, 3), 5 * 21),
        (nn.Linear(7, 3, bias=False), (2, 5, 7), (2, 5, 3), 10 * 21),
        (nn.ReLU(), (5, 7), (5, 7), 0),
        (nn.MaxPool2d(2), (1, 3, 4, 4), (1, 3, 2, 2), 0),
        (nn.LayerNorm(7), (5, 7), (5, 7), 0),
        (nn.Upsample(scale_factor=2), (1, 1, 2, 2), (1, 1, 4, 4), 0),
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


class Bare(nn.Module):
    """A network whose products happen outside layers."""

    def __init__(self, product):
        super().__init__()
        self.product = product

    def forward(self, x):
        return self.product(x)


A = torch.ones(4, 6)


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("product", "work"),
    [
        (lambda x: x @ x.mT, 2 * 3 * 4 * 3),  # of x with shape (2, 3, 4)
        (lambda x: x[0] @ x[0, 0], 12),
        (lambda x: torch.dot(x[0, 0], x[0, 1]), 4),
        (lambda x: torch.einsum("bij,bkj->ik", x, x), 2 * 3 * 4 * 3),
        (lambda x: torch.addbmm(x.new_zeros(3, 3), x, x.mT), 2 * 3 * 4 * 3),
        (lambda x: F.linear(x, A.to(x.device).T), 6 * 4 * 6),
        (lambda x: F.conv2d(x[None], x.new_zeros(5, 2, 3, 3)), 5 * 2 * 18),
        (lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None, :, :, :3]), 2 * 9 * (4 + 3)),
        (lambda x: x * x + x, 0),  # products of single numbers are not multiply-adds of a sum
        (F.normalize, 0),
    ],
)
def test_products_outside_layers_count(product, work, device):
    assert trace(Bare(product), torch.zeros(2, 3, 4, device=device))[""].multiply_adds == work


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (resnet(18, width=2, device="meta"), (1, 3, 64, 64)),
        (mobilenet_v2(5, device="meta"), (2, 3, 64, 32)),
        (alexnet(5, device="meta"), (1, 3, 227, 227)),
        (
            nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, device="meta"), 2, enable_nested_tensor=False),
            (5, 2, 8),
        ),
        (nn.Sequential(nn.ConvTranspose2d(2, 4, 3, groups=2, device="meta"), nn.AdaptiveAvgPool2d(2)), (1, 2, 5, 5)),
    ],
)
def test_twice_the_multiply_adds_is_what_pytorch_counts(network, shape):
    x = torch.zeros(shape, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(x)
    assert 2 * trace(network, x)[""].multiply_adds == counter.get_total_flops() > 0


def test_fused_attention_whose_values_have_a_width_of_their_own():
    query, key, value = torch.empty(2, 3, 5, 8), torch.empty(2, 3, 7, 8), torch.empty(2, 3, 7, 4)
    work = _products("_scaled_dot_product_efficient_attention", (query, key, value, None, False), None)
    assert work == 6 * (5 * 8 * 7 + 5 * 7 * 4)  # as two products: the CPU has no such operator to run


def test_attention_counts_the_same_on_the_fast_path_and_leaves_it_on():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    once = 5 * (3 * 8 * 8 + 8 * 8 + 2 * 8 * 16) + 2 * 25 * 8
    assert trace(layer, torch.zeros(1, 5, 8))[""].multiply_adds == once
    assert torch.backends.mha.get_fastpath_enabled()


def test_product_behind_a_layer_belongs_to_the_module_that_does_it():
    traced = trace(nn.Sequential(Twice(), InLine()), torch.zeros(1, 4))
    counts = {name: module.multiply_adds for name, module in traced.items()}
    assert counts == {"0.layer": 32, "0": 32, "1.layer": 0, "1": 16 + 16, "": 64}


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_unknown_layer_is_named_with_its_place_and_the_cure(device):
    network = nn.Sequential(nn.Identity(), nn.Sequential(nn.LSTM(4, 4, device=device)))
    with pytest.raises(ValueError, match=r"layer '1.0' \(LSTM\) is not counted here.*nn.Identity in its place"):
        trace(network, torch.zeros(2, 3, 4, device=device))
    assert trace(network[0], torch.zeros(1))[""].multiply_adds == 0  # what does not run is not asked about


@pytest.mark.parametrize(
    ("product", "hidden"),
    [
        (lambda x: torch.cdist(x, x), "aten::_cdist_forward"),
        (lambda x: F.bilinear(x, x, x.new_zeros(2, 4, 4)), "aten::_trilinear"),
        (torch.fft.fft2, "aten::_fft_c2c"),
    ],
)
def test_operator_whose_products_cannot_be_seen_is_named(product, hidden):
    network = nn.Sequential(Bare(product))
    with pytest.raises(ValueError, match=rf"layer '0' \(Bare\) runs {hidden}, whose products cannot be seen"):
        trace(network, torch.zeros(2, 3, 4))
    assert not network._forward_hooks


def test_network_runs_in_evaluation_mode_and_is_left_in_its_own():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout().eval())
    trace(network, torch.ones(1, 3))  # one row: in training mode there is no variance
    assert [module.training for module in network.modules()] == [True, True, False]
    assert (network[0].running_mean == 0).all()


def test_no_gradients_are_kept():
    kept = []
    trace(Bare(lambda x: kept.append(torch.is_grad_enabled())), torch.zeros(1))
    assert kept == [False]
    assert torch.is_grad_enabled()


def test_outputs_may_be_a_dictionary_or_hold_no_tensor():
    traced = trace(Bare(lambda x: {"a": x, "b": [x[0], None, 3]}), torch.zeros(2, 3))
    assert traced[""].shapes == [(2, 3), (3,)]


# --- formulas ----------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_formulas_agree_with_layers(a, b, groups, kernel, bias):
    layer = nn.Conv2d(a * groups, b * groups, kernel, groups=groups, bias=bias, device="meta")
    sizes, x = (a * groups, b * groups, kernel), torch.zeros(1, a * groups, 5, 4, device="meta")
    out = (6 - kernel[0], 5 - kernel[1])
    assert conv_parameters(*sizes, groups=groups, bias=bias) == parameter_count(layer)
    assert conv_flops(*sizes, out, groups=groups, bias=bias) == flops(layer, x)[""]
    linear = nn.Linear(a, b, bias=bias, device="meta")
    assert linear_parameters(a, b, bias=bias) == parameter_count(linear)
    assert linear_flops(a, b, bias=bias) == flops(linear, torch.zeros(1, a, device="meta"))[""]


def dot(a, b, bias=None):
    """A sum of products of counted numbers, with nothing to begin from."""
    total = functools.reduce(operator.add, [Counted(x) * y for x, y in zip(a, b, strict=True)])
    return total if bias is None else total + bias


@pytest.mark.parametrize(
    ("run", "formula"),
    [
        (lambda: [dot([1] * 9, [1] * 9) for _ in range(9)], conv_flops(1, 1, 3, (3, 3), bias=False)),
        (lambda: [dot([1] * 18, [1] * 18, 1) for _ in range(12)], conv_flops(2, 3, 3, (2, 2))),
        (lambda: [dot([1] * 10, [1] * 10, 1) for _ in range(4)], linear_flops(10, 4)),
        (lambda: [dot([1] * 10, [1] * 10) for _ in range(4)], linear_flops(10, 4, bias=False)),
        (lambda: [max(map(Counted, range(6))) for _ in range(8)], pool_flops(2, (2, 3), (2, 2))),
        (lambda: functools.reduce(operator.add, map(Counted, range(9))), pool_flops(1, 3, (1, 1), kind="sum")),
        (
            lambda: functools.reduce(operator.add, map(Counted, range(9))) * (1 / 9),
            pool_flops(1, 3, (1, 1), kind="average"),
        ),
        (lambda: max(0, Counted(-1)), flops(nn.ReLU(), torch.zeros(1))[""]),
        (lambda: 1 / (1 + (-Counted(2)).exp()), flops(nn.Sigmoid(), torch.zeros(1))[""]),
    ],
)
def test_formula_is_what_a_loop_does(run, formula):
    assert operations(run) == formula


def test_counted_numbers_compute():
    x = Counted(2.0)
    assert (1 + x, 3 * x, -x, 1 / x, x > 1, x > 2, Counted(0).exp()) == (3, 6, -2, 0.5, True, False, 1)
    assert math.isclose(dot([1, 2], [3, 4], 5), 16)


def test_flops_of_each_layer():
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Sigmoid(),
    )  # fmt: skip
    counted = flops(network, torch.zeros(2, 2, 6, 6))  # maps of 4 x 4, then 2 x 2; a batch of 2
    assert list(counted.values()) == [128 * 35, 128 * 2, 128, 128 * 13, 32 * 3, 8 * 4, 0, 6 * 8, 6 * 4]
    assert flops(nn.AdaptiveMaxPool2d((1, 2)), torch.zeros(3, 4, 4))[""] == 3 * 2 * 7
    assert flops(nn.AdaptiveAvgPool2d((2, 1)), torch.zeros(1, 3, 4))[""] == 2 * 8  # 3 rows in 2 windows of 2 rows


def test_layer_that_runs_twice_has_both():
    assert flops(Twice(), torch.zeros(1, 4)) == {"layer": 2 * 4 * 8}
    twice = Twice()
    twice.layer = nn.Linear(4, 4, bias=False)
    assert flops(twice, torch.zeros(1, 4)) == {"layer": 2 * 4 * 7}


def test_flops_refuses_what_it_has_no_rule_for():
    with pytest.raises(ValueError, match="no rule for the operations of layer '0', a Softmax"):
        flops(nn.Sequential(nn.Softmax(1)), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="32 multiply-adds happen outside the layers of Sequential"):
        flops(nn.Sequential(Twice(), InLine()), torch.zeros(1, 4))


class InLine(nn.Module):
    """Products before and behind the layer of a module."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, pair):
        return self.layer(pair[1][0].T @ pair[0]) @ pair[0].T


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_parameters(3, 8, 0), "kernel_size must be whole and at least 1, got 0, 0"),
        (lambda: conv_parameters(0, 8, 3), "in_channels, out_channels and groups must be .* got 0, 8, 1"),
        (lambda: conv_parameters(4, 6, 3, groups=4), "groups must divide 4 and 6 channels, got 4"),
        (lambda: conv_flops(3, 8, 3, (150.5, 150.5)), "out_size must be whole and at least 1, got 150.5"),
        (lambda: linear_parameters(0, 3), "in_features must be"),
        (lambda: linear_flops(3, 0), "out_features must be"),
        (lambda: pool_flops(1, 2, (2, 2), kind="mean"), "kind must be 'max', 'sum' or 'average', got 'mean'"),
        (lambda: pool_flops(0, 2, (2, 2)), "channels must be"),
    ],
)  # fmt: skip
def test_bad_sizes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
