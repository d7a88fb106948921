"""The part *Practice*: question index, claims on trial, quiz and glossary, made from data when the site is built.

Each page is a Markdown file with one directive, which puts a list of rows there. Without a script the list is complete;
_static/filter.js narrows it down, _static/quiz.js checks answers and remembers them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import data_files
from data_files import PARTS
from docutils import nodes
from docutils.parsers.rst import Directive
from markdown_it import MarkdownIt
from sphinx.application import Sphinx
from tried_claims import TriedClaim, by_question, tried_claims, write_data

FOLDER = "chapters/practice"
LETTERS = "ABCDEF"  # of the options of a question
IN_NOTES = {"full": "answered", "partial": "answered in part", "none": "left empty"}
COLUMNS = {"confirmed": "✓ confirmed", "refuted": "✗ refuted", "depends": "± depends"}
_inline = MarkdownIt("commonmark", {"html": False}).renderInline


# --- rows and filters --------------------------------------------------------------------------------------------


def row(content: str, *, anchor: str = "", **data: str) -> str:
    """One line of a list; each of `data` may hold several words, one of which a filter asks for."""
    attributes = "".join(f' data-{name.replace("_", "-")}="{escape(value)}"' for name, value in data.items())
    return f"<li{_id(anchor)}{attributes}>{content}</li>"


def filters(rows: str, noun: str, choices: Mapping[str, Mapping[str, str]]) -> str:
    """The fields above the list with the id `rows`: one to search in, and one for each of `choices`.

    `choices` maps the name of a field to its options: value and what the reader sees.
    """
    fields = ['<label>Search <input type="search" name="q" autocomplete="off" spellcheck="false"></label>']
    for name, options in choices.items():
        listed = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options.items())
        label = name.replace("-", " ").capitalize()
        fields.append(f'<label>{label} <select name="{name}"><option value="">any</option>{listed}</select></label>')
    return (
        f'<form class="filter" data-rows="{rows}" data-noun="{noun}" hidden>{"".join(fields)}'
        '<button type="reset">Show all</button><p role="status"></p></form>'
    )


def grouped(rows: Iterable[tuple[str, str]], anchor: str, *, tag: str = "ul") -> str:
    """Rows, each given with the key of its part, under a heading for each part."""
    groups = [(part, "".join(html for _, html in group)) for part, group in groupby(rows, key=lambda each: each[0])]
    sections = (
        f'<section><h2 id="{anchor}-{part}">{PARTS[part]}</h2><{tag} class="rows">{html}</{tag}></section>'
        for part, html in groups
    )
    return f'<div id="{anchor}">{"".join(sections)}</div>'


def href(address: str) -> str:
    """The link from a page of this part to an address such as "detection/iou#iou"."""
    chapter, _, anchor = address.partition("#")
    return f"../{chapter}.html" + (f"#{anchor}" if anchor else "")


def _id(anchor: str) -> str:
    return f' id="{anchor}"' if anchor else ""


def _part(chapter: str) -> str:
    return chapter.split("/")[0]


def _link(address: str, text: str) -> str:
    return f'<a href="{href(address)}">{text}</a>'


# --- question index ----------------------------------------------------------------------------------------------


def question_index(questions: Sequence[data_files.Entry], claims: Mapping[str, Sequence[TriedClaim]]) -> str:
    """Every question with its source, its answer's place, and the verdicts on what was claimed about it."""
    ordered = sorted(questions, key=lambda question: list(PARTS).index(_part(question["chapter"])))
    rows = [(_part(question["chapter"]), _question(question, claims)) for question in ordered]
    choices = {
        "part": {part: PARTS[part] for part in dict.fromkeys(part for part, _ in rows)},
        "answer": {"here": "in the book", "later": "not written yet"},
        "kind": {_word(kind): kind for kind in ("concept", "formula", "code", "multiple choice")},
        "source": {number: f"notes {number}" for number in _numbers(questions)},
        "in-the-notes": IN_NOTES,
        "has-a-claim": COLUMNS,
    }
    return filters("questions", "questions", choices) + grouped(rows, "questions")


def _question(question: data_files.Entry, claims: Mapping[str, Sequence[TriedClaim]]) -> str:
    verdicts = Counter(claim.verdict for claim in claims.get(question["id"], ()))
    tally = [COLUMNS[name].replace(" ", f" {verdicts[name]} ") for name in COLUMNS if verdicts[name]]
    ask, written = escape(question["ask"]), "anchor" in question
    facts = [
        question["kind"],
        "notes " + ", ".join(question["source"]),
        IN_NOTES[question["in_notes"]] + " there",
        *tally,
    ]
    facts += [] if written else ["not written yet"]
    return row(
        (_link(data_files.address_of(question), ask) if written else f"<span>{ask}</span>")
        + f' <span lang="zh">{escape(question["zh"])}</span><small>{escape(" · ".join(facts))}</small>',
        part=_part(question["chapter"]),
        answer="here" if written else "later",
        kind=_word(question["kind"]),
        source=" ".join(_numbers([question])),
        in_the_notes=question["in_notes"],
        has_a_claim=" ".join(verdicts),
    )


