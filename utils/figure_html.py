"""The HTML of an explorable figure: native controls over pictures, readable without a script."""

import base64
import json
from collections.abc import Sequence
from html import escape

from utils import style
from utils.controls import Control, all_positions, default_position
from utils.frames import Frame

BUTTONS = {  # of a stepper
    "restart": "Back to the first step",
    "back": "One step back",
    "play": "Play",
    "forward": "One step forward",
}


def still_figure(anchor: str, title: str, frame: Frame) -> str:
    """A picture and its caption in one piece, for a notebook that was saved with its outputs."""
    source = "data:image/webp;base64," + base64.b64encode(frame.picture).decode()
    return _figure(anchor, title, frame, source, title)


def moving_figure(anchor: str, title: str, controls: Sequence[Control], frames: Sequence[Frame]) -> str:
    """Controls over stored pictures, one for each position; ``_static/explore.js`` moves them.

    The folder ``_frames/`` is made relative to the page by the build.
    """
    default = list(all_positions(controls)).index(default_position(controls))
    source = f"_frames/{frames[default].name}.webp"
    if not controls:
        return _figure(anchor, title, frames[default], source, title)
    state = ", ".join(f"{control.title} {control.labels[control.default]}" for control in controls)
    fields = "".join(_control(anchor, control) for control in controls)
    data = _data(title, controls, frames)
    return _figure(anchor, title, frames[default], source, f"{title} ({state})", fields, data)


def _data(title: str, controls: Sequence[Control], frames: Sequence[Frame]) -> str:
    """What ``explore.js`` reads: the list of controls, and the picture and caption of each position."""
    photos = list(dict.fromkeys(frame.photos for frame in frames))
    data = {
        "title": title,
        "controls": [{"name": c.name, "title": c.title, "labels": c.labels} for c in controls],
        "frames": [frame.name for frame in frames],
        "captions": [frame.caption for frame in frames],
        "photos": photos,
        "photo": [photos.index(frame.photos) for frame in frames],
        "interval": next((c.widget.interval for c in controls if c.kind == "steps"), 0),
    }
    # "</" would end the script element early.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", r"<\/")
    return f'<script type="application/json">{text}</script>'


def _figure(
    anchor: str, title: str, frame: Frame, source: str, description: str, controls: str = "", data: str = ""
) -> str:
    width, height = (round(side * 100 / style.PIXELS_PER_INCH) for side in frame.size)
    picture = f'<img src="{source}" alt="{escape(description)}" width="{width}" height="{height}" loading="lazy">'
    if frame.photos:
        # The same file a second time: dark mode shows its photographs through this one, as they are.
        clip = f'style="clip-path: {frame.photos}"'
        picture += f'<img class="explore-photos" src="{source}" alt="" aria-hidden="true" loading="lazy" {clip}>'
    group = f'<div class="explore-controls" role="group" aria-label="Controls of the figure" hidden>{controls}</div>'
    return (
        f'<figure class="explore" id="{anchor}" aria-label="{escape(title)}">'
        f'<div class="explore-stage">{picture}</div>{group if controls else ""}'
        f'<figcaption aria-live="polite">{escape(frame.caption)}</figcaption>{data}</figure>'
    )


def _control(anchor: str, control: Control) -> str:
    key, value = f"{anchor}-{control.name}", escape(control.labels[control.default])
    attributes = f'id="{key}" data-control="{control.name}"'
    output = f'<output for="{key}">{value}</output>'
    if control.kind == "choice":
        options = (
            f"<option{' selected' if i == control.default else ''}>{escape(label)}</option>"
            for i, label in enumerate(control.labels)
        )
        field, output = f"<select {attributes}>{''.join(options)}</select>", ""
    elif control.kind == "check":
        field = f'<input type="checkbox" {attributes}{" checked" if control.default else ""}>'
    else:
        field = (
            f'<input type="range" {attributes} min="0" max="{len(control.labels) - 1}" step="1" '
            f'value="{control.default}" aria-valuetext="{value}">'
        )
    if control.kind == "steps":
        buttons = (
            f'<button type="button" data-step="{action}" aria-label="{name}" title="{name}"></button>'
            for action, name in BUTTONS.items()
        )
        output += f'<span class="explore-buttons">{"".join(buttons)}</span>'
    label = f'<label for="{key}">{escape(control.title)}</label>'
    return f'<div class="explore-control explore-{control.kind}">{label}{field}{output}</div>'
