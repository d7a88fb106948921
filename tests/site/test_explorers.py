import hashlib
import re
from urllib.parse import parse_qsl, urlencode

import notebooks
import pytest
from built import MOVING, NOTEBOOKS, PAGES, SITE, elements, explorers, explorers_in, read
from PIL import Image
from playwright.sync_api import expect

on_every_moving_page = pytest.mark.parametrize("page", MOVING)

# What the figures of a page show, as soon as each one in `awaited` shows the picture named there, and the one named
# `loaded` has it on the screen; or after ten seconds.
SHOWN = """async ([awaited, loaded]) => {
  const nameOf = (image) => image && image.src.split("/").pop();
  const imageOf = (figure) => figure.querySelector(".explore-stage img");
  const isLoaded = (image) => image.complete && image.naturalWidth > 0;
  const isThere = ([id, picture]) => {
    const image = imageOf(document.getElementById(id));
    return nameOf(image) === picture && (id !== loaded || isLoaded(image));
  };
  const late = performance.now() + 10000;
  while (!Object.entries(awaited).every(isThere) && performance.now() < late)
    await new Promise(requestAnimationFrame);
  const labelsOf = (field) =>
    field.options ? [field.selectedOptions[0].text]
    : field.type === "checkbox" ? [field.checked ? "on" : "off"]
    : [field.getAttribute("aria-valuetext"), field.parentElement.querySelector("output").textContent];
  const stateOf = (figure) => ({
    picture: nameOf(imageOf(figure)),
    loaded: figure.id === loaded ? isLoaded(imageOf(figure)) : "not asked",
    alt: imageOf(figure).alt,
    caption: figure.querySelector("figcaption").textContent,
    labels: [...figure.querySelectorAll("[data-control]")].map(labelsOf),
    photos: nameOf(figure.querySelector(".explore-photos")),
    clip: figure.querySelector(".explore-photos")?.style.clipPath ?? "",
  });
  const figures = [...document.querySelectorAll("figure.explore")].filter((f) => f.querySelector("[data-control]"));
  return Object.fromEntries(figures.map((figure) => [figure.id, stateOf(figure)]));
}"""


def expected(explorer, position, loaded="not asked"):
    """What a figure has to show at a position."""
    labels = [labels[at] for labels, at in zip(explorer.labels, position, strict=True)]
    titles = [control["title"] for control in explorer.data["controls"]]
    state = ", ".join(f"{title} {label}" for title, label in zip(titles, labels, strict=True))
    picture = explorer.frame(position) + ".webp"
    return {
        "picture": picture,
        "loaded": loaded,
        "alt": f"{explorer.data['title']} ({state})",
        "caption": explorer.data["captions"][explorer.index(position)],
        "labels": [[label] * (2 if kind == "range" else 1) for label, kind in zip(labels, explorer.kinds, strict=True)],
        "photos": picture if explorer.has_photos else None,
        "clip": numbers(explorer.data["photos"][explorer.data["photo"][explorer.index(position)]]),
    }


def numbers(polygon):
    """The corners of a CSS polygon, however it is spelled."""
    return [float(number) for number in re.findall(r"[\d.]+", polygon)]


def shown(page, *awaited, loaded=None):
    """What all figures of a page show, once each awaited (explorer, position) has had the time to get there."""
    pictures = {explorer.id: f"{explorer.frame(position)}.webp" for explorer, position in awaited}
    states = page.evaluate(SHOWN, [pictures, loaded and loaded.id])
    return {name: state | {"clip": numbers(state["clip"])} for name, state in states.items()}


def check(page, figures, explorer, position, doing):
    """One figure stands at a position, all the others at their defaults."""
    wanted = {figure.id: expected(figure, figure.default) for figure in figures}
    wanted[explorer.id] = expected(explorer, position, loaded=True)
    assert shown(page, (explorer, position), loaded=explorer) == wanted, f"figure {explorer.id}, {doing}"


def field_of(page, explorer, i):
    return page.locator(f'#{explorer.id} [data-control="{explorer.names[i]}"]')


