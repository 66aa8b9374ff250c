"""A web server on the loopback for the tests: one file, given in ranges or not, that counts what it is asked."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Web(http.server.ThreadingHTTPServer):
    """Answers every path with ``data``."""

    daemon_threads = True

    def __init__(self, data: bytes, *, etag: str = '"one"', modified: str = "", has_ranges: bool = True) -> None:
        self.data, self.etag, self.modified, self.has_ranges = data, etag, modified, has_ranges
        self.failures: list[int] = []
        """statuses to answer with, one a request, before any other answer"""
        self.asked: list[str] = []
        """``path range`` of each request"""
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        web, wanted = self.server, self.headers.get("Range", "")
        web.asked.append(f"{self.path} {wanted}")
        if web.failures:
            return self._answer(web.failures.pop(0), b"")
        if self.path.startswith("/absent"):
            return self._answer(404, b"")
        if self.headers.get("If-Match", web.etag) != web.etag:
            return self._answer(412, b"")
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        if span is None or not web.has_ranges:
            return self._answer(200, web.data)
        first, last = int(span[1]), min(int(span[2]), len(web.data) - 1)
        self._answer(206, web.data[first : last + 1], {"Content-Range": f"bytes {first}-{last}/{len(web.data)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        told = {"ETag": self.server.etag, "Last-Modified": self.server.modified, "Content-Length": str(len(body))}
        for key, value in {**told, **(headers or {})}.items():
            if value:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    """The server, answering until the block is left."""
    with web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join()
