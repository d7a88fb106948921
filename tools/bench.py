"""Measure the book: its build, its pages, its controls, and its algorithms beside the libraries'.

    python tools/bench.py            everything; takes as long as building the book three times
    python tools/bench.py --quick    no builds: the site as it stands in _build, the widgets, and the algorithms
    python tools/bench.py --algorithms    the book's algorithms beside the libraries', and nothing else

Prints a table and writes the same as _build/bench.json. The builds take place in a temporary copy of the tree, so
_build stays as it is. Exits with 1 when something could not be measured, whether or not the aims are met; without a
Chromium the rows that need one say so.
"""

import argparse
import gzip
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import bench_algorithms
import matplotlib
import matplotlib.pyplot as plt
import notebooks
import run_tests
import serve
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Page, sync_playwright

from utils.controls import arguments, default_position, parse_controls
from utils.explore import live_figure
from utils.frames import draw_frame
from utils.images import photograph
from utils.profiling import median_seconds

CORES = os.cpu_count() or 1  # what tools/notebooks.py shares the work among
MOVES = 60
REPETITIONS = 3  # of what takes seconds
COLD_RATIO, REBUILD_SECONDS, IN_PLACE_MS, PAINTED_MS, PAGE_KB, ZIPPED_KB = 1.5, 3, 8, 34, 900, 300  # the aims
FILTER_MS, RESNET_SECONDS = 50, 1  # aims too
PICTURES = {".webp", ".png", ".svg", ".jpg", ".jpeg", ".gif", ".ico", ".avif"}
NO_CHROMIUM = "not measured: no Chromium"


class BenchError(Exception):
    """Something that could not be measured, and why."""


# --- rows --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of the table; `reason` says why there is no value, `failed` that there should be one."""

    name: str
    value: float | None = None
    unit: str = ""
    aim: float | None = None  # at most
    reason: str = ""
    failed: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where there is none, or no value."""
        return None if self.aim is None or self.value is None else self.value <= self.aim


def formatted(row: Row) -> str:
    """A line of the table."""
    if row.value is None:
        return f"  {row.name:<75}  {row.reason}"
    is_count = not row.unit and row.value == int(row.value)
    digits = 0 if is_count else 2 if row.value < 10 else 1
    aim = "" if row.aim is None else f"  aim {row.aim:g}: {'met' if row.met else 'NOT MET'}"
    return f"  {row.name:<75} {row.value:>9.{digits}f} {row.unit:<3}{aim}".rstrip()


def as_json(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """The table for programs."""
    return json.dumps({"machine": machine, "rows": [asdict(row) | {"met": row.met} for row in rows]}, indent=1)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that at least so many percent of them do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]


def median_and_tail(name: str, milliseconds: Sequence[float], aim: float | None = None) -> Iterator[Row]:
    """Two rows; the aim is one for the tail."""
    yield Row(f"{name}, median", statistics.median(milliseconds), "ms")
    yield Row(f"{name}, 95th percentile", percentile(milliseconds, 95), "ms", aim)


def attempt(what: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, as far as they come; whatever goes wrong ends this part and no other."""
    try:
        yield from rows
    except Exception as error:
        yield Row(what, reason=f"could not be measured: {type(error).__name__}: {error}", failed=True)


# --- builds ------------------------------------------------------------------------------------------------------


