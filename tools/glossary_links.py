"""Link the first use of each term in a chapter to the glossary."""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import data_files
from docutils import nodes
from practice_pages import FOLDER, term_anchor
from sphinx.application import Sphinx

PAGE = f"{FOLDER}/glossary"
# Where a link would be in the way: in other links, headings, code, formulas, and lists of papers.
NOT_IN = (nodes.reference, nodes.title, nodes.literal, nodes.math, nodes.footnote, nodes.citation, nodes.raw)


class Terms:
    """Finds the glossary's terms in a text, in all their spellings; the longest wins where several fit.

    A word with a capital letter is found as it is written ("LoG" is no "log"), any other in either case.
    """

    def __init__(self, entries: Sequence[data_files.Entry]) -> None:
        self.entry_of = {word: entry for entry in entries for word in [entry["term"], *entry.get("also", ())]}
        spellings = (
            re.escape(word) if word != word.lower() else f"(?i:{re.escape(word)})"
            for word in sorted(self.entry_of, key=len, reverse=True)
        )
        self.pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(spellings)})(?![\w-])")

    def split(self, text: str, linked: set[str]) -> Iterator[tuple[str, data_files.Entry | None]]:
        """Pieces of `text`, each with the entry it is the first use of, or None; `linked` grows by their terms."""
        end = 0
        for match in self.pattern.finditer(text):
            entry = self.entry_of.get(match[0]) or self.entry_of[match[0].lower()]
            if entry["term"] in linked:
                continue
            linked.add(entry["term"])
            yield text[end : match.start()], None
            yield match[0], entry
            end = match.end()
        yield text[end:], None


def link_first_uses(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace the first use of each term in the paragraphs of a chapter by a link."""
    is_chapter = docname != app.config.root_doc and app.env.doc2path(docname, False).endswith(".ipynb")
    if not is_chapter or app.builder.format != "html" or PAGE not in app.env.found_docs:
        return
    terms, page = Terms(data_files.load("glossary")), app.builder.get_relative_uri(docname, PAGE)
    linked: set[str] = set()
    for text in [text for text in doctree.findall(nodes.Text) if _is_prose(text)]:
        pieces = [_node(piece, entry, page) for piece, entry in terms.split(text.astext(), linked) if piece]
        if len(pieces) > 1 or not isinstance(pieces[0], nodes.Text):
            text.parent.replace(text, pieces)


def _node(text: str, entry: data_files.Entry | None, page: str) -> nodes.Node:
    if entry is None:
        return nodes.Text(text)
    link = nodes.reference("", text, refuri=f"{page}#{term_anchor(entry['term'])}", reftitle=entry["means"])
    link["classes"].append("in-glossary")
    return link


def _is_prose(text: nodes.Text) -> bool:
    above: Any = text.parent
    inside_paragraph = False
    while above is not None:
        if isinstance(above, NOT_IN):
            return False
        inside_paragraph = inside_paragraph or isinstance(above, nodes.paragraph)
        above = above.parent
    return inside_paragraph and bool(text.astext().strip())


def chapters_to_link_again(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """All chapters, when the glossary has changed since they were last made."""
    digest = sha256((data_files.ROOT / "glossary.yml").read_bytes()).hexdigest()
    if getattr(env, "glossary_digest", None) == digest:
        return []
    env.glossary_digest = digest
    return sorted(env.found_docs)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("env-get-outdated", chapters_to_link_again)
    app.connect("doctree-resolved", link_first_uses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
