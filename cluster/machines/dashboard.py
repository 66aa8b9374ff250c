"""The Jobs API of a cluster, at the address of its dashboard: asked for a token first, then sent jobs."""

from __future__ import annotations

import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .asking import UnreachableError
from .submission import Submission
from .trust import SECONDS, Answer, Ask, find_token, objection

DEFAULT = "http://127.0.0.1:8265"
VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""which of the environment may name the address, as for Ray's own commands"""
POLL_SECONDS = 2.0
"""between two looks at a job that is followed"""
PATIENCE = 30
"""looks in a row that a cluster may leave unanswered while a job is followed"""
_REFUSALS = (401, 403)

log = logging.getLogger(__name__)


def find_dashboard(address: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The address that is meant. Raises UnreachableError, one line, for one of another kind; repeats no password."""
    named = [environment[name] for name in VARIABLES if environment.get(name, "").startswith("http")]
    meant = address or (named[0] if named else DEFAULT)
    scheme, _, rest = meant.partition("://")
    if "@" in rest or ("@" in meant and not rest):
        raise UnreachableError("--address has a name or a password in it, which is taken in no address: leave it out")
    if scheme not in ("http", "https") or not rest:
        raise UnreachableError(
            f"--address {meant}: expected that of the cluster's dashboard, such as http://head:8265, which `ray start` "
            "prints; host:6379 is for --address of the command itself"
        )
    return meant.rstrip("/")


class _Stay(urllib.request.HTTPRedirectHandler):
    """A token is not carried on to where an answer points."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask_dashboard(address: str, token: str | None) -> Answer:
    """What the Jobs API says to a token, or to none."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{address}/api/jobs/", headers=headers)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=SECONDS):
            return Answer.WELCOME
    except urllib.error.HTTPError as e:
        return Answer.REFUSED if e.code in _REFUSALS else Answer.UNKNOWN
    except (OSError, http.client.HTTPException, ValueError):
        return Answer.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A cluster that takes jobs."""

    address: str
    client: Any
    """Ray's JobSubmissionClient"""

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        allow_open: bool,
        environment: Mapping[str, str] = os.environ,
        ask: Ask = ask_dashboard,
    ) -> Dashboard:
        """Raises UnreachableError, one line with the mend: nobody there, no token or a wrong one, or none asked for."""
        wrong = objection(
            address, allow_open=allow_open, environment={**environment, "RAY_AUTH_MODE": "token"}, ask=ask
        )
        if wrong is not None:
            raise UnreachableError(f"--address {address}: {wrong}")
        token, _ = find_token(environment)
        from ray.job_submission import JobSubmissionClient

        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            return cls(address=address, client=JobSubmissionClient(address, headers=headers))
        except (OSError, RuntimeError, ValueError) as e:
            raise UnreachableError(
                f"--address {address}: no Ray dashboard answers there ({_line(e)}); is the cluster up, and the port "
                "open to you? A cluster on Kubernetes is reached by `kubectl port-forward`"
            ) from e

    def submit(self, submission: Submission) -> str:
        """Send a job; its id. Raises UnreachableError, one line without the value of any variable."""
        try:
            sent: str = self.client.submit_job(
                entrypoint=submission.entrypoint,
                submission_id=submission.id,
                runtime_env=submission.environment,
                metadata={"gigatile_run": submission.run},
            )
        except (OSError, RuntimeError, ValueError) as e:
            # its chain of causes would repeat what is hidden
            raise UnreachableError(f"--address {self.address}: {submission.hide(_line(e))}") from None
        return sent

    def follow(
        self, name: str, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
    ) -> tuple[str, int | None]:
        """Hand on a job's output line by line until it ends: its last state, and its driver's exit code.

        Raises UnreachableError where the cluster does not answer PATIENCE times in a row.
        """
        told, missed = 0, 0
        while True:
            try:
                details = self.client.get_job_info(name)
                text = str(self.client.get_job_logs(name))
            except (OSError, RuntimeError) as e:
                missed += 1
                if missed >= PATIENCE:
                    lost = f"the job {name} is out of sight ({_line(e)})"
                    raise UnreachableError(f"--address {self.address}: {lost}; it may go on") from e
                sleep(POLL_SECONDS)
                continue
            missed, is_over = 0, details.status.is_terminal()
            end = len(text) if is_over else text.rfind("\n") + 1
            for line in text[told:end].splitlines():
                say(line)
            told = max(told, end)
            if is_over:
                return str(details.status.value), details.driver_exit_code
            sleep(POLL_SECONDS)


def _line(error: BaseException) -> str:
    """What a cluster says of an error, without the stack that it may send along."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if len(lines) < 2 else f"{lines[0]} {lines[-1]}"
    return text.rstrip(".") or type(error).__name__
