"""Ray jobs on a loopback cluster with token authentication: submitted, stopped halfway, submitted again."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.chaos.test_driver import RECIPE, ROOT, command, finish
from tests.killing import count_merges
from tests.runs import picture
from tests.tiny import write_stable_diffusion

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos]

RAY = str(Path(sys.executable).parent / "ray")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A running `ray start --head` on the loopback interface."""

    dashboard: str
    environment: dict[str, str]

    def ray(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RAY, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def submit(self, name: str, entrypoint: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        """Returns when the job has ended, unless the options say otherwise."""
        runtime = json.dumps({"env_vars": {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}})
        deadline = time.monotonic() + 90
        while True:
            done = self.ray(
                "job", "submit", "--address", self.dashboard, "--submission-id", name, "--runtime-env-json", runtime,
                *options, "--", *entrypoint, timeout=240,
            )  # fmt: skip
            # the dashboard answers before the agent that starts jobs is there
            if "No available agent" not in done.stdout + done.stderr or time.monotonic() > deadline:
                break
            time.sleep(2)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def status(self, name: str) -> str:
        done = self.ray("job", "status", "--address", self.dashboard, name)
        found = re.search(r"(?i)\b(pending|running|stopped|succeeded|failed)\b", done.stdout + done.stderr)
        assert found, done.stdout + done.stderr
        return found[1].upper()

    def ended(self, name: str) -> str:
        """How a job ended; waits for it."""
        deadline = time.monotonic() + 120
        while (found := self.status(name)) in ("PENDING", "RUNNING"):
            assert time.monotonic() < deadline, f"waited for the {name} job"
        return found


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    environment.pop("RAY_ADDRESS", None)
    dashboard_port = free_port()
    process = subprocess.Popen(
        [
            RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={free_port()}",
            f"--dashboard-port={dashboard_port}", "--dashboard-host=127.0.0.1", "--num-cpus=2",
            f"--object-store-memory={200 << 20}", f"--ray-client-server-port={free_port()}",
            # a fixed port that another cluster holds leaves this one without an agent that starts jobs
            "--dashboard-agent-listen-port=0",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    head = Head(dashboard=f"http://127.0.0.1:{dashboard_port}", environment=environment)
    try:
        deadline = time.monotonic() + 90
        while head.ray("job", "list", "--address", head.dashboard).returncode != 0:
            assert process.poll() is None
            assert time.monotonic() < deadline, "the dashboard did not come up"
            time.sleep(1)
        yield head
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(what: str, ready: Callable[[], bool], seconds: float) -> None:
    """Looks at files: each word of Ray's own command takes a core for seconds."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def test_a_stopped_job_submitted_again_ends_with_the_same_hash(head: Head, tmp_path: Path) -> None:
    write_stable_diffusion(tmp_path / "model")
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("steps = 12", "steps = 40"))
    Image.fromarray(picture(100, 120).transpose(1, 2, 0)).save(tmp_path / "in.png")
    expected = finish(command(tmp_path, "whole.png", 0))
    entrypoint = [*command(tmp_path, "job.png", 2), "--address", "auto"]
    run = tmp_path / "job.png.run"
    head.submit("first", entrypoint, "--no-wait")
    wait_for("the job's first results", lambda: count_merges(run) > 20, 120)
    stopped = head.ray("job", "stop", "--address", head.dashboard, "first")
    assert stopped.returncode == 0, stopped.stderr
    assert head.ended("first") == "STOPPED"
    assert not (tmp_path / "job.png").exists()
    done_before = count_merges(run)
    assert f"pixels sha256 {expected}" in head.submit("second", entrypoint).stdout
    assert count_merges(run) > done_before > 20
