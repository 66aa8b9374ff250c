"""moto's S3 server, a request at a time: of two that put an object only where there is none, one succeeds.

moto looks and puts in two steps, between which its threads may change; S3 does not.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import MotoRequestHandler
from werkzeug.serving import run_simple

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def one_at_a_time(application: Application) -> Application:
    """The same application; bodies come in before a request's turn, so that a slow sender holds nobody up."""
    turn = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if length := environ.get("CONTENT_LENGTH"):
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))
        with turn:
            return [b"".join(application(environ, start_response))]

    return answer


if __name__ == "__main__":
    backends = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", 0, one_at_a_time(backends), threaded=True, request_handler=MotoRequestHandler)
