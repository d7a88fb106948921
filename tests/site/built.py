"""The built site as its files tell it: pages, links, and the figures that move. No browser takes part."""

import json
import math
import os
import re
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import notebooks

ROOT = Path(__file__).resolve().parents[2]
# BOOK_SITE tests another copy, such as one that was unpacked from an archive.
SITE = Path(os.environ.get("BOOK_SITE", ROOT / "_build" / "html")).resolve()


@dataclass
class Element:
    """A start tag, and the text up to the next tag."""

    tag: str
    attributes: dict[str, str]
    text: str = ""

    def has_class(self, name):
        return name in self.attributes.get("class", "").split()


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.elements = []

    def handle_starttag(self, tag, attrs):
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        if self.elements:
            self.elements[-1].text += data


def read(html):
    """The elements of some HTML, in order."""
    reader = _Reader()
    reader.feed(html)
    return reader.elements


@cache
def elements(page):
    """The elements of a page, named by its path inside the site."""
    return read((SITE / page).read_text(encoding="utf-8"))


def _is_a_page(path):
    """Whether a reader comes here to read: not the theme's files, not what only leads on to another page."""
    inside = path.relative_to(SITE)
    leads_on = any(e.attributes.get("http-equiv", "").lower() == "refresh" for e in elements(inside.as_posix()))
    return inside.parts[0][0] not in "_." and not leads_on


PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if _is_a_page(path))
NOTEBOOKS = {
    path.relative_to(ROOT).with_suffix(".html").as_posix(): path for path in notebooks.chapters()
}  # page of a chapter -> its notebook


@dataclass(frozen=True)
class Explorer:
    """A figure that moves, as its page describes it before any script has run."""

    id: str
    data: dict  # what explore.js reads
    kinds: tuple[str, ...]  # of each control: "range", "checkbox" or "select"
    default: tuple[int, ...]
    stepper: int | None  # which of the controls has buttons to step and play
    has_photos: bool
    size: tuple[int, int]  # in CSS pixels

    @property
    def names(self):
        return [control["name"] for control in self.data["controls"]]

    @property
    def labels(self):
        return [control["labels"] for control in self.data["controls"]]

    @property
    def last(self):
        """The position with every control at its end."""
        return tuple(len(labels) - 1 for labels in self.labels)

    def with_control(self, i, at):
        """The default position, but for control `i`."""
        return (*self.default[:i], at, *self.default[i + 1 :])

    def index(self, position):
        """Which picture belongs to a position; the last control changes fastest."""
        return sum(at * math.prod(map(len, self.labels[i + 1 :])) for i, at in enumerate(position))

    def frame(self, position):
        return self.data["frames"][self.index(position)]

    def photo_corners(self, position):
        """Left, top, right, bottom of each photograph in a picture, in percent; dark mode spares them."""
        polygon = self.data["photos"][self.data["photo"][self.index(position)]]
        corners = [float(number) for number in re.findall(r"[\d.]+", polygon)]
        # The path goes from 0 0 round the five corners of each rectangle, and back to 0 0.
        return [(*corners[i : i + 2], *corners[i + 4 : i + 6]) for i in range(2, len(corners), 12)]

    def within_one_move(self):
        """The pictures that one move of one control can reach from the default position."""
        return {
            self.frame(self.with_control(i, at)) for i, labels in enumerate(self.labels) for at in range(len(labels))
        }


def explorers_in(html_elements):
    """The moving figures among some elements."""
    figures, inside = [], None
    for element in html_elements:
        if element.tag == "figure":
            inside = {"id": element.attributes.get("id"), "kinds": [], "default": [], "pictures": [], "stepper": None}
        elif inside is None:
            continue
        elif element.tag == "img":
            inside["pictures"].append(element)
        elif "data-control" in element.attributes:
            kind = element.attributes.get("type", element.tag)
            start = {"range": element.attributes.get("value"), "checkbox": "checked" in element.attributes}.get(kind, 0)
            inside["kinds"].append(kind)
            inside["default"].append(int(start))
            inside["options"] = 0
        elif "data-step" in element.attributes:
            inside["stepper"] = len(inside["kinds"]) - 1
        elif element.tag == "option":
            if "selected" in element.attributes:
                inside["default"][-1] = inside["options"]
            inside["options"] += 1
        elif element.tag == "script":
            figures.append(_explorer(inside, json.loads(element.text)))
            inside = None
    return figures


def _explorer(figure, data):
    picture = figure["pictures"][0].attributes
    return Explorer(
        id=figure["id"],
        data=data,
        kinds=tuple(figure["kinds"]),
        default=tuple(figure["default"]),
        stepper=figure["stepper"],
        has_photos=any(picture.has_class("explore-photos") for picture in figure["pictures"]),
        size=(int(picture["width"]), int(picture["height"])),
    )


@cache
def explorers(page):
    """The moving figures of a page, in order."""
    return explorers_in(elements(page))


MOVING = [page for page in PAGES if explorers(page)]