def copy_tree(target: Path) -> None:
    """Copy what git keeps or would keep; neither _build nor any other thing that was made."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=notebooks.ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (notebooks.ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(notebooks.ROOT / name, target / name)


def run_in(copy: Path, *command: str) -> tuple[str, float]:
    """Run this Python on the modules of the copy: what it printed, and the seconds it took."""
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(copy), str(copy / "tools")])}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=copy, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"{command[0]} failed:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-20:]))
    return done.stdout, time.perf_counter() - start


def build(copy: Path, *, repetitions: int = 1, outdated_stamp: bool = False) -> float:
    """Seconds of `tools/build.py`; with an outdated stamp it leaves it to Sphinx to find that nothing has changed."""
    seconds = []
    for _ in range(repetitions):
        if outdated_stamp:
            (copy / "_build" / "built").write_text("that of other sources")
        seconds.append(run_in(copy, "tools/build.py")[1])
    return statistics.median(seconds)


def run_bare(copy: Path, *, draw_frames: bool) -> dict[str, float]:
    """Seconds of each notebook through nbclient, one after another, each with one worker and a fresh kernel."""
    code = (
        "import json, notebooks\n"
        f"seconds = {{n.stem: notebooks.run(n, draw_frames={draw_frames})[1] for n in notebooks.chapters()}}\n"
        "print(json.dumps(seconds))"
    )
    seconds: dict[str, float] = json.loads(run_in(copy, "-c", code)[0].splitlines()[-1])
    return seconds


def touch(copy: Path, name: str) -> None:
    """Change one code cell of a notebook, without changing what it does."""
    path = next((copy / "chapters").rglob(f"{name}.ipynb"))
    book = json.loads(path.read_text(encoding="utf-8"))
    cell = next(cell for cell in book["cells"] if cell["cell_type"] == "code")
    cell["source"] = "".join(cell["source"]) + "\n# touched"
    path.write_text(json.dumps(book), encoding="utf-8")


def builds(copy: Path) -> Iterator[Row]:
    """The floor first, so that the cold build finds the same warm disk, then the builds."""
    bare = run_bare(copy, draw_frames=False)
    without_frames = sum(bare.values())
    yield Row("floor A: bare notebooks, one by one, without the explorers' frames", without_frames, "s")
    drawn = run_bare(copy, draw_frames=True)
    with_frames = sum(drawn.values())
    yield Row("floor B: bare notebooks, one by one, with the explorers' frames", with_frames, "s")
    shutil.rmtree(copy / "_build", ignore_errors=True)
    cold = build(copy)
    yield Row(f"cold build on {CORES} cores", cold, "s")
    yield Row("cold / (floor A / cores)", cold / (without_frames / CORES))
    # A floor without the frames would leave out the work that the book asks for, so this is the one with the aim.
    yield Row("cold / (floor B / cores)", cold / (with_frames / CORES), aim=COLD_RATIO)
    yield Row("nothing changed", build(copy, repetitions=REPETITIONS), "s", REBUILD_SECONDS)
    # What a corrected sentence costs; half of it are imports and the pages that are made from data.
    sphinx = build(copy, repetitions=REPETITIONS, outdated_stamp=True)
    yield Row("nothing changed, found out by Sphinx", sphinx, "s", REBUILD_SECONDS)
    slowest = max(drawn, key=lambda name: drawn[name])
    touch(copy, slowest)
    yield Row(f"one code cell of {slowest} (the slowest) changed", build(copy), "s")
    yield from notebook_rows(bare, drawn, explorers(copy / "_build" / "html"))


def notebook_rows(bare: dict[str, float], drawn: dict[str, float], found: "Sequence[Explorer]") -> Iterator[Row]:
    """Seconds of each notebook, and of each of its frames."""
    for name, seconds in drawn.items():
        # Without the frames each explorer still draws its default position.
        more = sum(explorer.frames - 1 for explorer in found if explorer.page.stem == name)
        yield Row(f"{name}: without frames", bare[name], "s")
        yield Row(f"{name}: with {more} more frames", seconds, "s")
        if more:
            yield Row(f"{name}: each frame", (seconds - bare[name]) / more * 1000, "ms")


# --- pages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explorer:
    """A figure on a page: its range control with the most positions, and its pictures."""

    page: Path
    anchor: str
    control: str  # "" where it has no range
    positions: int
    names: tuple[str, ...]  # of the pictures, in order
    size: tuple[int, int]  # of a picture, in the page's pixels
    heaviest: int  # bytes

    @property
    def frames(self) -> int:
        """How many positions all controls have together."""
        return len(self.names)


FIGURE = re.compile(r'<figure class="explore" id="([^"]*)".*?</figure>', re.DOTALL)
DATA = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)
RANGE = re.compile(r'<input type="range" [^>]*data-control="([^"]*)"[^>]* max="(\d+)"')
SIZE = re.compile(r'width="(\d+)" height="(\d+)"')


def pages_of(site: Path) -> list[Path]:
    """The pages; not those that only lead to another, nor the theme's building blocks."""
    return sorted(p for p in site.rglob("*.html") if "_static" not in p.parts and p != site / "index.html")


