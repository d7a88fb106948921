import pytest
import run_tests

Count, Outcome, Stage = run_tests.Count, run_tests.Outcome, run_tests.Stage
SITE = run_tests.STAGES[-1]


@pytest.fixture
def totals(capsys):
    """The last line of a summary, and its exit code."""

    def sum_up(*outcomes, in_ci=False):
        code = run_tests.summary(outcomes, in_ci=in_ci)
        return capsys.readouterr().out.splitlines()[-1], code

    return sum_up


def test_totals_add_the_stages(totals):
    outcomes = Outcome(Stage("a", []), Count(3, 0, 1)), Outcome(Stage("b", []), Count(1, 0, 0))
    assert totals(*outcomes) == ("4 passed, 0 failed, 1 skipped", 0)


def test_one_failure_fails_the_whole(totals):
    outcomes = Outcome(Stage("a", []), Count(3, 1, 0)), Outcome(Stage("b", []), Count(1, 0, 0))
    assert totals(*outcomes) == ("4 passed, 1 failed, 0 skipped", 1)


@pytest.mark.parametrize(
    ("in_ci", "expected"), [(False, (" 0 failed, 1 skipped", 0)), (True, (" 1 failed, 0 skipped", 1))]
)
def test_not_run_fails_only_in_ci(totals, in_ci, expected):
    line, code = totals(Outcome(SITE, Count(0, 0, 1), reason="no Chromium"), in_ci=in_ci)
    assert (line.partition(",")[2], code) == expected


def test_not_run_is_said_loudly(capsys):
    run_tests.summary([Outcome(SITE, Count(0, 0, 1), reason="no Chromium")], in_ci=False)
    assert "!!  NOT RUN: the site in a browser (no Chromium)" in capsys.readouterr().out


def test_site_is_not_tested_without_browser_or_build():
    build = next(stage for stage in run_tests.STAGES if stage.name == SITE.needs)
    assert run_tests.reason_not_to_run(SITE, [], browser=None) == "no Chromium"
    failed = [Outcome(build, Count(0, 1, 0))]
    assert run_tests.reason_not_to_run(SITE, failed, browser="/bin/chromium") == "build of the site failed"
    assert run_tests.reason_not_to_run(SITE, [Outcome(build, Count(1, 0, 0))], browser="/bin/chromium") == ""


@pytest.mark.parametrize(("code", "count"), [(0, Count(1, 0, 0)), (3, Count(0, 1, 0))])
def test_stage_without_report_counts_once(tmp_path, code, count):
    script = tmp_path / "stage.py"
    script.write_text(f"raise SystemExit({code})")
    assert run_tests.run(Stage("stage", [str(script)]), browser=None).count == count


def test_workers_have_one_thread_each(tmp_path):
    script = tmp_path / "stage.py"
    script.write_text("import os; raise SystemExit(os.environ['OMP_NUM_THREADS'] != '1')")
    assert run_tests.run(Stage("stage", [str(script)]), browser=None).count == Count(1, 0, 0)


def test_report_is_counted_over_its_suites(tmp_path):
    report = tmp_path / "report.xml"
    suite = '<testsuite tests="9" failures="2" errors="1" skipped="3"/>'
    report.write_text(f"<testsuites>{suite}{suite}</testsuites>")
    assert run_tests.counted(report) == Count(6, 6, 6)


def test_report_never_written_counts_nothing(tmp_path):
    assert run_tests.counted(tmp_path / "none.xml") == Count(0, 0, 0)


def test_named_browser_wins_even_when_missing(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    assert run_tests.chromium() is None
