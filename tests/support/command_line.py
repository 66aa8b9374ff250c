"""Command-line tests run in this process, without Ray and without weights, on small pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cluster.cli import app
from tests.support.runs import picture

QUICK = ["--workers", "0", "--model", "analytic", "--steps", "2"]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths are in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert os.getcwd() == str(tmp_path)


@pytest.fixture
def image(tmp_path: Path) -> np.ndarray:
    """``in.png`` of 30 x 50 pixels, as [3, y, x]."""
    pixels = picture(30, 50)
    Image.fromarray(pixels.transpose(1, 2, 0)).save(tmp_path / "in.png")
    return pixels


@pytest.fixture
def run() -> Callable[..., Result]:
    """Call the command line; ``quick=False`` leaves out the options that make it quick."""

    def call(*words: str, quick: bool = True) -> Result:
        options = QUICK if quick and words[0] in ("upscale", "plan") else []
        return CliRunner().invoke(app, [*words, *[str(option) for option in options]])

    return call