def explorers(site: Path) -> list[Explorer]:
    """The figures that move, on every page."""
    found = []
    for page in pages_of(site):
        for figure in FIGURE.finditer(page.read_text(encoding="utf-8")):
            data, size = DATA.search(figure[0]), SIZE.search(figure[0])
            if data and size:
                names = tuple(json.loads(data[1])["frames"])
                last, control = max(((int(last), name) for name, last in RANGE.findall(figure[0])), default=(0, ""))
                heaviest = max((site / "_frames" / f"{name}.webp").stat().st_size for name in names)
                shown = int(size[1]), int(size[2])
                found.append(Explorer(page, figure[1], control, last + 1, names, shown, heaviest))
    return found


def weight(files: Iterable[Path]) -> tuple[float, float]:
    """Kilobytes (1000 bytes) of some files, raw and gzipped one by one as a server sends them."""
    contents = [file.read_bytes() for file in sorted(set(files))]
    zipped = sum(len(gzip.compress(content, compresslevel=6, mtime=0)) for content in contents)
    return sum(map(len, contents)) / 1000, zipped / 1000


@contextmanager
def served(site: Path) -> Iterator[str]:
    """The address of a folder while it is served."""
    with serve.server(site, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def page_rows(site: Path, browser: Browser) -> Iterator[Row]:
    """What each page asks for and weighs, at first load and with everything it can show."""
    found = explorers(site)
    with served(site) as address:
        for path in pages_of(site):
            name, first, later = path.stem, *requests_of(browser, f"{address}/{path.relative_to(site).as_posix()}")
            files = {site / unquote(urlsplit(url).path)[1:] for url in first if url.startswith(address)}
            pictures = {file for file in files if file.suffix in PICTURES}
            shown = {site / "_frames" / f"{frame}.webp" for e in found if e.page == path for frame in e.names}
            raw, zipped = weight(files - pictures)
            yield Row(f"{name}: first load without pictures", raw, "kB", PAGE_KB)
            yield Row(f"{name}: first load without pictures, gzipped", zipped, "kB", ZIPPED_KB)
            yield Row(f"{name}: pictures at first load", weight(pictures)[0], "kB")
            raw, zipped = weight(files | shown)
            yield Row(f"{name}: with every frame", raw, "kB")
            yield Row(f"{name}: with every frame, gzipped", zipped, "kB")
            yield Row(f"{name}: requests at first load", len(first))
            foreign = {urlsplit(url).netloc for url in first + later if not url.startswith(address)}
            yield Row(f"{name}: foreign hosts, all the way down", len(foreign), aim=0)


def requests_of(browser: Browser, url: str) -> tuple[list[str], list[str]]:
    """The addresses a page asks for when it opens, and those it asks for on the way to its end."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url, wait_until="networkidle")
    first = [address for address in asked if not address.startswith(("data:", "blob:"))]
    seen = len(asked)
    for _ in range(math.ceil(page.evaluate("document.documentElement.scrollHeight") / 800)):
        page.mouse.wheel(0, 800)
        page.wait_for_timeout(50)
    page.wait_for_load_state("networkidle")
    later = [address for address in asked[seen:] if not address.startswith(("data:", "blob:"))]
    page.close()
    return first, later


# --- controls ----------------------------------------------------------------------------------------------------

# In place: every picture of the stage that this mode shows is the expected one, complete, and has answered decode().
# The clock starts before the explorer hears of the event.
WATCH = """({ anchor }) => {
  const figure = document.getElementById(anchor);
  const data = JSON.parse(figure.querySelector("script").textContent);
  const fields = data.controls.map(({ name }) => figure.querySelector(`[data-control="${name}"]`));
  const at = (field) => field.type === "checkbox" ? Number(field.checked) : field.selectedIndex ?? Number(field.value);
  const expected = () => {
    const index = fields.reduce((sum, field, i) => sum * data.controls[i].labels.length + at(field), 0);
    return `/${data.frames[index]}.webp`;
  };
  const shown = document.documentElement.dataset.theme === "dark" ? "img" : "img:not(.explore-photos)";
  const pictures = () => [...figure.querySelectorAll(`.explore-stage ${shown}`)];
  const isThere = (picture) => picture.complete && picture.naturalWidth && picture.src.endsWith(expected());
  const task = () => new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  });
  let start;
  window.moves = [];
  addEventListener("input", () => (start = performance.now()), true);
  figure.addEventListener("input", async () => {
    const began = start;
    while (!pictures().every(isThere)) await task();
    await Promise.all(pictures().map((picture) => picture.decode()));
    moves.push(performance.now() - began);
  });
}"""

# decode() is answered together with a frame of the page, so even a picture that has long been there needs some time.
ASK = """async ({ anchor, count }) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    await new Promise((done) => setTimeout(done, 100 + 17 * Math.random()));
    const start = performance.now();
    await document.getElementById(anchor).querySelector(".explore-stage img").decode();
    times.push(performance.now() - start);
  }
  return times;
}"""

LOADED = """(names) => {
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name.split("/").pop());
  return names.every((name) => loaded.includes(`${name}.webp`));
}"""

# Painted: from the key press to the moment when the frame that shows its effect was on the screen, both as Chromium
# traces them (EventLatency). Two animation frames, or one and a message, would leave out decoding and drawing on
# other threads; the Event Timing API has the right moment, but in steps of 8 ms.
TRACE = ["cc", "benchmark", "input", "input.scrolling"]


def control_rows(site: Path, browser: Browser) -> Iterator[Row]:
    """How soon a move is to be seen, where there are most positions to go to, and where the pictures are largest."""
    found = [explorer for explorer in explorers(site) if explorer.control]
    if not found:
        raise BenchError("no page has a figure with a slider")
    most = max(found, key=lambda explorer: (explorer.positions, math.prod(explorer.size)))
    largest = max(found, key=lambda explorer: (math.prod(explorer.size), explorer.heaviest))
    with served(site) as address:
        for explorer in dict.fromkeys([most, largest]):
            yield Row(f"{explorer.anchor}: positions of {explorer.control}", explorer.positions)
            yield Row(
                f"{explorer.anchor}: heaviest picture of {'x'.join(map(str, explorer.size))}",
                explorer.heaviest / 1000,
                "kB",
            )
            for mode in ("light", "dark"):
                url = f"{address}/{explorer.page.relative_to(site).as_posix()}"
                yield from moves(browser, url, explorer, mode)


def moves(browser: Browser, url: str, explorer: Explorer, mode: str) -> Iterator[Row]:
    """The times of one explorer in one mode, with real key presses on a screen of two pixels for each CSS pixel."""
    page = opened(browser, url, explorer, mode)
    name = f"{explorer.anchor}, {mode}"
    idle = page.evaluate(ASK, {"anchor": explorer.anchor, "count": MOVES})
    browser.start_tracing(page=page, categories=TRACE)
    press_keys(page, explorer.positions)
    painted = key_to_screen(browser.stop_tracing())
    page.evaluate(WATCH, {"anchor": explorer.anchor})
    press_keys(page, explorer.positions)
    page.wait_for_function(f"moves.length === {MOVES}")
    yield from median_and_tail(f"{name}: no move, decode() alone", idle)
    yield from median_and_tail(f"{name}: input to decoded picture in place", page.evaluate("moves"), IN_PLACE_MS)
    if len(painted) < MOVES:
        raise BenchError(f"Chromium traced {len(painted)} of {MOVES} key presses to the screen")
    yield from median_and_tail(f"{name}: key press to picture on screen", painted, PAINTED_MS)
    page.context.close()


def opened(browser: Browser, url: str, explorer: Explorer, mode: Any) -> Page:
    """A page at an explorer's first position, with the keyboard on its control and the neighbours loaded."""
    context = browser.new_context(color_scheme=mode, viewport={"width": 1280, "height": 800}, device_scale_factor=2)
    page = context.new_page()
    page.add_init_script("performance.setResourceTimingBufferSize(10000)")
    page.goto(url, wait_until="networkidle")
    if page.evaluate("document.documentElement.dataset.theme") != mode:
        raise BenchError(f"the page did not take the {mode} mode")
    field = page.locator(f'#{explorer.anchor} [data-control="{explorer.control}"]')
    field.scroll_into_view_if_needed()
    field.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")  # so that "input" comes also where it stood at the first position
    page.keyboard.press("Home")
    page.wait_for_function(LOADED, arg=list(names_along(page, explorer)))
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)
    return page


