"""A shipped model's parts become checkpoints to go on from."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch

from tests.training.toy import COMMON, PARTS, WIDTHS


def test_what_was_exported_comes_back(scripts: dict[str, ModuleType], trained: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    scripts["export"].export(trained, model, steps=4, widths=WIDTHS)
    scripts["unpack"].unpack(model, out)
    for path in trained.glob("*.pt"):
        before, after = (torch.load(folder / path.name, weights_only=True) for folder in (trained, out))
        for key in {"average", "average_text", "encoder"} & before.keys():
            for name, value in before[key].items():
                torch.testing.assert_close(after[key][name], value.half().float(), rtol=0, atol=0)
        for name in {"mean", "std", "spread"} & before["extra"].keys():
            torch.testing.assert_close(after["extra"][name], before["extra"][name], rtol=0, atol=1e-6)


def test_training_goes_on_from_it(
    scripts: dict[str, ModuleType], pictures: Path, trained: Path, tmp_path: Path
) -> None:
    """In the folder itself: it begins at step 0, with the weights that were shipped."""
    model, out = tmp_path / "model", tmp_path / "out"
    scripts["export"].export(trained, model, steps=4, widths=WIDTHS)
    scripts["unpack"].unpack(model, out)
    before = torch.load(out / "restoration.pt", weights_only=True)["average"]
    options = {**COMMON, **PARTS["train_restoration"], "rate": 0.0}
    scripts["train_restoration"].train(pictures, out, steps=1, **options)
    after = torch.load(out / "restoration.pt", weights_only=True)
    assert after["step"] == 1
    for name, value in before.items():
        torch.testing.assert_close(after["average"][name], value, rtol=0, atol=2e-3)
