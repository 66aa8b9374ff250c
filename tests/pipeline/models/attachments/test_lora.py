"""LoRA files of every dialect change the weights by scale * alpha / rank * up @ down, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from pipeline.models.attachments.lora import Change, merge_changes
from pipeline.models.registry import describe_model, load_backbone
from tests.support.composite import low_rank
from tests.support.original import original_unet_path
from tests.support.tiny import write_stable_diffusion

RANK, ALPHA, SCALE = 2, 3.0, 0.7
UNET_LAYERS = (
    "conv_in",
    "time_embedding.linear_2",
    "down_blocks.0.resnets.0.conv1",
    "down_blocks.0.downsamplers.0.conv",
    "down_blocks.1.resnets.0.conv_shortcut",
    "down_blocks.1.attentions.0.proj_in",
    "mid_block.resnets.1.time_emb_proj",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "up_blocks.0.attentions.1.transformer_blocks.0.attn2.to_v",
    "up_blocks.0.upsamplers.0.conv",
)
TEXT_LAYERS = ("encoder.layers.1.self_attn.out_proj", "encoder.layers.0.self_attn.q_proj", "encoder.layers.0.mlp.fc1")
OLD_TEXT = {"q_proj": "to_q", "out_proj": "to_out"}

Dialect = Callable[[str, str], tuple[str, str, str | None]]
"""network and layer -> names of the down, up and alpha tensors"""


def peft(network: str, layer: str) -> tuple[str, str, str | None]:
    at = f"{network}.{'' if network == 'unet' else 'text_model.'}{layer}"
    return f"{at}.lora_A.weight", f"{at}.lora_B.weight", None


def diffusers(network: str, layer: str) -> tuple[str, str, str | None]:
    """Processors' names, of before peft; the plain ones for what has no processor."""
    head, _, last = layer.removesuffix(".0" if layer.endswith("to_out.0") else "").rpartition(".")
    if network != "unet" and "self_attn" in layer:
        at = f"{network}.text_model.{head}.{OLD_TEXT[last]}_lora."
    elif network != "unet":
        at = f"{network}.text_model.{layer}.lora_linear_layer."
    elif last in ("to_q", "to_v", "to_out"):
        at = f"unet.{head}.processor.{last}_lora."
    else:
        at = f"unet.{layer}.lora."
    return f"{at}down.weight", f"{at}up.weight", None


def kohya(network: str, layer: str) -> tuple[str, str, str | None]:
    prefix = {"unet": "lora_unet_", "text_encoder": "lora_te1_text_model_", "text_encoder_2": "lora_te2_text_model_"}
    at = prefix[network] + layer.replace(".", "_")
    return f"{at}.lora_down.weight", f"{at}.lora_up.weight", f"{at}.alpha"


def kohya_original(network: str, layer: str) -> tuple[str, str, str | None]:
    if network == "unet":
        layer = original_unet_path(layer, layers=1, has_attention=(True, False))
    return kohya(network, layer)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "base", xl=True)


def networks(base: Path) -> dict[str, Any]:
    return {
        "unet": UNet2DConditionModel.from_pretrained(base / "unet"),
        "text_encoder": CLIPTextModel.from_pretrained(base / "text_encoder"),
        "text_encoder_2": CLIPTextModelWithProjection.from_pretrained(base / "text_encoder_2"),
    }


def layers() -> list[tuple[str, str]]:
    text = [(network, layer) for network in ("text_encoder", "text_encoder_2") for layer in TEXT_LAYERS]
    return [*(("unet", layer) for layer in UNET_LAYERS), *text]


def module(network: Any, layer: str) -> Any:
    """Of transformers' two classes one has its layers below ``text_model``."""
    return network.get_submodule(f"text_model.{layer}" if hasattr(network, "text_model") else layer)


def write_lora(path: Path, base: Path, dialect: Dialect) -> dict[str, Any]:
    """A LoRA over some layers of every kind; gives the networks with it added, by a plain sum over the rank."""
    torch.manual_seed(5)
    tensors, changed = {}, networks(base)
    for network, layer in layers():
        weight = module(changed[network], layer).weight
        down, up = low_rank(weight, RANK)
        names = dialect(network, layer)
        tensors |= {names[0]: down, names[1]: up.contiguous()}
        if names[2] is not None:
            tensors[names[2]] = torch.tensor(ALPHA)
        strength = SCALE * (1.0 if names[2] is None else ALPHA / RANK)
        with torch.no_grad():
            for r in range(RANK):
                weight += strength * up[:, r].reshape(-1, *[1] * (weight.ndim - 1)) * down[r]
    save_file(tensors, path)
    return changed


