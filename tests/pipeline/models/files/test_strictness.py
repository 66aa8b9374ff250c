"""What nobody would read of a model's files is refused at every door, and dropped only where the user says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.models.files.leftovers import OF_CLASSES, TENSORS, is_harmless
from pipeline.models.registry import EMBEDDED, describe_model, load_backbone
from pipeline.models.vit import describe_attention, load_attention
from pipeline.taggers.loading import describe_tagger
from tests.support.composite import write_control, write_image_adapter
from tests.support.original import original_tensors, write_checkpoint
from tests.support.tiny import write_stable_diffusion, write_vit
from tests.support.tiny_taggers import write_tagger
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

SEESR = {
    f"{block}.image_attentions.{layer}.norm.weight": torch.ones(3)
    for block in ("down_blocks.1", "mid_block")
    for layer in range(2)
}


def add(path: Path, more: dict[str, torch.Tensor]) -> None:
    save_file(load_file(path) | more, path, metadata={"format": "pt"})


def configure(path: Path, **more: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model of each family, never changed."""
    home = tmp_path_factory.mktemp("made")
    write_stable_diffusion(home / "sd")
    write_stable_diffusion(home / "sdxl", xl=True)
    write_flux(home / "flux")
    write_stable_diffusion_3(home / "sd3")
    return home


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(made / name, tmp_path / name))


PARTS = [
    ("sd", "unet"),
    ("sd", "vae"),
    ("sd", "text_encoder"),
    ("sdxl", "text_encoder_2"),
    ("flux", "transformer"),
    ("flux", "text_encoder_2"),
    ("sd3", "transformer"),
    ("sd3", "vae"),
]


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_foreign_tensors_of_a_folder(copy: Callable[[str], Path], name: str, part: str) -> None:
    folder = copy(name)
    add(next((folder / part).glob("*.safetensors")), SEESR)
    with pytest.raises(
        ValueError, match=rf"{part} has 4 tensors .* first .*image_attentions.*looks like SeeSR.*strict"
    ):
        describe_model(str(folder))
    card = describe_model(str(folder), strict=False)
    assert len(card.dropped) == 1
    assert "4 tensors" in card.dropped[0]


@pytest.mark.parametrize(("name", "part"), [*PARTS, ("sdxl", "unet")])
def test_foreign_settings_of_a_folder(copy: Callable[[str], Path], name: str, part: str) -> None:
    folder = copy(name)
    configure(folder / part / "config.json", new_in_a_later_version=None, use_other=False, _private=3)
    assert describe_model(str(folder)).dropped == ()
    configure(folder / part / "config.json", use_image_cross_attention=True)
    with pytest.raises(ValueError, match=rf"{part}/config\.json has 1 setting .*use_image_cross_attention.*like SeeSR"):
        describe_model(str(folder))
    assert describe_model(str(folder), strict=False).dropped


