import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path

import environment
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path):
    """A copy of the files that decide what the environment holds."""
    for name in ("requirements.txt", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def finished(project):
    """A finished environment, as far as the check can see."""
    python = environment.python_of(project / ".venv")
    python.parent.mkdir(parents=True)
    python.touch()
    (project / ".venv" / environment.STAMP).write_text(environment.fingerprint(project))
    return project / ".venv"


def test_finished_environment_is_current(finished):
    assert environment.is_current(finished, environment.fingerprint(finished.parent))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements.lock"])
def test_changed_requirement_makes_it_stale(finished, name):
    (finished.parent / name).write_text("numpy\n")
    assert not environment.is_current(finished, environment.fingerprint(finished.parent))


def test_pytest_settings_leave_it_current(finished):
    with (finished.parent / "pyproject.toml").open("a") as file:
        file.write("\n[tool.unrelated]\nkey = 1\n")
    assert environment.is_current(finished, environment.fingerprint(finished.parent))


def test_moved_checkout_makes_it_stale(finished):
    elsewhere = finished.parent.rename(finished.parent.with_name("elsewhere"))
    assert not environment.is_current(elsewhere / ".venv", environment.fingerprint(elsewhere))


def test_python_gone_makes_it_stale(finished):
    python = environment.python_of(finished)
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert not environment.is_current(finished, environment.fingerprint(finished.parent))


def test_clear_distrusts_before_it_removes(finished, monkeypatch):
    monkeypatch.setattr(shutil, "rmtree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        environment.clear(finished)
    assert not environment.is_current(finished, environment.fingerprint(finished.parent))


def interrupt(*_arguments):
    raise KeyboardInterrupt


def test_clear_leaves_nothing_but_the_stamp(finished):
    environment.clear(finished)
    assert [path.name for path in finished.iterdir()] == [environment.STAMP]


def test_python_of_a_half_cleared_environment_is_followed_outside(tmp_path, monkeypatch):
    link = environment.python_of(tmp_path)
    link.parent.mkdir(parents=True)
    link.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(environment, "VENV", tmp_path)
    monkeypatch.setattr(sys, "_base_executable", str(link))
    assert environment.base_python() == str(Path(sys.executable).resolve())


def test_clear_spares_an_environment_of_somebody_else(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(environment.Trouble, match="not made by make"):
        environment.clear(tmp_path)
    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize("step", ["create", "warn_of_cuda", "pip", "try_imports"])
def test_make_interrupted_at_any_step_leaves_no_trust(project, monkeypatch, step):
    for name in ("check_machine", "create", "warn_of_cuda", "pip", "try_imports"):
        monkeypatch.setattr(environment, name, interrupt if name == step else lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        environment.make(project / ".venv", "wanted")
    assert (project / ".venv" / environment.STAMP).read_text() == environment.UNFINISHED


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying (Retry(total=4, connect=None)) after connection broken", "could not reach"),
        ("urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool: Read timed out.", "could not reach"),
        ("Retrying (Retry(total=0)) after 'SSLError(SSLCertVerificationError'", "certificate"),
        ("Retrying (Retry(total=0)) after 'ProxyError('Cannot connect to proxy.'", "proxy refused"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no packages for Python 3"),
        ("ERROR: ResolutionImpossible: for help visit", "pip config list"),
        ("error: subprocess-exited-with-error", "did not compile"),
        ("OSError: [Errno 13] Permission denied: 'x'", "No permission"),
    ],
)
def test_failure_of_pip_becomes_a_sentence(said, sentence):
    assert sentence in environment.failure_of(said, ROOT)


def test_unknown_failure_has_no_sentence():
    assert environment.failure_of("something new", ROOT) is None


@pytest.mark.parametrize(("code", "sentence"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "No permission")])
def test_failure_of_the_system_becomes_a_sentence(code, sentence):
    assert sentence in environment.sentence_for(OSError(code, "why", "where"))


def test_traceback_is_kept_from_the_person_but_not_lost(capsys):
    said = environment.echo_until_traceback(["WARNING: slow\n", "ERROR: Exception:\n", "Traceback\n", "ReadTimeout\n"])
    assert capsys.readouterr().err == "WARNING: slow\n"
    assert "ReadTimeout" in said


def test_nothing_of_another_python_leaks_in(monkeypatch):
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    clean = environment.clean_environ()
    assert clean["PIP_USER"] == "0"
    assert clean["PIP_INDEX_URL"] == "elsewhere"  # the user's own index stays
    assert not {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET"} & clean.keys()


def test_lock_is_sorted_and_without_build_suffixes():
    packages = [("torch", "2.13.0+cpu"), ("Babel", "2.18"), ("alabaster", "0.7")]
    report = {"install": [{"metadata": {"name": name, "version": version}} for name, version in packages]}
    assert environment.lock_text(report).splitlines()[3:] == ["alabaster==0.7", "Babel==2.18", "torch==2.13.0"]


def test_every_requirement_is_locked_and_explained():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    names = {re.split("[<>=]", line)[0].lower() for line in lines}
    locked = {line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    assert names <= locked
    assert all("  # " in line for line in lines)


def test_second_run_waits_for_the_first(tmp_path):
    script = "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import environment\n"
    script += "with environment.one_at_a_time(pathlib.Path(sys.argv[2])): print('mine')"
    with environment.one_at_a_time(tmp_path):
        command = [sys.executable, "-c", script, str(ROOT / "tools"), str(tmp_path)]
        second = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert "waiting" in second.stdout.readline()
    assert second.communicate(timeout=10)[0] == "mine\n"


def test_makefile_asks_for_the_python_that_pyproject_names():
    minimum = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text()).groups()
    assert f"sys.version_info < ({minimum[0]}, {minimum[1]})" in (ROOT / "Makefile").read_text()


def test_plain_make_lists_every_target():
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("book", "serve", "test", "lab", "clean", "bench", "lock"):
        assert f"make {target} " in told
