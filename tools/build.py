"""Build the site: run what has changed, make the pages, say where they are.

    python tools/build.py

Exits with 1, after printing everything that is wrong, when a cell fails, a claim no longer holds, a picture cannot be
drawn, or Sphinx has a warning.
"""

import errno
import hashlib
import shutil
import subprocess
import sys
import time

import environment
import notebooks

SITE = notebooks.BUILD / "html"
DOCTREES = notebooks.BUILD / ".doctrees"
STAMP = notebooks.BUILD / "built"
SOURCES = ("chapters", "utils", "tools", "_static", "_templates")
DATA = ("questions.yml", "quiz.yml", "glossary.yml")
FILES = ("_config.yml", "_toc.yml", "references.bib", "requirements.lock", *DATA)
FULL = "The disk is full: the site needs about 0.5 GB in {folder}. Make room, and run it again."


def fingerprint() -> str:
    """Hash of everything the site is made from."""
    paths = [p for folder in SOURCES for p in (notebooks.ROOT / folder).rglob("*") if p.is_file()]
    paths = [p for p in paths if not {"__pycache__", ".ipynb_checkpoints"} & set(p.parts)]
    paths += [p for name in FILES if (p := notebooks.ROOT / name).exists()]
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(paths):
        digest.update(f"{path.relative_to(notebooks.ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_up_to_date(wanted: str) -> bool:
    """Whether the last good build was made from the same sources and still stands."""
    return STAMP.exists() and STAMP.read_text() == wanted and (SITE / "index.html").exists()


def make_pages() -> bool:
    """Run Jupyter Book; whether it had nothing to complain about."""
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", str(notebooks.ROOT), "-W", "-n", "--keep-going", "-q"]
    return subprocess.run(command, check=False).returncode == 0


def build() -> int:
    """Build, and say in the end where to look; 1 when the book itself is at fault."""
    start, wanted = time.perf_counter(), fingerprint()
    if is_up_to_date(wanted):
        print("Nothing has changed since the last build.")
    else:
        try:
            print("Running the notebooks that changed", flush=True)
            ran = notebooks.run_outdated(notebooks.chapters())
            print(f"  {ran} ran, {len(notebooks.chapters()) - ran} unchanged")
        except notebooks.NotebookError as error:
            print(f"\nThe build stops here.\n{error}", file=sys.stderr)
            return 1
        if not STAMP.exists():
            # The last build failed or was cut short: its pages may be halves, and Sphinx, which would believe them
            # to be done, would neither make them again nor repeat its warnings.
            shutil.rmtree(DOCTREES, ignore_errors=True)
        STAMP.unlink(missing_ok=True)
        print("Making the pages", flush=True)
        if not make_pages():
            print("\nThe pages have errors or warnings, listed above; the build counts as failed.", file=sys.stderr)
            return 1
        STAMP.write_text(wanted)
    page = SITE / "index.html"
    print(
        f"\nThe book is ready after {time.perf_counter() - start:.1f} s: open {page} in a browser, or run: make serve"
    )
    return 0


def main() -> int:
    """Build; what ends it from outside becomes a sentence."""
    try:
        return build()
    except KeyboardInterrupt:
        print("\nInterrupted. The same command carries on; the notebooks that have run are kept.", file=sys.stderr)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        sentence = FULL.format(folder=notebooks.BUILD) if is_full else environment.sentence_for(error)
        print(f"\n{sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
