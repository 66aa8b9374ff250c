"""The quality benchmark end to end on a picture that scikit-image ships."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from benchmarks import quality
from benchmarks.methods import recipe_method, resampling
from benchmarks.pictures import centre_crop, find_pictures, make_examples
from benchmarks.promote import JUDGED, replace, verdict

SIDE = 192


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "cats"
    folder.mkdir()
    Image.fromarray(data.chelsea()).save(folder / "chelsea.png")
    return folder


def test_tables_sheets_and_figures(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--data", str(folder.parent), "--sets", "cats", "--side", str(SIDE), "--degradations", "clean", "full"]
    words += ["--recipes", "steps=1 window=32 overlap=8", "--threads", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["quality", *words])
    quality.main()
    record = json.loads((tmp_path / "quality.json").read_text())
    assert {row["method"] for row in record["rows"]} == {"truth", "bicubic", "Lanczos", "steps=1 window=32 overlap=8"}
    rows = {(row["degradation"], row["method"]): row for row in record["rows"]}
    ours = rows["clean", "steps=1 window=32 overlap=8"]
    assert ours["forwards"] == 4
    assert ours["consistency"] > 30
    assert set(quality.BETTER) <= set(ours)
    truth = centre_crop(folder / "chelsea.png", SIDE, False)
    low = make_examples([folder / "chelsea.png"], side=SIDE, halved="", degradations=["clean"], seed=0)[0].low
    expected = peak_signal_noise_ratio(truth.numpy(), resampling("bicubic")(low).pixels.numpy(), data_range=1)
    assert rows["clean", "bicubic"]["PSNR"] == pytest.approx(expected, abs=1e-3)
    assert rows["full", "bicubic"]["PSNR"] < rows["clean", "bicubic"]["PSNR"]
    text = (tmp_path / "quality.md").read_text()
    assert "## clean" in text
    assert "seam" in text
    with Image.open(tmp_path / "sheet-full.png") as sheet:
        assert np.asarray(sheet).std() > 10


def test_a_mixed_picture_is_four_degraded_ones(folder: Path) -> None:
    clean, mixed = (
        make_examples([folder / "chelsea.png"], side=SIDE, halved="", degradations=[name], seed=0)[0]
        for name in ("clean", "mixed")
    )
    half = SIDE // 8
    # cut apart, quarters are shrunk without their neighbours: all but the border is the clean picture's
    apart = (mixed.low - clean.low).abs()
    # of two sizes, they may be rounded to two of the 256 levels here and there
    assert apart[:, : half - 3, : half - 3].max() < 1.5 / 255
    assert apart[:, : half - 3, : half - 3].mean() < 0.01 / 255
    assert apart[:, half:, half:].mean() > 1 / 255
    assert max(mixed.strength.blur, mixed.strength.noise, mixed.strength.jpeg) > 0


def test_tags_of_the_whole_picture_go_to_every_tile(folder: Path) -> None:
    low = make_examples([folder / "chelsea.png"], side=SIDE, halved="", degradations=["mixed"], seed=0)[0].low
    settings = "steps=1 window=32 overlap=8"
    whole = recipe_method(f"{settings} tags=whole", model="embedded", threads=1)(low)
    assert whole.plan is not None
    assert whole.plan.tags is not None
    assert len(whole.plan.tags.entries) == 1
    local = recipe_method(settings, model="embedded", threads=1)(low)
    assert not torch.equal(whole.pixels, local.pixels)


def test_summaries_are_means_and_ratios_of_sums() -> None:
    rows = [
        {"method": "a", "PSNR": 20.0, "across": 1.0, "beside": 2.0},
        {"method": "a", "PSNR": 30.0, "across": 5.0, "beside": 4.0},
    ]
    assert quality.summarize(rows, ("method",)) == [{"method": "a", "PSNR": 25.0, "seam": 1.0}]


def test_recipes_are_words(folder: Path) -> None:
    run = recipe_method("steps=1 prompts=global prompt=strong_blur", model="embedded", threads=1)
    restored = run(torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0)))
    assert restored.plan is not None
    assert restored.plan.recipe.prompts.text == "strong blur"
    assert restored.pixels.shape == (3, 96, 96)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        find_pictures(tmp_path, ["nowhere"])
    with pytest.raises(FileNotFoundError, match="give --data or --sets"):
        find_pictures(tmp_path, [])


class TestPromotion:
    OLD = {"PSNR": 26.0, "SSIM": 0.7, "GMSD": 0.1, "HaarPSI": 0.6, "spectrum": 5.0}

    def test_better_on_most_and_worse_on_none(self) -> None:
        assert verdict({"PSNR": 26.1, "SSIM": 0.71, "GMSD": 0.09, "HaarPSI": 0.599, "spectrum": 5.1}, self.OLD)[0]

    def test_one_clear_loss_is_enough(self) -> None:
        better, lines = verdict({"PSNR": 25.0, "SSIM": 0.71, "GMSD": 0.09, "HaarPSI": 0.7, "spectrum": 2.0}, self.OLD)
        assert not better
        assert lines[0] == "PSNR: 25.0000 against 26.0000, not better"
        assert len(lines) == len(JUDGED)

    def test_the_card_stays(self, tmp_path: Path) -> None:
        old, new = tmp_path / "old", tmp_path / "new"
        for model in (old, new):
            (model / "unet").mkdir(parents=True)
            (model / "unet" / "config.json").write_text(model.name)
        (old / "README.md").write_text("card")
        (old / "stale.bin").write_text("")
        replace(new, old)
        assert sorted(path.name for path in old.iterdir()) == ["README.md", "unet"]
        assert (old / "unet" / "config.json").read_text() == "new"