def names_along(page: Page, explorer: Explorer) -> set[str]:
    """The pictures that the explorer's control can reach from where the other controls stand."""
    state = """(figure) => [...figure.querySelectorAll("[data-control]")].map((field) => [
      field.dataset.control,
      field.type === "checkbox" ? 2 : field.options ? field.options.length : Number(field.max) + 1,
      field.type === "checkbox" ? Number(field.checked) : field.selectedIndex ?? Number(field.value)])"""
    fields = page.locator(f"#{explorer.anchor}").evaluate(state)
    reached = [0]
    for control, size, at in fields:
        steps = range(size) if control == explorer.control else [at]
        reached = [index * size + step for index in reached for step in steps]
    return {explorer.names[index] for index in reached}


def press_keys(page: Page, positions: int) -> None:
    """To the last position, back, and so on; the pauses drift, so that no move keeps step with the screen."""
    at, step = page.evaluate("Number(document.activeElement.value)"), 1
    for i in range(MOVES):
        if not 0 <= at + step < positions:
            step = -step
        page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
        at += step
        time.sleep(0.1 + 0.0167 * (i * 0.618 % 1))
    time.sleep(0.5)


def key_to_screen(trace: bytes) -> list[float]:
    """Milliseconds from each key press to its frame on the screen, in a trace of Chromium's."""
    events = [event for event in json.loads(trace)["traceEvents"] if event["name"] == "EventLatency"]
    began: dict[Any, float] = {}
    times = []
    for event in sorted(events, key=lambda event: event["ts"]):
        key = event["pid"], json.dumps(event.get("id2", event.get("id")), sort_keys=True)
        if event["ph"] == "b":
            latency = event["args"].get("event_latency", {})
            # Only what changed the screen is told to which frame it belongs.
            if latency.get("event_type") in ("KEY_PRESSED", "RAW_KEY_DOWN") and "surface_frame_trace_id" in latency:
                began[key] = event["ts"]
        elif event["ph"] == "e" and key in began:
            times.append((event["ts"] - began.pop(key)) / 1000)
    return times


