"""`utils.network_field`: reading against measuring, and against the table of Araujo et al. 2019."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils.nets.googlenet import googlenet
from utils.nets.mobilenet import mobilenet_v1
from utils.nets.resnet import resnet
from utils.nets.vgg import VGG16, vgg16, vgg_trunk
from utils.network_field import last_field, measured_field, network_fields, window_layers
from utils.receptive_field import Field, layer_fields, receptive_field


class Branches(nn.Module):
    """A 5x5 and an unpadded pair beside a shortcut: the union is not centred."""

    def __init__(self, combine=torch.add):
        super().__init__()
        self.wide = nn.Conv2d(1, 1, 5, padding=2)
        self.pair = nn.Sequential(nn.Conv2d(1, 1, (1, 3), padding=(0, 2), dilation=2), nn.AvgPool2d(3, 1, 1))
        self.combine = combine

    def forward(self, x):
        return self.combine(F.relu(self.wide(x)), self.pair(x)) + x


class Odd(nn.Module):
    """Runs `function` behind one convolution."""

    def __init__(self, function, stride=1):
        super().__init__()
        self.first, self.function = nn.Conv2d(3, 3, 3, stride=stride, padding=1), function

    def forward(self, x):
        return self.function(self.first(x), x)


@pytest.mark.parametrize(
    ("network", "size"),
    [
        (vgg16(device="meta"), 212),
        (mobilenet_v1(device="meta"), 315),
        (resnet(50, device="meta"), 483),
        (resnet(101, device="meta"), 1027),
        (resnet(152, device="meta"), 1507),
        (resnet(50, device="meta", stride_in_3x3=True), 427),
    ],
)
def test_fields_of_known_networks(network, size):
    assert (last_field(network).size, last_field(network).jump) == (size, 32)


def test_a_chain_is_read_as_its_list_of_layers():
    trunk = vgg_trunk(VGG16, device="meta")
    assert last_field(trunk) == layer_fields(window_layers(trunk))[-1]
    assert receptive_field(list(window_layers(trunk))[:-1]) == 196


@pytest.mark.parametrize("stride_in_3x3", [False, True])
def test_reading_a_resnet_agrees_with_measuring_it(stride_in_3x3):
    network = resnet(50, width=1, in_channels=1, stride_in_3x3=stride_in_3x3).double().eval()
    first, last = measured_field(network.maps, torch.zeros(1, 1, 512, 512).double())
    field = last_field(network)
    assert (first, last) == (field.first + 8 * 32, field.last + 8 * 32)  # the middle of 16 outputs is number 8


def test_reading_inception_agrees_with_measuring_it():
    trunk = googlenet().trunk[:4].double()  # the stem as far as a 3x3, with a pooling that rounds up
    first, last = measured_field(trunk, torch.zeros(1, 3, 48, 48).double())
    field = last_field(trunk)
    assert (first, last) == (field.first + 6 * 4, field.last + 6 * 4)


@pytest.mark.parametrize(("axis", "expected"), [(-1, Field(1, -3, 3)), (-2, Field(1, -2, 2))])
def test_branches_take_the_union_on_each_axis(axis, expected):
    class Same(Branches):
        def forward(self, x):
            return torch.cat([self.wide(x), self.pair(x), x], 1)

    assert network_fields(Same(), axis=axis)["output"] == expected


def test_union_counts_both_ends():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(1, 1, 3, padding=2), nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.left(x) + self.right(x)

    assert last_field(Shifted()) == Field(1, -2, 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda y, x: y * F.adaptive_avg_pool2d(y, 1),  # squeeze and excitation
        lambda y, x: y.view(y.size(0), -1),
        lambda y, x: torch.flatten(y, 1),
        lambda y, x: F.relu(y.mean((2, 3))),
    ],
)
def test_what_sums_up_the_picture_sees_all_of_it(function):
    fields = network_fields(Odd(function))
    assert fields["output"] is None
    assert last_field(Odd(function)) == fields["first"] == Field(1, -1, 1)


def test_same_padding_is_read():
    network = nn.Sequential(nn.Conv2d(1, 1, 5, padding="same", dilation=2), nn.Conv2d(1, 1, 3, padding="valid"))
    assert list(network_fields(network).values())[:2] == [Field(1, -4, 4), Field(1, -4, 6)]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2)), "layer '1' is a Upsample, whose field"),
        (Odd(lambda y, x: F.interpolate(y, scale_factor=2)), "layer 'interpolate' is a interpolate"),
        (Odd(lambda y, x: y if y.sum() > 0 else x), "torch.fx cannot record Odd: symbolically traced"),
        (Odd(lambda y, x: y + x, stride=2), r"branches of different strides meet at 'add': \[1, 2\]"),
    ],
)
def test_what_cannot_be_read_is_named(network, message):
    with pytest.raises(ValueError, match=message):
        network_fields(network)


def test_last_field_needs_a_layer_that_sees_less():
    with pytest.raises(ValueError, match="Sequential has no layer that sees less than the whole picture"):
        last_field(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))


def test_measuring_needs_room_and_a_number():
    convolution = nn.Conv2d(1, 1, 9, padding=4)
    with pytest.raises(ValueError, match="the field reaches the edge of 9 rows"):
        measured_field(convolution, torch.zeros(1, 1, 9, 9))
    with pytest.raises(ValueError, match="must be a number, and depend on the picture"):
        measured_field(torch.zeros_like, torch.zeros(1, 1, 9, 9))


def test_measuring_sees_zero_weights_and_even_windows():
    convolution = nn.Conv2d(1, 1, 4)
    nn.init.zeros_(convolution.weight)
    assert measured_field(convolution, torch.zeros(1, 1, 14, 14)) == (5, 8)  # the middle of 11 outputs is 5