# --- what the files say ------------------------------------------------------------------------------------------


def test_every_chapter_has_a_page_and_a_figure_that_moves():
    assert list(NOTEBOOKS) == [page for page in NOTEBOOKS if page in PAGES], "missing pages; run: make book"
    assert list(NOTEBOOKS) == [page for page in NOTEBOOKS if page in MOVING]


@pytest.mark.parametrize("page", [page for page in NOTEBOOKS if page in PAGES])
def test_page_carries_every_figure_that_python_drew(page):
    outputs = notebooks.stored_outputs(NOTEBOOKS[page])
    assert outputs is not None, f"{page} is older than its notebook or a module of utils; run: make book"
    html = [output["data"]["text/html"] for cell in outputs for output in cell if "text/html" in output.get("data", {})]
    drawn = explorers_in(read("".join("".join(text) for text in html)))
    assert [figure.id for figure in explorers(page)] == [figure.id for figure in drawn]
    assert [figure.id for figure in drawn if figure not in explorers(page)] == [], "the page shows other pictures"


@on_every_moving_page
def test_every_control_changes_the_picture(page):
    dead = [
        f"{figure.id}: {name}"
        for figure in explorers(page)
        for i, name in enumerate(figure.names)
        if len({figure.frame(figure.with_control(i, at)) for at in range(len(figure.labels[i]))}) < 2
    ]
    assert not dead, f"controls that never change their picture: {dead}"


@on_every_moving_page
def test_pictures_are_those_that_python_drew_and_of_one_size(page):
    """A picture's name is the hash of the bytes that the drawing function gave."""
    for figure in explorers(page):
        for name in set(figure.data["frames"]):
            path = SITE / "_frames" / f"{name}.webp"
            assert path.exists(), f"figure {figure.id}: no picture {path.name}"
            assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(name), f"{path.name} is not what was drawn"
            with Image.open(path, formats=["WEBP"]) as picture:
                picture.load()
                assert [round(side / 2.5) for side in picture.size] == list(figure.size), f"figure {figure.id}: {name}"


def test_no_picture_is_stored_in_vain():
    used = {name for page in MOVING for figure in explorers(page) for name in figure.data["frames"]}
    used |= {source.rpartition("/")[2].removesuffix(".webp") for page in PAGES for source in sources(page)}
    assert {path.stem for path in (SITE / "_frames").iterdir()} <= used


def sources(page):
    return [element.attributes.get("src", "") for element in elements(page) if element.tag == "img"]


# --- mouse and keyboard ------------------------------------------------------------------------------------------


@on_every_moving_page
def test_every_position_of_every_control_is_reached_by_hand(visit, page):
    figures = explorers(page)
    with visit(page) as tab:
        for figure in figures:
            for i, name in enumerate(figure.names):
                for at in move_by_hand(tab, figure, i):
                    check(tab, figures, figure, figure.with_control(i, at), f"{name} moved to {figure.labels[i][at]}")


def move_by_hand(page, explorer, i):
    """Move a control over all its positions and back to its default, yielding where it should stand."""
    field = field_of(page, explorer, i)
    field.scroll_into_view_if_needed()
    positions = [*range(len(explorer.labels[i])), explorer.default[i]]
    if explorer.kinds[i] == "range":
        yield from drag(page, field, positions)
    for at in positions if explorer.kinds[i] != "range" else []:
        field.select_option(index=at) if explorer.kinds[i] == "select" else field.set_checked(bool(at))
        yield at


def drag(page, field, positions):
    """Drag the knob of a range, 16 pixels wide, from one position to the next."""
    box, last = field.bounding_box(), int(field.get_attribute("max"))
    page.mouse.move(*knob(box, int(field.input_value()), last))
    page.mouse.down()
    for at in positions:
        page.mouse.move(*knob(box, at, last))
        yield at
    page.mouse.up()


def knob(box, at, last):
    return box["x"] + 8 + (box["width"] - 16) * at / last, box["y"] + box["height"] / 2