# --- widgets -----------------------------------------------------------------------------------------------------


def photograph_and_profile(row: int = 256) -> Figure:
    """A row of a photograph, and its gray values: about what a chapter draws."""
    image = photograph("camera")
    figure, (top, bottom) = plt.subplots(2, 1, height_ratios=[2, 1])
    top.imshow(image)
    top.axhline(row)
    bottom.plot(image[row])
    bottom.set(xlim=(0, image.shape[1]), ylim=(0, 255))
    return figure


def widget_rows() -> Iterator[Row]:
    """One move of `explore` in a kernel, from the slider's new value to the new picture, before it is sent."""
    matplotlib.use("agg")
    parsed, constants = parse_controls(photograph_and_profile, {"row": (8, 504, 8)})
    default = draw_frame(photograph_and_profile, arguments(parsed, default_position(parsed)))
    picture = live_figure(photograph_and_profile, parsed, constants, default).children[-2]
    slider, values = parsed[0].widget, list(parsed[0].values)[:MOVES]
    milliseconds = []
    for before, value in pairwise([slider.value, *values]):
        shown, start = picture.value, time.perf_counter()
        slider.value = value
        milliseconds.append((time.perf_counter() - start) * 1000)
        if value != before and picture.value == shown:
            raise BenchError(f"the picture did not follow the slider to {value}")
    yield from median_and_tail("a move in a live kernel, without the way to the browser", milliseconds)


# --- lists that are filtered -------------------------------------------------------------------------------------

LISTS = ("question-index", "claims-on-trial", "quiz", "glossary")
# Script, style and layout of one keystroke in the field to search in, for many words of one to three letters.
FILTER = """(count) => {
  const field = document.querySelector("form.filter input");
  return Array.from({ length: count }, (_, i) => {
    const start = performance.now();
    field.value = i.toString(36).repeat(1 + (i % 3));
    field.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.offsetHeight;
    return performance.now() - start;
  });
}"""


