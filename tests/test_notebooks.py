import errno
import json
import os
import threading
import time

import nbformat
import notebooks
import pytest


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one module, and a function that writes its one notebook."""
    for name, folder in (("ROOT", ""), ("FRAMES", "frames"), ("OUTPUTS", "outputs")):
        monkeypatch.setattr(notebooks, name, tmp_path / folder)
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "boxes.py").write_text("from utils import areas\n")
    (tmp_path / "utils" / "areas.py").write_text("")
    (tmp_path / "utils" / "losses.py").write_text("")

    def write(code="from utils.boxes import area", prose="A sentence."):
        cells = [nbformat.v4.new_markdown_cell(prose, id="prose"), nbformat.v4.new_code_cell(code, id="code")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "chapter.ipynb")
        return tmp_path / "chapter.ipynb"

    return write


def test_key_is_that_of_the_code_alone(book):
    assert notebooks.key_of(book(prose="One.")) == notebooks.key_of(book(prose="Another."))
    assert notebooks.key_of(book("1 + 1")) != notebooks.key_of(book("1 + 2"))


@pytest.mark.parametrize(("module", "matters"), [("boxes", True), ("areas", True), ("losses", False)])
def test_key_follows_imports_of_imports(book, tmp_path, module, matters):
    before = notebooks.key_of(book())
    with (tmp_path / "utils" / f"{module}.py").open("a") as file:
        file.write("x = 1\n")
    assert (notebooks.key_of(book()) != before) == matters


def test_key_follows_the_records_that_the_code_names(book, tmp_path):
    code = "from utils.boxes import area\nrecorded('networks')"
    before = notebooks.key_of(book(code))
    (tmp_path / "utils" / "recorded").mkdir()
    (tmp_path / "utils" / "recorded" / "phones.json").write_text("{}")
    assert notebooks.key_of(book(code)) == before
    (tmp_path / "utils" / "recorded" / "networks.json").write_text("{}")
    assert notebooks.key_of(book(code)) != before


def test_outputs_are_kept_until_the_code_changes(book):
    chapter = book("print('hello')")
    assert notebooks.stored_outputs(chapter) is None
    assert notebooks.run_outdated([chapter]) == 1
    assert notebooks.run_outdated([chapter]) == 0
    assert notebooks.stored_outputs(chapter)[0][0]["text"] == "hello\n"
    book("print('goodbye')")
    assert notebooks.stored_outputs(chapter) is None


def test_outputs_without_their_pictures_do_not_count(book, tmp_path):
    chapter = book("print('0123456789abcdef0123')")  # looks like the name of a picture
    notebooks.run_and_store(chapter)
    assert notebooks.stored_outputs(chapter) is None
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0123456789abcdef0123.webp").touch()
    assert notebooks.stored_outputs(chapter) is not None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("assert 1 == 2", r"chapter.ipynb: a cell failed[\s\S]*AssertionError"),
        ("import sys; sys.stderr.write('careful')", "careful"),
    ],
)
def test_failing_cell_fails_the_build(book, code, message):
    with pytest.raises(notebooks.NotebookError, match=message):
        notebooks.run_outdated([book(code)])


def test_full_disk_is_no_fault_of_the_notebook(book):
    with pytest.raises(OSError, match="No space left") as full:
        notebooks.run(book("import errno, os; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))"))
    assert full.value.errno == errno.ENOSPC


def test_stop_ends_the_kernel(book, tmp_path):
    started, stop = tmp_path / "started", threading.Event()
    chapter = book(
        f"import os, pathlib, time; pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(99)"
    )

    def stop_when_started():
        while not started.exists() or not started.read_text():
            time.sleep(0.05)
        stop.set()

    threading.Thread(target=stop_when_started, daemon=True).start()
    with pytest.raises(notebooks.NotebookError):
        notebooks.run(chapter, stop=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_interrupt_stops_what_runs_and_starts_nothing_more(monkeypatch, tmp_path):
    chapters = [tmp_path / f"{i}.ipynb" for i in range(20)]
    stopped = []

    def wait(notebook, *, workers, stop):
        stopped.append(stop.wait(60))

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "run_and_store", wait)
    monkeypatch.setattr(notebooks, "as_completed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        notebooks.run_outdated(chapters)
    assert all(stopped)
    assert len(stopped) <= (os.cpu_count() or 1)


def test_outputs_fill_the_code_cells_in_order(book):
    filled = json.loads(notebooks.with_outputs(book().read_text(), [[{"output_type": "stream"}]]))
    assert "outputs" not in filled["cells"][0]
    assert filled["cells"][1]["outputs"] == [{"output_type": "stream"}]


def test_chapters_are_those_of_the_table_of_contents():
    names = [path.stem for path in notebooks.chapters()]
    assert names[0] == "intro"
    assert len(names) == len(set(names)) > 5
