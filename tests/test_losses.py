import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.losses import (
    binary_cross_entropy_with_logits,
    focal_loss,
    focal_loss_gradient,
    focal_loss_with_logits,
    sigmoid,
)

LOGITS = np.array([-1000.0, -40.0, -5.0, -0.3, 0.0, 0.3, 5.0, 40.0, 1000.0])
GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]

logits_of = st.floats(-30, 30)
labels_of = st.integers(0, 1)
gammas_of = st.floats(0, 8)
alphas_of = st.none() | st.floats(0, 1)
quick = settings(deadline=None, max_examples=100)


def both(label_1=LOGITS, label_0=LOGITS):
    """Every logit once with label 1 and once with label 0."""
    return np.concatenate([label_1, label_0]), np.repeat([1, 0], [len(label_1), len(label_0)])


def torch_focal_loss(logits, labels, gamma, alpha=None):
    """From the printed formula, label by label, in torch: shares no code and no rearrangement with ours."""
    p = torch.sigmoid(logits)
    weight_1, weight_0 = (1, 1) if alpha is None else (alpha, 1 - alpha)
    positive = -weight_1 * (1 - p) ** gamma * torch.log(p)
    negative = -weight_0 * p**gamma * torch.log(1 - p)
    return labels * positive + (1 - labels) * negative


# Worked by hand


@pytest.mark.parametrize(
    ("p", "label", "gamma", "alpha", "expected"),
    [
        (0.9, 1, 2, None, 0.01 * 0.1053605157),
        (0.1, 1, 2, None, 0.81 * 2.3025850930),
        (0.1, 0, 2, None, 0.01 * 0.1053605157),  # label 0 at p = 0.1 is as easy as label 1 at 0.9
        (0.5, 1, 0, None, 0.6931471806),
        (0.5, 1, 0, 0.25, 0.25 * 0.6931471806),
        (0.5, 0, 0, 0.25, 0.75 * 0.6931471806),  # alpha is the weight of label 1 only
        (0.75, 1, 0.5, None, 0.5 * 0.2876820724),
    ],
)
def test_focal_loss_by_hand(p, label, gamma, alpha, expected):
    assert_allclose(focal_loss(p, label, gamma=gamma, alpha=alpha), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("p_t", "focal", "cross_entropy"),
    [
        (0.01, 0.9801 * (0.99 + 0.02 * 4.605170186), 0.99),  # 1.061 against 0.99
        (0.1, 0.81 * (0.9 + 0.2 * 2.302585093), 0.9),  # 1.102 against 0.9: larger where p_t is small
        (0.3, 0.49 * (0.7 + 0.6 * 1.203972804), 0.7),  # 0.697 against 0.7: just past the crossing
        (0.5, 0.25 * (0.5 + 1.0 * 0.693147181), 0.5),
        (0.9, 0.01 * (0.1 + 1.8 * 0.105360516), 0.1),
    ],
)
def test_gradient_size_at_gamma_two(p_t, focal, cross_entropy):
    logit = np.log(p_t / (1 - p_t))
    assert_allclose(focal_loss_gradient([logit, -logit], [1, 0]), [-focal, focal], rtol=1e-8)
    assert_allclose(focal_loss_gradient(logit, 1, gamma=0), -cross_entropy, rtol=1e-12)


def test_default_gamma_is_two_without_balance():
    assert_array_equal(focal_loss(0.3, 1), focal_loss(0.3, 1, gamma=2.0, alpha=None))


def test_prior_of_one_percent_starts_negatives_at_a_hundredth():
    bias = -np.log(0.99 / 0.01)
    assert_allclose(sigmoid(bias), 0.01)
    assert_allclose(binary_cross_entropy_with_logits([0.0, bias], [0, 0]), [0.69314718, 0.01005034], rtol=1e-6)


# Oracles that share no code