def _numbers(questions: Sequence[data_files.Entry]) -> list[str]:
    """The sets of notes that ask these questions: "000" to "004"."""
    return sorted({line.split()[0] for question in questions for line in question["source"]})


# --- claims on trial ---------------------------------------------------------------------------------------------


def claims_on_trial(claims: Sequence[TriedClaim]) -> str:
    """Two tables that count the verdicts, then every claim with what was said, what was found, and its place."""
    sources = sorted({source for claim in claims for source in claim.sources}, key=_order_of_sources)
    parts = [part for part in PARTS if any(_part(claim.chapter) == part for claim in claims)]
    by_source = {source: [claim for claim in claims if source in claim.sources] for source in sources}
    by_part = {part: [claim for claim in claims if _part(claim.chapter) == part] for part in parts}
    choices = {
        "verdict": COLUMNS,
        "source": {_word(source): source for source in sources},
        "part": {part: PARTS[part] for part in parts},
    }
    rows = [(_part(claim.chapter), _claim(claim)) for claim in claims]
    return (
        tally("Who says so", "source", {_word(source): (source, group) for source, group in by_source.items()})
        + tally("Part", "part", {part: (PARTS[part], group) for part, group in by_part.items()})
        + filters("claims", "claims", choices)
        + grouped(rows, "claims")
    )


