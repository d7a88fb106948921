"""The rules of the book. Each message says how to mend what it found."""

import ast
import re
import statistics

import data_files
import nbformat
import notebooks
import pytest
from data_files import address_of
from pybtex.database import parse_file

ROOT = notebooks.ROOT
CHAPTERS = notebooks.chapters()
ALL_QUESTIONS = data_files.load("questions")
QUESTIONS = [question for question in ALL_QUESTIONS if "anchor" in question]  # those that are answered
NAMES = [str(path.relative_to(ROOT / "chapters").with_suffix("")) for path in CHAPTERS]
PLAIN = [path for path in CHAPTERS if path.stem != "intro"]

each_notebook = pytest.mark.parametrize("path", CHAPTERS, ids=NAMES)
each_chapter = pytest.mark.parametrize("path", PLAIN, ids=[path.stem for path in PLAIN])
each_question = pytest.mark.parametrize("question", QUESTIONS, ids=[question["id"] for question in QUESTIONS])


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def source(path, kind):
    return "\n".join(cell.source for cell in cells(path, kind))


def calls(path, name):
    """The calls of a function in the code of a chapter."""
    nodes = ast.walk(ast.parse(source(path, "code")))
    return [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def defined_names(code):
    return [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


def words(markdown):
    return len(re.sub(r"<[^>]+>|\$[^$]*\$|```.*?```", " ", markdown, flags=re.DOTALL).split())


def section(question):
    """Markdown from the question's anchor to the next anchor of a question."""
    chapter, anchor = address_of(question).split("#")
    text = source(ROOT / "chapters" / f"{chapter}.ipynb", "markdown")
    return re.split(r"\n\([\w-]+\)=\n## ", text.partition(f"({anchor})=\n")[2])[0]


# --- files -------------------------------------------------------------------------------------------------------


def test_table_of_contents_lists_every_chapter():
    on_disk = {path for path in (ROOT / "chapters").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts}
    assert on_disk == set(CHAPTERS), "add the chapter to _toc.yml, or remove the file"


@each_notebook
def test_notebook_is_committed_without_outputs(path):
    for cell in cells(path, "code"):
        assert not cell.outputs, f"{cell.id}: clear all outputs before you commit"
        assert cell.execution_count is None, f"{cell.id}: clear all outputs before you commit"


@each_notebook
def test_notebook_carries_no_metadata_of_a_machine(path):
    book = nbformat.read(path, as_version=4)
    assert set(book.metadata) <= {"kernelspec", "language_info"}, "keep kernelspec and language_info only"
    assert book.metadata.kernelspec.name == "python3"
    assert set(book.metadata.get("language_info", {})) <= {"name"}, "keep the name of the language only"
    for cell in book.cells:
        assert set(cell.metadata) <= {"tags"}, f"{cell.id}: keep no metadata but tags"
        assert set(cell.metadata.get("tags", [])) <= {"hide-input", "hide-cell", "remove-cell"}, (
            f"{cell.id}: unknown tag"
        )


def test_text_names_no_place_on_a_machine():
    for folder in ("chapters", "utils", "tools", "tests"):
        for path in (ROOT / folder).rglob("*.*"):
            if path.suffix in (".py", ".ipynb", ".md", ".yml"):
                found = re.search(r"(/home/|/Users/|C:\\Users)\w+", path.read_text(encoding="utf-8"))
                assert not found, f"{path.name}: {found}"


# --- the shape of a chapter --------------------------------------------------------------------------------------


@each_chapter
def test_title_is_a_question(path):
    title = re.search(r"^# (.+)$", cells(path, "markdown")[0].source, flags=re.MULTILINE)
    assert title, "begin with '# The question?'"
    assert title[1].endswith("?"), "the title is the question, as an interviewer asks it"


@each_chapter
def test_answer_comes_first_and_is_short(path):
    opening = cells(path, "markdown")[0].source
    answer = re.search(r"\*\*In short\.\*\*(.*?)(\n\n|$)", opening, flags=re.DOTALL)
    assert answer, "put a paragraph '**In short.** …' below the title"
    assert words(answer[1]) <= 80, "an answer in an interview has at most 80 words"


@each_chapter
def test_chapter_ends_as_all_do(path):
    headings = re.findall(r"^## (.+)$", source(path, "markdown"), flags=re.MULTILINE)
    assert [h for h in headings if h in ("Follow-ups", "Your turn", "Sources")] == [
        "Follow-ups",
        "Your turn",
        "Sources",
    ]
    assert headings[-1] == "Sources"
    assert 3 <= source(path, "markdown").count("<details>") <= 6, "answer 3 to 5 follow-ups, folded"
    assert "{footcite" in source(path, "markdown"), "cite primary papers"


@each_chapter
def test_chapter_has_the_length_of_a_sitting(path):
    per_question = len([q for q in QUESTIONS if q["chapter"] == f"{path.parent.name}/{path.stem}"])
    assert 900 <= words(source(path, "markdown")) <= 1800 + 200 * per_question


@each_notebook
def test_code_is_short(path):
    lengths = {cell.id: len(cell.source.splitlines()) for cell in cells(path, "code")}
    assert max(lengths.values()) <= 25, f"{max(lengths, key=lengths.get)}: split the cell, or move code to utils"


@each_chapter
def test_code_a_reader_sees_is_mostly_a_few_lines(path):
    shown = [cell for cell in cells(path, "code") if "hide-input" not in cell.metadata.get("tags", [])]
    assert statistics.median(len(cell.source.splitlines()) for cell in shown) <= 7


@each_notebook
def test_long_drawing_functions_are_folded(path):
    for cell in cells(path, "code"):
        if "explore(" in cell.source and len(cell.source.splitlines()) > 12:
            assert "hide-input" in cell.metadata.get("tags", []), f"{cell.id}: tag the cell hide-input"


@each_notebook
def test_prose_stands_between_code(path):
    run = 0
    for cell in nbformat.read(path, as_version=4).cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 2, f"{cell.id}: say in a sentence what comes next"


@each_notebook
def test_code_needs_nothing_but_the_book(path):
    code = source(path, "code")
    for forbidden in (r"^\s*[!%]", r"sys\.path", r"import \*", r"https?://", r"^\s*plt\.show\(", r"np\.random\.seed"):
        found = re.search(forbidden, code, flags=re.MULTILINE)
        assert not found, f"{found[0]!r} has no place in a cell"


# --- one home for everything -------------------------------------------------------------------------------------


def test_every_function_has_one_home():
    homes = {}
    for path in [*CHAPTERS, *(ROOT / "utils").rglob("*.py")]:
        code = source(path, "code") if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
        for name in defined_names(code):
            if not name.startswith("_"):
                homes.setdefault(name, []).append(path.stem)
    shared = {name: places for name, places in homes.items() if len(places) > 1}
    assert not shared, "define it once, in utils if two chapters need it"


def test_every_anchor_of_a_question_is_listed():
    """An anchor above a heading that asks is a question's."""
    for path in PLAIN:
        asked = set(re.findall(r"^\(([\w-]+)\)=\n## .*\?$", source(path, "markdown"), flags=re.MULTILINE))
        listed = {q["anchor"] for q in QUESTIONS if q["chapter"] == f"{path.parent.name}/{path.stem}"}
        assert asked <= listed, "add the question to questions.yml, or call the section something that asks nothing"
        assert listed, "a chapter answers at least one question of questions.yml"


@each_question
def test_question_is_answered_at_home_in_short_first(question):
    text = section(question)
    assert text, f"no anchor ({question['anchor']})= in the chapter"
    head = text.lstrip("#\n ").partition("\n")[2]
    assert "**In short.**" in head[:600], "answer below the heading, in a paragraph '**In short.** …'"


def code_of(question):
    """The statements of the code cells from the question's anchor to that of the next question."""
    anchors, current = {other["anchor"] for other in QUESTIONS}, None
    for cell in nbformat.read(ROOT / "chapters" / f"{question['chapter']}.ipynb", as_version=4).cells:
        found = re.findall(r"^\(([\w-]+)\)=$", cell.source, flags=re.MULTILINE)
        current = ([name for name in found if name in anchors] or [current])[-1]
        if current == question["anchor"] and cell.cell_type == "code":
            yield from ast.parse(cell.source).body


@each_question
def test_question_has_code_and_a_claim(question):
    code = list(code_of(question))
    has_claim = [any(getattr(node, "id", "") == "claim" for node in ast.walk(statement)) for statement in code]
    assert any(has_claim), "put a claim of the answer on trial"
    assert not all(has_claim), "show the answer in code, not in claims alone"


@each_chapter
def test_explorers_are_those_the_questions_list(path):
    drawn = [call.args[0].id.replace("_", "-") for call in calls(path, "explore")]
    listed = [f for q in QUESTIONS if q["chapter"] == f"{path.parent.name}/{path.stem}" for f in q["figures"]]
    assert sorted(drawn) == sorted(listed), "keep `figures` of questions.yml and the explorers of the chapter in step"


@each_chapter
def test_quiz_asks_about_the_chapter(path):
    name = f"{path.parent.name}/{path.stem}"
    asked = [entry for entry in data_files.load("quiz") if entry["proof"].startswith(f"{name}#")]
    assert len(asked) >= 3, "add questions to quiz.yml: at least three a chapter"


@each_chapter
def test_claims_name_their_sources_as_all_do(path):
    given = [word.value for call in calls(path, "claim") for word in call.keywords if word.arg == "source"]
    named = [value.value for value in given if isinstance(value, ast.Constant)]
    wrong = [
        name
        for name in named
        if not re.fullmatch(r"folklore|this book|paper: .+ \d{4}|notes 00[0-4](, 00[0-4])*", name)
    ]
    assert not wrong, "say 'notes 003', 'folklore' or 'paper: Lin et al. 2017'"


@each_chapter
def test_claims_of_a_chapter_have_addresses_of_their_own(path):
    statements = [call.args[0].value for call in calls(path, "claim") if isinstance(call.args[0], ast.Constant)]
    assert len(statements) == len(set(statements)), "two claims of a chapter say the same"


def test_landing_page_has_something_to_move():
    assert len(calls(ROOT / "chapters" / "intro.ipynb", "explore")) == 1


# --- papers ------------------------------------------------------------------------------------------------------

PAPERS = parse_file(str(ROOT / "references.bib")).entries


# Proceedings, books and talks that never had one.
WITHOUT_ADDRESS = {"prewitt1970object", "sobel1968isotropic", "yuille1986scaling"}
WITHOUT_ADDRESS |= {"krizhevsky2012imagenet", "boureau2010theoretical"}


def test_every_paper_can_be_found():
    addresses = {"doi", "eprint", "url", "isbn"}
    lost = {key for key, paper in PAPERS.items() if not addresses & {field.lower() for field in paper.fields}}
    assert lost == WITHOUT_ADDRESS, "give its DOI or its arXiv id (doi, eprint)"


def test_every_paper_is_cited_and_every_citation_known():
    text = "\n".join(source(path, "markdown") for path in CHAPTERS)
    cited = {
        key.strip() for keys in re.findall(r"\{(?:foot)?cite(?::\w+)?\}`([^`]+)`", text) for key in keys.split(",")
    }
    assert cited - set(PAPERS) == set(), "add the paper to references.bib"
    assert set(PAPERS) - cited == set(), "remove from references.bib what no chapter cites"


# --- layers ------------------------------------------------------------------------------------------------------

PAGE_MODULES = {"explore", "claims", "show", "controls", "frames", "figure_html", "style"}


@pytest.mark.parametrize(
    "path", [p for p in (ROOT / "utils").rglob("*.py") if p.stem not in PAGE_MODULES], ids=lambda p: p.stem
)
def test_subject_modules_know_nothing_of_the_page(path):
    imported = set(notebooks._imports(path.read_text(encoding="utf-8")))
    forbidden = {name for name in imported if name.split(".")[0] in ("matplotlib", "IPython", "ipywidgets")}
    forbidden |= {name for name in imported if name.startswith("utils.") and name.split(".")[1] in PAGE_MODULES}
    assert not forbidden, "numbers are computed in one place and drawn in another"


def test_every_module_has_its_tests():
    modules = {path.stem for folder in ("utils", "tools") for path in (ROOT / folder).rglob("*.py")} - {
        "__init__",
        "style",
    }
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert modules <= tests, "add tests/test_<module>.py"
