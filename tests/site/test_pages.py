import gzip
import io
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

import pytest
from built import MOVING, NOTEBOOKS, PAGES, SITE, elements, explorers
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import expect

on_every_page = pytest.mark.parametrize("page", PAGES)
on_every_moving_page = pytest.mark.parametrize("page", MOVING)
PHONE = {"width": 360, "height": 800}

# --- links -------------------------------------------------------------------------------------------------------

ADDRESSES = {"a": "href", "link": "href", "script": "src", "img": "src", "form": "action", "source": "src"}


def addresses(page):
    """(tag, address) of everything that a page links to or loads, absolute."""
    here = (SITE / page).as_uri()
    found = [(e.tag, e.attributes[ADDRESSES[e.tag]]) for e in elements(page) if ADDRESSES.get(e.tag) in e.attributes]
    return [(tag, urljoin(here, address)) for tag, address in found if address != "#"]


@on_every_page
def test_every_link_and_anchor_inside_the_book_resolves(page):
    broken = [url for _, url in addresses(page) if urlsplit(url).scheme == "file" and not leads_somewhere(url)]
    assert not broken


def leads_somewhere(url):
    """Whether the file exists, and in it the anchor."""
    path, anchor = SITE / url2pathname(urlsplit(url).path), unquote(urlsplit(url).fragment)
    if not path.is_file() or not path.resolve().is_relative_to(SITE):
        return False
    # An address such as #sigma=2 is a position of a figure.
    return not anchor or "=" in anchor or anchor in anchors(path.relative_to(SITE).as_posix())


def anchors(page):
    return {e.attributes.get("id") for e in elements(page)} | {e.attributes.get("name") for e in elements(page)}


@on_every_page
def test_only_links_lead_to_other_hosts(page):
    assert not [(tag, url) for tag, url in addresses(page) if tag != "a" and urlsplit(url).scheme != "file"]


def test_front_door_leads_to_a_page():
    refresh = next(e for e in elements("index.html") if e.attributes.get("http-equiv") == "Refresh")
    assert refresh.attributes["content"].partition("url=")[2] in PAGES


def test_search_answers_from_disk(visit):
    with visit("search.html?q=filter") as tab:
        expect(tab.locator("#search-results")).to_contain_text("page(s) matching")
        expect(tab.locator("#search-results li a").first).to_be_visible()


# --- weight ------------------------------------------------------------------------------------------------------


@on_every_page
def test_first_load_is_light(visit, page):
    """All but pictures, in bytes: as stored, and as a server would send it."""
    with visit(page) as tab:
        tab.evaluate("document.fonts.ready.then(() => null)")
        files = {url2pathname(urlsplit(url).path) for url in tab.asked if url.startswith("file:")}
    contents = {name: (SITE / name).read_bytes() for name in files if not name.endswith((".webp", ".png", ".svg"))}
    raw, sent = ({name: size(text) for name, text in contents.items()} for size in (len, size_when_sent))
    assert sum(raw.values()) < 900_000, sorted(raw.items(), key=lambda item: -item[1])
    assert sum(sent.values()) < 300_000, sorted(sent.items(), key=lambda item: -item[1])


def size_when_sent(content):
    return len(gzip.compress(content, 6))


# --- looks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in NOTEBOOKS if page in PAGES and "/intro" not in page])
def test_answer_comes_first_on_a_phone(visit, page):
    with visit(page, **PHONE) as tab:
        box = tab.locator("p.in-short").first.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= PHONE["height"]


# Visible elements that reach over the right edge of the screen, but for those that can be scrolled or are cut off.
TOO_WIDE = """() => {
  const isBox = (element) => getComputedStyle(element).overflowX !== "visible";
  const isHeld = (element) => element && (isBox(element) || isHeld(element.parentElement));
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true });
  const isWide = (element) => isSeen(element) && element.getBoundingClientRect().right > innerWidth + 1;
  const name = (element) => element.outerHTML.slice(0, 120);
  return [...document.body.querySelectorAll("*")].filter((e) => isWide(e) && !isHeld(e.parentElement)).map(name);
}"""
# Parts of a figure that stick out of it, and choices narrower than their longest option.
CLIPPED = """() => {
  const sticksOut = (e) => e.getBoundingClientRect().right > e.closest("figure").getBoundingClientRect().right + 1;
  const isCut = (field) => {
    const roomy = document.body.appendChild(field.cloneNode(true));
    const { font, padding } = getComputedStyle(field);
    Object.assign(roomy.style, { maxWidth: "none", width: "max-content", font, padding });
    const wanted = roomy.offsetWidth;
    roomy.remove();
    return field.offsetWidth < wanted - 1;
  };
  const parts = [...document.querySelectorAll("figure.explore *")].filter((e) => e.checkVisibility());
  return parts.filter((e) => sticksOut(e) || (e.options && isCut(e))).map((e) => e.outerHTML.slice(0, 200));
}"""

