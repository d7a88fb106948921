import gzip
import json
from pathlib import Path

import bench
import pytest


@pytest.fixture
def site(tmp_path):
    """One page with one explorer of six positions, and files beside it."""
    data = {"frames": list("abcdef"), "controls": []}
    figure = (
        '<figure class="explore" id="edges"><img width="480" height="320">'
        '<input type="range" id="edges-x" data-control="x" min="0" max="1" step="1">'
        '<input type="range" id="edges-y" data-control="y" min="0" max="2" step="1">'
        f'<script type="application/json">{json.dumps(data)}</script></figure>'
    )
    (tmp_path / "page.html").write_text(figure)
    (tmp_path / "index.html").write_text("leads to page.html")
    (tmp_path / "_frames").mkdir()
    for size, name in enumerate("abcdef", start=1):
        (tmp_path / "_frames" / f"{name}.webp").write_bytes(b"x" * size)
    return tmp_path


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(50, 3), (95, 5), (80, 4), (0, 1), (100, 5)],  # of 1 to 5: four of five values are 80 %, exactly
)
def test_percentile_is_one_of_the_values(percent, expected):
    assert bench.percentile([5, 1, 4, 2, 3], percent) == expected


def test_95th_percentile_of_sixty_leaves_out_three():
    assert bench.percentile(range(1, 61), 95) == 57


@pytest.mark.parametrize(
    ("value", "aim", "met"),
    [(3.0, 3, True), (3.01, 3, False), (3.0, None, None), (None, 3, None)],  # exactly at the aim is met
)
def test_aim_is_an_upper_bound(value, aim, met):
    assert bench.Row("build", value, "s", aim).met is met


def test_line_of_the_table_says_value_unit_and_aim():
    assert bench.formatted(bench.Row("build", 12.34, "s", 3)).split() == [
        "build",
        "12.3",
        "s",
        "aim",
        "3:",
        "NOT",
        "MET",
    ]
    assert bench.formatted(bench.Row("requests", 7)).split() == ["requests", "7"]
    assert bench.formatted(bench.Row("pages", reason=bench.NO_CHROMIUM)).split(maxsplit=1)[1] == bench.NO_CHROMIUM


def test_json_holds_what_the_table_shows():
    written = json.loads(bench.as_json([bench.Row("build", 2.0, "s", 3)], {"cores": 2}))
    assert written["machine"] == {"cores": 2}
    assert (
        written["rows"][0] | {"name": "build", "value": 2.0, "unit": "s", "aim": 3, "met": True} == written["rows"][0]
    )


def test_weight_counts_each_file_once(tmp_path):
    text = b"all work and no play " * 100
    for name in ("a.js", "b.css"):
        (tmp_path / name).write_bytes(text)
    raw, zipped = bench.weight([tmp_path / "a.js", tmp_path / "b.css", tmp_path / "a.js"])
    assert raw == 2 * len(text) / 1000
    assert zipped == 2 * len(gzip.compress(text, 6)) / 1000


def test_explorer_is_read_from_its_page(site):
    (found,) = bench.explorers(site)
    assert (found.anchor, found.control, found.positions, found.frames) == ("edges", "y", 3, 6)
    assert (found.size, found.heaviest) == ((480, 320), 6)


def test_frames_are_paid_for_beyond_the_first(site):
    rows = list(bench.notebook_rows({"page": 1.0}, {"page": 2.0}, bench.explorers(site)))
    assert (rows[-1].value, rows[-1].unit) == (200.0, "ms")  # one second for the five that a bare run does not draw


def test_key_presses_that_change_nothing_are_not_counted():
    def event(phase, number, microseconds, **latency):
        arguments = {"event_latency": latency} if latency else {}
        common = {"name": "EventLatency", "pid": 1, "id2": {"local": number}}
        return common | {"ph": phase, "ts": microseconds, "args": arguments}

    shown = {"event_type": "KEY_PRESSED", "surface_frame_trace_id": 5}
    events = [
        event("b", "0x1", 1000, **shown),
        event("b", "0x2", 2000, event_type="KEY_PRESSED"),
        event("e", "0x2", 3000),
        event("b", "0x3", 4000, **shown | {"event_type": "KEY_RELEASED"}),
        event("e", "0x1", 21000),
        event("e", "0x3", 22000),
        {"name": "Commit", "ph": "X", "ts": 0},
    ]
    assert bench.key_to_screen(json.dumps({"traceEvents": events}).encode()) == [20.0]


def test_failure_ends_its_own_part_only():
    def rows():
        yield bench.Row("first", 1.0)
        raise ValueError("no more")

    first, second = bench.attempt("part", rows())
    assert (first.value, second.value, second.failed) == (1.0, None, True)
    assert "no more" in second.reason


def test_missing_chromium_is_said_and_forgiven(capsys):
    assert bench.summary(list(bench.browser_rows(Path("nowhere"), None))) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("!!  NOT MEASURED")


def test_failure_is_said_and_counts(capsys):
    assert bench.summary([bench.Row("builds", reason="could not be measured: why", failed=True)]) == 1
    assert "builds (why)" in capsys.readouterr().out
