"""Serve the built site on this machine alone, at port 8000 or, when that is taken, at a free one.

python tools/serve.py
"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"


class Server(ThreadingHTTPServer):
    """A server that does not share its port: on some systems a second one would get it too, and no visitor."""

    allow_reuse_port = False


class Quiet(SimpleHTTPRequestHandler):
    """Files, without a line for each."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the address has been said."""


def server(site: Path, port: int = 8000) -> ThreadingHTTPServer:
    """A server of a folder, at the port where it is free."""
    handler = partial(Quiet, directory=str(site))
    try:
        return Server(("127.0.0.1", port), handler)
    except OSError:
        return Server(("127.0.0.1", 0), handler)


def main() -> None:
    """Serve until Ctrl-C."""
    if not (SITE / "index.html").exists():
        sys.exit("There is no site yet: `make book` builds it.")
    with server(SITE) as running:
        print(f"The book is at http://127.0.0.1:{running.server_address[1]}/ (Ctrl-C ends it)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
