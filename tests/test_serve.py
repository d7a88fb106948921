import threading
import urllib.request

import serve


def test_taken_port_gives_way_to_a_free_one(tmp_path):
    with serve.server(tmp_path, port=0) as first, serve.server(tmp_path, port=first.server_port) as second:
        assert first.server_port != second.server_port
        assert second.server_address[0] == "127.0.0.1"


def test_pages_are_served(tmp_path):
    (tmp_path / "index.html").write_text("found")
    with serve.server(tmp_path, port=0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{running.server_port}/") as answer:
            assert answer.read() == b"found"
        running.shutdown()