def test_what_is_dropped_changes_no_pixel_and_is_said(
    copy: Callable[[str], Path], made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What diffusers says of it is passed on though its own logger is muted."""
    from diffusers.utils import logging as diffusers_logging

    folder = copy("sd")
    add(next((folder / "unet").glob("*.safetensors")), SEESR)
    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        card = describe_model(str(folder), strict=False)
        backbone: Any = load_backbone(card, device="cpu", dtype="float32")
        plain: Any = load_backbone(describe_model(str(made / "sd")), device="cpu", dtype="float32")
    finally:
        diffusers_logging.set_verbosity(before)
    ours, theirs = backbone._unet.state_dict(), plain._unet.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert any("not used when initializing" in record.message for record in caplog.records)


def test_shards(copy: Callable[[str], Path]) -> None:
    from diffusers import UNet2DConditionModel

    folder = copy("sd")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet", max_shard_size="20KB")
    shards = sorted((folder / "unet").glob("*.safetensors"))
    assert len(shards) > 1
    assert describe_model(str(folder)).dropped == ()
    add(shards[-1], SEESR)
    with pytest.raises(ValueError, match=r"unet has 4 tensors .*SeeSR"):
        describe_model(str(folder))


def test_shards_that_are_pickles(copy: Callable[[str], Path]) -> None:
    """diffusers does not look for them by itself: what a plan described, a worker did not find."""
    from diffusers import UNet2DConditionModel

    folder = copy("sd")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet", max_shard_size="20KB", safe_serialization=False)
    shards = sorted((folder / "unet").glob("*.bin"))
    assert len(shards) > 1
    with pytest.raises(ValueError, match=r"is a pickle.*--allow-pickle"):
        describe_model(str(folder))
    card = describe_model(str(folder), allow_pickle=True)
    backbone: Any = load_backbone(card, device="cpu", dtype="float32")
    assert torch.equal(backbone._unet.conv_out.weight, unet.conv_out.weight)
    torch.save(torch.load(shards[-1], weights_only=True) | SEESR, shards[-1])
    with pytest.raises(ValueError, match=r"unet has 4 tensors .*SeeSR"):
        describe_model(str(folder), allow_pickle=True)


def test_another_shape_is_said_before_anything_runs(copy: Callable[[str], Path]) -> None:
    folder = copy("sd")
    path = next((folder / "unet").glob("*.safetensors"))
    add(path, {"conv_in.weight": torch.ones(8, 8, 3, 3)})
    with pytest.raises(ValueError, match=r"unet does not fit its config: conv_in.weight is 8 x 8 x 3 x 3"):
        describe_model(str(folder))


def test_whole_numbers_are_quantised(copy: Callable[[str], Path]) -> None:
    folder = copy("sd")
    path = next((folder / "unet").glob("*.safetensors"))
    add(path, {"conv_out.weight": load_file(path)["conv_out.weight"].to(torch.int8)})
    with pytest.raises(ValueError, match=r"conv_out\.weight in whole numbers \(I8\): quantised"):
        describe_model(str(folder))


SINGLE = {
    "StableSR": {"structcond_stage_model.input_blocks.0.0.weight": (2, 2), "model.diffusion_model.out.spade.x": (3,)},
    "SUPIR": {"model.diffusion_model.project_modules.0.zero_conv.weight": (3,)},
    "CCSR": {"cond_encoder.encoder.conv_in.weight": (3,), "control_model.zero_convs.0.0.weight": (3,)},
    "DiffBIR": {"preprocess_model.conv_first.weight": (3,), "control_model.zero_convs.0.0.weight": (3,)},
    "SeeSR": {"model.diffusion_model.input_blocks.1.1.image_attentions.0.weight": (3,)},
}


@pytest.mark.parametrize("looks", SINGLE)
def test_a_single_file(made: Path, tmp_path: Path, looks: str) -> None:
    path = write_checkpoint(tmp_path / "all.safetensors", made / "sd")
    (tmp_path / "model.toml").write_text(f"base = 'all.safetensors'\nconfig = '{made / 'sd'}'")
    plain = describe_model(str(tmp_path / "model.toml"))
    assert plain.dropped == ()
    add(path, {key: torch.zeros(shape) for key, shape in SINGLE[looks].items()})
    with pytest.raises(ValueError, match=rf"all\.safetensors has {len(SINGLE[looks])} tensor.*looks like {looks}"):
        describe_model(str(tmp_path / "model.toml"))
    # the same without a model file, before the hub is asked for configs
    with pytest.raises(ValueError, match=rf"it looks like {looks}"):
        describe_model(str(path))
    assert describe_model(str(tmp_path / "model.toml"), strict=False).dropped


NO_UNET = {
    "ResShift or SinSR": ["input_blocks.1.1.blocks.0.attn.relative_position_bias_table", "output_blocks.0.0.weight"],
    "OSEDiff": ["state_dict_unet.conv_in.lora_A.default_encoder.weight"],
    "DiffBIR": ["zero_convs.0.0.weight", "input_blocks.0.0.weight", "time_embed.0.weight"],
}


@pytest.mark.parametrize("looks", NO_UNET)
def test_a_file_without_a_stable_diffusion(made: Path, tmp_path: Path, looks: str) -> None:
    """diffusers takes whatever it does not know for Stable Diffusion 1."""
    path = tmp_path / "net.safetensors"
    save_file({key: torch.zeros(2, 3) for key in NO_UNET[looks]}, path)
    (tmp_path / "model.toml").write_text(f"base = 'net.safetensors'\nconfig = '{made / 'sd'}'")
    for name in (path, tmp_path / "model.toml"):
        with pytest.raises(ValueError, match=rf"looks like {looks}"):
            describe_model(str(name))
    torch.save({key: torch.zeros(2, 3) for key in NO_UNET[looks]}, tmp_path / "net.pkl")
    with pytest.raises(ValueError, match=rf"looks like {looks}"):
        describe_model(str(tmp_path / "net.pkl"), allow_pickle=True)


GENUINE = (
    "model_ema.decay",
    "model_ema.diffusion_modeltime_embed0weight",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "betas",
    "logvar",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_mean_coef1",
    "lvlb_weights",
    "denoiser.sigmas",
    "posterior_log_variance_clipped",
    "first_stage_model.loss.discriminator.main.0.weight",
    "cond_stage_model.logit_scale",
    "cond_stage_model.transformer.text_model.embeddings.position_ids",
    "cond_stage_model.model.logit_scale",
    "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
    "conditioner.embedders.1.model.logit_scale",
    "cond_stage_model.model.transformer.resblocks.23.ln_1.weight",
    "cond_stage_model.model.attn_mask",
)


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_what_published_files_hold_is_no_reason_to_refuse(made: Path, tmp_path: Path, kind: str) -> None:
    path = write_checkpoint(tmp_path / "all.safetensors", made / kind)
    other = "cond_stage_model." if kind == "sdxl" else "conditioner."
    add(path, {name: torch.zeros(2) for name in GENUINE if not name.startswith(other)})
    (tmp_path / "model.toml").write_text(f"base = 'all.safetensors'\nconfig = '{made / kind}'")
    assert describe_model(str(tmp_path / "model.toml")).dropped == ()


def test_what_published_folders_hold_is_no_reason_to_refuse(copy: Callable[[str], Path]) -> None:
    """Components that no picture is made with, EMA's notes, names of an older autoencoder, settings of generation."""
    folder = copy("sd")
    index = {"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "image_encoder": [None, None]}
    configure(folder / "model_index.json", **index, feature_extractor=["transformers", "CLIPImageProcessor"])
    configure(folder / "model_index.json", requires_safety_checker=True, _name_or_path="here")
    configure(folder / "unet" / "config.json", decay=0.9999, inv_gamma=1.0, optimization_step=7, use_ema_warmup=False)
    configure(folder / "text_encoder" / "config.json", num_beams=1, top_k=50, torch_dtype="float32", dropout=0.1)
    path = next((folder / "text_encoder").glob("*.safetensors"))
    add(path, {"text_model.embeddings.position_ids": torch.arange(16)[None]})
    path = next((folder / "vae").glob("*.safetensors"))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(path)
    for new, name in old.items():
        tensors = {key.replace(f"attentions.0.{new}", f"attentions.0.{name}"): one for key, one in tensors.items()}
    assert any("proj_attn" in key for key in tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    card = describe_model(str(folder))
    assert card.dropped == ()
    load_backbone(card, device="cpu", dtype="float32")


def test_marks_of_training_and_the_scheduler_agree(copy: Callable[[str], Path]) -> None:
    folder = copy("sdxl")
    path = write_checkpoint(folder.parent / "all.safetensors", folder)
    add(path, {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)})
    (folder.parent / "model.toml").write_text("base = 'all.safetensors'\nconfig = 'sdxl'")
    with pytest.raises(ValueError, match=r"mark v_pred: .* must say prediction_type = v_prediction, it says epsilon"):
        describe_model(str(folder.parent / "model.toml"))
    configure(folder / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    with pytest.raises(ValueError, match=r"mark ztsnr: .* must say rescale_betas_zero_snr = true"):
        describe_model(str(folder.parent / "model.toml"))
    configure(folder / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True)
    assert describe_model(str(folder.parent / "model.toml")).dropped == ()


def test_a_control(made: Path, tmp_path: Path) -> None:
    net = write_control(tmp_path / "net", made / "sd", seed=3)
    text = f"base = '{made / 'sd'}'\n[[controls]]\nmodel = 'net'"
    (tmp_path / "model.toml").write_text(text)
    assert describe_model(str(tmp_path / "model.toml")).dropped == ()
    configure(net / "config.json", use_image_cross_attention=True)
    with pytest.raises(ValueError, match=r"ControlNet net/config\.json has 1 setting .*SeeSR"):
        describe_model(str(tmp_path / "model.toml"))
    add(next(net.glob("*.safetensors")), SEESR)
    with pytest.raises(ValueError, match=r"ControlNet net has 4 tensors .*SeeSR"):
        describe_model(str(tmp_path / "model.toml"))
    card = describe_model(str(tmp_path / "model.toml"), strict=False)
    assert len(card.dropped) == 2
    load_backbone(card, device="cpu", dtype="float32")


def test_a_control_in_one_file(made: Path, tmp_path: Path) -> None:
    import diffusers

    from tests.support.composite import tiny_control
    from tests.support.original import original_unet

    unet = diffusers.UNet2DConditionModel.from_pretrained(made / "sd" / "unet")
    net = tiny_control(unet, 4, widths=(16, 32, 96, 256))
    tensors = {f"control_model.{key}": one.contiguous() for key, one in original_unet(net.state_dict(), 1, ()).items()}
    (tmp_path / "model.toml").write_text(f"base = '{made / 'sd'}'\n[[controls]]\nmodel = 'net.safetensors'")
    save_file(tensors, tmp_path / "net.safetensors")
    assert describe_model(str(tmp_path / "model.toml")).dropped == ()
    save_file(tensors | {"control_model.spade.weight": torch.ones(2)}, tmp_path / "net.safetensors")
    with pytest.raises(
        ValueError, match=r"ControlNet net\.safetensors has 1 tensor .*spade\.weight: it looks like Stab"
    ):
        describe_model(str(tmp_path / "model.toml"))
    save_file({"zero_conv": torch.ones(2)}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"net\.safetensors is no ControlNet"):
        describe_model(str(tmp_path / "model.toml"))


@pytest.mark.parametrize("plus", [False, True])
def test_an_image_adapter_and_its_encoder(made: Path, tmp_path: Path, plus: bool) -> None:
    lines = write_image_adapter(tmp_path / "ip", made / "sd", plus=plus)
    (tmp_path / "model.toml").write_text(f"base = '{made / 'sd'}'\n{lines}")
    assert describe_model(str(tmp_path / "model.toml")).dropped == ()
    path = tmp_path / "ip" / "ip.safetensors"
    kept = path.read_bytes()
    for odd in (
        "ip_adapter.99.to_k_ip.weight",
        "image_proj.proj.3.weight",
        "ip_adapter.1.to_q_lora.down.weight",
        "x.y",
    ):
        add(path, {odd: torch.ones(2, 2)})
        with pytest.raises(ValueError, match=rf"IP-Adapter ip\.safetensors has 1 tensor .* {odd}"):
            describe_model(str(tmp_path / "model.toml"))
        path.write_bytes(kept)
    add(tmp_path / "ip" / "encoder" / "model.safetensors", {"resampler.latents": torch.ones(2)})
    with pytest.raises(ValueError, match=r"image encoder encoder has 1 tensor .*resampler\.latents"):
        describe_model(str(tmp_path / "model.toml"))


@pytest.mark.parametrize("kind", ["siglip", "clip", "blip", "florence2"])
def test_taggers(tmp_path: Path, kind: str) -> None:
    folder = write_tagger(tmp_path / kind, kind)
    assert describe_tagger(str(folder)).dropped == ()
    config = folder / "config.json"
    kept = config.read_text()
    configure(config, dape_rank=8)
    with pytest.raises(ValueError, match=r"config\.json has 1 setting .*dape_rank"):
        describe_tagger(str(folder))
    config.write_text(kept)
    add(folder / "model.safetensors", {"tagging_head.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=r"the tagger has 1 tensor .*tagging_head\.weight: it looks like RAM"):
        describe_tagger(str(folder))
    assert describe_tagger(str(folder), strict=False).dropped


@pytest.mark.parametrize("kind", ["vit", "dinov2"])
def test_vision_transformers(tmp_path: Path, kind: str) -> None:
    folder = write_vit(tmp_path / "vit", kind=kind)
    assert describe_attention(str(folder)).dropped == ()
    add(folder / "model.safetensors", {"classifier.weight": torch.ones(2, 2)})
    assert describe_attention(str(folder)).dropped == ()
    add(folder / "model.safetensors", {"decoder.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=r"--vit .* has 1 tensor .* decoder\.weight"):
        describe_attention(str(folder))
    card = describe_attention(str(folder), strict=False)
    assert card.dropped
    load_attention(str(folder), card, heads="mean", device="cpu")


def test_the_embedded_model(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "embedded"))
    assert describe_model(str(folder)).dropped == ()
    for part in ("restorer", "generator", "image_adapter"):
        path = next((folder / part).glob("*.safetensors"))
        kept = path.read_bytes()
        add(path, {"odd.weight": torch.ones(2)})
        with pytest.raises(ValueError, match=rf"{part} has 1 tensor .* odd\.weight"):
            describe_model(str(folder))
        path.write_bytes(kept)


def test_every_leftover_has_its_reason() -> None:
    assert all(reason for _, reason in TENSORS)
    assert all(reason for pairs in OF_CLASSES.values() for _, reason in pairs)
    assert not any(is_harmless(key) for one in SINGLE.values() for key in one)


def test_the_network_itself_is_never_a_leftover(made: Path) -> None:
    assert not [key for key in original_tensors(made / "sd") if is_harmless(key)]
