"""Run everything that guards the book, all of it even when something fails, and sum it up.

    python tools/run_tests.py

Exits with 1 when anything failed, or when, in CI, anything was not run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSERS = ("Chromium.app/Contents/MacOS/Chromium", "Google Chrome.app/Contents/MacOS/Google Chrome")
GET_CHROMIUM = (
    "No Chromium found, so the browser tests will not run. To get it: `apt-get install chromium`, "
    "`brew install --cask chromium`, or set CHROMIUM=/path/to/it."
)


class Count(NamedTuple):
    """How many tests passed, failed and were skipped."""

    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class Stage:
    """One thing to run; `needs` names the stage without which it says nothing, `pytest` that it counts its tests."""

    name: str
    arguments: Sequence[str]
    pytest: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a stage; `reason` says why it was not run."""

    stage: Stage
    count: Count
    seconds: float = 0.0
    reason: str = ""


# A notebook's cells must stay together, in order, on one worker: that is what loadscope is for.
NOTEBOOKS = ("--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120", "--dist", "loadscope", "chapters")
STAGES = [
    Stage("lint", ["ruff", "check"]),
    Stage("format", ["ruff", "format", "--check"]),
    Stage("types", ["mypy"]),
    Stage("units, properties, doctests, rules of the book", ["-n", "auto", "--ignore=tests/site"], pytest=True),
    Stage("every notebook", ["-n", "auto", *NOTEBOOKS], pytest=True),
    Stage("build of the site", ["tools/build.py"]),
    Stage(
        "the site in a browser",
        ["-n", "auto", "--dist", "loadgroup", "-m", "site", "tests/site"],
        pytest=True,
        needs="build of the site",
    ),
]


def main() -> int:
    """Run the stages in order; 0 when all is well."""
    browser = chromium()
    print(f"Browser tests will use {browser}." if browser else GET_CHROMIUM, flush=True)
    outcomes: list[Outcome] = []
    for number, stage in enumerate(STAGES, 1):
        print(f"\n── {number}/{len(STAGES)} {stage.name} ".ljust(100, "─"), flush=True)
        reason = reason_not_to_run(stage, outcomes, browser)
        outcomes.append(Outcome(stage, Count(0, 0, 1), reason=reason) if reason else run(stage, browser))
    return summary(outcomes, in_ci=os.environ.get("CI", "").lower() in ("1", "true"))


def chromium() -> str | None:
    """The browser to test with: CHROMIUM where it is set, else the first one installed."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    on_mac = (f"{home}/Applications/{path}" for path in MAC_BROWSERS for home in ("", str(Path.home())))
    return next((found for name in (*BROWSERS, *on_mac) if (found := shutil.which(name))), None)


def reason_not_to_run(stage: Stage, outcomes: Sequence[Outcome], browser: str | None) -> str:
    """Why a stage would say nothing, or an empty string."""
    if "site" in stage.arguments and not browser:
        return "no Chromium"
    if any(outcome.stage.name == stage.needs and outcome.count.failed for outcome in outcomes):
        return f"{stage.needs} failed"
    return ""


def run(stage: Stage, browser: str | None) -> Outcome:
    """Run a stage, its output in view."""
    start = time.perf_counter()
    # There is a worker for each core already: threads of NumPy and PyTorch on top only wait for one another.
    environ = os.environ | {"OMP_NUM_THREADS": "1"} | ({"CHROMIUM": browser} if browser else {})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        done = subprocess.run(command(stage, report), cwd=ROOT, env=environ, check=False)
        count = counted(report) if stage.pytest else Count(1, 0, 0)
    # A stage that fails without a failing test (a tool's finding, a crash, no test found) counts as one.
    if done.returncode and not count.failed:
        count = Count(count.passed if stage.pytest else 0, 1, count.skipped)
    return Outcome(stage, count, time.perf_counter() - start)


def command(stage: Stage, report: Path) -> list[str]:
    """What to run, with this very Python."""
    if stage.pytest:
        return [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *stage.arguments]
    as_module = [] if stage.arguments[0].endswith(".py") else ["-m"]
    return [sys.executable, *as_module, *stage.arguments]


def counted(report: Path) -> Count:
    """The tests in pytest's report; none where pytest did not live to write it."""
    if not report.exists():
        return Count(0, 0, 0)
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    keys = ("tests", "failures", "errors", "skipped")
    tests, failures, errors, skipped = (sum(int(suite.get(key, 0)) for suite in suites) for key in keys)
    return Count(tests - failures - errors - skipped, failures + errors, skipped)


def summary(outcomes: Sequence[Outcome], in_ci: bool) -> int:
    """Print what became of each stage, loudly what was not run, and the totals on the last line."""
    print("\n── Summary ".ljust(100, "─"))
    for outcome in outcomes:
        word = "NOT RUN" if outcome.reason else "FAILED" if outcome.count.failed else "passed"
        print(f"{word:8} {outcome.stage.name:48} {outcome.seconds:7.1f} s")
    missing = [outcome for outcome in outcomes if outcome.reason]
    if missing:
        print("\n" + "!" * 100)
        for outcome in missing:
            print(f"!!  NOT RUN: {outcome.stage.name} ({outcome.reason})")
        print("!" * 100)
    passed, failed, skipped = (sum(numbers) for numbers in zip(*(o.count for o in outcomes), strict=True))
    if in_ci:  # there a thing not run is a thing not known to work
        failed, skipped = failed + len(missing), skipped - len(missing)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted: nothing can be said of what was not run.")
