"""What a cluster is set up with: the Containerfile, read word by word, and the SLURM script, run with made-up commands.

Neither an image is built here nor a job queued.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SLURM = ROOT / "examples" / "slurm" / "gigatile.sbatch"
KNOWN = ("FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "CMD")


def instructions() -> list[tuple[str, str]]:
    """Of the Containerfile: without comments, continued lines as one."""
    lines = [line for line in (ROOT / "Containerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    words = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(first, rest) for first, rest in words]


def of(kind: str) -> list[str]:
    return [rest for first, rest in instructions() if first == kind]


def test_it_is_a_containerfile_that_begins_somewhere_and_ends_as_nobody_special() -> None:
    kinds = [first for first, _ in instructions()]
    assert set(kinds) <= set(KNOWN)
    assert (kinds[0], kinds.count("FROM")) == ("FROM", 1)
    assert of("USER") == ["1000"]
    assert kinds.index("USER") > max(number for number, kind in enumerate(kinds) if kind in ("RUN", "COPY"))


def test_what_it_copies_is_there_and_is_not_kept_from_it() -> None:
    """All packages of the wheel, and what its build reads."""
    copied = [word for line in of("COPY") for word in line.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) | {project["project"]["readme"], *project["project"]["license-files"]} <= set(copied)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {f"!{name}" for name in copied} <= set(ignored)


def test_it_has_the_versions_that_are_tested() -> None:
    (torch,) = re.findall(r"torch==([\d.]+)", " ".join(of("RUN")))
    assert f"TORCH := torch=={torch}\n" in (ROOT / "Makefile").read_text()
    (python,) = re.findall(r"^python:(\d+\.\d+)", of("FROM")[0])
    assert f'requires-python = ">={python}"' in (ROOT / "pyproject.toml").read_text()


def test_no_secret_is_put_into_an_image() -> None:
    text = (ROOT / "Containerfile").read_text()
    assert not re.search(r"(?i)(token|password|secret_|access_key|credential)\S*\s*=", text)
    assert "ARG" not in [first for first, _ in instructions()]


STUBS = {
    "scontrol": '[ "$1" = show ] && printf "n1\\nn2\\nn3\\n" || echo "scontrol $*" >> "$LOG"',
    "srun": 'echo "srun $*" >> "$LOG"; exec sleep 600',
    "ray": 'echo "ray $* $RAY_AUTH_MODE ${#RAY_AUTH_TOKEN}" >> "$LOG"',
    "gigatile": """echo "gigatile $*" >> "$LOG"
trap 'echo stopping >> "$LOG"; exit 130' TERM
until [ "$(grep -c ^srun "$LOG")" -ge 2 ]; do sleep 0.01; done
[ -z "$CODE" ] || exit "$CODE"
echo waiting >> "$LOG"
while true; do sleep 0.05; done""",
}


@dataclass
class Slurm:
    """A batch script on the first of three nodes."""

    folder: Path

    def start(self, code: str = "") -> subprocess.Popen[bytes]:
        """``code``: what gigatile ends with; empty for a run that goes on until it is told to stop."""
        for name, text in STUBS.items():
            (self.folder / name).write_text(f"#!/bin/bash\n{text}\n")
            (self.folder / name).chmod(0o755)
        environment = {
            **{"PATH": f"{self.folder}:{os.environ['PATH']}", "LOG": str(self.folder / "log"), "CODE": code},
            **{"SLURM_JOB_ID": "41234", "SLURM_JOB_NUM_NODES": "3", "SLURM_JOB_NODELIST": "n[1-3]"},
            **{"SLURM_CPUS_PER_TASK": "8"},
        }
        words = ["upscale", "a b.tif", "out.tif", "--run", "/shared/run"]
        return subprocess.Popen(["bash", str(SLURM), *words], env=environment, cwd=self.folder)

    def wait_for(self, process: subprocess.Popen[bytes], word: str) -> None:
        """Until the log has a line that begins so."""
        deadline = time.monotonic() + 60  # a bound for what never comes
        while not any(line.startswith(word) for line in self.log):
            assert process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    @property
    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (7, 7), (3, 0)])
def test_a_run_on_the_nodes_of_a_job(slurm: Slurm, code: int, expected: int) -> None:
    """A head, workers on the other nodes, and a driver that joins them; what was called off has not failed."""
    process = slurm.start(str(code))
    assert process.wait(timeout=60) == expected
    log = slurm.log
    (head,) = [line for line in log if "ray start --head" in line]
    assert "--nodelist=n1 " in head
    assert "--port=21234" in head
    (others,) = [line for line in log if "ray start --block" in line]
    assert "--nodes=2 --ntasks=2 --exclude=n1" in others
    assert "--address=n1:21234" in others
    assert "gigatile upscale a b.tif out.tif --run /shared/run --address n1:21234 --workers 3" in log
    assert "ray status --address n1:21234 token 64" in log, "a token of 32 bytes, by the environment alone"
    assert not any(line.startswith("scontrol requeue") for line in log)


def test_a_run_whose_time_is_up_stops_in_good_order_and_is_queued_again(slurm: Slurm) -> None:
    process = slurm.start()
    slurm.wait_for(process, "waiting")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert slurm.log[-2:] == ["stopping", "scontrol requeue 41234"]
