"""`glossary_links`: which words become links."""

from types import SimpleNamespace

import data_files
import pytest
from docutils import nodes
from glossary_links import Terms, _is_prose, chapters_to_link_again

ENTRIES = [
    {"term": "convolution", "also": ["convolutions"]},
    {"term": "dilated convolution"},
    {"term": "LoG"},
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A convolution, and a convolution.", ["convolution"]),  # the first use alone
        ("Convolutions here", ["Convolutions"]),  # any case
        ("A dilated convolution is a convolution", ["dilated convolution", "convolution"]),  # the longest wins
        ("a log, a LoG", ["LoG"]),  # a name is found as it is written
        ("deconvolution, convolution-free, convolutional", []),  # whole words
    ],
)
def test_first_uses_are_found(text, found):
    pieces = list(Terms(ENTRIES).split(text, set()))
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, entry in pieces if entry] == found


def test_a_term_is_linked_once_in_a_chapter():
    linked = set()
    terms = Terms(ENTRIES)
    assert any(entry for _, entry in terms.split("a convolution", linked))
    assert not any(entry for _, entry in terms.split("more convolutions", linked))


@pytest.mark.parametrize(
    ("tree", "linked"),
    [
        (nodes.paragraph("", "", nodes.Text("word")), True),
        (nodes.paragraph("", "", nodes.emphasis("", "", nodes.Text("word"))), True),
        (nodes.title("", "", nodes.Text("word")), False),
        (nodes.paragraph("", "", nodes.literal("", "", nodes.Text("word"))), False),
        (nodes.footnote("", nodes.paragraph("", "", nodes.Text("word"))), False),
        (nodes.paragraph("", "", nodes.Text("  ")), False),
    ],
)
def test_only_prose_is_linked(tree, linked):
    (text,) = tree.findall(nodes.Text)
    assert _is_prose(text) == linked


def test_all_chapters_are_linked_again_when_the_glossary_has_changed(monkeypatch, tmp_path):
    monkeypatch.setattr(data_files, "ROOT", tmp_path)
    env = SimpleNamespace(found_docs={"b", "a"})

    def outdated(text):
        (tmp_path / "glossary.yml").write_text(text)
        return chapters_to_link_again(None, env, set(), set(), set())

    assert [outdated(text) for text in ("one", "one", "two")] == [["a", "b"], [], ["a", "b"]]
