"""Run the book's notebooks: several at a time, and each only when something it depends on has changed.

The outputs are kept under ``_build/outputs``, one file a notebook, together with the key they belong to: a hash of
the code cells, of every module of `utils` that the code reaches, of the records of times it names, of the locked
requirements and of Python itself.
Prose is not part of it, so a corrected sentence runs nothing.
"""

import ast
import asyncio
import errno
import hashlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
FRAMES = BUILD / "frames"
OUTPUTS = BUILD / "outputs"
FRAME_NAME = re.compile(r"\b[0-9a-f]{20}\b")
RECORD_NAME = re.compile(r"""\brecorded\(["']([\w-]+)["']\)""")  # times that utils/profiling.py reads from a file
TIMEOUT = 600  # seconds for one cell


class NotebookError(Exception):
    """A cell failed, or wrote a warning that a reader would see."""


def chapters() -> list[Path]:
    """The notebooks that ``_toc.yml`` lists, in the order of the book."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]
    return [path for file in files if (path := ROOT / f"{file}.ipynb").exists()]


def key_of(notebook: Path) -> str:
    """Hash of everything the outputs of a notebook depend on."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    lock = ROOT / "requirements.lock"
    parts = [sys.version, lock.read_text() if lock.exists() else "", *code]
    parts += [path.read_text(encoding="utf-8") for path in sorted(_modules_reached("\n".join(code)))]
    records = sorted(set(RECORD_NAME.findall("\n".join(code))))
    parts += [path.read_text(encoding="utf-8") for name in records if (path := _times(name)).exists()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _modules_reached(code: str) -> set[Path]:
    """Files of `utils` that this code imports, directly or through one another."""
    reached: set[Path] = set()
    waiting = [code]
    while waiting:
        for module in _imports(waiting.pop()):
            path = ROOT / f"{module.replace('.', '/')}.py"
            if path.exists() and path not in reached:
                reached.add(path)
                waiting.append(path.read_text(encoding="utf-8"))
    return reached


@cache  # a module is reached from many notebooks, and a build asks for their keys several times
def _imports(code: str) -> frozenset[str]:
    # A line of IPython's own syntax is no Python; its cell imports nothing then.
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def _times(name: str) -> Path:
    return ROOT / "utils" / "recorded" / f"{name}.json"


def _record(notebook: Path) -> Path:
    return OUTPUTS / notebook.relative_to(ROOT).with_suffix(".json")


def stored_outputs(notebook: Path) -> list[list[Any]] | None:
    """What each code cell showed when it last ran, or None where that is out of date or a picture is missing."""
    path = _record(notebook)
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    pictures = set(FRAME_NAME.findall(json.dumps(record["outputs"])))
    stored = {picture.stem for picture in FRAMES.glob("*.webp")}
    return record["outputs"] if record["key"] == key_of(notebook) and pictures <= stored else None


def seconds_of(notebook: Path) -> float:
    """How long the notebook took when it last ran; infinity where it never did."""
    path = _record(notebook)
    return float(json.loads(path.read_text(encoding="utf-8"))["seconds"]) if path.exists() else float("inf")


def run(
    notebook: Path, *, workers: int = 1, draw_frames: bool = True, stop: threading.Event | None = None
) -> tuple[list[list[Any]], float]:
    """Run a notebook in a fresh kernel: the outputs of its code cells, and the seconds it took.

    Another thread may set `stop`, which ends the kernel and raises NotebookError.
    """
    # Imported here because they take a second, which a build with nothing to run need not pay.
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError

    book = nbformat.read(notebook, as_version=4)
    # One thread each, whatever the machine: the order of a sum must not change from build to build.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    if draw_frames:
        environment |= {"EXPLORE_FRAMES": str(FRAMES), "EXPLORE_WORKERS": str(workers)}
    client = NotebookClient(
        book,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": notebook.parent}},
        # The kernel listens on loopback for some seconds; it need not warn of that on every run.
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    start = time.perf_counter()
    try:
        asyncio.run(_execute(client, environment, stop or threading.Event()))
    except (CellExecutionError, CellControlSignal, DeadKernelError) as error:
        # A full disk is not the notebook's fault, and would be met by all that follow.
        if os.strerror(errno.ENOSPC) in getattr(error, "evalue", ""):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(BUILD)) from None
        raise NotebookError(f"{notebook.relative_to(ROOT)}: a cell failed\n{error}") from None
    except asyncio.CancelledError:
        raise NotebookError(f"{notebook.relative_to(ROOT)}: stopped") from None
    seconds = time.perf_counter() - start
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    for cell in cells:
        warned = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        if warned:
            raise NotebookError(f"{notebook.relative_to(ROOT)}: cell {cell.id} wrote to stderr\n{''.join(warned)}")
    return [cell.outputs for cell in cells], seconds


async def _execute(client: Any, environment: dict[str, str], stop: threading.Event) -> None:
    """Run all cells, or give up once `stop` is set; nbclient then ends the kernel."""
    task = asyncio.create_task(client.async_execute(env=environment))
    while not (task.done() or stop.is_set()):
        await asyncio.wait({task}, timeout=0.1)
    if stop.is_set():
        client.shutdown_kernel = "immediate"  # asked to leave in the middle of a cell, it would leave with tracebacks
        task.cancel()
    await task


def run_and_store(notebook: Path, *, workers: int = 1, stop: threading.Event | None = None) -> list[list[Any]]:
    """Run a notebook and keep the outputs of its code cells; those outputs."""
    key = key_of(notebook)
    outputs, seconds = run(notebook, workers=workers, stop=stop)
    path = _record(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"key": key, "seconds": seconds, "outputs": outputs}), encoding="utf-8")
    unfinished.replace(path)
    return outputs


def run_outdated(notebooks: Sequence[Path]) -> int:
    """Run what has to run, longest first, with a line for each; how many ran. Raises after all have been tried.

    What has run is kept when Ctrl-C or a full disk ends the rest.
    """
    todo = sorted((n for n in notebooks if stored_outputs(n) is None), key=seconds_of, reverse=True)
    cores = os.cpu_count() or 1
    jobs = max(1, min(cores, len(todo)))
    failures = []
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_and_store, n, workers=cores // jobs, stop=stop): n for n in todo}
        try:
            for done, future in enumerate(as_completed(running), start=1):
                name = running[future].relative_to(ROOT)
                try:
                    future.result()
                    print(f"  [{done}/{len(todo)}] {name}: {seconds_of(running[future]):.1f} s", flush=True)
                except NotebookError as error:
                    print(f"  [{done}/{len(todo)}] {name}: FAILED", flush=True)
                    failures.append(str(error))
        except BaseException:  # Ctrl-C, a full disk: the rest would run on before anybody heard of it
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    if failures:
        raise NotebookError("\n\n".join(failures))
    return len(todo)


def with_outputs(text: str, outputs: Sequence[Sequence[Any]]) -> str:
    """A notebook's JSON with outputs put into its code cells."""
    book = json.loads(text)
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    for cell, shown in zip(cells, outputs, strict=True):
        cell["outputs"] = list(shown)
    return json.dumps(book)
