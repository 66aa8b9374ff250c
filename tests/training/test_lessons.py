"""What a sharp teacher teaches: closed forms on sine waves, and windows that belong together."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch


def wave(cycles: float, side: int = 80) -> torch.Tensor:
    """[3, y, x]: a sine of so many cycles a pixel along x."""
    return torch.sin(2 * math.pi * cycles * torch.arange(side)).expand(3, side, side).contiguous()


@pytest.mark.parametrize(("cycles", "share"), [(0.05, 0.0), (0.1, 0.0), (0.15, 0.5), (0.2, 1.0), (0.3, 1.0)])
def test_detail_is_taken_by_its_frequency(scripts: dict[str, ModuleType], cycles: float, share: float) -> None:
    """A teacher whose picture differs by one wave: the target has the share of it that its frequency gives."""
    faithful, added = torch.rand(3, 80, 80, generator=torch.Generator().manual_seed(0)), wave(cycles)
    target = scripts["lessons"].sharp_target(faithful, faithful + added, gain=1.2)
    torch.testing.assert_close(target, faithful + 1.2 * share * added, rtol=0, atol=2e-5)


def test_a_teacher_that_agrees_teaches_nothing(scripts: dict[str, ModuleType]) -> None:
    picture = torch.rand(2, 3, 21, 34)
    torch.testing.assert_close(scripts["lessons"].sharp_target(picture, picture), picture)


def test_energy_is_the_root_of_the_mean_square(scripts: dict[str, ModuleType]) -> None:
    detail = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    found = scripts["lessons"].mean_energy(detail, 3)
    middle = detail[0, 1, 3:6, 4:7].square().mean().sqrt()
    corner = detail[0, 1, :2, :2].square().mean().sqrt()
    torch.testing.assert_close((found[0, 1, 4, 5], found[0, 1, 0, 0]), (middle, corner))


@pytest.fixture
def folder(scripts: dict[str, ModuleType], tmp_path: Path) -> Path:
    """Two shards of three pictures whose latents say which they are and where."""
    for shard in range(2):
        at = torch.arange(8 * 8).view(8, 8).float() / 100
        kinds = {
            name: torch.stack([(at + 10 * (3 * shard + one) + kind).expand(2, 8, 8) for one in range(3)])
            for kind, name in enumerate(("coarse", "plain", "target"))
        }
        phrases = [[f"picture {3 * shard + one}"] for one in range(3)]
        scripts["lessons"].write_lesson(tmp_path / f"{shard}.pt", **kinds, phrases=phrases)
    return tmp_path


def test_windows_and_words_belong_together(scripts: dict[str, ModuleType], folder: Path) -> None:
    lessons, rng = scripts["lessons"].Lessons(folder), np.random.default_rng(0)
    assert lessons.refresh() == 2
    seen = set()
    for plain_share in (0.0, 1.0):
        restored, given, target, said = lessons.cut(rng, 24, 4, plain_share)
        torch.testing.assert_close(given - restored, torch.full_like(given, plain_share))
        torch.testing.assert_close(target - restored, torch.full_like(given, 2.0))
        assert [f"picture {int(one.min() // 10)}" for one in restored] == [phrases[0] for phrases in said]
        assert restored.shape == (24, 2, 4, 4)
        seen |= {phrases[0] for phrases in said}
    assert len(seen) == 6


def test_new_shards_are_found_and_none_twice(scripts: dict[str, ModuleType], folder: Path) -> None:
    lessons = scripts["lessons"].Lessons(folder)
    assert lessons.refresh(most=1) == 1
    assert lessons.refresh() == 2
    assert lessons.refresh() == 2
    assert len(lessons.coarse) == len(lessons.phrases) == 2


def test_a_folder_without_lessons_is_named(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"no lessons in {tmp_path}"):
        scripts["lessons"].Lessons(tmp_path).refresh()
