import json
import re

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pytest

from utils import explore as module
from utils.controls import parse_controls
from utils.explore import explore, live_figure, stepper
from utils.frames import draw_frame


def spectrum(sigma=2, kind="gaussian"):
    """Spectrum of a filter."""
    if sigma == 5:
        raise ArithmeticError("no such filter")
    fig, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0, sigma], linestyle="-" if kind == "gaussian" else ":")
    return fig, f"{kind}, sigma {sigma}"


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr(module, "display", lambda explorer: bundles.append(explorer._repr_mimebundle_()))
    return bundles


def test_kernel_gets_widgets_and_everyone_else_a_figure(shown, monkeypatch):
    monkeypatch.delenv("EXPLORE_FRAMES", raising=False)
    explore(spectrum, sigma=(1, 4), kind=["gaussian", "median"])
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    assert shown[0]["text/plain"] == "Spectrum of a filter: gaussian, sigma 2"
    assert 'src="data:image/webp;base64,' in shown[0]["text/html"]
    assert shown[0]["image/png"].startswith("iVBOR")


def test_build_gets_every_position_drawn(shown, monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORE_FRAMES", str(tmp_path))
    explore(spectrum, sigma=(1, 4), kind=["gaussian", "median"])
    data = json.loads(re.search(r"json\">(.*)</script>", shown[0]["text/html"])[1])
    assert data["captions"][-1] == "median, sigma 4"
    assert len(data["captions"]) == 8
    assert {path.stem for path in tmp_path.iterdir()} == set(data["frames"])
    assert "application/vnd.jupyter.widget-view+json" not in shown[0]


def test_build_fails_where_one_position_does(monkeypatch, tmp_path):
    monkeypatch.setenv("EXPLORE_FRAMES", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"spectrum\(sigma=5\) failed: ArithmeticError: no such filter"):
        explore(spectrum, sigma=(1, 6))


def test_figure_without_controls_needs_no_widget(shown, monkeypatch):
    monkeypatch.delenv("EXPLORE_FRAMES", raising=False)
    explore(spectrum)
    assert "application/vnd.jupyter.widget-view+json" not in shown[0]


def live(**given):
    controls, constants = parse_controls(spectrum, given)
    return live_figure(spectrum, controls, constants, draw_frame(spectrum, {})).children


def test_moving_a_widget_draws_again():
    slider, picture, caption = live(sigma=(1, 4))
    before = picture.value
    slider.value = 4
    assert picture.value == draw_frame(spectrum, {"sigma": 4}).picture != before
    assert caption.value == "gaussian, sigma 4"


def test_widget_of_the_author_is_the_one_shown():
    buttons = widgets.RadioButtons(options=["gaussian", "median"])
    assert live(kind=buttons)[0] is buttons


def test_failing_move_is_shown_where_the_caption_stands():
    slider, _, caption = live(sigma=(1, 6))
    with pytest.raises(RuntimeError):
        slider.value = 5
    assert "no such filter" in caption.value


def test_stepper_steps_with_a_slider():
    row, _, caption = live(sigma=widgets.Play(min=1, max=4, value=1))
    row.children[1].value = 3
    assert caption.value == "gaussian, sigma 3"


def test_stepper_needs_a_step():
    with pytest.raises(ValueError, match="at least one step, got 0"):
        stepper(0)
