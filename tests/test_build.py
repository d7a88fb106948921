import errno

import build
import notebooks
import pytest


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    for name in ("SITE", "STAMP", "DOCTREES"):
        monkeypatch.setattr(build, name, tmp_path / name.lower())
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "intro.md").write_text("# Title")
    monkeypatch.setattr(notebooks, "chapters", list)
    return tmp_path


def fail(_):
    raise notebooks.NotebookError("chapter.ipynb: a cell failed")


def finish(project):
    (project / "site").mkdir(exist_ok=True)
    (project / "site" / "index.html").touch()
    return True


def test_second_build_finds_nothing_to_do(project, monkeypatch, capsys):
    monkeypatch.setattr(build, "make_pages", lambda: finish(project))
    assert build.main() == 0
    monkeypatch.setattr(build, "make_pages", lambda: pytest.fail("built again"))
    assert build.main() == 0
    assert "Nothing has changed" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["edit", "add", "remove the page"])
def test_change_is_noticed(project, monkeypatch, change):
    monkeypatch.setattr(build, "make_pages", lambda: finish(project))
    build.main()
    if change == "edit":
        (project / "chapters" / "intro.md").write_text("# Another title")
    elif change == "add":
        (project / "chapters" / "more.md").touch()
    else:
        (project / "site" / "index.html").unlink()
    assert not build.is_up_to_date(build.fingerprint())


@pytest.mark.parametrize("ending", ["failed", "interrupted"])
def test_unfinished_pages_are_made_again_from_nothing(project, monkeypatch, capsys, ending):
    def make_half():
        (project / "doctrees").mkdir()
        if ending == "interrupted":
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(build, "make_pages", lambda: finish(project))
    build.main()
    (project / "chapters" / "intro.md").write_text("# Another title")
    monkeypatch.setattr(build, "make_pages", make_half)
    assert build.main() == 1
    assert not build.STAMP.exists()
    assert ("counts as failed" if ending == "failed" else "Interrupted") in capsys.readouterr().err
    monkeypatch.setattr(build, "make_pages", lambda: not (project / "doctrees").exists())
    assert build.main() == 0


def test_pages_stand_while_only_notebooks_fail(project, monkeypatch):
    monkeypatch.setattr(build, "make_pages", lambda: finish(project))
    build.main()
    (project / "chapters" / "intro.md").write_text("# A slip")
    monkeypatch.setattr(notebooks, "run_outdated", fail)
    assert build.main() == 1
    (project / "chapters" / "intro.md").write_text("# Title")
    assert build.is_up_to_date(build.fingerprint())


def test_failed_notebook_stops_the_build(project, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "run_outdated", fail)
    monkeypatch.setattr(build, "make_pages", lambda: pytest.fail("made pages"))
    assert build.main() == 1
    assert "chapter.ipynb: a cell failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyboardInterrupt(), "Interrupted. The same command carries on"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: the site needs about 0.5 GB"),
        (PermissionError(errno.EACCES, "Permission denied", "html"), "No permission to write html"),
    ],
)
def test_what_ends_a_build_from_outside_becomes_a_sentence(project, monkeypatch, capsys, error, sentence):
    def stop(_):
        raise error

    monkeypatch.setattr(notebooks, "run_outdated", stop)
    assert build.main() == 1
    assert sentence in capsys.readouterr().err
