"""The book's Sphinx extension: notebooks with their outputs, pictures, mathematics, and light pages."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import notebooks
from docutils import nodes
from markupsafe import Markup
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)


# --- notebooks ---------------------------------------------------------------------------------------------------


def fill_in_outputs(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the parser a notebook as it looks after running; the file itself stays without outputs."""
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb":
        return
    # Run it where `jupyter-book build` was called by itself, without tools/build.py.
    outputs = notebooks.stored_outputs(path) or notebooks.run_and_store(path, workers=os.cpu_count() or 1)
    source[0] = notebooks.with_outputs(source[0], outputs)
    _keys(app.env)[docname] = notebooks.key_of(path)


def chapters_to_read_again(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Chapters whose own file is unchanged, but not what they ran with."""
    return [
        docname
        for docname, key in _keys(env).items()
        if docname not in added | changed | removed and notebooks.key_of(Path(env.doc2path(docname))) != key
    ]


def _keys(env: BuildEnvironment) -> dict[str, str]:
    if not hasattr(env, "notebook_keys"):
        env.notebook_keys = {}  # type: ignore[attr-defined]
    return env.notebook_keys  # type: ignore[attr-defined]


# --- pictures ----------------------------------------------------------------------------------------------------


def point_to_frames(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Make the addresses of pictures relative to the page."""
    if "body" in context:
        folder = context["pathto"]("_frames", 1)
        context["body"] = context["body"].replace('src="_frames/', f'src="{folder}/')


def copy_frames(app: Sphinx, error: Exception | None) -> None:
    """Put the pictures that the pages show beside them, and take away those that no page shows any more."""
    if error or app.builder.format != "html":
        return
    outdir, used = Path(app.outdir), set()
    for page in outdir.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if "_frames/" in text:
            used |= set(notebooks.FRAME_NAME.findall(text))
    target = outdir / "_frames"
    target.mkdir(exist_ok=True)
    present = {path.stem for path in target.glob("*.webp")}
    for name in present - used:
        (target / f"{name}.webp").unlink()
    for name in used - present:
        picture = notebooks.FRAMES / f"{name}.webp"
        if picture.exists():
            shutil.copyfile(picture, target / picture.name)


# --- mathematics -------------------------------------------------------------------------------------------------

_to_mathml = LatexToMathML()


def _mathml(node: nodes.Element, *, display: bool) -> str:
    try:
        return str(_to_mathml.convert_with_local_state(node.astext(), displaystyle=display))
    except LatexError as error:
        logger.warning("cannot set %r: %s", node.astext(), error, location=node)
        return node.astext()


def visit_inline_math(translator: Any, node: nodes.math) -> None:
    """Every current browser sets MathML by itself, so a page needs no script and no picture for a formula."""
    translator.body.append(_mathml(node, display=False))
    raise nodes.SkipNode


def visit_display_math(translator: Any, node: nodes.math_block) -> None:
    """A formula on a line of its own; on a narrow screen it scrolls by itself, also with the keyboard."""
    formula = _mathml(node, display=True)
    translator.body.append(f'<div class="math" tabindex="0" role="group" aria-label="Formula">{formula}</div>')
    raise nodes.SkipNode


# --- pages -------------------------------------------------------------------------------------------------------

# What the theme and Jupyter Book's extensions put on every page and this book never uses: 1.5 MB of script for a
# dozen icons (book.css draws them), buttons and tabs of other extensions, a kernel service on another host, and
# the search index, which only the search page needs.
_UNUSED = "fontawesome|toggle|thebe|design-tabs|sphinx-design"
UNUSED = re.compile(
    rf"\s*<(script|link)\b[^>]*>[^<]*({_UNUSED})[^<]*(</script>)?"
    rf"|\s*<(script|link)\b[^>]*({_UNUSED})[^>]*>(</script>)?",
    re.IGNORECASE,
)
SEARCH = re.compile(r"\s*<script [^>]*(searchtools|language_data|searchindex)\.js[^>]*></script>")

# The theme knows no colours at all until its script has run, unless it is told of one mode; then it would keep to it.
MODE = ('getItem("mode") || "light"', 'getItem("mode") || "auto"')
THEME = (
    'getItem("theme") || "light"',
    'getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
)

# A first build names this file without a checksum and a second one with it: its name holds one already.
CHECKSUM = re.compile(r"(mystnb\.[0-9a-f]+\.css)\?v=\w+")


def lighten_page(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Offer ``_templates/layout.html`` a function that takes unused scripts and styles out of a block."""

    def lighten(block: str) -> str:
        light = UNUSED.sub("", block).replace(*MODE).replace(*THEME)
        light = CHECKSUM.sub(r"\1", light)
        return Markup(light if page == "search" else SEARCH.sub("", light))

    context["lighten"] = lighten


# The theme's styles are made for any site: a quarter is Font Awesome's list of icons, and of the rest most rules are
# for classes that nothing in this book has.
STYLES = ("styles/pydata-sphinx-theme.css", "styles/sphinx-book-theme.css", "basic.css", "mystnb.*.css")
ICON_RULE = re.compile(
    r"[^{}]*(\.fa-|\.fa[srb]?\b|Font ?Awesome)[^{}]*\{[^{}]*\}|@font-face\{[^{}]*Font ?Awesome[^{}]*\}"
)
RULE = re.compile(r"([^{}]+)\{[^{}]*\}")
NO_CLASS = re.compile(r"/\*.*?\*/|\[[^\]]*\]|:not\([^)]*\)", re.DOTALL)  # comments, attributes, what must not be there
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
EMPTY_BLOCK = re.compile(r"@(media|supports)[^{}]*\{\s*\}")


def lighten_styles(app: Sphinx, error: Exception | None) -> None:
    """Take out of the theme's styles what no page and no script can ask for."""
    static = Path(app.outdir, "_static")
    if error or app.builder.format != "html":
        return
    texts = [*Path(app.outdir).rglob("*.html"), *static.rglob("*.js")]
    words = {word for path in texts for word in re.findall(r"[\w-]+", path.read_text(encoding="utf-8"))}
    for path in [path for name in STYLES for path in static.glob(name)]:
        path.write_text(used_rules(path.read_text(encoding="utf-8"), words), encoding="utf-8")


def used_rules(style: str, words: set[str]) -> str:
    """A style without icons, and without rules of which each selector needs a class that is none of `words`.

    >>> used_rules(".a,.b .c{x:1}.b{x:2}@media print{.c{x:3}}p:not(.c){x:4}", {"a"})
    '.a,.b .c{x:1}p:not(.c){x:4}'
    """

    def kept(rule: re.Match[str]) -> str:
        selectors = NO_CLASS.sub("", rule[1]).split(",")
        return rule[0] if any(set(CLASS.findall(selector)) <= words for selector in selectors) else ""

    return EMPTY_BLOCK.sub("", RULE.sub(kept, ICON_RULE.sub("", style)))


def mark_short_answers(app: Sphinx, doctree: nodes.document) -> None:
    """Let the stylesheet know the paragraphs that begin with **In short.**"""
    for paragraph in doctree.findall(nodes.paragraph):
        first = next((child for child in paragraph.children if child.astext()), None)
        if isinstance(first, nodes.strong) and first.astext() == "In short.":
            paragraph["classes"].append("in-short")


def order_assets(app: Sphinx, config: Config) -> None:
    """Name our files in one order; Jupyter Book lists them as the file system happens to."""
    config.html_css_files = sorted(config.html_css_files)
    config.html_js_files = [(name, {"defer": "defer"}) for name in sorted(config.html_js_files)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it all."""
    app.connect("source-read", fill_in_outputs)
    app.connect("env-get-outdated", chapters_to_read_again)
    app.connect("html-page-context", point_to_frames)
    app.connect("html-page-context", lighten_page)
    app.connect("build-finished", copy_frames)
    app.connect("build-finished", lighten_styles)
    app.add_html_math_renderer("mathml", (visit_inline_math, None), (visit_display_math, None))
    app.connect("doctree-read", mark_short_answers)
    app.connect("config-inited", order_assets, priority=100)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
