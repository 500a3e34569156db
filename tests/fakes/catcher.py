"""A server that nobody may call: it counts who does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Catcher:
    """Where stolen data would arrive; `caught` has every path that was asked for."""

    def __init__(self) -> None:
        self.caught: list[str] = []
        self.url = ""


@contextmanager
def catching_server() -> Iterator[Catcher]:
    """Serve on a loopback port until the block ends."""
    catcher = Catcher()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def _caught(self) -> None:
            catcher.caught.append(f"{self.command} {self.path}")
            self.send_response(204)
            self.end_headers()

        do_GET = do_POST = do_HEAD = do_OPTIONS = do_PUT = _caught

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    catcher.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield catcher
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
