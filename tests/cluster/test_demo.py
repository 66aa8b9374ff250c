"""The demonstration's sheet, pixel for pixel, and that it ends where its command fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cluster import demo
from cluster.demo import CROP, write_side_by_side
from tests.support.runs import picture

SCALE = 2


def saved(path: Path, height: int, width: int, seed: int) -> Path:
    Image.fromarray(picture(height, width, seed).transpose(1, 2, 0)).save(path)
    return path


def test_one_crop_of_both(tmp_path: Path) -> None:
    """Left, top, right, bottom are 380, 110, 540, 230: 120 rows of 160 pixels, twice as large, four white columns."""
    height, width = 240, 560
    before = saved(tmp_path / "a.png", height, width, 0)
    after = saved(tmp_path / "b.png", height * SCALE, width * SCALE, 1)
    found = write_side_by_side(before, after, tmp_path / "sheet.png")
    assert found == tmp_path / "sheet.png"
    with Image.open(found) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (120 * SCALE, 2 * 160 * SCALE + 4, 3)
    large = picture(height * SCALE, width * SCALE, 1).transpose(1, 2, 0)
    np.testing.assert_array_equal(sheet[:, 324:], large[220:460, 760:1080])
    assert (sheet[:, 320:324] == 255).all()
    small = Image.fromarray(picture(height, width, 0).transpose(1, 2, 0)[110:230, 380:540])
    expected = np.asarray(small.resize((320, 240), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(sheet[:, :320], expected)
    assert CROP == (380, 110, 540, 230)


def test_it_says_what_it_runs_and_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran: list[list[str]] = []

    def run(words: list[str], *, check: bool) -> Any:
        ran.append(words[1:])
        saved(tmp_path / "demo" / "hubble-x4.png", 240, 560, 1)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr(demo.data, "hubble_deep_field", lambda: picture(240, 560).transpose(1, 2, 0))
    demo.main()
    assert ran == [["-m", "cluster.cli", "upscale", "demo/hubble.png", "demo/hubble-x4.png"]]
    said = capsys.readouterr().out
    assert said.startswith("$ gigatile upscale demo/hubble.png demo/hubble-x4.png\n")
    for words in ("demo/before-after.png", "gigatile status demo/hubble-x4.png.run"):
        assert words in said
    assert (tmp_path / "demo" / "before-after.png").is_file()


def test_a_command_that_fails_is_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command's own code; a picture that is there is not made again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "hubble.png").write_bytes(b"mine")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: SimpleNamespace(returncode=7))
    with pytest.raises(SystemExit) as caught:
        demo.main()
    assert caught.value.code == 7
    assert (tmp_path / "demo" / "hubble.png").read_bytes() == b"mine"
