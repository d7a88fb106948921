import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from utils import style
from utils.frames import as_png, draw_frame, draw_frames, encode, keep
from utils.images import photograph


def line(slope=1.0):
    fig, ax = plt.subplots()
    ax.plot([0, slope])
    return fig, f"slope {slope}"


def picture(image, **options):
    fig = plt.figure(figsize=(4, 2), layout="none")
    fig.add_axes((0.25, 0.5, 0.5, 0.25)).imshow(image, aspect="auto", **options)
    return fig


def pixels_of(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_frame_is_as_wide_as_the_style_says():
    frame = draw_frame(line, {"slope": 2.0})
    assert frame.size == (style.WIDTH * style.PIXELS_PER_INCH, 800)
    assert frame.caption == "slope 2.0"


def test_drawing_twice_gives_the_same_bytes():
    assert draw_frame(line, {}).picture == draw_frame(line, {}).picture


def test_processes_draw_what_one_process_draws():
    calls = [{"slope": slope} for slope in (0.5, 1.0, 1.5, 2.0, 2.5)]
    assert draw_frames(line, calls, workers=2) == draw_frames(line, calls, workers=1)


def test_paper_stays_white():
    assert (pixels_of(draw_frame(line, {}).picture)[0, 0] == 255).all()


def test_photograph_keeps_its_shades():
    rgba = np.dstack([photograph("camera")] * 3 + [np.full((512, 512), 255, np.uint8)])
    assert np.abs(pixels_of(encode(rgba)).astype(int) - rgba[..., :3]).mean() < 4


def test_enlarged_photograph_keeps_its_shades():  # flat like a drawing, but of many grays
    small = photograph("camera")[100:164, 200:264].repeat(16, 0).repeat(16, 1)
    rgba = np.dstack([small] * 3 + [np.full_like(small, 255)])
    assert np.abs(pixels_of(encode(rgba)).astype(int) - rgba[..., :3]).mean() < 4


def test_png_shows_the_same_pixels():
    frame = draw_frame(line, {})
    assert (pixels_of(as_png(frame.picture)) == pixels_of(frame.picture)).all()


def test_photo_region_is_where_the_image_stands():
    frame = draw_frame(lambda: picture(np.eye(3)), {})
    assert frame.photos == "polygon(0 0,25% 25%,75% 25%,75% 50%,25% 50%,25% 25%,0 0)"


def test_drawing_has_no_photo_region():
    assert draw_frame(line, {}).photos == ""


def test_equal_pictures_are_stored_once(tmp_path):
    names = {keep(draw_frame(line, {}), tmp_path) for _ in range(2)}
    assert [path.stem for path in tmp_path.iterdir()] == list(names)


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (lambda sigma: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda sigma: "text", "expected a figure, or a figure and a caption, got 'text'"),
        (lambda sigma: (plt.figure(), 5), "expected a figure, or a figure and a caption"),
        (lambda sigma: (plt.figure(), plt.figure())[0], "1 other figure.s. left open"),
        (lambda sigma: (plt.figure(), np.log(np.zeros(1)) and "")[0:2], "RuntimeWarning: divide by zero"),
    ],
)
def test_faulty_drawing_is_told_with_its_arguments(faulty, message):
    with pytest.raises(RuntimeError, match=rf"sigma=2\) failed: .*{message}"):
        draw_frame(faulty, {"sigma": 2})
    assert plt.get_fignums() == []


def test_one_faulty_position_fails_them_all():
    def fails_at_three(step):
        return 1 / (3 - step) and line()

    with pytest.raises(RuntimeError, match=r"fails_at_three\(step=3\) failed"):
        draw_frames(fails_at_three, [{"step": step} for step in range(5)])


def test_figures_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="figures of different sizes"):
        draw_frames(lambda high: plt.figure(figsize=(4, high)), [{"high": 2}, {"high": 3}])
