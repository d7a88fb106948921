"""A browser without a network, and visits to pages of the built site that end in a check of what they asked for."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest
import run_tests
from built import SITE
from playwright.sync_api import sync_playwright

QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever a page asks for, no host has an address
]
# The theme notes what it does, such as in which colours it starts.
NOTE_OF_THE_THEME = "console.log: [PST]: "


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("site")


@pytest.fixture(scope="session")
def browser():
    executable = run_tests.chromium()
    if not executable:
        pytest.skip(run_tests.GET_CHROMIUM)
    # Chromium refuses its sandbox to root, who runs the tests in a container.
    as_root = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET + as_root)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """``with visit("chapters/intro.html") as page``: opened from disk; in the end nobody else was asked for anything
    and the console is empty. ``page.asked`` lists the files that were loaded.
    """

    @contextmanager
    def visit(address, *, width=1280, height=800, **context):
        context = {"reduced_motion": "reduce", "viewport": {"width": width, "height": height}} | context
        with browser.new_context(**context) as context:
            asked, said = [], []
            context.on("request", lambda request: asked.append(request.url))
            context.on("console", lambda message: said.append(f"console.{message.type}: {message.text}"))
            context.on("weberror", lambda error: said.append(f"uncaught: {error.error}"))
            page = context.new_page()
            page.set_default_timeout(15_000)
            page.asked = asked
            page.goto(f"{SITE.as_uri()}/{address}")
            yield page
            foreign = [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))]
            assert not foreign, f"{address} asks other hosts for {foreign}"
            said = [line for line in said if not line.startswith(NOTE_OF_THE_THEME)]
            assert not said, f"{address} writes to the console: {said}"

    return visit
