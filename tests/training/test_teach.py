"""Lessons as they are written: the shards are whole, go on where they ended, and hold what their networks say."""

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
    scripts: dict[str, ModuleType],
    pictures: Path,
    trained: Path,
    teacher: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("autoencoder", "restoration", "denoiser"):
        (out / f"{name}.pt").symlink_to(trained / f"{name}.pt")
    monkeypatch.setattr(scripts["teach"], "DRAWN", 0.5)
    options = {"teacher": teacher, "batch": 2, "side": 12, "shard": 3, "seed": 0, "device": "cpu"}
    assert scripts["teach"].teach(pictures, out, steps=1, **options) == 1
    first = (out / "lessons" / "00000.pt").read_bytes()
    assert scripts["teach"].teach(pictures, out, steps=2, **options) == 2
    assert (out / "lessons" / "00000.pt").read_bytes() == first
    lessons = scripts["lessons"].Lessons(out / "lessons")
    lessons.refresh()
    for kinds in (lessons.coarse, lessons.plain, lessons.target):
        assert [shard.shape for shard in kinds] == [(3, 16, 12, 12)] * 2
        assert all(shard.dtype == torch.float16 and shard.isfinite().all() for shard in kinds)
    assert not torch.equal(lessons.coarse[0], lessons.coarse[1])


def test_a_drawn_pages_truth_is_its_target(scripts: dict[str, ModuleType], trained: Path, teacher: Path) -> None:
    room = scripts["teach"].Classroom(trained, scripts["teacher"].read_teacher(teacher), "cpu")
    high, low = torch.rand(2, 3, 48, 48), torch.rand(2, 3, 12, 12)
    words = torch.zeros(2, len(scripts["vocabulary"].PHRASES), 1, 1)
    made = room.lesson(high, low, words, torch.tensor([True, False]))
    truth = room.encode(high)
    torch.testing.assert_close(made["target"][0], truth[0], rtol=0, atol=2e-2)
    assert (made["target"][1] - truth[1]).abs().mean() > 0.1
