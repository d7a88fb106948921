"""`utils.nets.nin` against the layers that the authors published, counted by hand."""

import pytest
import torch
from torch import nn

from utils.cost import parameter_count, trace
from utils.nets.nin import mlpconv, nin


def test_cifar10_net_has_the_published_layers():
    layers = [layer for layer in nin(device="meta").modules() if isinstance(layer, nn.Conv2d)]
    found = [(layer.kernel_size[0], layer.out_channels) for layer in layers]
    assert found == [
        (5, 192),
        (1, 160),
        (1, 96),
        (5, 192),
        (1, 192),
        (1, 192),
        (3, 192),
        (1, 192),
        (1, 10),
    ]
    assert parameter_count(nin(device="meta")) == 966_986


@pytest.mark.parametrize(("plan", "side", "sides"), [("cifar10", 32, [32, 16, 8]), ("imagenet", 224, [54, 27, 13, 6])])
def test_maps_shrink_as_in_caffe_which_rounds_up(plan, side, sides):
    traced = trace(nin(plan, device="meta"), torch.zeros(1, 3, side, side, device="meta"))
    shapes = [shape for name, (shapes, *_) in traced.items() if name.startswith("trunk.") for shape in shapes]
    assert sorted({shape[2] for shape in shapes}, reverse=True) == sides


def test_pooling_is_that_of_the_published_models():
    def pools(plan):
        return [type(layer).__name__ for layer in nin(plan, device="meta").trunk if "Pool" in type(layer).__name__]

    assert pools("cifar10") == ["MaxPool2d", "AvgPool2d"]
    assert pools("imagenet") == ["MaxPool2d"] * 3


@pytest.mark.parametrize(("plan", "count"), [("cifar10", 2), ("imagenet", 1)])
def test_dropout_stands_where_the_authors_put_it(plan, count):
    trunk = nin(plan, device="meta").trunk
    drops = [number for number, layer in enumerate(trunk) if isinstance(layer, nn.Dropout)]
    assert len(drops) == count
    assert drops[-1] == len(trunk) - 2  # before the last block


def test_logits_are_the_means_of_the_last_maps():
    torch.manual_seed(0)
    network = nin().eval()
    images = torch.rand(2, 3, 32, 32)
    assert network.trunk(images).shape == (2, 10, 8, 8)
    torch.testing.assert_close(network(images), network.trunk(images).flatten(2).mean(2))
    assert (network.trunk(images) >= 0).all()


def test_mlpconv_is_a_perceptron_on_each_patch():
    torch.manual_seed(0)
    block, x = mlpconv(2, (5, 4, 3), 3), torch.rand(1, 2, 3, 3)
    hidden = x.flatten(1)
    for layer in [layer for layer in block if isinstance(layer, nn.Conv2d)]:
        hidden = (hidden @ layer.weight.flatten(1).T + layer.bias).relu()
    torch.testing.assert_close(block(x).flatten(1), hidden)


def test_classes_can_be_chosen_and_plans_not_invented():
    assert nin("imagenet", 7, device="meta").trunk[-1][-2].out_channels == 7
    with pytest.raises(ValueError, match=r"plan must be 'cifar10' or 'imagenet', got 'mnist'"):
        nin("mnist")