def loaded(folder: Path, base: Path, text: str = "") -> Any:
    (folder / "model.toml").write_text(
        f"base = '{base}'\n[[loras]]\nmodel = 'mine.safetensors'\nscale = {SCALE}\n{text}"
    )
    return load_backbone(describe_model(str(folder / "model.toml")), device="cpu", dtype="float32")


@pytest.mark.parametrize("dialect", [peft, diffusers, kohya, kohya_original])
def test_weights(tmp_path: Path, base: Path, dialect: Dialect) -> None:
    changed = write_lora(tmp_path / "mine.safetensors", base, dialect)
    backbone, plain = loaded(tmp_path, base), networks(base)
    found = {"unet": backbone._unet, "text_encoder": backbone._text[0][1], "text_encoder_2": backbone._text[1][1]}
    for name, network in found.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(value, changed[name].state_dict()[key], rtol=1e-5, atol=1e-6)
    for name, layer in layers():
        assert (module(found[name], layer).weight - module(plain[name], layer).weight).abs().max() > 1e-3


def test_alpha_in_the_header(tmp_path: Path, base: Path) -> None:
    """As peft's config keeps it: one alpha, and others by layer."""
    layer, other = "mid_block.attentions.0.proj_in", "mid_block.attentions.0.proj_out"
    plain = networks(base)["unet"]
    torch.manual_seed(0)
    tensors, made = {}, {}
    for name in (layer, other):
        down, up = low_rank(plain.get_submodule(name).weight, RANK)
        tensors |= {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up.contiguous()}
        made[name] = (up.flatten(1) @ down.flatten(1)).view_as(plain.get_submodule(name).weight)
    config = {"unet.r": RANK, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attentions.0.proj_out": 1}}
    save_file(tensors, tmp_path / "mine.safetensors", metadata={"lora_adapter_metadata": json.dumps(config)})
    unet = loaded(tmp_path, base)._unet
    for name, alpha in ((layer, 8), (other, 1)):
        expected = plain.get_submodule(name).weight + SCALE * alpha / RANK * made[name]
        torch.testing.assert_close(unet.get_submodule(name).weight, expected)


def test_several_add_up(tmp_path: Path, base: Path) -> None:
    write_lora(tmp_path / "mine.safetensors", base, peft)
    (tmp_path / "folder").mkdir()
    write_lora(tmp_path / "folder" / "other.safetensors", base, diffusers)
    plain = networks(base)["unet"]
    once = loaded(tmp_path, base)._unet.state_dict()
    twice = loaded(tmp_path, base, f"[[loras]]\nmodel = 'folder'\nscale = {SCALE}")._unet.state_dict()
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(twice[key] - value, 2 * (once[key] - value), rtol=1e-3, atol=1e-6)
    assert not torch.equal(twice["conv_in.weight"], once["conv_in.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {"unet.conv_in.dora_scale": torch.ones(1)} | t, "holds unet.conv_in.dora_scale, which is no plain"),
        (lambda t: {"lora_unet_input_blocks_4_9_x.lora_down.weight": torch.ones(2, 2)}, "layout that is not read"),
        (lambda t: {"lora_unet_conv_in.hada_w1_a": torch.ones(1)}, "no plain LoRA"),
        (lambda t: {k.replace("mid_block", "middle_part"): v for k, v in t.items()}, "which the base does not have"),
        (lambda t: {k: v for k, v in t.items() if "lora_B" not in k}, "which the base does not have"),
        (lambda t: {k: v[:, :3].contiguous() if "lora_A" in k and v.ndim == 2 else v for k, v in t.items()}, "fit"),
    ],
)
def test_what_cannot_be_merged(tmp_path: Path, base: Path, change: Any, message: str) -> None:
    write_lora(tmp_path / "whole.safetensors", base, peft)
    save_file(change(load_file(tmp_path / "whole.safetensors")), tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match=rf"the LoRA mine\.safetensors .*{message}"):
        loaded(tmp_path, base)


def test_a_folder_of_several_is_refused(tmp_path: Path, base: Path) -> None:
    write_lora(tmp_path / "mine.safetensors", base, peft)
    write_lora(tmp_path / "more.safetensors", base, peft)
    with pytest.raises(FileNotFoundError, match="must hold one weight file, found 2"):
        loaded(tmp_path, base, f"[[loras]]\nmodel = '{tmp_path}'")


@pytest.mark.parametrize("key", ["use_dora", "use_rslora", "lora_bias"])
def test_adaptations_that_the_header_alone_tells_of(tmp_path: Path, base: Path, key: str) -> None:
    at = "unet.mid_block.attentions.0.proj_in"
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    down, up = low_rank(unet.get_submodule("mid_block.attentions.0.proj_in").weight, 2)
    tensors = {f"{at}.lora_A.weight": down.contiguous(), f"{at}.lora_B.weight": up.contiguous()}
    (tmp_path / "model.toml").write_text(f"base = '{base}'\n[[loras]]\nmodel = 'l.safetensors'")
    header = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 2, f"unet.{key}": False})}
    save_file(tensors, tmp_path / "l.safetensors", metadata=header)
    describe_model(str(tmp_path / "model.toml"))
    header = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 2, f"unet.{key}": True})}
    save_file(tensors, tmp_path / "l.safetensors", metadata=header)
    with pytest.raises(ValueError, match=rf"unet\.{key} = True in its header"):
        describe_model(str(tmp_path / "model.toml"))


