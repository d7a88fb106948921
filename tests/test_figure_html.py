import json
import re

import pytest

from utils.controls import parse_controls
from utils.figure_html import moving_figure, still_figure
from utils.frames import Frame


def draw(sigma=1.0, fast=True, step=0):
    """Not drawn here."""


def frame(caption="A caption.", photos=""):
    return Frame(caption.encode(), (1200, 800), photos, caption)


@pytest.fixture
def page():
    controls, _ = parse_controls(draw, {"sigma": (0.5, 1.0, 0.5), "fast": True})
    return moving_figure("edge", "An <edge>", controls, [frame(f"<{i}>") for i in range(4)])


def test_default_position_shows_without_a_script(page):
    assert f'src="_frames/{frame("<3>").name}.webp"' in page  # sigma 1.0 and fast
    assert 'aria-live="polite">&lt;3&gt;</figcaption>' in page
    assert re.search(r'class="explore-controls"[^>]* hidden', page)


def test_every_control_has_a_label(page):
    labelled = re.findall(r'<label for="([^"]+)"', page)
    assert labelled == re.findall(r'<input [^>]*id="([^"]+)"', page) == ["edge-sigma", "edge-fast"]


def test_slider_tells_its_value_in_words(page):
    assert 'max="1" step="1" value="1" aria-valuetext="1.0"' in page


def test_alternative_text_tells_the_state(page):
    assert 'alt="An &lt;edge&gt; (sigma 1.0, fast on)" width="480" height="320"' in page


def test_data_lists_a_picture_and_a_caption_for_each_position(page):
    data = json.loads(page.split('<script type="application/json">')[1].split("</script>")[0])
    assert data["captions"] == ["<0>", "<1>", "<2>", "<3>"]
    assert data["frames"] == [frame(f"<{i}>").name for i in range(4)]


def test_caption_cannot_end_the_data(page):
    controls, _ = parse_controls(draw, {"fast": True})
    attack = moving_figure("x", "x", controls, [frame("</script><b>"), frame()])
    assert attack.count("</script>") == 1


def test_photographs_come_a_second_time():
    html = still_figure("x", "x", frame(photos="polygon(0 0)"))
    assert html.count("data:image/webp;base64,") == 2
    assert 'class="explore-photos"' in html


def test_figure_without_controls_stands_still():
    html = moving_figure("x", "A title", [], [frame()])
    assert "<script" not in html
    assert "explore-controls" not in html
