"""Lessons as they are written: the shards are whole, go on where they ended, and hold what the teacher says."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.training.test_teacher import Network, write


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    write(Network(1).requires_grad_(False), tmp_path, 0)
    return tmp_path


def test_shards_are_written_once(
    scripts: dict[str, ModuleType], pictures: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(scripts["teach"], "DRAWN", 0.5)
    options = {"teacher": teacher, "batch": 2, "side": 12, "shard": 3, "seed": 0, "device": "cpu"}
    assert scripts["teach"].teach(pictures, out, steps=1, **options) == 1
    first = (out / "lessons" / "00000.pt").read_bytes()
    assert scripts["teach"].teach(pictures, out, steps=2, **options) == 2
    assert (out / "lessons" / "00000.pt").read_bytes() == first
    one, other = (torch.load(out / "lessons" / f"0000{number}.pt", weights_only=True) for number in (0, 1))
    assert {name: tuple(one[name].shape) for name in ("low", "high", "teacher")} == {
        "low": (3, 3, 12, 12),
        "high": (3, 3, 48, 48),
        "teacher": (3, 3, 48, 48),
    }
    assert not torch.equal(one["low"], other["low"])
    known = scripts["teacher"].read_teacher(teacher)
    if not scripts["loop"].is_fast_in_bfloat16("cpu"):
        sharp = known.sharpen(one["low"].float() / 255).clamp(0, 1) * 255
        assert (sharp - one["teacher"].float()).abs().max() <= 0.51


def test_time_ends_it_after_the_first(
    scripts: dict[str, ModuleType], pictures: Path, teacher: Path, tmp_path: Path
) -> None:
    options = {"teacher": teacher, "batch": 2, "side": 8, "shard": 2, "seed": 0, "device": "cpu"}
    assert scripts["teach"].teach(pictures, tmp_path / "out", steps=9, minutes=0.0, **options) == 1
