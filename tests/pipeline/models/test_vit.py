"""Maps of a vision transformer's attention: against transformers itself, and window by window against the whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Dinov2Model, ViTModel

from pipeline.models.vit import AttentionReader, describe_attention, load_attention
from storage.box import Box
from tests.support.tiny import write_vit

KINDS = {"vit": ViTModel, "dinov2": Dinov2Model}


def reader(folder: Path, *, kind: str = "vit", heads: str = "mean", side: int = 32, patch: int = 8) -> AttentionReader:
    name = str(write_vit(folder / kind, kind=kind, side=side, patch=patch))
    return load_attention(name, describe_attention(name), heads=heads, device="cpu")


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("heads", ["mean", "max"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_class_tokens_attention(tmp_path: Path, kind: str, heads: str) -> None:
    """At the middle of every patch it is the patch's share of a window's attention, times the patches."""
    low = picture(28, 28)
    found = reader(tmp_path, kind=kind, heads=heads, side=28, patch=7).look(low)
    options = {"add_pooling_layer": False} if kind == "vit" else {}
    model = KINDS[kind].from_pretrained(tmp_path / kind, attn_implementation="eager", **options).eval()
    mean, std = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    with torch.inference_mode():
        attention = model(((low - mean) / std)[None], output_attentions=True).attentions[-1][0, :, 0, 1:]
    attention = attention * 16
    both = (attention.mean(0) if heads == "mean" else attention.amax(0)).view(4, 4)
    np.testing.assert_allclose(found[3::7, 3::7], both, atol=1e-5)
    assert 0 < found.min() < found.max()


def test_preprocessing_is_the_models_own(tmp_path: Path) -> None:
    folder = write_vit(tmp_path / "vit")
    plain = load_attention(str(folder), describe_attention(str(folder)), heads="mean", device="cpu")
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.25] * 3}))
    other = load_attention(str(folder), describe_attention(str(folder)), heads="mean", device="cpu")
    low = picture(32, 32)
    shifted = (low - 0.5) / 0.25
    mean, std = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1), torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
    np.testing.assert_allclose(other.look(low), plain.look(shifted * std + mean), rtol=1e-5, atol=1e-6)


def test_the_weights_that_are_hashed_are_the_ones_that_are_read(tmp_path: Path) -> None:
    folder = write_vit(tmp_path / "vit")
    low, name = picture(32, 32), str(folder)
    expected = load_attention(name, describe_attention(name), heads="mean", device="cpu").look(low)
    path = folder / "model.safetensors"
    shutil.copy(path, folder / "model.fp16.safetensors")
    save_file({key: torch.zeros_like(one) for key, one in load_file(path).items()}, path, metadata={"format": "pt"})
    found = load_attention(name, describe_attention(name), heads="mean", device="cpu").look(low)
    # the same weights from elsewhere in memory; zeros would tell nothing apart
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert expected.std() > 1e-3


def test_an_image_of_one_window(tmp_path: Path) -> None:
    found, low = reader(tmp_path), picture(32, 27)
    whole = Box(top=0, left=0, height=32, width=27)
    map_ = found.read(lambda box: low[:, *box.slices], whole, whole)
    np.testing.assert_allclose(map_, found.look(low), atol=1e-6)


def test_any_part_is_cut_from_one_map(tmp_path: Path) -> None:
    """Regions read their own parts: the same numbers whichever part they are read in."""
    found, low = reader(tmp_path), picture(43, 59)
    source = Box(top=0, left=0, height=43, width=59)
    whole = found.read(lambda box: low[:, *box.slices], source, source)
    for part in (
        Box(top=0, left=0, height=20, width=30),
        Box(top=31, left=20, height=1, width=39),
        Box(top=42, left=48, height=1, width=11),
    ):
        np.testing.assert_array_equal(found.read(lambda box: low[:, *box.slices], source, part), whole[part.slices])
    assert np.isfinite(whole).all()
    assert whole.std() > 0.01


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--vit nowhere"):
        describe_attention("nowhere")
    folder = write_vit(tmp_path / "vit")
    card = describe_attention(str(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "clip"}))
    with pytest.raises(ValueError, match=r"expected a vision transformer .* found clip"):
        describe_attention(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "patch_size": [8, 8]}))
    with pytest.raises(ValueError, match=r"expected patch_size .* whole number, found \[8, 8\]"):
        describe_attention(str(folder))
    (folder / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-5}))
    with pytest.raises(ValueError, match="not the model that the plan was made with"):
        load_attention(str(folder), card, heads="mean", device="cpu")
