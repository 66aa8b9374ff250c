"""A run looked at from Python, and its picture written again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gigatile
from tests.support.command_line import at_home, image

__all__ = ["at_home", "image"]


def test_a_run_is_looked_at_and_exported_again(image: np.ndarray) -> None:
    made = gigatile.upscale(
        "in.png", "a.png", scale=2, workers=0, model="analytic", steps=2, device="cpu", settings=["run.keep_steps=1"]
    )
    run = gigatile.Run("a.png.run")
    assert run == made.run
    assert run.export("b.png") == made.sha256
    with Image.open("a.png") as first, Image.open("b.png") as second:
        assert np.array_equal(np.asarray(first), np.asarray(second))
    assert [status["state"] for status in run.follow()] == ["finished"]
    regions = run.preview(2, "last.png", model="analytic")
    assert regions == run.status()["total"]["decode"]
    assert Path("last.png").is_file()


def test_where_no_run_is() -> None:
    with pytest.raises(ValueError, match="no bucket"):
        gigatile.Run("s3://")
    with pytest.raises(FileNotFoundError, match="absent"):
        gigatile.Run("absent").status()
    with pytest.raises(FileNotFoundError, match="absent"):
        gigatile.Run("absent").export("out.png")
    assert not Path("absent").exists()
