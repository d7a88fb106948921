import pytest
from axe_playwright_python.sync_playwright import Axe
from built import PAGES

# To preload style sheets axe would fetch them, which a page opened from disk may not do.
OPTIONS = {"resultTypes": ["violations"], "preload": False}
# The theme changes colours and nothing else.
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => details.open = true)"
# Of each kind of word in code, one is enough to see its contrast; axe takes long over thousands.
THIN_OUT_CODE = """() => {
  const seen = new Set();
  for (const word of document.querySelectorAll("pre span"))
    if (seen.has(word.className)) word.replaceWith(...word.childNodes);
    else seen.add(word.className);
}"""
# Of rows that are all alike, thirty are enough.
THIN_OUT_ROWS = "document.querySelectorAll('.rows > li:nth-child(n + 31)').forEach((row) => row.remove())"


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(visit, page):
    found = []
    for width in (1280, 360):
        with visit(page, width=width) as tab:
            tab.evaluate(OPEN_ALL)
            tab.evaluate(THIN_OUT_CODE)
            tab.evaluate(THIN_OUT_ROWS)
            for scheme in ("light", "dark"):
                tab.emulate_media(color_scheme=scheme)
                tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
                options = OPTIONS if scheme == "light" else OPTIONS | OF_COLOURS
                found += [f"{width} px, {scheme}: {line}" for line in serious_findings(tab, options)]
    assert not found, "\n".join(found)


def serious_findings(page, options):
    """What axe objects to: rule, where, and the HTML."""
    violations = Axe().run(page, options=options).response["violations"]
    return [
        f"{violation['id']} ({node['impact']}) at {' '.join(map(str, node['target']))}: {node['html'][:200]}"
        for violation in violations
        for node in violation["nodes"]
        if node["impact"] in ("serious", "critical")
    ]
