"""Every claim that the notebooks tried when they ran: what *Claims on trial* shows, and its data as JSON and CSV."""

import csv
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import data_files
import notebooks

from utils.claims import MIME_TYPE, Claim


@dataclass(frozen=True)
class TriedClaim:
    """A claim, and where it stands: the chapter, the question it belongs to ("" for none), its anchor on the page."""

    statement: str
    says: str
    finds: str
    verdict: str
    source: str
    chapter: str
    question: str
    anchor: str

    @property
    def sources(self) -> tuple[str, ...]:
        """By which the page counts and filters: each set of notes, "folklore", "papers", "this book".

        >>> TriedClaim("", "", "", "", "notes 001, 004", "", "", "").sources
        ('notes 001', 'notes 004')
        """
        if self.source.startswith("notes"):
            return tuple(f"notes {number}" for number in re.findall(r"\d{3}", self.source))
        return ("papers",) if self.source.startswith("paper") else (self.source,)


@cache
def tried_claims() -> tuple[TriedClaim, ...]:
    """All claims of the chapters, in the order of the book. Runs the notebooks whose outputs are out of date."""
    written = {question["anchor"] for question in data_files.load("questions") if "anchor" in question}
    chapters = [path for path in notebooks.chapters() if path.stem != "intro"]  # which shows examples of claims
    return tuple(claim for path in chapters for claim in claims_of(path, written))


def claims_of(notebook: Path, anchors: set[str]) -> Iterator[TriedClaim]:
    """The claims of one notebook; each belongs to the last of `anchors` that stands above it."""
    chapter = notebook.relative_to(notebooks.ROOT / "chapters").with_suffix("").as_posix()
    outputs = iter(notebooks.stored_outputs(notebook) or notebooks.run_and_store(notebook, workers=os.cpu_count() or 1))
    question = ""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            found = re.findall(r"^\(([\w-]+)\)=$", "".join(cell["source"]), flags=re.MULTILINE)
            question = next((name for name in reversed(found) if name in anchors), question)
        elif cell["cell_type"] == "code":
            for output in next(outputs):
                if MIME_TYPE in output.get("data", {}):
                    fields = output["data"][MIME_TYPE]
                    yield TriedClaim(**fields, chapter=chapter, question=question, anchor=Claim(**fields).anchor)


def by_question(claims: Sequence[TriedClaim]) -> dict[str, list[TriedClaim]]:
    """The claims of each question that has any."""
    groups: dict[str, list[TriedClaim]] = defaultdict(list)
    for claim in claims:
        if claim.question:
            groups[claim.question].append(claim)
    return dict(groups)


def write_data(claims: Sequence[TriedClaim], folder: Path) -> None:
    """The claims as claims-on-trial.json and claims-on-trial.csv, one record a claim."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(claim) for claim in claims]
    text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    (folder / "claims-on-trial.json").write_text(text, encoding="utf-8")
    with (folder / "claims-on-trial.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(TriedClaim.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(rows)
