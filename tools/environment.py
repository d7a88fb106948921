"""Make `.venv`, the book's own Python environment, or say in one sentence why it cannot be made.

Runs under any Python from 3.11 with the standard library alone. Nothing is trusted but the stamp, a file that is
written last and names everything the environment came from; whatever has another stamp is made anew, and pip's
cache of downloads makes the second time short.

    python tools/environment.py           make .venv if it is not what requirements.txt and the rest now ask for
    python tools/environment.py --lock    resolve requirements.txt afresh and rewrite requirements.lock
"""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = "made-by-make"
UNFINISHED = "unfinished"
NEEDED_GB = 2.5  # what the environment takes on disk with the CPU build of torch
RUNNING = f"Python {platform.python_version()}"

# What would let another Python, or another environment, leak into this one. pip's indexes, certificates and
# proxies are not here: those are the user's to choose.
LEAKS = {
    "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_PREFIX",
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_NO_DEPS", "PIP_DRY_RUN", "PIP_REQUIRE_HASHES",
}  # fmt: skip

FULL = (
    "The disk is full: the environment needs about {needed} GB in {path} ({free:.1f} GB are free), and its downloads "
    "some in the temporary folder. Make room, or set TMPDIR to a roomier place, and run it again."
)
NOT_WRITABLE = "No permission to write {path}: work in a copy that belongs to you, or change its owner."
NO_NETWORK = (
    "pip could not reach a package index: check the network, the proxy and `pip config list`, "
    "then run it again. What was downloaded is kept."
)
# What pip says on the way down, in the order in which one explains the other.
PIP_FAILURES = [
    (r"No space left on device|Errno 28\b|Disk quota exceeded", FULL),
    (r"Errno 13\b|Permission denied|Read-only file system", NOT_WRITABLE),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerification",
        "pip does not trust the package index's certificate: set PIP_CERT to the certificate file of your network.",
    ),
    (
        r"ProxyError|Proxy Authentication|\b407\b",
        "The proxy refused pip: check HTTPS_PROXY and `pip config list`.",
    ),
    (
        r"Retrying \(Retry|ConnectionError|NewConnection|ReadTimeout|Connection broken|IncompleteRead|"
        r"Temporary failure in name resolution",
        NO_NETWORK,
    ),
    (
        r"No matching distribution found|ResolutionImpossible|conflicting dependencies",
        "pip found no packages for {python} on {platform} that fit requirements.txt and its lock (above): either "
        "it has no index that holds them (`pip config list`), or there are none for this Python or machine (choose the "
        "Python that requirements.lock names, with PYTHON=...), or one was withdrawn (`make lock` chooses anew).",
    ),
    (
        r"Failed building wheel|subprocess-exited-with-error|metadata-generation-failed|Failed to build",
        "A package has no ready-made file for {python} on {platform} and did not compile: choose the Python that "
        "requirements.lock names, with PYTHON=...",
    ),
    (r"DO NOT MATCH THE HASHES", "A download was damaged: run it again, after `pip cache purge` if it stays so."),
]


class Trouble(Exception):
    """What went wrong, as a sentence for the person at the keyboard."""


def main(arguments: list[str]) -> int:
    """Do what the command line asks; every failure ends in a sentence, never in a traceback."""
    try:
        if arguments == ["--lock"]:
            write_lock()
        elif not is_current(VENV, wanted := fingerprint(ROOT)):
            with one_at_a_time(ROOT):
                if not is_current(VENV, wanted):  # another run may have made it while this one waited
                    make(VENV, wanted)
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
    except OSError as error:
        print(f"\n{sentence_for(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command starts again with what was downloaded.", file=sys.stderr)
    else:
        return 0
    return 1


