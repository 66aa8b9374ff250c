"""An HTTP proxy on loopback that does to requests what networks and object stores do now and then.

A script says which fault befalls a request; what it says depends on the request alone, never on when it came.
"""

from __future__ import annotations

import enum
import http.client
import http.server
import re
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

_RANDOM = re.compile(r"[0-9a-f]{32}")


class Fault(enum.Enum):
    """What befalls one request."""

    RESET = "the connection breaks before the store sees anything"
    LOST = "the connection breaks after the store did it"
    ERROR = "500 before the store sees anything"
    LOST_500 = "500 after the store did it"
    SLOW_DOWN = "503"
    CUT = "half of the body arrives"
    FLIP = "one bit of the body is another"
    CONFLICT = "409: nothing was done"
    ABSENT = "404 that is not true"
    PRECONDITION = "412 that is not true"


_ANSWERS = {
    Fault.ERROR: (500, "InternalError"),
    Fault.LOST_500: (500, "InternalError"),
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.CONFLICT: (409, "ConditionalRequestConflict"),
    Fault.ABSENT: (404, "NoSuchKey"),
    Fault.PRECONDITION: (412, "PreconditionFailed"),
}
_FORWARDED = (Fault.LOST, Fault.LOST_500, Fault.CUT, Fault.FLIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as a script sees it."""

    method: str
    path: str
    """with the query; without the parts that are random"""
    turn: int
    """how many times this method and path was asked for before"""


Script = Callable[[Request], "Fault | tuple[int, str] | None"]
"""a fault, or a status and an error code to answer with, or None"""


def no_faults(_request: Request) -> None:
    return None


def some_faults(seed: int, share: float) -> Script:
    """A fault of any kind for this share of all requests."""
    kinds = list(Fault)

    def choose(request: Request) -> Fault | None:
        drawn = zlib.crc32(f"{seed} {request.method} {request.path} {request.turn}".encode())
        return kinds[drawn % len(kinds)] if (drawn // len(kinds)) % 1000 < share * 1000 else None

    return choose


class FaultyProxy:
    """Forwards to one server, and does what ``script`` says; counts the requests and the faults."""

    def __init__(self, target: str) -> None:
        self.script: Script = no_faults
        self.num_requests = 0
        self.done: Counter[Fault | tuple[int, str]] = Counter()
        self._target = urlsplit(target).netloc
        self._turns: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[FaultyProxy]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def befall(self, script: Script) -> None:
        """From now on do as ``script`` says; turns are counted anew."""
        with self._lock:
            self.script, self.num_requests = script, 0
            self._turns.clear()
            self.done.clear()

    def choose(self, method: str, path: str) -> Fault | tuple[int, str] | None:
        plain = _RANDOM.sub("*", path)
        with self._lock:
            request = Request(method=method, path=plain, turn=self._turns[method, plain])
            self._turns[method, plain] += 1
            self.num_requests += 1
            fault = self.script(request)
            if fault is not None:
                self.done[fault] += 1
        return fault

    def forward(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=600)
        try:
            connection.request(method, path, body=body, headers={**headers, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_words: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.choose(self.command, self.path)
        if isinstance(fault, tuple):
            self._refuse(*fault)
        elif fault is Fault.RESET:
            self._break_off()
        elif fault is None or fault in _FORWARDED:
            self._pass_on(body, fault)
        else:
            self._refuse(*_ANSWERS[fault])

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        status, headers, data = self.proxy.forward(self.command, self.path, dict(self.headers), body)
        if fault is Fault.LOST or (fault in (Fault.CUT, Fault.FLIP) and not data):
            self._break_off()
        elif fault is Fault.LOST_500:
            self._refuse(*_ANSWERS[fault])
        elif fault is Fault.CUT:
            self._answer(status, headers, data, upto=len(data) // 2)
            self._break_off()
        elif fault is Fault.FLIP:
            place = len(data) // 8
            self._answer(status, headers, data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        else:
            self._answer(status, headers, data)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, [], f"<?xml version='1.0'?>\n<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, upto: int | None = None) -> None:
        own = ("connection", "content-length", "transfer-encoding", "date", "server")
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in own or (name.lower() == "content-length" and self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(data)))
            self._headers_buffer.append(b"\r\n" + data[:upto])  # type: ignore[attr-defined]
            self.flush_headers()
        else:
            self.end_headers()

    def _break_off(self) -> None:
        self.wfile.flush()
        if self.close_connection:
            return
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815
