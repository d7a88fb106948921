"""The book's data: questions.yml, quiz.yml and glossary.yml, checked so that a mistake is named where it is made.

The shape of an entry is in tools/schemas; what an entry refers to is checked here against the chapters.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import notebooks
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

ROOT = notebooks.ROOT
SCHEMAS = Path(__file__).parent / "schemas"
PARTS = {  # by folder, in the order of the book
    "image-processing": "Image processing",
    "convolution": "Convolution",
    "detection": "Detection",
    "training": "Training",
    "architectures": "Architectures",
    "sequence": "Sequence models",
    "generative": "Generative models",
    "classical-ml": "Classical machine learning",
    "systems": "Systems",
    "practice": "Practice",
}
NAMED_BY = {"questions": "id", "quiz": "id", "glossary": "term"}  # the field that names an entry

Entry = dict[str, Any]


class DataError(ValueError):
    """An entry that a page cannot be made from; the message names the file, the entry and the fault."""


@cache
def load(name: str, folder: Path = ROOT) -> tuple[Entry, ...]:
    """The entries of `name`.yml, in the order of the file. `DataError` names the first that is not as it should be."""
    entries = yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8"))
    key = NAMED_BY[name]
    fault = best_match(_validator(name).iter_errors(entries))
    if fault is not None:
        raise DataError(f"{name}.yml, {_entry_of(fault, entries, key)}: {fault.message}")
    seen: set[str] = set()
    for entry in entries:
        for word in [entry[key], *entry.get("also", ())]:
            if word in seen:
                raise DataError(f"{name}.yml, {entry[key]}: {word!r} is there twice")
            seen.add(word)
    for entry in entries:
        if all(option.get("right") for option in entry.get("options", [{}])):
            raise DataError(f"{name}.yml, {entry[key]}: every option is right, so there is nothing to choose")
    return tuple(entries)


def missing_anchors(name: str, entries: Sequence[Entry]) -> list[str]:
    """A sentence for each entry that leads to an anchor which its chapter does not have."""
    faults = []
    for entry in entries:
        chapter, _, anchor = address_of(entry).partition("#")
        if anchor and anchor not in anchors(chapter):
            faults.append(f"{name}.yml, {entry[NAMED_BY[name]]}: {chapter} has no anchor {anchor!r}")
    return faults


def address_of(entry: Entry) -> str:
    """Chapter and anchor an entry leads to, as in "detection/iou#iou"; without "#" where nothing is written yet."""
    if "chapter" in entry:
        return f"{entry['chapter']}#{entry['anchor']}" if "anchor" in entry else str(entry["chapter"])
    return str(entry.get("proof") or entry.get("where"))


@cache
def anchors(chapter: str) -> frozenset[str]:
    """The anchors of a chapter: ``(name)=`` in its text, and the figures that `explore` draws."""
    path = ROOT / "chapters" / f"{chapter}.ipynb"
    if not path.exists():
        return frozenset()
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells)
    figures = re.findall(r"^explore\(\s*(\w+)", text, flags=re.MULTILINE)
    return frozenset(re.findall(r"^\(([\w-]+)\)=$", text, flags=re.MULTILINE)) | {
        name.replace("_", "-") for name in figures
    }


@cache
def title_of(chapter: str) -> str:
    """The title of a chapter, which is a question; "" where it is not written yet."""
    path = ROOT / "chapters" / f"{chapter}.ipynb"
    if not path.exists():
        return ""
    opening = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    return next(line.removeprefix("# ") for line in opening.splitlines() if line.startswith("# "))


def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))


def _entry_of(fault: Any, entries: Any, key: str) -> str:
    """What to call the entry a fault lies in, and the place inside it."""
    place = list(fault.absolute_path)
    if not place:
        return "the file"
    entry = entries[place[0]]
    name = str(entry.get(key, f"entry {place[0] + 1}")) if isinstance(entry, dict) else f"entry {place[0] + 1}"
    return " ".join([name, *(f"{step + 1}" if isinstance(step, int) else str(step) for step in place[1:])])
