"""The driver is killed outright at random moments and started again with other numbers of workers."""

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

from tests.runs import picture
from tests.tiny import write_stable_diffusion

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos]

ROOT = Path(__file__).resolve().parent.parent.parent

RECIPE = """
preset = "multidiffusion"
region = 16
window = 16
overlap = 6
steps = 8
guidance = 2.0
batch = 2
solver = "unipc"
"""


def command(folder: Path, output: str, workers: int, run: str | None = None) -> list[str]:
    words = [sys.executable, "-m", "cluster.cli", "upscale", str(folder / "in.png"), str(folder / output)]
    words += ["--model", str(folder / "model"), "--recipe", str(folder / "recipe.toml"), "--workers", str(workers)]
    return [*words, *(["--run", run] if run else [])]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def finish(words: list[str]) -> str:
    """Run to the end; the sha256 of the pixels."""
    done = subprocess.run(words, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"pixels sha256 ([0-9a-f]{64})", done.stdout)
    assert found, done.stdout
    return found[1]


def strike_in_progress(words: list[str], run: Path, share: float, number: signal.Signals) -> tuple[int, str]:
    """Signal the driver once ``share`` of the region-steps that are left have their record; exit code and stderr.

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
    before, target = count_merges(run), None
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        total = total_merges(run)
        if total and target is None:
            target = before + max(1, round(share * (total - before)))
        if target is not None and count_merges(run) >= target:
            break
        time.sleep(0.05)
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def count_merges(run: Path) -> int:
    """Journalled merges; entries still being written have longer names."""
    return sum(entry.read_text().count('"merge"') for entry in (run / "journal").glob("[0-9]" * 8))


def total_merges(run: Path) -> int:
    if not (run / "status.json").is_file():
        return 0
    status = json.loads((run / "status.json").read_text() or "{}")
    return int(status.get("total", {}).get("merge", 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_stable_diffusion(tmp_path / "model")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    Image.fromarray(picture(100, 120).transpose(1, 2, 0)).save(tmp_path / "in.png")
    return tmp_path


def test_killed_three_times_and_resumed_with_other_workers(folder: Path) -> None:
    expected = finish(command(folder, "whole.png", 0))
    rng = random.Random(os.environ.get("GIGATILE_CHAOS_SEED", "7"))
    run = folder / "parts.png.run"
    for workers in (2, 1, 2):
        strike_in_progress(command(folder, "parts.png", workers), run, rng.uniform(0.1, 0.4), signal.SIGKILL)
    assert count_merges(run) > 0
    assert not (folder / "parts.png").exists()
    assert finish(command(folder, "parts.png", 1)) == expected
    assert (folder / "parts.png").read_bytes() == (folder / "whole.png").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_says_how_to_resume(folder: Path, number: signal.Signals) -> None:
    (folder / "recipe.toml").write_text(RECIPE.replace("steps = 8", "steps = 16"))
    words = command(folder, "out.png", 2)
    code, errors = strike_in_progress(words, folder / "out.png.run", 0.2, number)
    assert code == 130, errors
    assert "stopped; nothing finished is lost. Resume with: gigatile upscale" in errors
    assert json.loads((folder / "out.png.run" / "status.json").read_text())["state"] == "stopped"
    done = count_merges(folder / "out.png.run")
    assert done > 0
    if number is signal.SIGINT:  # both leave the same run behind, and a driver's start takes long
        assert finish(words)
        assert count_merges(folder / "out.png.run") > done