def fingerprint(root: Path) -> str:
    """Digest of everything that decides what the environment holds, and of its place, since it cannot be moved."""
    import sysconfig  # these two only here and below: the check runs before every target and should not be felt
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [
        *((root / name).read_text(encoding="utf-8") for name in ("requirements.txt", "requirements.lock")),
        json.dumps([project["build-system"], project["project"], project["tool"]["setuptools"]], sort_keys=True),
        Path(__file__).read_text(encoding="utf-8"),
        str(sys.implementation.cache_tag),
        sysconfig.get_platform(),
        str(root),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_current(venv: Path, wanted: str) -> bool:
    """True when the environment was finished, from what is here now, and its Python still exists."""
    try:
        return (venv / STAMP).read_bytes() == wanted.encode() and python_of(venv).exists()
    except OSError:
        return False


def python_of(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the project's folder locked.

    Children inherit the lock: when this script is killed, the pip it leaves behind still holds it, so that no second
    run builds where the first one's pip is writing.
    """
    try:
        import fcntl
    except ImportError:  # not there on Windows, where two runs at once are the user's to avoid
        yield
        return
    folder = os.open(root, os.O_RDONLY)
    try:
        os.set_inheritable(folder, True)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is making the environment; waiting for it to end ...")
            fcntl.flock(folder, fcntl.LOCK_EX)
        except OSError:  # some network disks cannot lock
            pass
        yield
    finally:
        os.close(folder)


def make(venv: Path, wanted: str) -> None:
    """Make the environment from nothing, and stamp it."""
    check_machine(venv.parent)
    python = base_python()  # asked while the link that answers may still be there
    clear(venv)
    say(f"Making the environment in .venv with {RUNNING} ...")
    create(venv, python)
    warn_of_cuda(venv, venv.parent / "requirements.txt")
    say("Installing what requirements.txt names, a few minutes the first time ...")
    pip(venv, "install", "-r", "requirements.txt", "-c", "requirements.lock")
    pip(venv, "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", ".")
    pip(venv, "check")
    try_imports(venv)
    write_atomically(venv / STAMP, wanted)
    say("The environment is ready.")


def check_machine(root: Path) -> None:
    """Refuse early what would fail late."""
    import importlib.util

    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise Trouble(
            f"{RUNNING} at {base_python()} cannot make environments: install its venv module (on Debian and Ubuntu "
            "`apt-get install python3-venv`), or name another Python with PYTHON=..."
        )
    free = shutil.disk_usage(root).free / 1e9
    if free < NEEDED_GB:
        raise Trouble(f"The environment needs about {NEEDED_GB} GB of disk, and {free:.1f} GB are free: make room.")


def base_python() -> str:
    """The interpreter outside any environment: this script may be running inside the one it is about to clear."""
    python = str(getattr(sys, "_base_executable", None) or sys.executable)
    # In a half-cleared environment Python no longer knows that it is in one; the link still knows where it leads.
    return os.path.realpath(python) if Path(python).parent.resolve() == python_of(VENV).parent else python


def clear(venv: Path) -> None:
    """Empty the environment, and mark it unfinished before the first file goes.

    A `.venv` without a stamp is somebody else's, and stays.
    """
    venv.mkdir(exist_ok=True)
    if any(venv.iterdir()) and not (venv / STAMP).exists():
        raise Trouble(".venv is there but was not made by make: move it away or delete it, then run this again.")
    write_atomically(venv / STAMP, UNFINISHED)
    for path in venv.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != STAMP:
            path.unlink()


def create(venv: Path, python: str) -> None:
    """Make an empty environment with pip in it."""
    done = run([python, "-m", "venv", str(venv)], capture_output=True)
    if done.returncode:
        raise Trouble(failure_of(done.stdout + done.stderr, venv.parent) or f"venv failed: {last_line(done.stdout)}")


def warn_of_cuda(venv: Path, requirements: Path) -> None:
    """On Linux, say in time that torch will bring gigabytes of CUDA where no CPU build is on offer."""
    pin = re.search(r"^torch==([\d.]+)", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    if not pin or sys.platform != "linux":
        return
    ask = ["index", "--retries", "0", "versions", "torch"]
    offered = run([str(python_of(venv)), "-m", "pip", *ask], capture_output=True)
    if offered.returncode == 0 and f"{pin[1]}+cpu" not in offered.stdout:
        say(
            "Note: pip will fetch torch with CUDA, gigabytes this book does not use; README.md, 'A smaller download', "
            "says how to get the CPU build instead (Ctrl-C now, if you want it)."
        )


def pip(venv: Path, *arguments: str) -> None:
    """Run pip in the environment, its progress in view, and turn its failures into sentences."""
    command = [str(python_of(venv)), "-m", "pip", *arguments]
    # stdout stays the terminal's, for the progress bar; warnings and errors are on stderr and are read here.
    options: dict[str, Any] = {"cwd": ROOT, "env": clean_environ(), "close_fds": False, "text": True}
    with subprocess.Popen(command, stderr=subprocess.PIPE, errors="replace", **options) as process:
        assert process.stderr is not None
        said = echo_until_traceback(process.stderr)
    if process.returncode == 0:
        return
    if arguments[0] == "check":
        raise Trouble("The installed packages contradict each other (above): `make lock` chooses versions afresh.")
    if process.returncode < 0:
        raise Trouble("pip was stopped from outside, for want of memory perhaps: run it again.")
    raise Trouble(failure_of(said, venv.parent) or f"pip failed: {last_line(said)}")


def echo_until_traceback(lines: Iterable[str]) -> str:
    """Everything said, of which the person sees all but tracebacks and one line of noise a package."""
    said, hidden = [], False
    for line in lines:
        said.append(line)
        hidden = hidden or line.startswith(("Traceback (most recent call last)", "ERROR: Exception:"))
        # pip says this of every package that one of several file: indexes lacks.
        if not hidden and "is ignored: it is neither a file nor a directory" not in line:
            print(line, end="", file=sys.stderr, flush=True)
    return "".join(said)


def failure_of(said: str, root: Path) -> str | None:
    """The sentence for what a failed command said, or None where nothing fits."""
    if shutil.disk_usage(root).free < 1e8:
        return filled(FULL, root)
    for pattern, sentence in PIP_FAILURES:
        if re.search(pattern, said):
            return filled(sentence, root)
    return None


def filled(sentence: str, path: Path | str) -> str:
    """The sentence, with what this machine has to say in it."""
    machine = f"{platform.system()} {platform.machine()}"
    free = shutil.disk_usage(ROOT).free / 1e9
    return sentence.format(path=path, free=free, needed=NEEDED_GB, python=RUNNING, platform=machine)


def sentence_for(error: OSError) -> str:
    """What an operating system's error means here."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return filled(FULL, ROOT)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return filled(NOT_WRITABLE, error.filename or ROOT)
    return f"{error.strerror or error}: {error.filename or 'no file named'}"


def try_imports(venv: Path) -> None:
    """Import what rests on libraries outside Python; also lists the fonts, so that no notebook has to wait for it."""
    for module in ("cv2", "torch", "matplotlib.font_manager"):
        done = run([str(python_of(venv)), "-c", f"import {module}"], capture_output=True)
        if done.returncode:
            raise Trouble(f"{module} is installed but does not load on this machine: {last_line(done.stderr)}")


def write_lock() -> None:
    """Resolve requirements.txt in a new, empty environment and pin everything that would be installed."""
    import tempfile

    check_machine(ROOT)
    say(f"Resolving requirements.txt with {RUNNING} ...")
    with tempfile.TemporaryDirectory() as folder:
        venv, report = Path(folder, "venv"), Path(folder, "report.json")
        create(venv, base_python())
        wanted = ("-r", "requirements.txt")
        pip(venv, "install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report), *wanted)
        write_atomically(ROOT / "requirements.lock", lock_text(json.loads(report.read_text(encoding="utf-8"))))
    say("requirements.lock is new. Now `make test`, and commit it when everything passes.")


def lock_text(report: dict[str, Any]) -> str:
    """The lock for a pip installation report.

    >>> print(lock_text({"install": [{"metadata": {"name": "torch", "version": "2.13.0+cpu"}}]}).splitlines()[-1])
    torch==2.13.0
    """
    packages = [item["metadata"] for item in report["install"]]
    # A build such as +cpu is this machine's choice; the pin without it accepts them all.
    pins = [f"{package['name']}=={package['version'].partition('+')[0]}" for package in packages]
    header = (
        "# The exact versions everything is tested with, as constraints:\n"
        "# pip install -r requirements.txt -c requirements.lock\n"
        f"# Resolved with Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} "
        f"{platform.machine()}. To remake it: make lock, then make test.\n"
    )
    return header + "\n".join(sorted(pins, key=str.lower)) + "\n"


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in the clean environment; it inherits the lock."""
    return subprocess.run(command, env=clean_environ(), close_fds=False, text=True, errors="replace", **options)


def clean_environ() -> dict[str, str]:
    """The user's environment variables without those that mix Pythons."""
    kept = {name: value for name, value in os.environ.items() if name not in LEAKS and not name.startswith("PYTHON")}
    return kept | {"PYTHONNOUSERSITE": "1", "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is either there whole or not there."""
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_bytes(text.encode())
        draft.replace(path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


def say(line: str) -> None:
    """Print at once: what follows is written by other processes."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
