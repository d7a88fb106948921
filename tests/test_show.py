import pytest

from utils import show
from utils.show import show_source


def twice(x):
    return 2 * x  # the comment is part of it


@pytest.fixture
def shown(monkeypatch):
    sources = []
    monkeypatch.setattr(show, "display", sources.append)
    return sources


def test_source_is_what_runs(shown):
    show_source(twice)
    assert repr(shown[0]) == "def twice(x):\n    return 2 * x  # the comment is part of it"


def test_source_of_a_method_is_not_indented(shown):
    show_source(show.Source._repr_markdown_)
    assert shown[0].startswith("def _repr_markdown_")


def test_markdown_is_marked_as_python(shown):
    show_source(twice, twice)
    markdown = shown[0]._repr_markdown_()
    assert markdown.startswith("```python\ndef twice(x):")
    assert markdown.count("def twice") == 2


@pytest.mark.parametrize("shown_object", [len, 5, "text"])
def test_object_without_source_is_refused(shown_object):
    with pytest.raises(TypeError, match="expected a function or a class written in Python"):
        show_source(shown_object)


def test_nothing_to_show_is_refused():
    with pytest.raises(TypeError, match="got nothing"):
        show_source()
