"""The Jobs API: a small server stands in for its door, and a made-up client for what is behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.machines.asking import UnreachableError
from cluster.machines.dashboard import PATIENCE, Dashboard, ask_dashboard, find_dashboard
from cluster.machines.submission import Submission
from cluster.machines.trust import Answer

SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def serve() -> Iterator[Callable[[str | None], tuple[str, list[str | None]]]]:
    """A server that wants this token, or none, and points a caller elsewhere at /moved; what it was shown."""
    servers: list[tuple[HTTPServer, threading.Thread]] = []

    def begin(token: str | None) -> tuple[str, list[str | None]]:
        shown: list[str | None] = []

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shown.append(self.headers.get("Authorization"))
                if self.path.startswith("/moved"):
                    self.send_response(302)
                    self.send_header("Location", "/api/jobs/")
                else:
                    self.send_response(200 if token in (None, (shown[-1] or "").removeprefix("Bearer ")) else 401)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Door)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}", shown

    yield begin
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_door_that_asks_for_a_token(serve: Any) -> None:
    address, shown = serve("right")
    answers = [ask_dashboard(address, token) for token in (None, "wrong", "right")]
    assert answers == [Answer.REFUSED, Answer.REFUSED, Answer.WELCOME]
    assert shown == [None, "Bearer wrong", "Bearer right"]
    for token, said in (("wrong", "does not take the token in RAY_AUTH_TOKEN"), ("", "there is none in")):
        with pytest.raises(UnreachableError, match=said):
            Dashboard.connect(address, allow_open=True, environment={"RAY_AUTH_TOKEN": token, "HOME": "/nowhere"})


def test_an_open_door_needs_a_word(serve: Any) -> None:
    """Whoever reaches it reads what jobs are sent."""
    address, _ = serve(None)
    assert ask_dashboard(address, None) is Answer.WELCOME
    with pytest.raises(UnreachableError, match=r"asks for no token.*--allow-open-cluster"):
        Dashboard.connect(address, allow_open=False, environment={})


def test_a_token_is_not_carried_on(serve: Any) -> None:
    address, shown = serve("right")
    assert ask_dashboard(f"{address}/moved", "right") is Answer.UNKNOWN
    assert shown == ["Bearer right"]


def test_nobody_is_there() -> None:
    assert ask_dashboard("http://127.0.0.1:1", None) is Answer.UNKNOWN
    with pytest.raises(UnreachableError, match=r"no Ray dashboard answers there .*port-forward"):
        Dashboard.connect("http://127.0.0.1:1", allow_open=False, environment={"HOME": "/nowhere"})


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("http://head:8265/", {}, "http://head:8265"),
        ("https://ray.example.org", {"RAY_ADDRESS": "http://other:8265"}, "https://ray.example.org"),
        (None, {"RAY_ADDRESS": "http://other:8265"}, "http://other:8265"),
        (None, {"RAY_ADDRESS": "head:6379"}, "http://127.0.0.1:8265"),
        (None, {"RAY_API_SERVER_ADDRESS": "http://api:1", "RAY_ADDRESS": "http://other:8265"}, "http://api:1"),
        (None, {}, "http://127.0.0.1:8265"),
    ],
)
def test_the_address_that_is_meant(given: str | None, environment: dict[str, str], expected: str) -> None:
    assert find_dashboard(given, environment) == expected


@pytest.mark.parametrize("given", ["head:6379", "ray://head:10001", "auto", "http://"])
def test_an_address_of_another_kind(given: str) -> None:
    with pytest.raises(UnreachableError, match="expected that of the cluster's dashboard, such as http://head:8265"):
        find_dashboard(given, {})


@pytest.mark.parametrize("given", [f"http://me:{SECRET}@head:8265", f"me:{SECRET}@head:8265"])
def test_a_password_in_an_address_is_not_repeated(given: str) -> None:
    with pytest.raises(UnreachableError, match="a name or a password") as told:
        find_dashboard(given, {})
    assert SECRET not in str(told.value)


class Client:
    """Gives answers in turn; the last one for ever."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers, self.sent = answers, list[dict[str, Any]]()

    def submit_job(self, **job: Any) -> str:
        self.sent.append(job)
        self._raise(self.answers[0])
        return str(job["submission_id"])

    def get_job_info(self, _name: str) -> Any:
        answer = self.answers[0]
        self._raise(answer)
        state, _, code = answer
        is_over = state in ("SUCCEEDED", "FAILED", "STOPPED")
        return SimpleNamespace(status=SimpleNamespace(value=state, is_terminal=lambda: is_over), driver_exit_code=code)

    def get_job_logs(self, _name: str) -> str:
        return str((self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])[1])

    def _raise(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            if len(self.answers) > 1:
                self.answers.pop(0)
            raise answer


def dashboard(*answers: Any) -> Dashboard:
    return Dashboard(address="http://head:8265", client=Client(list(answers)))


def submission() -> Submission:
    return Submission.fresh(words=("upscale", "a", "b"), run="s3://b/run", variables={"AWS_SECRET_ACCESS_KEY": SECRET})


def test_what_is_sent() -> None:
    there, one = dashboard(None), submission()
    assert there.submit(one) == one.id
    assert there.client.sent == [
        {
            "entrypoint": "python -m cluster.cli upscale a b",
            "submission_id": one.id,
            "runtime_env": {"env_vars": {"AWS_SECRET_ACCESS_KEY": SECRET}},
            "metadata": {"gigatile_run": "s3://b/run"},
        }
    ]


def test_a_cluster_that_refuses_a_job_repeats_no_secret() -> None:
    error = f"Request failed: env_vars={{'x': '{SECRET}'}}\n  File ...\nValueError: bad {SECRET}."
    there = dashboard(RuntimeError(error))
    with pytest.raises(UnreachableError, match=r"http://head:8265: Request failed: .*ValueError: bad \*\*\*$") as told:
        there.submit(submission())
    assert told.value.__suppress_context__


def test_a_job_is_followed_to_its_end() -> None:
    """Each line once and whole; what a cluster does not answer for a while is asked again."""
    there = dashboard(
        ("PENDING", "", None),
        ("RUNNING", "one\ntw", None),
        ConnectionError("away"),
        ("RUNNING", "one\ntwo\n", None),
        ("FAILED", "one\ntwo\nthree", 7),
    )
    lines: list[str] = []
    slept: list[float] = []
    assert there.follow("name", lines.append, slept.append) == ("FAILED", 7)
    assert lines == ["one", "two", "three"]
    assert len(slept) == 4


def test_a_cluster_that_is_gone_is_not_asked_for_ever() -> None:
    slept: list[float] = []
    with pytest.raises(UnreachableError, match=r"the job name is out of sight \(away\)"):
        dashboard(ConnectionError("away")).follow("name", print, slept.append)
    assert len(slept) == PATIENCE - 1
