"""The pictures of an explorable figure: drawn, checked, compressed, and stored under the name of their content."""

import hashlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from utils import style

Draw = Callable[..., Any]


@dataclass(frozen=True)
class Frame:
    """One drawn position."""

    picture: bytes  # WebP
    size: tuple[int, int]  # width and height in pixels
    photos: str  # CSS polygon over the parts that keep their colours in dark mode, or ""
    caption: str

    @property
    def name(self) -> str:
        """The content's hash: equal pictures share it, on every page and in every build."""
        return hashlib.sha256(self.picture).hexdigest()[:20]


def draw_frame(draw: Draw, arguments: Mapping[str, Any]) -> Frame:
    """Call `draw` and turn its figure into a picture; whatever is wrong is said together with the arguments."""
    before = set(plt.get_fignums())
    try:
        # A missing glyph or a division by zero is only a warning, and nobody reads the log of picture 87.
        with plt.rc_context(style.RC), warnings.catch_warnings():
            warnings.simplefilter("error")
            figure, caption = _figure_and_caption(draw(**arguments))
            leaked = set(plt.get_fignums()) - before - {getattr(figure, "number", None)}
            if leaked:
                raise ValueError(f"{len(leaked)} other figure(s) left open; close them, or draw on the one returned")
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            pixels = np.asarray(canvas.buffer_rgba())
            return Frame(encode(pixels), (pixels.shape[1], pixels.shape[0]), photo_regions(figure), caption)
    except Exception as error:
        call = f"{draw.__name__}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
        raise RuntimeError(f"{call} failed: {type(error).__name__}: {error}") from error
    finally:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)


def _figure_and_caption(result: Any) -> tuple[Figure, str]:
    figure, caption = result if isinstance(result, tuple) and len(result) == 2 else (result, "")
    if not isinstance(figure, Figure) or not isinstance(caption, str):
        raise TypeError(f"expected a figure, or a figure and a caption, got {result!r}")
    return figure, caption


def draw_frames(draw: Draw, calls: Sequence[Mapping[str, Any]], *, workers: int = 1) -> list[Frame]:
    """A frame for each call, in order; they must all have one size, or the page would jump."""
    if min(workers, len(calls)) > 1 and sys.platform == "linux":
        # A fork carries the function and its data as they are; a function of a notebook cannot be pickled.
        global _draw_call
        _draw_call = lambda i: draw_frame(draw, calls[i])  # noqa: E731
        with get_context("fork").Pool(workers, initializer=_use_one_thread) as pool:
            frames = pool.map(_run, range(len(calls)), chunksize=4)
    else:
        frames = [draw_frame(draw, arguments) for arguments in calls]
    sizes = sorted({frame.size for frame in frames})
    if len(sizes) > 1:
        raise ValueError(f"{draw.__name__} draws figures of different sizes, {sizes}; give every position one figsize")
    return frames


_draw_call: Callable[[int], Frame]


def _run(i: int) -> Frame:
    return _draw_call(i)


def _use_one_thread() -> None:
    """A library that keeps threads would wait for ever, in a fork, for those that stayed behind."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """RGBA pixels, shape (H, W, 4), as WebP: without loss for a drawing, with little loss for a photograph.

    Measured on four figures of this book, 1200 pixels across, in kB as PNG, AVIF (quality 70), SVG and this:
    line plot 131, 35, 28, 28; heat map 32, 27, 28, 6; photograph with boxes 313, 113, 431, 114; photograph over
    a plot 485, 92, 548, 94. AVIF takes four times as long to write. 256 colours are enough for a drawing. It is
    told from a photograph by its flat parts, where more than nine pixels in ten equal their neighbour.
    """
    words = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    image, out = Image.fromarray(pixels[..., :3]), io.BytesIO()
    is_flat = np.mean(words[:, 1:] == words[:, :-1]) > 0.9
    if is_flat:
        few_colours = image.quantize(255, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).convert("RGB")
        # The palette is of averages; the paper must stay as white as the page around it.
        white = Image.fromarray((words == 0xFFFFFFFF).astype(np.uint8) * 255)
        few_colours.paste((255, 255, 255), mask=white)
        # Enlarged pixels of a photograph are flat too, but lose their shades.
        error = np.abs(np.asarray(few_colours).astype(np.int16) - pixels[..., :3]).max(axis=-1)
        is_flat = np.mean(error > 8) < 0.01
    if is_flat:
        few_colours.save(out, "WEBP", lossless=True, quality=60, method=2)
    else:
        image.save(out, "WEBP", quality=80, method=2)
    return out.getvalue()


def as_png(picture: bytes) -> bytes:
    """The same picture for readers that know no WebP."""
    out = io.BytesIO()
    Image.open(io.BytesIO(picture)).save(out, "PNG")
    return out.getvalue()


def photo_regions(figure: Figure) -> str:
    """The parts of a figure that show pixels, as one CSS polygon in percent; "" where there are none.

    Dark mode turns over the light of a drawing, and must leave photographs and heat maps alone.
    """
    rectangles = []
    for axes in figure.axes:
        pictures = [*axes.images, *(c for c in axes.collections if type(c).__name__ == "QuadMesh")]
        for extent in (picture.get_window_extent() for picture in pictures if picture.get_visible()):
            shown = extent.intersection(extent, axes.bbox)
            if shown is not None:
                x = [round(100 * x / figure.bbox.width, 2) for x in (shown.x0, shown.x1)]
                y = [round(100 - 100 * y / figure.bbox.height, 2) for y in (shown.y1, shown.y0)]
                rectangles.append((x[0], y[0], x[1], y[1]))
    # One path that goes round each rectangle, and to the next by way of the corner.
    path = "0 0"
    for x0, y0, x1, y1 in dict.fromkeys(rectangles):
        round_trip = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        path += "".join(f",{x:g}% {y:g}%" for x, y in round_trip) + ",0 0"
    return f"polygon({path})" if rectangles else ""


def keep(frame: Frame, store: Path) -> str:
    """Write a picture into `store`, once; the name it has there."""
    path = store / f"{frame.name}.webp"
    if not path.exists():
        store.mkdir(parents=True, exist_ok=True)
        # Two notebooks may draw the same picture at once, and a build may be stopped half-way.
        unfinished = store / f".{frame.name}.{os.getpid()}"
        unfinished.write_bytes(frame.picture)
        unfinished.replace(path)
    return frame.name
