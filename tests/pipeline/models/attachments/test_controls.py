"""ControlNets against diffusers' own sum of several, and every way in which one does not fit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.controlnets.multicontrolnet import MultiControlNetModel
from safetensors.torch import load_file, save_file

from pipeline.models.attachments.controls import (
    check_control,
    check_control_file,
    control_config,
    control_files,
    load_control,
    sum_residuals,
    unread_of_control,
)
from pipeline.models.files.model_file import Control
from tests.support.composite import tiny_control
from tests.support.tiny import tiny_unet

WHERE = Path("canny")


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return tiny_unet()


@pytest.fixture(scope="module")
def configs(unet: UNet2DConditionModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """A fitting ControlNet's and the U-Net's; both as their JSON has them, with lists for tuples."""
    both = (dict(tiny_control(unet, 1).config), dict(unet.config))
    return json.loads(json.dumps(both[0])), json.loads(json.dumps(both[1]))


def test_one_that_fits(configs: tuple[dict[str, Any], dict[str, Any]]) -> None:
    control, base = configs
    check_control(WHERE, control, base, 8, "sd")
    # what a config leaves out is the library's default; what the class is called may be left out, too
    check_control(WHERE, {key: value for key, value in control.items() if key != "_class_name"}, base, 8, "sd")
    check_control(WHERE, {**control, "block_out_channels": tuple(control["block_out_channels"])}, base, 8, "sd")
    for left_out in ("in_channels", "conditioning_channels", "global_pool_conditions", "addition_embed_type"):
        check_control(WHERE, {key: value for key, value in control.items() if key != left_out}, base, 8, "sd")
    # the library's own widths of the picture's embedding are four, which shrink by 8
    silent = {key: value for key, value in control.items() if key != "conditioning_embedding_out_channels"}
    check_control(WHERE, silent, base, 8, "sd")
    with pytest.raises(ValueError, match="shrink them by 4"):
        check_control(WHERE, silent, base, 4, "sd")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"_class_name": "T2IAdapter"}, "it is a T2IAdapter, expected a ControlNetModel"),
        ({"in_channels": 9}, "in_channels is 9, the U-Net's 4"),
        ({"block_out_channels": [8, 32]}, "block_out_channels is [8, 32], the U-Net's [8, 16]"),
        ({"layers_per_block": 2}, "layers_per_block is 2, the U-Net's 1"),
        ({"cross_attention_dim": 32}, "cross_attention_dim is 32, the U-Net's 16"),
        ({"addition_embed_type": "text_time"}, "addition_embed_type is text_time, the U-Net's None"),
        ({"conditioning_channels": 6}, "it must read pictures of 3 channels and shrink them by 8"),
        ({"conditioning_embedding_out_channels": [4, 8, 8]}, "shrink them by 8"),
        ({"conditioning_embedding_out_channels": [4, 8, 8, 8, 8]}, "shrink them by 8"),
        ({"global_pool_conditions": True}, "it pools its picture to one point, so it says nothing of structure"),
    ],
)
def test_one_that_does_not(configs: tuple[dict[str, Any], dict[str, Any]], change: dict[str, Any], says: str) -> None:
    control, base = configs
    with pytest.raises(ValueError, match=r"^model sd: the ControlNet canny does not fit the base: ") as caught:
        check_control(WHERE, control | change, base, 8, "sd")
    assert says in str(caught.value)


def test_one_that_is_quantised(configs: tuple[dict[str, Any], dict[str, Any]]) -> None:
    control, base = configs
    with pytest.raises(ValueError, match="model sd: the ControlNet canny"):
        check_control(WHERE, control | {"quantization_config": {"quant_method": "bitsandbytes"}}, base, 8, "sd")


def test_a_config_for_a_single_file_is_the_unets(unet: UNet2DConditionModel) -> None:
    """As far as a ControlNet knows it."""
    found = control_config(dict(unet.config))
    assert found["block_out_channels"] == (8, 16)
    assert "up_block_types" not in found
    assert "out_channels" not in found


def test_files(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    tiny_control(unet, 1).save_pretrained(tmp_path / "canny")
    config, weights = tmp_path / "canny" / "config.json", tmp_path / "canny" / "diffusion_pytorch_model.safetensors"
    assert control_files(tmp_path / "canny", "sd", allow_pickle=False) == [config, weights]
    assert control_files(weights, "sd", allow_pickle=False) == [weights]
    config.unlink()
    with pytest.raises(FileNotFoundError, match=r"canny lacks config\.json"):
        control_files(tmp_path / "canny", "sd", allow_pickle=False)
    pickled = tmp_path / "canny.ckpt"
    pickled.touch()
    assert control_files(pickled, "sd", allow_pickle=True) == [pickled]
    with pytest.raises(ValueError, match=r"canny.ckpt is a pickle"):
        control_files(pickled, "sd", allow_pickle=False)


@pytest.fixture
def single(unet: UNet2DConditionModel, tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A ControlNet's tensors in one file, by diffusers' names; its embedding has the library's own widths."""
    net = ControlNetModel.from_config(control_config(dict(unet.config)))
    tensors = {key: torch.rand_like(one) for key, one in net.state_dict().items()}
    save_file(tensors, tmp_path / "canny.safetensors")
    return tmp_path / "canny.safetensors", tensors


def test_a_single_file_is_read_whole(single: tuple[Path, dict[str, torch.Tensor]], unet: UNet2DConditionModel) -> None:
    path, tensors = single
    config = dict(unet.config)
    check_control_file(path, config, "sd")
    assert unread_of_control(path, config, [path], "sd") == []
    found = load_control(path, config, torch.float64).state_dict()
    assert found.keys() == tensors.keys()
    for key, one in found.items():
        assert one.dtype == torch.float64
        assert torch.equal(one, tensors[key].double())