@on_every_moving_page
def test_keyboard_alone_drives_every_control(visit, page):
    figures = explorers(page)
    with visit(page) as tab:
        for figure in figures:
            for i, (name, kind) in enumerate(zip(figure.names, figure.kinds, strict=True)):
                tab_to(tab, f"#{figure.id}-{name}")
                for key, at in keys(kind, figure.default[i], len(figure.labels[i]) - 1):
                    tab.keyboard.press(key)
                    check(tab, figures, figure, figure.with_control(i, at), f"{key} pressed on {name}")


def tab_to(page, selector, key="Tab"):
    """Press Tab until the focus is there."""
    for _ in range(500):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press(key)
    pytest.fail(f"{key} never reaches {selector}")


def keys(kind, default, last):
    """What to press on a control, and where it then stands; in the end it is back at its default."""
    if kind == "checkbox":
        return [("Space", 1 - default), ("Space", default)]
    up, down = ("ArrowDown", "ArrowUp") if kind == "select" else ("ArrowRight", "ArrowLeft")
    page = max(1, last / 10)  # in Chromium, which rounds where it ends
    paging = [("PageDown", int(last - page + 0.5)), ("Home", 0), ("PageUp", int(page + 0.5))] if kind == "range" else []
    ends = [("Home", 0), (up, 1), ("End", last), (down, last - 1), ("End", last)]
    return [*ends, *paging, ("Home", 0), *((up, at) for at in range(1, default + 1))]


STEPPERS = [(page, figure) for page in MOVING for figure in explorers(page) if figure.stepper is not None]


@pytest.mark.parametrize(("page", "figure"), STEPPERS, ids=[figure.id for _, figure in STEPPERS])
def test_stepper_steps_plays_pauses_and_stops_at_the_end(visit, page, figure):
    i, figures = figure.stepper, explorers(page)
    last = len(figure.labels[i]) - 1

    def stands(at, doing):
        check(tab, figures, figure, figure.with_control(i, at), doing)

    with visit(page) as tab:
        press = buttons(tab, figure)
        press("forward", "Enter")
        stands(min(figure.default[i] + 1, last), "forward")
        press("restart", "Space")
        stands(0, "restart")
        press("forward", "click")
        press("forward", "click")
        press("back", "Enter")
        stands(1, "twice forward, once back")
        press("play", "Space")
        wait_for_step(tab, figure, 2)
        press("play", "Enter")  # which now pauses
        stopped_at = step_of(tab, figure)
        tab.wait_for_timeout(1.5 * figure.data["interval"])
        stands(stopped_at, "paused")
        tab_to(tab, f"#{figure.id}-{figure.names[i]}", "Shift+Tab")
        tab.keyboard.press("End")
        tab.keyboard.press("ArrowLeft")
        press("play", "Enter")
        wait_for_step(tab, figure, last)
        expect(tab.locator(f"#{figure.id} [data-step=play]")).to_have_accessible_name("Play")
        stands(last, "played to the end")
        press("play", "click")
        stands(0, "played again from the start")


def buttons(page, figure):
    """A function that presses a button of a stepper, with the mouse or with a key."""

    def press(step, how):
        selector = f"#{figure.id} [data-step={step}]"
        if how == "click":
            page.locator(selector).click()
        else:
            page.locator(selector).focus()
            page.keyboard.press(how)

    return press


def step_of(page, figure):
    return int(field_of(page, figure, figure.stepper).input_value())


def wait_for_step(page, figure, step):
    """Wait until play has come to a step or past it."""
    field = f'#{figure.id} [data-control="{figure.names[figure.stepper]}"]'
    page.wait_for_function("([field, step]) => document.querySelector(field).value >= step", arg=[field, step])


# --- the address -------------------------------------------------------------------------------------------------


