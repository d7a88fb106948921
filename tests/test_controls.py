import ipywidgets as widgets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.controls import BUDGET, all_positions, arguments, default_position, parse_control, parse_controls


def draw(sigma=1.0, kind="mean"):
    """A drawing function of two controls."""


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ((0, 3), (0, 1, 2, 3)),
        ((1, 7, 2), (1, 3, 5, 7)),
        ((1, 8, 2), (1, 3, 5, 7)),  # a step that does not reach the end
        ((0.1, 0.5, 0.1), (0.1, 0.2, 0.3, 0.4, 0.5)),  # 3 * 0.1 is not 0.3 in binary
        ([3, 5], (3, 5)),
        ({"three": 3, "five": 5}, (3, 5)),
        (True, (False, True)),
        (2, tuple(range(-2, 7))),  # interact: from -n to 3 n
        (widgets.IntSlider(min=2, max=4), (2, 3, 4)),
        (widgets.RadioButtons(options=["a", "b"]), ("a", "b")),
        (widgets.SelectionSlider(options=[("one", 1), ("two", 2)]), (1, 2)),
        (widgets.FloatLogSlider(value=1, base=10, min=-1, max=1, step=1), (0.1, 1.0, 10.0)),
        (widgets.Play(min=0, max=2), (0, 1, 2)),
    ],
)
def test_positions_are_those_of_interact(given, values):
    assert parse_control("x", given).values == pytest.approx(values) if values[0] != "a" else ("a", "b")


def test_labels_are_formatted_alike():
    assert parse_control("x", (0.5, 2.0, 0.5)).labels == ("0.5", "1.0", "1.5", "2.0")
    assert parse_control("x", {"three": 3, "five": 5}).labels == ("three", "five")


def test_position_starts_at_the_default_of_the_function():
    controls, _ = parse_controls(draw, {"sigma": (0.5, 2.0, 0.5), "kind": ["gaussian", "mean"]})
    assert arguments(controls, default_position(controls)) == {"sigma": 1.0, "kind": "mean"}


def test_last_control_changes_fastest():
    controls, _ = parse_controls(draw, {"sigma": (1.0, 2.0, 1.0), "kind": ["mean", "median"]})
    assert list(all_positions(controls)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_fixed_argument_is_no_control():
    controls, constants = parse_controls(draw, {"sigma": widgets.fixed(3.0), "kind": ["mean"]})
    assert [control.name for control in controls] == ["kind"]
    assert constants == {"sigma": 3.0}


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 9))
def test_integer_range_never_passes_its_end(low, span, step):
    values = parse_control("x", (low, low + span + 1, step)).values
    assert values == tuple(range(low, low + span + 2, step))


@given(st.integers(0, 20), st.integers(1, 40), st.sampled_from([0.05, 0.1, 0.25, 0.5, 1.0]))
def test_float_range_is_evenly_spaced(start, count, step):
    values = parse_control("x", (start * step, (start + count) * step, step)).values
    assert len(values) == count + 1
    np.testing.assert_allclose(np.diff(values), step, atol=1e-9)


@pytest.mark.parametrize(
    ("controls", "error", "message"),
    [
        ({"size": (1, 3)}, TypeError, "takes no argument 'size'; it takes sigma, kind"),
        ({"sigma": []}, ValueError, r"control 'sigma' has no positions: \[\]; give it at least one value"),
        ({"sigma": {}}, ValueError, "control 'sigma' has no positions"),
        ({"sigma": (5.0, 2.0, 0.5)}, ValueError, "control 'sigma' cannot be made from"),
        (
            {"sigma": (2.0, 5.0, 0.5)},
            ValueError,
            r"'sigma' starts at 1.0, which is none of its positions: 2.0, 2.5.*; give",
        ),
        ({"sigma": (0.3, 3.0, 0.5)}, ValueError, "'sigma' starts at 1.0, which is none"),  # in range, off the grid
        ({"kind": ["median"]}, ValueError, "'kind' starts at 'mean', which is none of its positions: median"),
        ({"kind": "free text"}, TypeError, "'kind' has no finite list of positions"),
        ({"sigma": widgets.FloatText(1.0)}, TypeError, "'sigma' has no finite list of positions"),
        ({"sigma": object()}, TypeError, "'sigma' has no finite list of positions"),
        ({"sigma": (0.0, 4.0, 0.01)}, ValueError, f"401 positions .* more than the {BUDGET} .* give 'sigma' fewer"),
    ],
)
def test_bad_control_is_named(controls, error, message):
    with pytest.raises(error, match=message):
        parse_controls(draw, controls)


def test_argument_without_control_or_default_is_named():
    with pytest.raises(TypeError, match="needs a control or a default for 'y'"):
        parse_controls(lambda x, y: None, {"x": (0, 1)})


def test_called_function_is_refused():
    with pytest.raises(TypeError, match="pass the function itself, without calling it"):
        parse_controls(draw(), {})
