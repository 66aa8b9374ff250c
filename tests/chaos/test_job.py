"""Ray jobs on a loopback cluster with token authentication: submitted, stopped halfway, submitted again.

And the README's own lines, as they stand, but for their addresses.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.chaos.test_driver import RECIPE, ROOT, command, finish
from tests.support.killing import count_merges
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos]

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


CLIENT = """
import json, sys, time
from ray.job_submission import JobSubmissionClient

address, commands, runtime = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])


def patiently(call):
    # the dashboard, and its agent that starts jobs, come up after the port is open, and are late on a busy machine
    deadline = time.monotonic() + 1200
    while True:
        try:
            return call()
        except (OSError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


client = patiently(lambda: JobSubmissionClient(address))
for line in sys.stdin:
    verb, name = line.split()
    if verb == "submit":
        patiently(lambda: client.submit_job(entrypoint=commands[name], submission_id=name, runtime_env=runtime))
        print("submitted", flush=True)
    elif verb == "stop":
        patiently(lambda: client.stop_job(name))
        print("stopping", flush=True)
    else:
        while not patiently(lambda: client.get_job_status(name)).is_terminal():
            time.sleep(0.2)
        ended = patiently(lambda: [client.get_job_status(name).value, client.get_job_logs(name)])
        print(json.dumps(ended), flush=True)
"""
"""Ray's own client in a process with the head's token: every word of the `ray job` command would load Ray again"""

HELD = """
import sys, time
from pathlib import Path

from cluster import cli
from cluster.console.ending import StopSwitch
from tests.support.killing import count_merges

run, asked = Path(sys.argv.pop(1)), StopSwitch.__call__


def held(switch):
    while not asked(switch) and count_merges(run) > 20:
        time.sleep(0.05)
    return asked(switch)


StopSwitch.__call__ = held
sys.exit(cli.main())
"""
"""the command line, which goes on only when it is stopped once it has finished some results: however late that comes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A running `ray start --head` on the loopback interface."""

    dashboard: str
    environment: dict[str, str]

    @contextmanager
    def client(self, entrypoints: dict[str, list[str]]) -> Iterator[Callable[[str], str]]:
        """What says ``submit NAME``, ``stop NAME`` or ``wait NAME`` to the cluster and gives a line of answer.

        ``entrypoints``: the command of each name.
        """
        runtime = json.dumps({"env_vars": {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}})
        commands = {name: shlex.join(words) for name, words in entrypoints.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, self.dashboard, json.dumps(commands), runtime],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(words: str) -> str:
            print(words, file=process.stdin, flush=True)
            return str(process.stdout.readline())  # type: ignore[union-attr]

        try:
            yield ask
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # gigatile is installed on the cluster, and `python` is the one that has it
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("RAY_ADDRESS", None)
    dashboard_port = free_port()
    # not below tmp_path: sockets lie in it, whose paths have 107 letters at most
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    process = subprocess.Popen(
        [
            *RAY, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={free_port()}",
            f"--dashboard-port={dashboard_port}", "--dashboard-host=127.0.0.1", "--num-cpus=2",
            f"--object-store-memory={200 << 20}", f"--ray-client-server-port={free_port()}",
            # a fixed port that another cluster holds leaves this one without an agent that starts jobs
            "--dashboard-agent-listen-port=0",
            # Ray's jobs join the cluster that was started last in its folder: another's may have been
            f"--temp-dir={folder}",
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    head = Head(dashboard=f"http://127.0.0.1:{dashboard_port}", environment=environment)
    try:
        yield head
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def readme_lines() -> str:
    """The README's shell lines for a cluster."""
    text = (ROOT / "README.md").read_text()
    (block,) = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "gigatile submit" in block]
    return str(block)


def run_readme_lines(head: Head, url: str, folder: Path, aws: dict[str, str]) -> tuple[int, str]:
    """The lines in a shell of ``folder``; the token is there already, and two workers are too many for two CPUs."""
    lines = readme_lines()
    assert lines.startswith("ray get-auth-token --generate")
    lines = lines.partition("\n")[2]
    for said, meant in (
        ("http://head:8265", head.dashboard),
        ("s3://bucket/runs/scene", url),
        ("/tmp/scene-x4.tif", str(folder / "head" / "scene-x4.tif")),
        ("--workers 40", "--workers 1 --steps 1 --model analytic"),
    ):
        assert said in lines, said
        lines = lines.replace(said, meant)
    environment = {
        **head.environment,
        **aws,
    }
    done = subprocess.run(
        ["bash", "-e", "-c", lines], cwd=folder, env=environment, capture_output=True, text=True, timeout=1200
    )
    return done.returncode, done.stdout + done.stderr


def wait_for(what: str, ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def check_readme_lines(head: Head, s3_url: str, tmp_path: Path) -> None:
    """Credentials reach the job by name, a picture is made there, and exported here."""
    folder = tmp_path / "readme"
    (folder / "head").mkdir(parents=True)
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    Image.fromarray(picture(40, 50).transpose(1, 2, 0)).save(folder / "scene.tif")
    code, said = run_readme_lines(head, s3_url, folder, aws)
    assert code == 0, said
    assert f"wrote {folder}/head/scene-x4.tif on {socket.gethostname()}" in said
    assert f"wrote {folder}/scene-x4.tif on {socket.gethostname()}" in said
    assert (folder / "scene-x4.tif").read_bytes() == (folder / "head" / "scene-x4.tif").read_bytes()


def test_a_stopped_job_submitted_again_ends_with_the_same_hash(head: Head, s3_url: str, tmp_path: Path) -> None:
    write_stable_diffusion(tmp_path / "model")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    Image.fromarray(picture(100, 120).transpose(1, 2, 0)).save(tmp_path / "in.png")
    run = tmp_path / "job.png.run"
    words = [*command(tmp_path, "job.png", 1), "--address", "auto"]
    held = [sys.executable, "-c", HELD, str(run), *words[3:]]
    with head.client({"first": held, "second": words}) as ask:
        assert ask("submit first") == "submitted\n"
        expected = finish(command(tmp_path, "whole.png", 0))
        wait_for("the job's first results", lambda: count_merges(run) > 20, 1200)
        assert ask("stop first") == "stopping\n"
        assert json.loads(ask("wait first"))[0] == "STOPPED"
        assert not (tmp_path / "job.png").exists()
        done_before = count_merges(run)
        ask("submit second")
        status, said = json.loads(ask("wait second"))
    assert status == "SUCCEEDED", said
    assert f"pixels sha256 {expected}" in said
    assert count_merges(run) > done_before > 20
    check_readme_lines(head, s3_url, tmp_path)