@on_every_moving_page
def test_address_holds_the_position(visit, page):
    """Moved figures write it, opening it and following it show it, and what it does not name stays as it is."""
    figures = explorers(page)
    at_the_end = {figure.id: expected(figure, figure.last) for figure in figures}
    with visit(page) as tab:
        for figure in figures:
            for i, at in enumerate(figure.last):
                move(tab, figure, i, at)
        wanted = state(figures, figures, lambda figure: figure.last)
        wait_for(tab, lambda: dict(parse_qsl(tab.evaluate("location.hash.slice(1)"))) == wanted, f"address {wanted}")
    with visit(f"{page}#{urlencode(wanted)}") as tab:
        there = {figure.id: (figure, figure.last) for figure in figures}
        assert shown(tab, *there.values()) == at_the_end
        wait_until_seen(tab, figures[0])
        figure = figures[-1]
        start = tuple(0 for _ in figure.last)
        tab.evaluate("hash => location.hash = hash", urlencode(state(figures, [figure], lambda _: start)))
        wait_until_seen(tab, figure)
        there[figure.id] = (figure, start)
        assert shown(tab, *there.values(), loaded=figure) == at_the_end | {
            figure.id: expected(figure, start, loaded=True)
        }


def state(figures, moved, position_of):
    """Control -> label, for some figures of a page; the figure's id tells apart what two of all its figures share."""
    names = [name for figure in figures for name in figure.names]
    return {
        name if names.count(name) == 1 else f"{figure.id}.{name}": figure.labels[i][position_of(figure)[i]]
        for figure in moved
        for i, name in enumerate(figure.names)
    }


def move(page, explorer, i, at):
    """Set a control to a position."""
    field = field_of(page, explorer, i)
    if explorer.kinds[i] == "select":
        field.select_option(index=at)
    elif explorer.kinds[i] == "checkbox":
        field.set_checked(bool(at))
    else:
        field.fill(str(at))


def wait_until_seen(page, explorer):
    expect(page.locator(f"#{explorer.id}")).to_be_in_viewport()


@on_every_moving_page
def test_address_that_names_no_position_changes_nothing(visit, page):
    figures = explorers(page)
    as_built = {figure.id: expected(figure, figure.default) for figure in figures}
    unknown = state(figures, figures, lambda figure: figure.default).fromkeys(figures[0].names, "nowhere")
    heading = next(e.attributes["id"] for e in reversed(elements(page)) if e.tag == "section" and "id" in e.attributes)
    for hash_ in (urlencode(unknown), "nobody=1&=&%", heading):
        with visit(f"{page}#{hash_}") as tab:
            assert shown(tab) == as_built, hash_
            assert tab.evaluate("location.hash") == f"#{hash_}"
    # After the last visit, to a heading, the page stands there.


# --- lightness ---------------------------------------------------------------------------------------------------


@on_every_moving_page
def test_pictures_are_loaded_only_near_the_reader(visit, page):
    figures = explorers(page)
    with visit(page) as tab:
        tab.wait_for_timeout(500)  # for what would come unasked
        tops = {figure.id: tab.locator(f"#{figure.id}").bounding_box()["y"] for figure in figures}
        still = {source.rpartition("/")[2] for source in sources(page)}
        near = [figure for figure in figures if tops[figure.id] < 800 + 800]
        allowed = still.union(*(names(figure.within_one_move()) for figure in near))
        assert pictures(tab.asked) <= allowed, "more than what stands on the first screens was loaded"
        assert not any(names({f.frame(f.default)}) & pictures(tab.asked) for f in figures if tops[f.id] > 800 + 3000)
        for figure in figures:
            tab.locator(f"#{figure.id}").scroll_into_view_if_needed()
            wanted = names(figure.within_one_move())
            wait_for(tab, lambda wanted=wanted: wanted <= pictures(tab.asked), f"the pictures of {figure.id}")


def wait_for(page, condition, what):
    """Let the page go on, for five seconds at most, until something holds."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"waited in vain for {what}")


def names(frames):
    return {f"{frame}.webp" for frame in frames}


def pictures(asked):
    return {url.rpartition("/")[2] for url in asked if "/_frames/" in url}
