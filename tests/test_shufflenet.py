"""`utils.nets.shufflenet` against the published sizes."""

import pytest
import torch

from utils.cost import parameter_count, trace
from utils.nets.shufflenet import ShuffleUnit, shufflenet


@pytest.mark.parametrize(("groups", "millions"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)])
def test_published_complexity_is_that_of_the_convolutions(groups, millions):
    traced = trace(shufflenet(groups, device="meta"), torch.zeros(1, 3, 224, 224, device="meta"))
    assert round((traced[""].multiply_adds - traced["output"].multiply_adds) / 1e6) == millions
    assert traced["stem"].shapes == [(1, 24, 56, 56)]
    assert traced["trunk"].shapes[0][2:] == (7, 7)


def test_parameters_of_three_groups():
    assert parameter_count(shufflenet(3, device="meta")) == 1_865_728  # 1.87 M in OpenMMLab's model zoo


def test_unit_keeps_or_halves_the_size_and_passes_the_input_on():
    x = torch.rand(2, 24, 8, 8)
    for made, stride, size in [(24, 1, 8), (72, 2, 4)]:
        unit = ShuffleUnit(24, made, 3, stride=stride).eval()
        torch.nn.init.zeros_(unit.expand[0].weight)
        y = unit(x)
        kept = x if stride == 1 else torch.nn.functional.avg_pool2d(x, 3, 2, 1)
        assert y.shape == (2, made, size, size)
        torch.testing.assert_close(y[:, :24], kept)


@pytest.mark.parametrize(("shuffle", "reached"), [(True, 36), (False, 12)])
def test_shuffle_lets_a_branch_see_all_groups(shuffle, reached):
    unit = ShuffleUnit(36, 36, 3, shuffle=shuffle).eval().double()  # 9 channels inside, 3 a group
    for part in (unit.squeeze, unit.depthwise, unit.expand):
        torch.nn.init.ones_(part[0].weight)
    x = torch.rand(1, 36, 5, 5, dtype=torch.double, requires_grad=True)
    unit(x)[0, 0, 2, 2].backward()
    assert int((x.grad[0].abs().sum((1, 2)) > 0).sum()) == reached


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="24 channels do not fit 48"):
        ShuffleUnit(24, 48, 3)
    with pytest.raises(ValueError, match="1, 2, 3, 4, 8 groups, got 5"):
        shufflenet(5)


def test_logits_have_a_row_for_each_image():
    assert shufflenet(3, 7).eval()(torch.rand(2, 3, 64, 64)).shape == (2, 7)