@pytest.mark.parametrize("label", [0, 1])
def test_cross_entropy_matches_torch(label):
    labels = torch.full((len(LOGITS),), float(label), dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(torch.from_numpy(LOGITS), labels, reduction="none")
    assert_allclose(binary_cross_entropy_with_logits(LOGITS, labels.numpy()), expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", [None, 0.0, 0.25, 1.0])
def test_loss_and_gradient_match_autograd(gamma, alpha):
    logits, labels = both(np.linspace(-8, 8, 41), np.linspace(-8, 8, 41))
    x, y = torch.tensor(logits, requires_grad=True), torch.from_numpy(labels)
    loss = torch_focal_loss(x, y, gamma, alpha)
    loss.sum().backward()
    options = {"gamma": gamma, "alpha": alpha}
    assert_allclose(focal_loss_with_logits(logits, labels, **options), loss.detach(), rtol=1e-9)
    assert_allclose(focal_loss(sigmoid(logits), labels, **options), loss.detach(), rtol=1e-9)
    assert_allclose(focal_loss_gradient(logits, labels, **options), x.grad, rtol=1e-9, atol=1e-15)


@quick
@given(logits_of, labels_of, gammas_of, alphas_of)
def test_gradient_is_the_slope_of_the_loss(logit, label, gamma, alpha):
    step = 1e-5
    low, high = focal_loss_with_logits([logit - step, logit + step], [label] * 2, gamma=gamma, alpha=alpha)
    gradient = focal_loss_gradient(logit, label, gamma=gamma, alpha=alpha)
    assert_allclose(gradient, (high - low) / (2 * step), rtol=1e-6, atol=1e-8)


# Properties


@quick
@given(logits_of, labels_of, gammas_of, gammas_of)
def test_loss_falls_as_gamma_grows(logit, label, gamma_a, gamma_b):
    small, large = sorted([gamma_a, gamma_b])
    losses = [focal_loss_with_logits(logit, label, gamma=g) for g in (large, small, 0)]
    assert 0 <= losses[0] <= losses[1] <= losses[2]
    assert losses[2] == binary_cross_entropy_with_logits(logit, label)  # gamma = 0, to the last digit


@quick
@given(logits_of, labels_of, gammas_of, st.floats(0, 1))
def test_swapping_labels_swaps_alpha_and_the_sign(logit, label, gamma, alpha):
    ours, mirrored = {"gamma": gamma, "alpha": alpha}, {"gamma": gamma, "alpha": 1 - alpha}
    loss, gradient = (f(logit, label, **ours) for f in (focal_loss_with_logits, focal_loss_gradient))
    assert_allclose(focal_loss_with_logits(-logit, 1 - label, **mirrored), loss, rtol=1e-9, atol=1e-15)
    assert_allclose(focal_loss_gradient(-logit, 1 - label, **mirrored), -gradient, rtol=1e-9, atol=1e-15)


@quick
@given(st.floats(1e-9, 1 - 1e-9), labels_of, gammas_of)
def test_probabilities_and_complements_mirror(p, label, gamma):
    mirrored = focal_loss(1 - p, 1 - label, gamma=gamma)
    assert_allclose(focal_loss(p, label, gamma=gamma), mirrored, rtol=1e-6, atol=1e-15)


@quick
@given(st.lists(logits_of, min_size=2, max_size=2), labels_of, gammas_of)
def test_loss_falls_as_the_true_label_gets_likelier(logits, label, gamma):
    wrong, right = sorted(logits, reverse=label == 0)
    losses = focal_loss_with_logits([wrong, right], [label] * 2, gamma=gamma)
    assert losses[1] <= losses[0] * (1 + 1e-12)


@quick
@given(logits_of, labels_of, st.floats(0, 8))
def test_gradient_pulls_toward_the_label(logit, label, gamma):
    gradient = focal_loss_gradient(logit, label, gamma=gamma)
    assert gradient <= 0 if label == 1 else gradient >= 0


# Edges


@pytest.mark.parametrize("gamma", GAMMAS)
def test_huge_logits_stay_finite(gamma):
    logits, labels = [1000.0, -1000.0, 1000.0, -1000.0], [1, 0, 0, 1]
    assert_array_equal(focal_loss_with_logits(logits, labels, gamma=gamma), [0, 0, 1000, 1000])
    assert_array_equal(focal_loss_gradient(logits, labels, gamma=gamma), [0, 0, 1, -1])


def test_small_losses_keep_their_digits():
    tiny = np.exp(-40.0)  # 1 - p_t of a logit of 40, far below the spacing of doubles near 1
    assert_allclose(binary_cross_entropy_with_logits(40.0, 1), tiny, rtol=1e-12)
    assert_allclose(focal_loss_with_logits(40.0, 1), tiny**3, rtol=1e-12)
    assert_allclose(focal_loss_gradient(40.0, 1), -3 * tiny**3, rtol=1e-12)  # 1 - p_t, and gamma times as much


def test_certain_probabilities_give_zero_or_infinity():
    assert_array_equal(focal_loss([1.0, 0.0, 0.0, 1.0], [1, 0, 1, 0]), [0, 0, np.inf, np.inf])
    assert_array_equal(focal_loss([1.0, 0.0], [1, 1], gamma=0), [0, np.inf])
    assert focal_loss(0.0, 1, alpha=0.0) == 0  # no weight, no loss


@quick
@given(st.floats(-1e300, 1e300))
def test_sigmoid_of_any_size_adds_to_one(logit):
    assert_allclose(sigmoid(logit) + sigmoid(-logit), 1, rtol=1e-12)
    assert_allclose(sigmoid(logit), torch.sigmoid(torch.tensor(logit, dtype=torch.float64)), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_shape_is_kept(shape):
    zeros = np.zeros(shape)
    for loss in (focal_loss, focal_loss_with_logits, focal_loss_gradient, binary_cross_entropy_with_logits):
        assert loss(zeros, zeros).shape == shape


@pytest.mark.parametrize("labels", [[True, False], [1.0, 0.0], np.array([1, 0], dtype=np.uint8)])
def test_labels_may_be_any_zeros_and_ones(labels):
    assert_array_equal(focal_loss([0.2, 0.2], labels), focal_loss([0.2, 0.2], [1, 0]))


@pytest.mark.parametrize("loss", [focal_loss, focal_loss_with_logits, focal_loss_gradient])
@pytest.mark.parametrize(
    ("values", "labels", "options", "message"),
    [
        ([0.5], [[1]], {}, r"same shape, got \(1,\) and \(1, 1\)"),
        ([0.5], [0.5], {}, "labels must be 0 or 1, got 0.5"),
        ([0.5], [-1], {}, "labels must be 0 or 1, got -1.0"),
        ([0.5], [np.nan], {}, "labels must be 0 or 1, got nan"),
        ([0.5], [1], {"gamma": -1}, "gamma must be at least 0 and finite, got -1"),
        ([0.5], [1], {"gamma": np.nan}, "gamma must be at least 0 and finite, got nan"),
        ([0.5], [1], {"gamma": np.inf}, "gamma must be at least 0 and finite, got inf"),
        ([0.5], [1], {"alpha": 1.5}, r"alpha must lie in \[0, 1\], got 1.5"),
        ([0.5], [1], {"alpha": np.nan}, r"alpha must lie in \[0, 1\], got nan"),
    ],
)
def test_bad_input_is_named(loss, values, labels, options, message):
    with pytest.raises(ValueError, match=message):
        loss(values, labels, **options)


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_probabilities_outside_are_refused(p):
    with pytest.raises(ValueError, match=rf"probabilities must lie in \[0, 1\], got {p}; did you pass logits"):
        focal_loss([0.5, p], [1, 1])


@pytest.mark.parametrize("loss", [binary_cross_entropy_with_logits, focal_loss_with_logits, focal_loss_gradient])
@pytest.mark.parametrize("logit", [np.nan, np.inf])
def test_logits_must_be_finite(loss, logit):
    with pytest.raises(ValueError, match=f"logits must be finite, got {logit}"):
        loss([0.0, logit], [1, 1])


def test_cross_entropy_refuses_what_would_broadcast():
    with pytest.raises(ValueError, match="broadcast"):
        binary_cross_entropy_with_logits(np.zeros(3), np.zeros((3, 1)))
