"""`utils.effective_field`: known distributions, counted paths, and what training does."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from utils.effective_field import (
    central_side,
    convolution_stack,
    digit_mosaics,
    influence,
    influence_of_training,
    spread,
)
from utils.receptive_field import path_counts


def test_influence_of_equal_weights_is_the_square_of_the_path_counts():
    stack = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(3)])
    for layer in stack:
        nn.init.ones_(layer.weight)
    mass = influence(stack, torch.rand(2, 1, 9, 9))
    assert_allclose(np.sqrt(mass[1:8, 1:8]), path_counts([(3,)] * 3))
    assert mass[0].sum() == 0


def test_influence_is_a_mean_over_pictures_and_leaves_them_alone():
    pictures = torch.tensor([1.0, 3.0])[:, None, None, None] * torch.ones(2, 1, 3, 3)
    mass = influence(lambda x: x**2, pictures)
    assert mass[1, 1] == (2**2 + 6**2) / 2
    assert not pictures.requires_grad


@pytest.mark.parametrize("layers", [1, 3, 8])
def test_spread_of_equal_weights_grows_with_the_root(layers):
    assert_allclose(spread(path_counts([(3,)] * layers)), np.sqrt(layers * 2 / 3))


def test_spread_ignores_place_and_scale():
    mass = np.zeros((9, 9))
    mass[6, [1, 3]] = 5  # variance 1 across, 0 down
    assert_allclose(spread(mass), np.sqrt(0.5))


def test_central_side_by_hand():
    mass = np.zeros((7, 9))
    mass[3, 4], mass[1, 4], mass[0, 4] = 90, 5, 5
    assert [central_side(mass, share) for share in (0.9, 0.91, 0.95, 1)] == [1, 5, 5, 7]
    assert central_side(mass, 0.05, center=(1, 4)) == 1
    with pytest.raises(ValueError, match=r"no square around \(1, 4\) inside \(7, 9\) holds 0.5 of the mass"):
        central_side(mass, 0.5, center=(1, 4))


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), -np.ones((3, 3)), np.ones(3), [[np.nan]]])
@pytest.mark.parametrize("function", [spread, central_side])
def test_mass_must_be_a_distribution(function, bad):
    with pytest.raises(ValueError, match=r"mass must be \(H, W\), at least 0 and not all 0"):
        function(bad)


def test_stack_has_what_was_asked_for():
    kinds = [type(layer).__name__ for layer in convolution_stack(2, 3, norm=True)]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * 2
    assert [type(layer).__name__ for layer in convolution_stack(2, relu=False)] == ["Conv2d", "Conv2d"]


def test_mosaic_shows_the_digits_that_its_labels_name():
    held_out, labels = digit_mosaics(8, 50, 3, torch.Generator().manual_seed(1), held_out=True)
    from sklearn.datasets import load_digits

    digits = load_digits()
    tile = held_out[7, 0, 8:16, 0:8].numpy() * 16
    (number,) = np.flatnonzero((digits.images == tile).all((1, 2)))
    assert number >= 1400
    assert (labels[7, 8:16, 0:8] == digits.target[number]).all()


def test_training_is_repeatable_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    maps, accuracy = influence_of_training(8, 3, tiles=3, steps=2, depth=2, probes=(1,))
    assert torch.rand(1) == expected
    again, same = influence_of_training(8, 3, tiles=3, steps=2, depth=2, probes=(1,))
    assert [each.shape for each in maps] == [(24, 24)] * 3
    assert all(map(np.array_equal, maps, again))
    assert accuracy == same


def test_training_learns_digits():
    _, accuracy = influence_of_training(8, 0, tiles=3, steps=60, depth=4)
    assert accuracy > 0.2  # one in ten by chance


def test_even_mosaics_have_no_digit_in_the_middle():
    with pytest.raises(ValueError, match="tiles must be odd, got 4"):
        influence_of_training(8, 0, tiles=4)
