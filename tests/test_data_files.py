"""`data_files`: the files as they are, and one fault of each kind."""

import data_files
import pytest
import yaml
from data_files import DataError, address_of, load, missing_anchors

QUESTION = {
    "id": "iou",
    "ask": "How is IoU computed?",
    "zh": "交并比",
    "kind": "formula",
    "source": ["004 L1-2"],
    "in_notes": "full",
    "chapter": "detection/iou",
}
OPTIONS = [{"text": "0", "right": True, "why": "So."}, {"text": "1", "why": "No."}, {"text": "2", "why": "No."}]
QUIZ = {"id": "q", "ask": "What?", "proof": "detection/iou#iou", "options": OPTIONS}
TERM = {"term": "IoU", "zh": "交并比", "means": "Intersection over union.", "where": "detection/iou#iou"}


def written(folder, name, *entries):
    (folder / f"{name}.yml").write_text(yaml.safe_dump(list(entries), allow_unicode=True))
    return folder


@pytest.mark.parametrize("name", data_files.NAMED_BY)
def test_the_books_own_data_is_sound(name):
    assert missing_anchors(name, load(name)) == []


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("questions", QUESTION | {"kind": "riddle"}, "questions.yml, iou kind: 'riddle' is not one of"),
        ("questions", QUESTION | {"source": ["005 L1"]}, "questions.yml, iou source 1: '005 L1' does not match"),
        ("questions", QUESTION | {"anchor": "iou"}, "questions.yml, iou: 'figures' is a dependency of 'anchor'"),
        ("questions", {"ask": "Whose?"}, "questions.yml, entry 1: '.*' is a required property"),
        ("quiz", QUIZ | {"options": OPTIONS[1:] * 2}, "quiz.yml, q options: .* does not contain items"),
        ("quiz", QUIZ | {"options": [*OPTIONS, {"text": "3"}]}, "quiz.yml, q options 4: 'why' is a required"),
        ("glossary", TERM | {"zh": "IoU"}, "glossary.yml, IoU zh: 'IoU' does not match"),
    ],
)
def test_bad_entry_is_named(tmp_path, name, entry, message):
    with pytest.raises(DataError, match=message):
        load(name, written(tmp_path, name, entry))


def test_what_is_there_twice_is_named(tmp_path):
    with pytest.raises(DataError, match=r"questions\.yml, iou: 'iou' is there twice"):
        load("questions", written(tmp_path, "questions", QUESTION, QUESTION))
    with pytest.raises(DataError, match=r"glossary\.yml, overlap: 'IoU' is there twice"):
        load("glossary", written(tmp_path, "glossary", TERM, TERM | {"term": "overlap", "also": ["IoU"]}))


def test_a_quiz_needs_a_wrong_option_too(tmp_path):
    right = [option | {"right": True} for option in OPTIONS]
    with pytest.raises(DataError, match=r"quiz\.yml, q: every option is right"):
        load("quiz", written(tmp_path, "quiz", QUIZ | {"options": right}))


def test_an_anchor_that_does_not_exist_is_named():
    assert missing_anchors("quiz", [QUIZ | {"proof": "detection/iou#nothing"}]) == [
        "quiz.yml, q: detection/iou has no anchor 'nothing'"
    ]
    assert missing_anchors("glossary", [TERM | {"where": "detection/nowhere#iou"}]) == [
        "glossary.yml, IoU: detection/nowhere has no anchor 'iou'"
    ]
    assert missing_anchors("questions", [QUESTION]) == []  # not written yet


def test_addresses_of_the_three_kinds_of_entry():
    assert address_of(QUESTION) == "detection/iou"
    assert address_of(QUESTION | {"anchor": "iou"}) == address_of(QUIZ) == address_of(TERM) == "detection/iou#iou"


def test_anchors_are_those_of_text_and_figures():
    anchors = data_files.anchors("detection/iou")
    assert {"iou", "iou-of-two-boxes"} & anchors
    assert data_files.title_of("detection/iou").endswith("?")
    assert data_files.title_of("detection/nowhere") == ""


def test_every_part_has_a_name_and_the_contents_use_it():
    toc = yaml.safe_load((data_files.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        assert data_files.PARTS[part["chapters"][0]["file"].split("/")[1]] == part["caption"]
    assert {question["chapter"].split("/")[0] for question in load("questions")} <= set(data_files.PARTS)
