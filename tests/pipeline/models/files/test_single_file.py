"""Checkpoints in the original layout give the networks of the folders they were made of; so do single ControlNets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.models.files.single_file import read_checkpoint
from pipeline.models.registry import describe_model, load_backbone
from tests.support.composite import tiny_control
from tests.support.original import original_tensors, original_unet, write_checkpoint
from tests.support.tiny import write_stable_diffusion

KINDS: dict[str, dict[str, bool]] = {"sd1": {}, "sd2": {"v2": True}, "sdxl": {"xl": True}}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of each kind a folder with the base in both layouts and model.toml over the single file."""
    home = tmp_path_factory.mktemp("models")
    for kind, options in KINDS.items():
        base = write_stable_diffusion(home / kind / "base", **options)
        write_checkpoint(home / kind / "all.safetensors", base)
        (home / kind / "model.toml").write_text("base = 'all.safetensors'\nconfig = 'base'\n")
    return {kind: home / kind for kind in KINDS}


def loaded(model: Path, **options: Any) -> Any:
    return load_backbone(describe_model(str(model), **options), device="cpu", dtype="float32")


def networks(backbone: Any) -> list[torch.nn.Module]:
    return [backbone._unet, backbone._vae, *(encoder for _, encoder in backbone._text)]


def same(found: torch.nn.Module, expected: torch.nn.Module) -> None:
    ours, theirs = found.state_dict(), expected.state_dict()
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_networks_of_the_folder(models: dict[str, Path], kind: str) -> None:
    single, folder = loaded(models[kind] / "model.toml"), loaded(models[kind] / "base")
    for found, expected in zip(networks(single), networks(folder), strict=True):
        same(found, expected)
    assert single.geometry.window == folder.geometry.window
    cards = [describe_model(str(models[kind] / name)) for name in ("model.toml", "base")]
    assert cards[0].defaults == cards[1].defaults
    # the same weights from elsewhere in memory: a library may add up in another order
    torch.testing.assert_close(single.embed(["a b"])["text"], folder.embed(["a b"])["text"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_diffusers_reads_it_alike(models: dict[str, Path], kind: str) -> None:
    """So that the files of these tests are what diffusers takes for the original layout. SDXL's second text encoder is
    left out: diffusers knows it from the first by its width, and the tiny ones are equally wide."""
    name = f"StableDiffusion{'XL' if kind == 'sdxl' else ''}Pipeline"
    extra: dict[str, Any] = {"add_watermarker": False} if kind == "sdxl" else {"safety_checker": None}
    pipe = getattr(diffusers, name).from_single_file(
        str(models[kind] / "all.safetensors"), config=str(models[kind] / "base"), local_files_only=True, **extra
    )
    found = networks(loaded(models[kind] / "model.toml"))
    for ours, theirs in zip(found, [pipe.unet, pipe.vae, pipe.text_encoder], strict=False):
        same(ours, theirs)


def test_configs_alone_will_do(models: dict[str, Path], tmp_path: Path) -> None:
    base = write_stable_diffusion(tmp_path / "configs")
    for path in base.glob("*/*.safetensors"):
        path.unlink()
    (tmp_path / "model.toml").write_text(f"base = '{models['sd1'] / 'all.safetensors'}'\nconfig = 'configs'")
    card, other = describe_model(str(tmp_path / "model.toml")), describe_model(str(models["sd1"] / "model.toml"))
    assert card.fingerprint == other.fingerprint
    assert card.geometry.cost.parameters == describe_model(str(models["sd1"] / "base")).geometry.cost.parameters


def test_a_pickle(models: dict[str, Path], tmp_path: Path) -> None:
    torch.save({"state_dict": original_tensors(models["sd1"] / "base"), "epoch": 3}, tmp_path / "all.ckpt")
    (tmp_path / "model.toml").write_text(f"base = 'all.ckpt'\nconfig = '{models['sd1'] / 'base'}'")
    with pytest.raises(ValueError, match=r"all\.ckpt is a pickle.*--allow-pickle"):
        describe_model(str(tmp_path / "model.toml"))
    same(loaded(tmp_path / "model.toml", allow_pickle=True)._unet, loaded(models["sd1"] / "base")._unet)


@pytest.mark.parametrize("held", [torch.zeros(3), {"state_dict": [1]}], ids=["a tensor", "a list"])
def test_a_pickle_of_something_else(models: dict[str, Path], tmp_path: Path, held: Any) -> None:
    torch.save(held, tmp_path / "all.ckpt")
    (tmp_path / "model.toml").write_text(f"base = 'all.ckpt'\nconfig = '{models['sd1'] / 'base'}'")
    with pytest.raises(ValueError, match=r"all\.ckpt are no table of tensors"):
        describe_model(str(tmp_path / "model.toml"), allow_pickle=True)


def test_without_configs_and_without_the_hub(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(name: str, **_options: Any) -> str:
        asked.append(name)
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(FileNotFoundError, match=r"all\.safetensors: a single file has no configs.*config = the folder"):
        describe_model(str(models["sd1"] / "all.safetensors"))
    assert asked == ["stable-diffusion-v1-5/stable-diffusion-v1-5"]


def test_what_does_not_fit(models: dict[str, Path], tmp_path: Path) -> None:
    def attempt(base: Path, config: Path) -> object:
        (tmp_path / "model.toml").write_text(f"base = '{base}'\nconfig = '{config}'")
        return describe_model(str(tmp_path / "model.toml"))

    with pytest.raises(ValueError, match=r"all\.safetensors (lacks|does not fit its configs)"):
        attempt(models["sd1"] / "all.safetensors", models["sdxl"] / "base")
    tensors = load_file(models["sd1"] / "all.safetensors")
    short = {key: value for key, value in tensors.items() if key != "first_stage_model.quant_conv.bias"}
    save_file(short, tmp_path / "short.safetensors")
    with pytest.raises(ValueError, match=r"short\.safetensors does not fit .* vae quant_conv\.bias is absent"):
        attempt(tmp_path / "short.safetensors", models["sd1"] / "base")
    with pytest.raises(ValueError, match="config goes with a base that is a single file"):
        attempt(models["sd1"] / "base", models["sd1"] / "base")
    inpainting = {**tensors, "model.diffusion_model.input_blocks.0.0.weight": torch.ones(8, 9, 3, 3)}
    save_file(inpainting, tmp_path / "paint.safetensors")
    with pytest.raises(ValueError, match="no adapter for a single file of the kind inpainting"):
        describe_model(str(tmp_path / "paint.safetensors"))


@pytest.mark.parametrize("original", [False, True], ids=["diffusers", "original"])
def test_a_control_in_one_file(models: dict[str, Path], tmp_path: Path, original: bool) -> None:
    """In both layouts; the original has no config, so the net is the U-Net's own first half."""
    base = models["sd1"] / "base"
    net = tiny_control(diffusers.UNet2DConditionModel.from_pretrained(base / "unet"), 4, widths=(16, 32, 96, 256))
    tensors = net.state_dict()
    if original:
        tensors = {f"control_model.{key}": value for key, value in original_unet(tensors, 1, ()).items()}
    save_file({key: value.contiguous() for key, value in tensors.items()}, tmp_path / "net.safetensors")
    text = f"base = '{base}'\n[[controls]]\nmodel = 'net.safetensors'"
    (tmp_path / "model.toml").write_text(text)
    same(loaded(tmp_path / "model.toml")._controls[0][1], net)
    (tmp_path / "model.toml").write_text(text.replace(str(base), str(models["sdxl"] / "base")))
    with pytest.raises(ValueError, match=r"the ControlNet net\.safetensors does not fit the base: "):
        describe_model(str(tmp_path / "model.toml"))


def test_the_autoencoder_stays_in_single_precision(models: dict[str, Path]) -> None:
    """Half of it overflows; the other networks are as asked for."""
    found = read_checkpoint(models["sd1"] / "all.safetensors", models["sd1"] / "base", torch.float16)
    dtypes = {name: {one.dtype for one in network.parameters()} for name, network in found.items()}
    assert dtypes.pop("vae") == {torch.float32}
    assert dtypes
    assert all(one == {torch.float16} for one in dtypes.values())