def tally(title: str, field: str, groups: Mapping[str, tuple[str, Sequence[TriedClaim]]]) -> str:
    """A table of verdicts by group; each number leads to the claims that it counts, and a bar shows the shares."""
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS.values())
    body = []
    for value, (name, claims) in groups.items():
        counts = Counter(claim.verdict for claim in claims)
        cells = "".join(
            f"<td>{_count(counts[verdict], f'{field}={value}&verdict={verdict}')}</td>" for verdict in COLUMNS
        )
        bar = "".join(f'<i class="{verdict}" style="flex-grow:{counts[verdict]}"></i>' for verdict in COLUMNS)
        body.append(f'<tr><th scope="row">{name}<span class="bar" aria-hidden="true">{bar}</span></th>{cells}</tr>')
    return (
        f'<table class="tally"><thead><tr><th scope="col">{title}</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _count(number: int, state: str) -> str:
    return f'<a href="#{escape(state)}">{number}</a>' if number else "0"


def _claim(claim: TriedClaim) -> str:
    place = _link(f"{claim.chapter}#{claim.anchor}", escape(data_files.title_of(claim.chapter)))
    return row(
        f'<b class="{claim.verdict}">{COLUMNS[claim.verdict]}</b> {escape(claim.statement)}. '
        f"<span>Said: {escape(claim.says)}. Found: {escape(claim.finds)}.</span>"
        f"<small>{escape(claim.source)} · {place}</small>",
        verdict=claim.verdict,
        source=" ".join(_word(source) for source in claim.sources),
        part=_part(claim.chapter),
    )


def _word(text: str) -> str:
    return text.replace(" ", "-")


def _order_of_sources(source: str) -> tuple[bool, bool, str]:
    """The notes, folklore, papers, and this book last."""
    return source == "this book", not source.startswith("notes"), source


# Extensions that were looked at: jupyterquiz draws its questions by script, so without one there is nothing; the
# directives of teachbooks-questions and sphinx-yaq keep no progress by part or take one right option only, and want
# the questions inside the pages, where no schema checks them; sphinx-quiz makes a timed game of a whole site.

# --- quiz --------------------------------------------------------------------------------------------------------


def quiz(questions: Sequence[data_files.Entry]) -> str:
    """A form for each question; answers and reasons stand folded below it, for those without a script too."""
    ordered = sorted(questions, key=lambda question: list(PARTS).index(_part(question["proof"])))
    rows = [(_part(question["proof"]), _quiz_question(question)) for question in ordered]
    counts = Counter(part for part, _ in rows)
    choices = {
        "part": {part: PARTS[part] for part in counts},
        "state": {"open": "not tried", "right": "right", "wrong": "wrong"},
    }
    progress = "".join(
        f'<tr data-part="{part}"><th scope="row">{PARTS[part]}<span class="bar" aria-hidden="true">'
        f'<i class="confirmed"></i><i class="refuted"></i><i class="open"></i></span></th>'
        f"<td>0</td><td>0</td><td>{count}</td></tr>"
        for part, count in counts.items()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Part", "✓ right", "✗ wrong", "not tried"))
    return (
        f'<div class="progress-by-part" hidden><table class="tally"><thead><tr>{head}</tr></thead>'
        f'<tbody>{progress}</tbody></table><button type="button" class="forget">Forget my answers</button></div>'
        + filters("quiz", "questions", choices)
        + grouped(rows, "quiz", tag="ol")
    )


def _quiz_question(question: data_files.Entry) -> str:
    options = question["options"]
    right = [number for number, option in enumerate(options) if option.get("right")]
    kind = "radio" if len(right) == 1 else "checkbox"
    fields = "".join(
        f'<label><input type="{kind}" name="option" value="{number}">'
        f"<span>{LETTERS[number]}. {_inline(option['text'])}</span></label>"
        for number, option in enumerate(options)
    )
    reasons = "".join(
        f"<li><strong>{'Right' if option.get('right') else 'Wrong'}.</strong> {_inline(option['why'])}</li>"
        for option in options
    )
    proof = _link(question["proof"], escape(data_files.title_of(question["proof"].partition("#")[0])))
    form = (
        f'<form class="quiz" data-right="{" ".join(map(str, right))}"><fieldset>'
        f"<legend>{_inline(question['ask'])}</legend>{fields}</fieldset>"
        f'<button type="submit" hidden>Check</button><span role="status"></span>'
        f'<details><summary>Answer</summary><ol type="A">{reasons}</ol>'
        f"{_notes_on(question)}<p>Proof: {proof}</p></details></form>"
    )
    return row(form, anchor=f"quiz-{question['id']}", part=_part(question["proof"]), state="open")


def _notes_on(question: data_files.Entry) -> str:
    """For a question of the notes: the key they print, and what is to be said of it."""
    if "notes" not in question:
        return ""
    letters = "".join(LETTERS[number] for number, option in enumerate(question["options"]) if option.get("right"))
    key, source = question["notes"]["key"], question["notes"]["source"]
    verdict = question["notes"].get("comment") or ("it is right" if key == letters else f"it should be {letters}")
    return f"<p>The notes ({source}) print the key {key}: {escape(verdict)}.</p>"


# --- glossary ----------------------------------------------------------------------------------------------------


def term_anchor(term: str) -> str:
    """The anchor of a term on the glossary's page; it keeps capitals, because FLOPS are not FLOPs.

    >>> term_anchor("1x1 convolution")
    'term-1x1-convolution'
    """
    return "term-" + "".join(letter if letter.isalnum() else "-" for letter in term)


def glossary(entries: Sequence[data_files.Entry]) -> str:
    """The terms in alphabetical order, in both languages, each with the place that explains it."""
    items = "".join(
        row(
            f'<dfn>{escape(entry["term"])}</dfn> <span lang="zh">{escape(entry["zh"])}</span> '
            f"<span>{escape(entry['means'])}</span><small>{_also(entry)}explained in "
            f"{_link(entry['where'], escape(data_files.title_of(entry['where'].partition('#')[0])))}</small>",
            anchor=term_anchor(entry["term"]),
            part=_part(entry["where"]),
        )
        for entry in sorted(entries, key=lambda entry: entry["term"].lower())
    )
    choices = {"part": {part: PARTS[part] for part in PARTS if any(_part(each["where"]) == part for each in entries)}}
    return filters("terms", "terms", choices) + f'<div id="terms"><ul class="rows">{items}</ul></div>'


def _also(entry: data_files.Entry) -> str:
    return f"also: {escape(', '.join(entry['also']))} · " if entry.get("also") else ""


# --- Sphinx ------------------------------------------------------------------------------------------------------


class QuestionIndex(Directive):
    """``{question-index}``."""

    def run(self) -> list[nodes.Node]:
        """The list, as HTML."""
        return _html(question_index(data_files.load("questions"), by_question(tried_claims())))


class ClaimsOnTrial(Directive):
    """``{claims-on-trial}``."""

    def run(self) -> list[nodes.Node]:
        """The tables and the list, as HTML."""
        return _html(claims_on_trial(tried_claims()))


class Quiz(Directive):
    """``{quiz}``."""

    def run(self) -> list[nodes.Node]:
        """The forms, as HTML."""
        return _html(quiz(data_files.load("quiz")))


class Glossary(Directive):
    """``{book-glossary}``; Sphinx has a directive of its own that is called glossary."""

    def run(self) -> list[nodes.Node]:
        """The list, as HTML."""
        return _html(glossary(data_files.load("glossary")))


def _html(text: str) -> list[nodes.Node]:
    return [nodes.raw("", text, format="html")]


def pages_to_read_again(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """The pages made from data, of which their own files say nothing; the part's chapter is read like any other."""
    return [name for name in env.found_docs if name.startswith(FOLDER) and str(env.doc2path(name)).endswith(".md")]


def write_claims(app: Sphinx, error: Exception | None) -> None:
    """Put the claims as data beside the page that shows them."""
    if error is None and app.builder.format == "html":
        write_data(tried_claims(), Path(app.outdir, FOLDER))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it all."""
    app.add_directive("question-index", QuestionIndex)
    app.add_directive("claims-on-trial", ClaimsOnTrial)
    app.add_directive("quiz", Quiz)
    app.add_directive("book-glossary", Glossary)
    app.connect("env-get-outdated", pages_to_read_again)
    app.connect("build-finished", write_claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