def filter_rows(site: Path, browser: Browser) -> Iterator[Row]:
    """How long a keystroke takes to narrow a list down."""
    with served(site) as address:
        for name in LISTS:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{address}/chapters/practice/{name}.html")
            rows = page.locator(".rows > li").count()
            yield from median_and_tail(f"filter {rows} rows of {name}", page.evaluate(FILTER, MOVES), FILTER_MS)
            page.close()


# --- the whole ---------------------------------------------------------------------------------------------------


def browser_rows(site: Path, chromium: str | None) -> Iterator[Row]:
    """Everything that needs a Chromium."""
    if not chromium:
        yield from (
            Row(what, reason=NO_CHROMIUM) for what in ("pages: weights, requests, hosts", "controls", "filters")
        )
        return
    if not pages_of(site):
        raise BenchError("there is no site; `make book` builds it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield from attempt("pages", page_rows(site, browser))
        yield from attempt("controls", control_rows(site, browser))
        yield from attempt("filters", filter_rows(site, browser))
        browser.close()


# --- algorithms --------------------------------------------------------------------------------------------------


def algorithm_rows() -> Iterator[Row]:
    """Our time on each task as a ratio to the fastest library's, and how memory grows."""
    for contest in bench_algorithms.contests():
        result = bench_algorithms.measure(contest)
        times = {"ours": result.ours, **result.others}
        told = ", ".join(f"{name} {1000 * seconds:.3g}" for name, seconds in times.items())
        yield Row(f"{contest.name}: ours / {result.fastest}'s (ms: {told})", result.ratio, aim=contest.aim)
    for name, growth in bench_algorithms.growth_of_memory():
        yield Row(name, growth, aim=2.2)
    seconds = median_seconds(bench_algorithms.read_resnet_152)
    yield Row("receptive field and cost of ResNet-152, made and read", seconds, "s", RESNET_SECONDS)
    for name, megabytes in bench_algorithms.memory_of_convolution():
        yield Row(name, megabytes, "MB")


def everything(copy: Path, chromium: str | None, *, quick: bool) -> Iterator[Row]:
    """All rows, as they are measured."""
    site = notebooks.BUILD / "html"
    if quick:
        print("Builds are skipped; pages and controls are those of the site as it stands.")
    else:
        print("Building in a temporary copy of the tree; _build stays as it is.", flush=True)
        copy_tree(copy)
        yield from attempt("builds", builds(copy))
        site = copy / "_build" / "html"
    yield from attempt("pages and controls", browser_rows(site, chromium))
    yield from attempt("explore in a live kernel", widget_rows())
    yield from attempt("algorithms", algorithm_rows())


def summary(rows: Sequence[Row]) -> int:
    """Say what is missing, loudest what was not measured; 1 when something failed."""
    judged = [row for row in rows if row.met is not None]
    print(f"\n{sum(bool(row.met) for row in judged)} of {len(judged)} aims met; written to _build/bench.json")
    missing = [row for row in rows if row.value is None]
    for row in missing:
        print(f"!!  NOT MEASURED: {row.name} ({row.reason.partition(': ')[2]})")
    return int(any(row.failed for row in missing))


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Measure the book.")
    parser.add_argument("--quick", action="store_true", help="no builds: the site as it stands")
    parser.add_argument("--algorithms", action="store_true", help="the algorithms alone")
    chosen = parser.parse_args(arguments)
    chromium = run_tests.chromium()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.5:
        print(f"This machine is busy (load {load:.1f} on {CORES} cores): the times below are too long.")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        parts = everything(Path(folder, "book"), chromium, quick=chosen.quick)
        for row in attempt("algorithms", algorithm_rows()) if chosen.algorithms else parts:
            print(formatted(row), flush=True)
            rows.append(row)
    machine = {"cores": CORES, "load": load, "python": platform.python_version(), "system": platform.platform()}
    notebooks.BUILD.mkdir(exist_ok=True)
    (notebooks.BUILD / "bench.json").write_text(as_json(rows, machine) + "\n", encoding="utf-8")
    return summary(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
