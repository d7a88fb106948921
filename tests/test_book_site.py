from types import SimpleNamespace

import book_site
import notebooks
import pytest
from docutils import nodes

HEAD = """
  <link href="../_static/styles/pydata-sphinx-theme.css?digest=1" rel="stylesheet" />
  <script defer src="../_static/scripts/fontawesome.js?digest=1"></script>
  <script>let toggleHintShow = 'Click to show';</script>
  <script>const THEBE_JS_URL = "https://unpkg.com/thebe@0.8.2/lib/index.js"; const thebe_selector = ".thebe"</script>
  <script async="async" src="../_static/sphinx-thebe.js?v=1"></script>
  <script src="../_static/searchtools.js"></script>
  <script src="../searchindex.js"></script>
  <script src="../_static/explore.js?v=1" defer="defer"></script>
"""


def lightened(page):
    context = {}
    book_site.lighten_page(None, page, "page.html", context, None)
    return context["lighten"](HEAD)


def test_page_keeps_what_it_uses():
    assert lightened("chapters/intro").split() == (
        '<link href="../_static/styles/pydata-sphinx-theme.css?digest=1" rel="stylesheet" />'
        '<script src="../_static/explore.js?v=1" defer="defer"></script>'.replace("/><", "/> <").split()
    )


def test_second_build_names_the_styles_as_the_first():
    context = {}
    book_site.lighten_page(None, "page", "page.html", context, None)
    assert context["lighten"]('<link href="mystnb.0a.css?v=1" />') == '<link href="mystnb.0a.css" />'


def test_search_page_can_search():
    assert "searchindex.js" in lightened("search")
    assert "searchindex.js" not in lightened("chapters/intro")


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (".used{x:1}.unused{x:2}p{x:3}", ".used{x:1}p{x:3}"),
        (".unused .used{x:1}.used,.unused{x:2}", ".used,.unused{x:2}"),
        ("/*! v5.3 (site.com) */:root{x:1}", "/*! v5.3 (site.com) */:root{x:1}"),  # a licence is no class
        ('a:not(.unused){x:1}[src$=".svg"]{x:2}', 'a:not(.unused){x:1}[src$=".svg"]{x:2}'),
        ("@media print{.unused{x:1}}@keyframes k{12.5%{x:1}}", "@keyframes k{12.5%{x:1}}"),
        (".fa-bars:before{x:1}.fas{x:2}.used{x:3}", ".used{x:3}"),
    ],
)
def test_style_keeps_what_can_be_asked_for(style, expected):
    assert book_site.used_rules(style, {"used", "fas", "fa-bars"}) == expected


def test_pictures_are_addressed_from_the_page():
    context = {"body": '<img src="_frames/a.webp">', "pathto": lambda name, _: f"../../{name}"}
    book_site.point_to_frames(None, "chapters/detection/iou", "page.html", context, None)
    assert context["body"] == '<img src="../../_frames/a.webp">'


def test_pictures_beside_the_pages_are_those_in_use(tmp_path, monkeypatch):
    used, old = "a" * 20, "b" * 20
    site, store = tmp_path / "html", tmp_path / "frames"
    monkeypatch.setattr(notebooks, "FRAMES", store)
    for path in (store / f"{used}.webp", site / "_frames" / f"{old}.webp"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"picture")
    (site / "page.html").write_text(f'<img src="_frames/{used}.webp">')
    app = SimpleNamespace(outdir=site, builder=SimpleNamespace(format="html"))
    book_site.copy_frames(app, None)
    assert [path.name for path in (site / "_frames").iterdir()] == [f"{used}.webp"]


def test_formula_becomes_mathml():
    translator = SimpleNamespace(body=[])
    with pytest.raises(nodes.SkipNode):
        book_site.visit_inline_math(translator, nodes.math("", r"\frac{1}{2}"))
    assert translator.body == ["<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>"]


def test_broken_formula_is_a_warning(monkeypatch):
    warnings = []
    monkeypatch.setattr(book_site.logger, "warning", lambda *message, **_: warnings.append(message))
    with pytest.raises(nodes.SkipNode):
        book_site.visit_inline_math(SimpleNamespace(body=[]), nodes.math("", r"\frac{1}"))
    assert len(warnings) == 1


def test_short_answer_is_marked():
    paragraph = nodes.paragraph("", "", nodes.Text(""), nodes.strong("", "In short."), nodes.Text(" Yes."))
    other = nodes.paragraph("", "", nodes.strong("", "In short"), nodes.Text(" and no."))
    document = nodes.container("", paragraph, other)
    book_site.mark_short_answers(None, document)
    assert paragraph["classes"] == ["in-short"]
    assert other["classes"] == []