def test_alpha_beside_the_file(tmp_path: Path, base: Path) -> None:
    """peft's own folders: alpha is in adapter_config.json, which would be passed over."""
    at = "base_model.model.mid_block.attentions.0.proj_in"
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    down, up = low_rank(unet.get_submodule("mid_block.attentions.0.proj_in").weight, 2)
    (tmp_path / "lora").mkdir()
    tensors = {f"{at}.lora_A.weight": down.contiguous(), f"{at}.lora_B.weight": up.contiguous()}
    save_file(tensors, tmp_path / "lora" / "adapter_model.safetensors")
    (tmp_path / "model.toml").write_text(f"base = '{base}'\n[[loras]]\nmodel = 'lora'")
    config = tmp_path / "lora" / "adapter_config.json"
    config.write_text(json.dumps({"r": 2, "lora_alpha": 2, "use_rslora": False}))
    describe_model(str(tmp_path / "model.toml"))
    config.write_text(json.dumps({"r": 2, "lora_alpha": 16}))
    with pytest.raises(ValueError, match=r"alpha in adapter_config\.json \(lora_alpha = 16, r = 2\)"):
        describe_model(str(tmp_path / "model.toml"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_changes_are_multiplied_and_added_in_float32_and_rounded_once(dtype: torch.dtype) -> None:
    """Of half-precision weights and files: what one product, sum or scaling in half would round is seen."""
    draw = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(48, 40, bias=False).to(dtype)
    weight = linear.weight.detach().clone()
    up, down = (torch.randn(*shape, generator=draw).to(dtype) for shape in ((40, 8), (8, 48)))
    changes = [Change(network="unet", path="layer", down=down, up=up, strength=0.3)]
    merge_changes({"unet": torch.nn.ModuleDict({"layer": linear})}, changes, 0.0123)
    exact = weight.double() + 0.0123 * 0.3 * up.double() @ down.double()
    merged = linear.weight.detach()
    assert merged.dtype == dtype
    # rounded once: never off by more than half a step of the format, but for what single precision leaves
    step = torch.finfo(dtype).eps * exact.abs().clamp(min=torch.finfo(dtype).tiny)
    assert float(((merged.double() - exact).abs() / step).max()) <= 0.501
    half = weight + (0.0123 * (0.3 * up @ down)).to(dtype)
    assert (half != merged).any(), "numbers that tell the orders apart"


def test_a_change_is_float32() -> None:
    change = Change(network="unet", path="x", down=torch.ones(2, 3).half(), up=torch.ones(4, 2).half(), strength=0.5)
    found = change.delta(torch.zeros(4, 3).half())
    assert found.dtype == torch.float32
    assert found.tolist() == [[1.0] * 3] * 4
