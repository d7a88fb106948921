"""`tried_claims`: a notebook with claims, and the data written from it."""

import csv
import json

import nbformat
import notebooks
import pytest
from tried_claims import TriedClaim, by_question, claims_of, write_data

from utils.claims import MIME_TYPE

FIELDS = {"statement": "One is one", "says": "1", "finds": "1", "verdict": "confirmed", "source": "notes 003"}
CLAIM = TriedClaim(**FIELDS, chapter="detection/iou", question="iou", anchor="claim-0")


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """A chapter of two questions, the first of them without a claim."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    shown = [[], [{"data": {"text/plain": "", MIME_TYPE: FIELDS}}, {"output_type": "stream", "text": ""}]]
    monkeypatch.setattr(notebooks, "stored_outputs", lambda path: shown)
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    texts = [markdown("(iou)=\n## One?"), code("1"), markdown("(nms)=\n## Two?\n\n(a-place)=\nText."), code("2")]
    path = tmp_path / "chapters" / "detection" / "boxes.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=texts), path)
    return path


def test_a_claim_belongs_to_the_last_question_above_it(notebook):
    (claim,) = claims_of(notebook, {"iou", "nms"})
    assert (claim.chapter, claim.question, claim.statement) == ("detection/boxes", "nms", "One is one")
    assert claim.anchor.startswith("claim-")
    assert [claim.question for claim in claims_of(notebook, set())] == [""]
    assert by_question([claim, claim]) == {"nms": [claim, claim]}


@pytest.mark.parametrize(
    ("source", "sources"),
    [
        ("notes 001, 004", ("notes 001", "notes 004")),
        ("paper: Lin et al. 2017", ("papers",)),
        ("folklore", ("folklore",)),
    ],
)
def test_sources_are_grouped(source, sources):
    assert TriedClaim(**FIELDS | {"source": source}, chapter="", question="", anchor="").sources == sources


def test_data_can_be_read_back(tmp_path):
    odd = TriedClaim(**FIELDS | {"statement": 'Says "a, b"\n中文'}, chapter="a/b", question="", anchor="c")
    write_data([CLAIM, odd], tmp_path)
    assert [TriedClaim(**row) for row in json.loads((tmp_path / "claims-on-trial.json").read_text())] == [CLAIM, odd]
    with (tmp_path / "claims-on-trial.csv").open(newline="") as file:
        assert [TriedClaim(**row) for row in csv.DictReader(file)] == [CLAIM, odd]
