"""What a sharp teacher teaches: windows that belong together, of shards that may still be written."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch


@pytest.fixture
def folder(scripts: dict[str, ModuleType], tmp_path: Path) -> Path:
    """Two shards of three lessons; the input's pixels say where they are, the others repeat them and say which."""
    for shard in range(2):
        at = torch.arange(8 * 8, dtype=torch.uint8).view(8, 8).expand(3, 3, 8, 8)
        large = at.repeat_interleave(4, 2).repeat_interleave(4, 3)
        words = [["photograph"], ["drawn", "text"], ["aerial"]]
        scripts["lessons"].write_lesson(
            tmp_path / f"{shard}.pt", low=at.clone(), high=large + 64, teacher=large + 128, words=words
        )
    return tmp_path


def test_windows_belong_together(scripts: dict[str, ModuleType], folder: Path) -> None:
    """Turned and mirrored alike; of drawn pages the truth is what is taught."""
    lessons, rng = scripts["lessons"].Lessons(folder), np.random.default_rng(0)
    assert lessons.refresh() == 2
    low, high, taught = lessons.cut(rng, 64, 4)
    assert low.shape == (64, 3, 4, 4)
    large = low.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close((high - large) * 255, torch.full_like(high, 64.0))
    more = ((taught - large) * 255).round().flatten(1)
    assert (more == more[:, :1]).all()
    assert set(more[:, 0].tolist()) == {64.0, 128.0}
    # each of the eight ways that a window can lie is drawn: along one axis its values differ by 1, along the other by 8
    steps = {
        (round(float(one[0, 0, 1] - one[0, 0, 0]) * 255), round(float(one[0, 1, 0] - one[0, 0, 0]) * 255))
        for one in low
    }
    assert steps == {(1, 8), (1, -8), (-1, 8), (-1, -8), (8, 1), (8, -1), (-8, 1), (-8, -1)}


def test_new_shards_are_found_and_none_twice(scripts: dict[str, ModuleType], folder: Path) -> None:
    lessons = scripts["lessons"].Lessons(folder)
    assert lessons.refresh(most=1) == 1
    assert lessons.refresh() == 2
    assert lessons.refresh() == 2
    assert len(lessons.shards) == 2


def test_a_folder_without_lessons_is_named(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"no lessons in {tmp_path}"):
        scripts["lessons"].Lessons(tmp_path).refresh()