# Links to the chapters before and after that do not fit in their half of the screen.
CUT_OFF = """() => [...document.querySelectorAll(".prev-next-area a")]
  .filter((link) => link.scrollWidth > link.clientWidth).map((link) => link.textContent.trim())"""


@on_every_page
def test_nothing_overflows_on_a_phone(visit, page):
    with visit(page, **PHONE) as tab:
        tab.evaluate("document.querySelectorAll('details').forEach((details) => details.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360, tab.evaluate(TOO_WIDE)
        assert tab.evaluate(TOO_WIDE) == []
        assert tab.evaluate(CLIPPED) == []
        assert tab.evaluate(CUT_OFF) == []


@on_every_moving_page
def test_figure_stands_without_script_and_in_print(visit, page):
    for situation in ({"java_script_enabled": False}, {}):
        with visit(page, **situation) as tab:
            tab.emulate_media(media="screen" if situation else "print")
            for figure in explorers(page):
                place = tab.locator(f"#{figure.id}")
                place.scroll_into_view_if_needed()
                expect(place.locator(".explore-stage img").first).to_have_js_property("complete", True)
                expect(place.locator(".explore-stage img").first).to_be_visible()
                expect(place.locator("figcaption")).to_be_visible()
                expect(place.locator(".explore-controls")).to_be_hidden()


@on_every_page
def test_colours_do_not_need_a_script(visit, page):
    colours = "getComputedStyle(document.querySelector('.bd-article a, .bd-sidebar-primary a')).color"
    with visit(page) as tab:
        wanted = tab.evaluate(colours)
    with visit(page, java_script_enabled=False) as tab:
        assert tab.evaluate(colours) == wanted


@on_every_moving_page
def test_dark_mode_darkens_drawings_and_leaves_photographs_alone(visit, page):
    looks = {}
    for scheme in ("light", "dark"):
        # So high that no figure is cut off by the screen or lies under the bar at its top.
        with visit(page, color_scheme=scheme, height=1800) as tab:
            # Laid out at once: what is estimated while it is far away would move figures by parts of a pixel.
            tab.add_style_tag(content="* { content-visibility: visible !important; }")
            looks[scheme] = {figure.id: stage(tab, figure) for figure in explorers(page)}
    for figure in explorers(page):
        light, dark = alike_in_size(looks["light"][figure.id], looks["dark"][figure.id])
        drawing = drawing_of(figure, light.size)
        assert ImageStat.Stat(light.convert("L"), drawing).median[0] > 200, f"figure {figure.id} in light mode"
        assert ImageStat.Stat(dark.convert("L"), drawing).median[0] < 60, f"figure {figure.id} in dark mode"
        if figure.has_photos:
            photograph = ImageChops.invert(drawing)
            change = ImageStat.Stat(ImageChops.difference(light, dark), photograph).mean
            # Drawn twice at another size, they differ by a little; turned over, they change by 80 or more.
            assert max(change) < 20, f"photographs of figure {figure.id} change with the theme"


def alike_in_size(one, other):
    """Both pictures, without the row or column that one has more: a figure may begin within a pixel."""
    assert max(abs(a - b) for a, b in zip(one.size, other.size, strict=True)) <= 1
    box = (0, 0, *map(min, one.size, other.size))
    return one.crop(box), other.crop(box)


def stage(page, figure):
    """What stands in a figure, as an image."""
    place = page.locator(f"#{figure.id} .explore-stage")
    place.scroll_into_view_if_needed()
    for image in place.locator("img:visible").all():
        expect(image).to_have_js_property("complete", True)
    return Image.open(io.BytesIO(place.screenshot(animations="disabled"))).convert("RGB")


def drawing_of(figure, size):
    """A mask that is white where a figure is drawn, and black over its photographs."""
    corners = figure.photo_corners(figure.default)
    mask = Image.new("L", size, 255)
    for left, top, right, bottom in corners:
        box = (left * size[0], top * size[1], right * size[0], bottom * size[1])
        mask.paste(0, [round(side / 100) for side in box])
    return mask
