"""The driver of Ray's workers is interrupted, as from a terminal, and the same command goes on in one process."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from cluster.cli import app
from tests.support.killing import count_merges
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos]

ROOT = Path(__file__).resolve().parent.parent.parent

RECIPE = """
preset = "multidiffusion"
tiles.region = 16
tiles.window = 16
tiles.overlap = 6
sampling.steps = 6
guidance.weight = 2.0
model.batch = 2
sampling.solver = "unipc"
"""


def command(folder: Path, output: str, workers: int, run: str | None = None) -> list[str]:
    words = [sys.executable, "-m", "cluster.cli", "upscale", str(folder / "in.png"), str(folder / output)]
    words += ["--model", str(folder / "model"), "--recipe", str(folder / "recipe.toml"), "--workers", str(workers)]
    return [*words, *(["--run", run] if run else [])]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def finish(words: list[str]) -> str:
    """Run the command to its end, in this process; the sha256 of the pixels."""
    done = CliRunner().invoke(app, words[3:])
    assert done.exit_code == 0, done.output
    found = re.search(r"pixels sha256 ([0-9a-f]{64})", done.stdout)
    assert found, done.stdout
    return found[1]


def interrupt_in_progress(words: list[str], run: Path, share: float) -> tuple[int, str]:
    """Interrupt the driver once ``share`` of the region-steps have their record; exit code and stderr.

    SIGINT goes to the whole process group, as a terminal sends it.
    """
    process = subprocess.Popen(
        words,
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 1200
    while time.monotonic() < deadline and process.poll() is None:
        total = total_merges(run)
        if total and count_merges(run) >= max(1, round(share * total)):
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=1200)
    return process.returncode, errors


def total_merges(run: Path) -> int:
    if not (run / "status.json").is_file():
        return 0
    status = json.loads((run / "status.json").read_text() or "{}")
    return int(status.get("total", {}).get("merge", 0))


def test_interrupted_and_resumed_without_workers(tmp_path: Path) -> None:
    """On a worker of Ray's, then in the command's own process. Interrupted it says how to go on."""
    write_stable_diffusion(tmp_path / "model")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    Image.fromarray(picture(100, 120).transpose(1, 2, 0)).save(tmp_path / "in.png")
    expected = finish(command(tmp_path, "whole.png", 0))
    share = random.Random(os.environ.get("GIGATILE_CHAOS_SEED", "7")).uniform(0.1, 0.4)
    run = tmp_path / "parts.png.run"
    code, errors = interrupt_in_progress(command(tmp_path, "parts.png", 1), run, share)
    assert count_merges(run) > 0, errors
    assert code == 130, errors
    assert "stopped; nothing finished is lost. Resume with: gigatile upscale" in errors
    assert json.loads((run / "status.json").read_text())["state"] == "stopped"
    assert not (tmp_path / "parts.png").exists()
    assert finish(command(tmp_path, "parts.png", 0)) == expected
    assert (tmp_path / "parts.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
