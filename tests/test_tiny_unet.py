"""`utils.nets.tiny_unet`: sizes, and what a cut skip means."""

import pytest
import torch

from utils.nets.tiny_unet import TinyUNet


def net(skip):
    torch.manual_seed(0)
    return TinyUNet(skip).eval()


def test_logits_have_the_size_of_the_picture():
    assert net(1)(torch.zeros(2, 1, 16, 24)).shape == (2, 1, 16, 24)


def test_cutting_the_skips_keeps_the_parameters():
    whole, cut = net(1), net(0)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), cut.parameters(), strict=True))
    x = torch.rand(1, 1, 16, 16)
    assert not torch.allclose(whole(x), cut(x))


@pytest.mark.parametrize("skip", [0, 1])
def test_only_skips_carry_what_pooling_drops(skip):
    """The finest features reach the output past the coarse ones: silence those and look for a gradient."""
    unet = net(skip)
    unet.coarse.register_forward_hook(lambda module, inputs, output: output * 0)
    x = torch.rand(1, 1, 16, 16, requires_grad=True)
    unet(x).sum().backward()
    assert bool(x.grad.abs().sum() > 0) == bool(skip)


def test_other_sides_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 4, got \(16, 18\); pad"):
        net(1)(torch.zeros(1, 1, 16, 18))