def test_a_single_file_that_does_not_fit(
    single: tuple[Path, dict[str, torch.Tensor]], unet: UNet2DConditionModel, tmp_path: Path
) -> None:
    _, tensors = single
    first = min(tensors)
    short, other, none = (tmp_path / f"{name}.safetensors" for name in ("short", "other", "none"))
    save_file({key: one for key, one in tensors.items() if key != first}, short)
    shape = " x ".join(str(side) for side in tensors[first].shape)
    with pytest.raises(ValueError, match=re.escape(f"does not fit the base: {first} is absent, expected {shape}")):
        check_control_file(short, dict(unet.config), "sd")
    save_file(tensors | {first: torch.zeros(3, 2)}, other)
    with pytest.raises(ValueError, match=re.escape(f"{first} is 3 x 2, expected {shape}")):
        check_control_file(other, dict(unet.config), "sd")
    save_file({"a.weight": torch.zeros(2)}, none)
    with pytest.raises(ValueError, match=r"model sd: none.safetensors is no ControlNet, it has no layers of one"):
        check_control_file(none, dict(unet.config), "sd")


def test_what_nobody_reads_of_a_folder(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    where = tmp_path / "canny"
    tiny_control(unet, 1).save_pretrained(where)
    path = where / "diffusion_pytorch_model.safetensors"
    files = [where / "config.json", path]
    assert unread_of_control(where, dict(unet.config), files, "sd") == []
    save_file(load_file(path) | {"odd.weight": torch.ones(1)}, path, metadata={"format": "pt"})
    (found,) = unread_of_control(where, dict(unet.config), files, "sd")
    assert (found.where, found.names) == ("the ControlNet canny", ("odd.weight",))


def test_a_folder_is_loaded_as_diffusers_loads_it(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    net = tiny_control(unet, 1)
    net.save_pretrained(tmp_path / "canny")
    found = load_control(tmp_path / "canny", dict(unet.config), torch.bfloat16).state_dict()
    assert all(torch.equal(one, found[key].float()) for key, one in net.bfloat16().float().state_dict().items())
    assert {one.dtype for one in found.values()} == {torch.bfloat16}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_a_sum_of_several_is_diffusers_own(unet: UNet2DConditionModel) -> None:
    """One sees the picture, the other its edges in three equal channels."""
    nets = [tiny_control(unet, seed) for seed in (1, 2)]
    controls = [Control(model="a", sees="image", scale=0.5), Control(model="b", sees="edges", scale=2.0)]
    latents, text = draw(2, 4, 6, 8), draw(2, 5, 16, seed=1)
    structure = {"image": draw(2, 3, 48, 64, seed=2), "edges": draw(2, 1, 48, 64, seed=3)}
    given: dict[str, Any] = {"timestep": torch.tensor(7), "encoder_hidden_states": text}
    found = sum_residuals(list(zip(controls, nets, strict=True)), structure, None, latents, **given)
    pictures = [structure["image"], structure["edges"].expand(-1, 3, -1, -1)]
    down, mid = MultiControlNetModel(nets)(latents, given["timestep"], text, pictures, [0.5, 2.0], return_dict=False)
    assert found.keys() == {"down_block_additional_residuals", "mid_block_additional_residual"}
    assert len(found["down_block_additional_residuals"]) == len(down)
    for one, other in zip(found["down_block_additional_residuals"], down, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(found["mid_block_additional_residual"], mid)


def constant(value: float) -> Any:
    """A net whose residuals are its scale times a number."""

    def net(latents: torch.Tensor, *, conditioning_scale: float, **_: Any) -> Any:
        return [torch.full((1,), value * conditioning_scale)] * 2, torch.full((1,), value * conditioning_scale)

    return net


def test_who_acts() -> None:
    """A net acts where its picture is shown, at steps that lie wholly between its shares."""
    nets = [
        (Control(model="a", sees="image", end=0.5), constant(1)),
        (Control(model="b", sees="edges", scale=3.0, start=0.25), constant(10)),
        (Control(model="c", sees="image", start=0.5), constant(100)),
    ]
    both, latents = {"image": draw(1, 3, 2, 2), "edges": draw(1, 1, 2, 2)}, draw(1, 4, 2, 2)

    def total(structure: dict[str, torch.Tensor], step: tuple[int, int] | None) -> float:
        found = sum_residuals(nets, structure, step, latents)
        if not found:
            return 0.0
        (one, other) = found["down_block_additional_residuals"]
        assert one == other == found["mid_block_additional_residual"]
        return float(one)

    assert [total(both, (step, 4)) for step in range(4)] == [1, 31, 130, 130]
    assert [total({"image": both["image"]}, (step, 4)) for step in range(4)] == [1, 1, 100, 100]
    assert [total({"edges": both["edges"]}, (step, 4)) for step in range(4)] == [0, 30, 30, 30]
    assert total(both, None) == 131
    assert sum_residuals(nets, {}, None, latents) == {}
    assert sum_residuals([], both, None, latents) == {}


def test_pictures_come_in_the_latents_number_format() -> None:
    seen: list[torch.Tensor] = []

    def net(latents: torch.Tensor, *, controlnet_cond: torch.Tensor, **_: Any) -> Any:
        seen.append(controlnet_cond)
        return [latents], latents

    control: Any = SimpleNamespace(sees="edges", scale=1.0, acts_at=lambda step: True)
    edges = draw(2, 1, 4, 6)
    sum_residuals([(control, net)], {"edges": edges}, None, draw(2, 4, 2, 3).half())
    assert (seen[0].dtype, seen[0].shape) == (torch.float16, (2, 3, 4, 6))
    assert torch.equal(seen[0][:, 2:].float(), edges.half().float())
