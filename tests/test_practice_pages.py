"""`practice_pages`: what the rows of each page say, read back as HTML."""

import pytest
from bs4 import BeautifulSoup
from practice_pages import claims_on_trial, filters, glossary, question_index, quiz, term_anchor
from tried_claims import TriedClaim

ASKED = {
    "id": "iou",
    "ask": "Is 1 < 2?",
    "zh": "交并比",
    "kind": "multiple choice",
    "source": ["004 L1-2", "000 L7"],
    "in_notes": "none",
    "chapter": "detection/iou",
}
WRITTEN = ASKED | {"id": "nms", "anchor": "nms", "figures": [], "ask": "What is NMS?"}


def tried(verdict, source="notes 000", chapter="detection/iou"):
    return TriedClaim("A < B", "1", "2", verdict, source, chapter, "nms", "claim-1")


def page(html):
    return BeautifulSoup(html, "html.parser")


def test_an_unwritten_question_has_a_row_and_no_link():
    row = page(question_index([ASKED], {})).select_one("li")
    assert row.a is None
    assert "Is 1 < 2?" in row.text
    assert row.small.text == "multiple choice · notes 004 L1-2, 000 L7 · left empty there · not written yet"
    assert row["data-kind"] == "multiple-choice"
    assert row["data-source"] == "000 004"
    assert row["data-answer"] == "later"


def test_a_written_question_leads_to_its_answer_and_tells_its_verdicts():
    claims = {"nms": [tried("refuted"), tried("confirmed"), tried("refuted")]}
    row = page(question_index([WRITTEN], claims)).select_one("li")
    assert row.a["href"] == "../detection/iou.html#nms"
    assert "✓ 1 confirmed · ✗ 2 refuted" in row.small.text
    assert set(row["data-has-a-claim"].split()) == {"confirmed", "refuted"}


def test_questions_stand_under_their_parts_in_the_order_of_the_book():
    entries = [WRITTEN | {"chapter": f"{part}/x"} for part in ("systems", "convolution", "systems")]
    html = page(question_index(entries, {}))
    assert [heading.text for heading in html.select("h2")] == ["Convolution", "Systems"]
    assert [len(section.select("li")) for section in html.select("section")] == [1, 2]


def test_claims_are_counted_by_source_and_part_and_each_count_leads_to_them():
    claims = [tried("refuted"), tried("refuted", "notes 000, 003"), tried("confirmed", chapter="convolution/pooling")]
    by_source, by_part = page(claims_on_trial(claims)).select("table")
    counts = {row.th.text: [cell.text for cell in row.select("td")] for row in by_source.select("tbody tr")}
    assert counts == {"notes 000": ["1", "2", "0"], "notes 003": ["0", "1", "0"]}
    assert by_source.select_one("td:nth-of-type(2) a")["href"] == "#source=notes-000&verdict=refuted"
    assert [row.th.text for row in by_part.select("tbody tr")] == ["Convolution", "Detection"]


def test_a_claim_says_what_was_found_and_leads_to_its_box():
    row = page(claims_on_trial([tried("depends")])).select_one("li")
    assert row.text.startswith("± depends A < B. Said: 1. Found: 2.")
    assert row.a["href"] == "../detection/iou.html#claim-1"


OPTIONS = [
    {"text": "`a < b`", "why": "No."},
    {"text": "<b>", "right": True, "why": "Yes."},
    {"text": "c", "why": "No."},
]
QUIZ = {"id": "q", "ask": "Which *one*?", "proof": "detection/iou#iou", "options": OPTIONS}


def test_one_right_option_is_chosen_by_circles_and_several_by_boxes():
    one = page(quiz([QUIZ]))
    assert one.form is not None
    assert {field["type"] for field in one.select(".quiz input")} == {"radio"}
    assert one.select_one("form.quiz")["data-right"] == "1"
    two = page(quiz([QUIZ | {"options": [OPTIONS[1], OPTIONS[0], OPTIONS[1]]}]))
    assert {field["type"] for field in two.select(".quiz input")} == {"checkbox"}
    assert two.select_one("form.quiz")["data-right"] == "0 2"


def test_options_are_text_with_code_and_no_other_html():
    labels = page(quiz([QUIZ])).select(".quiz label span")
    assert [label.decode_contents() for label in labels] == ["A. <code>a &lt; b</code>", "B. &lt;b&gt;", "C. c"]


def test_reasons_and_proof_stand_below():
    answer = page(quiz([QUIZ])).select_one("details")
    assert [item.text for item in answer.select("li")] == ["Wrong. No.", "Right. Yes.", "Wrong. No."]
    assert answer.select_one("p a")["href"] == "../detection/iou.html#iou"


@pytest.mark.parametrize(
    ("notes", "judged"),
    [
        ({"key": "B"}, "The notes (001 L1) print the key B: it is right."),
        ({"key": "A"}, "The notes (001 L1) print the key A: it should be B."),
        ({"key": "A", "comment": "it depends"}, "The notes (001 L1) print the key A: it depends."),
    ],
)
def test_the_key_of_the_notes_is_judged(notes, judged):
    html = page(quiz([QUIZ | {"notes": {"source": "001 L1"} | notes}]))
    assert html.select_one("details p").text == judged


def test_a_term_stands_in_both_languages_with_its_place():
    entry = {"term": "1x1 convolution", "zh": "1x1 卷积", "means": "Mixes channels.", "where": "detection/iou#iou"}
    first, second = page(glossary([entry, entry | {"term": "Anchor", "also": ["anchors"]}])).select("li")
    assert (first["id"], term_anchor("Anchor")) == ("term-1x1-convolution", second["id"])
    assert first.select_one("[lang=zh]").text == "1x1 卷积"
    assert first.a["href"] == "../detection/iou.html#iou"
    assert second.small.text.startswith("also: anchors")


def test_filters_are_hidden_until_a_script_shows_them():
    form = page(filters("rows", "things", {"part-of": {"a&b": "A & B"}})).form
    assert form.has_attr("hidden")
    assert [option["value"] for option in form.select("option")] == ["", "a&b"]
    assert form.select("label")[1].text.startswith("Part of")
