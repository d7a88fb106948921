"""`explore`: one drawing function, alive in a kernel, on the built site, and still in print.

``explore(draw, sigma=(0.5, 4.0, 0.5), kind=["gaussian", "median"])`` is called like `ipywidgets.interact`. What it
displays is one object in several MIME types, and each place takes the richest one it understands:

* a live kernel takes the widgets, which call `draw` again at each move;
* the built site takes the HTML: native controls, and one picture for each position, drawn while the book is built;
* print takes the PNG of the default position, a terminal its caption.

Pictures are drawn ahead only where the environment variable ``EXPLORE_FRAMES`` names the folder to keep them in, as
the build does; a notebook opened by hand draws one. ``EXPLORE_WORKERS`` processes share the work.
"""

import base64
import inspect
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from IPython.display import display

from utils.controls import Control, all_positions, arguments, default_position, parse_controls
from utils.figure_html import moving_figure, still_figure
from utils.frames import Draw, Frame, as_png, draw_frame, draw_frames, keep


def explore(draw: Draw, /, **controls: Any) -> None:
    """Show the figure that `draw` makes, with a control for each of its arguments.

    `draw` returns a Matplotlib figure, or a figure and one line of text that says what it shows. Its name becomes
    the figure's anchor on the page, the first line of its docstring the figure's title, and the defaults of its
    parameters the position to start from. Without controls the figure stands still.

    Controls are what `ipywidgets.interact` takes: ``(min, max)`` or ``(min, max, step)`` of integers or floats, a
    list, a dict from label to value, a boolean, an ipywidgets instance, ``fixed(value)``; and `stepper(count)`.

    Raises `TypeError` or `ValueError`, naming the control, for what cannot be drawn position by position: free
    text, a default that is no position, a name that `draw` does not take, more than 240 positions in all; and
    `RuntimeError`, naming the position, where `draw` fails, warns, returns no figure or leaves another one open.
    """
    parsed, constants = parse_controls(draw, controls)
    title = title_of(draw)
    store = os.environ.get("EXPLORE_FRAMES")
    if store:
        calls = [arguments(parsed, position) | constants for position in all_positions(parsed)]
        frames = draw_frames(draw, calls, workers=int(os.environ.get("EXPLORE_WORKERS", "1")))
        for frame in frames:
            keep(frame, Path(store))
        default = frames[list(all_positions(parsed)).index(default_position(parsed))]
        bundle = {"text/html": moving_figure(anchor_of(draw), title, parsed, frames)}
    else:
        default = draw_frame(draw, arguments(parsed, default_position(parsed)) | constants)
        bundle = {"text/html": still_figure(anchor_of(draw), title, default)}
        if parsed:
            bundle |= live_figure(draw, parsed, constants, default)._repr_mimebundle_()
    bundle |= {
        "text/plain": f"{title}: {default.caption}",
        "image/png": base64.b64encode(as_png(default.picture)).decode(),
    }
    display(_Explorer(bundle))


class _Explorer:
    """The same figure in several MIME types."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self._bundle = bundle

    def __repr__(self) -> str:
        return str(self._bundle["text/plain"])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return self._bundle


def stepper(count: int, *, milliseconds: int = 900) -> widgets.Play:
    """Control for an algorithm that runs in `count` steps: positions 0 to ``count - 1``, with play and pause.

    >>> stepper(5).max
    4
    """
    if count < 1:
        raise ValueError(f"a stepper needs at least one step, got {count}")
    return widgets.Play(min=0, max=count - 1, step=1, interval=milliseconds)


def title_of(draw: Draw) -> str:
    """The first line of the docstring, or else the name in words."""
    docstring = inspect.getdoc(draw)
    return docstring.splitlines()[0].rstrip(".") if docstring else draw.__name__.replace("_", " ").capitalize()


def anchor_of(draw: Draw) -> str:
    """The name as it stands in the page's address."""
    return draw.__name__.strip("_").replace("_", "-")


def live_figure(draw: Draw, controls: Sequence[Control], constants: Mapping[str, Any], default: Frame) -> widgets.VBox:
    """Widgets that call `draw` at each move; what goes wrong is shown where the caption stands."""
    picture = widgets.Image(value=default.picture, format="webp", layout=widgets.Layout(max_width="600px"))
    caption = widgets.HTML(escape(default.caption))
    fields = {control.name: _live_field(control) for control in controls}

    def redraw(_: Any) -> None:
        try:
            frame = draw_frame(draw, {name: field.value for name, field in fields.items()} | dict(constants))
        except RuntimeError as error:
            caption.value = f"<pre>{escape(str(error))}</pre>"
            raise
        picture.value, caption.value = frame.picture, escape(frame.caption)

    for field in fields.values():
        field.observe(redraw, "value")
    rows = [_with_slider(field) if isinstance(field, widgets.Play) else field for field in fields.values()]
    return widgets.VBox([*rows, picture, caption])


def _live_field(control: Control) -> Any:
    """The control's own widget, named, at the position to start from."""
    field = control.widget
    field.value = control.values[control.default]
    field.description = field.description or control.title
    field.style.description_width = "initial"
    return field


def _with_slider(play: widgets.Play) -> widgets.HBox:
    """A play button cannot step by itself."""
    slider = widgets.IntSlider(play.value, play.min, play.max, description=play.description)
    widgets.link((play, "value"), (slider, "value"))
    return widgets.HBox([play, slider])
