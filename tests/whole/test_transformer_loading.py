"""Cards of FLUX and Stable Diffusion 3: what counts, what is missing, and what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file
from transformers import T5EncoderModel

from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.cost import price
from pipeline.prompts.text_limit import Cut, TextLimit, load_text_limit
from tests.support.composite import low_rank
from tests.support.tiny import small_plan
from tests.support.tiny_transformers import sixteen_channel_vae, write_flux, write_stable_diffusion_3

WRITE: dict[str, Callable[[Path], Path]] = {"flux": write_flux, "sd3": write_stable_diffusion_3}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    kinds = {"schnell": lambda path: write_flux(path, schnell=True)}
    kinds["sd3-without-t5"] = lambda path: write_stable_diffusion_3(path, sequence=False)
    return {kind: write(folder / kind) for kind, write in (WRITE | kinds).items()}


@pytest.fixture
def flux(models: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(models["flux"], tmp_path / "flux")


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_native_window_of_flux(flux: Path) -> None:
    """The real scheduler's 4096 tokens are 128 latent pixels a side: 1024 x 1024 pixels."""
    change(flux / "scheduler" / "scheduler_config.json", max_image_seq_len=4096)
    assert describe_model(str(flux)).geometry.window == 128


def test_cards(models: dict[str, Path]) -> None:
    cards = [describe_model(str(models[kind])) for kind in ("flux", "schnell", "sd3", "sd3-without-t5")]
    dev, schnell, sd3, without = (card.geometry for card in cards)
    assert [(card.defaults.steps, card.defaults.guidance) for card in cards[:3]] == [(28, 3.5), (4, 1.0), (28, 7.0)]
    assert (dev.channels, dev.factor, dev.window, dev.multiple, dev.patch) == (16, 8, 16, 2, 2)
    assert (dev.inputs.embeds_guidance, dev.even_levels) == (True, True)
    assert not schnell.inputs.embeds_guidance
    assert (sd3.channels, sd3.window, sd3.multiple, sd3.largest_window) == (16, 16, 2, 24)
    assert (sd3.inputs.embeds_guidance, sd3.even_levels) == (False, False)
    assert (dev.inputs.text_tokens, sd3.inputs.text_tokens, without.inputs.text_tokens) == (24, 24, 16)
    assert (dev.codec.encoder_norms, dev.codec.decoder_norms, dev.codec.norm_groups) == (14, 22, 4)
    assert {card.defaults.dtype for card in cards} == {"bfloat16" if torch.cuda.is_available() else "float32"}


@pytest.mark.parametrize("kind", WRITE)
def test_every_weight_is_priced_and_every_file_counts(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    card = describe_model(str(models[kind]))
    backbone: Any = load_backbone(card, device="cpu", dtype="float32")
    encoders = [backbone._clip, backbone._sequence] if kind == "flux" else [*backbone._clips, backbone._sequence]
    networks = [backbone._vae, backbone._transformer, *(encoder.network for encoder in encoders)]
    held = sum(parameter.numel() for network in networks for parameter in network.parameters())
    # a table of positions is no parameter, but is in the file
    held += sum(
        buffer.numel() for name, buffer in backbone._transformer.named_buffers() if name == "pos_embed.pos_embed"
    )
    assert card.geometry.cost.parameters == held
    plan = small_plan(height=40, width=40, model=card, window=16, overlap=8)
    assert price(plan).memory_model == 4 * held
    folder = shutil.copytree(models[kind], tmp_path / kind)
    seen = {card.fingerprint}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors")):
        data = path.read_bytes()
        path.write_bytes(data + b" " if path.suffix == ".json" else data[:-1] + bytes([data[-1] ^ 1]))
        seen.add(describe_model(str(folder)).fingerprint)
    files = [path for path in folder.rglob("*") if path.suffix in (".json", ".safetensors")]
    assert len(seen) == 1 + len(files)


def test_sharded_as_the_real_ones_are(models: dict[str, Path], flux: Path) -> None:
    for part, network in (("transformer", FluxTransformer2DModel), ("text_encoder_2", T5EncoderModel)):
        loaded = network.from_pretrained(flux / part)
        for path in (flux / part).glob("*.safetensors"):
            path.unlink()
        loaded.save_pretrained(flux / part, max_shard_size="10KB")
        assert len([*(flux / part).glob("*.safetensors")]) > 1
    one, many = (describe_model(str(folder)) for folder in (models["flux"], flux))
    assert one.geometry == many.geometry
    tables = [load_backbone(card, device="cpu", dtype="float32").embed(["a b"]) for card in (one, many)]
    # the same weights from elsewhere in memory: a library may add up in another order
    torch.testing.assert_close(tables[0], tables[1], rtol=0, atol=1e-5)
    assert tables[0].keys() >= {"text", "pooled"}
    min((flux / "text_encoder_2").glob("*.safetensors")).unlink()
    with pytest.raises(FileNotFoundError, match="lacks text_encoder_2/model-00001-of-"):
        describe_model(str(flux))


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("flux", "text_encoder_2/config.json"),
        ("flux", "tokenizer_2/tokenizer_config.json"),
        ("flux", "transformer/config.json"),
        ("sd3", "text_encoder_2/config.json"),
        ("sd3", "text_encoder_3/config.json"),
    ],
)
def test_a_missing_part_is_named(models: dict[str, Path], tmp_path: Path, kind: str, part: str) -> None:
    folder = shutil.copytree(models[kind], tmp_path / kind)
    (folder / part).unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {part}"):
        describe_model(str(folder))


def test_a_missing_vocabulary(flux: Path) -> None:
    (flux / "tokenizer_2" / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="lacks the vocabulary of tokenizer_2/"):
        describe_model(str(flux))


def test_parts_of_different_models(flux: Path, models: dict[str, Path], tmp_path: Path) -> None:
    for channels, kind in ((384, "the Fill model"), (128, "one of the Control models"), (60, "of different models")):
        change(flux / "transformer" / "config.json", in_channels=channels)
        with pytest.raises(
            ValueError, match=f"reads tokens of {channels} channels and its autoencoder makes 64.*{kind}"
        ):
            describe_model(str(flux))
    change(flux / "transformer" / "config.json", in_channels=64, joint_attention_dim=4096)
    with pytest.raises(ValueError, match="reads text of width 4096 and its text_encoder_2 makes 20"):
        describe_model(str(flux))
    change(flux / "transformer" / "config.json", joint_attention_dim=20, pooled_projection_dim=768)
    with pytest.raises(ValueError, match="reads text of width 768 and its text_encoder makes 8"):
        describe_model(str(flux))
    sd3 = shutil.copytree(models["sd3"], tmp_path / "sd3")
    for field, said in (
        ("in_channels", "reads latents of 7 channels and its autoencoder makes 16"),
        ("joint_attention_dim", "reads text of width 7 and its T5 makes 20"),
        ("pooled_projection_dim", "reads vectors of text of width 7 and its CLIPs make 12"),
    ):
        before = json.loads((sd3 / "transformer" / "config.json").read_text())[field]
        change(sd3 / "transformer" / "config.json", **{field: 7})
        with pytest.raises(ValueError, match=said):
            describe_model(str(sd3))
        change(sd3 / "transformer" / "config.json", **{field: before})


@pytest.mark.parametrize("kind", WRITE)
@pytest.mark.parametrize(
    "attached", ["[[controls]]\nmodel = 'here'", "[image_adapter]\nmodel = 'here'\nencoder = 'here'"]
)
def test_attachments_are_refused(models: dict[str, Path], tmp_path: Path, kind: str, attached: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "model.toml").write_text(f"base = '{models[kind]}'\n{attached}\n")
    with pytest.raises(ValueError, match="ControlNets and IP-Adapters need a Stable Diffusion 1"):
        describe_model(str(tmp_path / "model.toml"))


LAYERS = {
    "flux": (
        "transformer.x_embedder",
        "transformer.transformer_blocks.1.attn.to_out.0",
        "transformer.transformer_blocks.0.attn.add_q_proj",
        "transformer.single_transformer_blocks.1.proj_out",
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
        "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q",
    ),
    "sd3": (
        "transformer.transformer_blocks.0.attn2.to_k",
        "transformer.transformer_blocks.1.ff.net.2",
        "text_encoder_2.text_model.encoder.layers.1.mlp.fc1",
        "text_encoder_3.encoder.block.1.layer.1.DenseReluDense.wo",
    ),
}


def networks(backbone: Any, kind: str) -> dict[str, Any]:
    """By their folders."""
    encoders = [backbone._clip, backbone._sequence] if kind == "flux" else [*backbone._clips, backbone._sequence]
    names = ("text_encoder", "text_encoder_2", "text_encoder_3")
    return {"transformer": backbone._transformer} | {
        name: one.network for name, one in zip(names, encoders, strict=False)
    }


def weights(backbone: Any, kind: str) -> dict[str, torch.Tensor]:
    found = {}
    for name, network in networks(backbone, kind).items():
        found |= {f"{name}.{key.removeprefix('text_model.')}": value for key, value in network.state_dict().items()}
    return found


@pytest.mark.parametrize("kind", WRITE)
def test_loras_are_merged(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Into the transformer and every text encoder: scale * up @ down more, and nothing else."""
    plain = describe_model(str(models[kind]))
    before = weights(load_backbone(plain, device="cpu", dtype="float32"), kind)
    tensors, expected = {}, dict(before)
    for layer in LAYERS[kind]:
        key = layer.replace("text_model.", "") + ".weight"
        down, up = low_rank(before[key], rank=2)
        tensors |= {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}
        expected[key] = before[key] + 0.5 * up @ down
    save_file(tensors, tmp_path / "lora.safetensors")
    (tmp_path / "model.toml").write_text(
        f"base = '{models[kind]}'\n[[loras]]\nmodel = 'lora.safetensors'\nscale = 0.5\n"
    )
    card = describe_model(str(tmp_path / "model.toml"))
    assert card.fingerprint != plain.fingerprint
    assert card.geometry.attends_nearby
    found = weights(load_backbone(card, device="cpu", dtype="float32"), kind)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("transformer.transformer_blocks.9.attn.to_q", "which the base does not have"),
        ("unet.mid_block.attentions.0.proj_in", "which the base does not have"),
        ("lora_unet_double_blocks_0_img_attn_qkv", "in its authors' layout: convert it to diffusers' names"),
        ("transformer.transformer_blocks.0.attn.to_q", "does not fit"),
    ],
)
def test_loras_that_do_not_fit(models: dict[str, Path], tmp_path: Path, layer: str, said: str) -> None:
    down, up = torch.zeros(2, 7), torch.zeros(7, 2)
    save_file({f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, tmp_path / "lora.safetensors")
    (tmp_path / "model.toml").write_text(f"base = '{models['flux']}'\n[[loras]]\nmodel = 'lora.safetensors'\n")
    with pytest.raises(ValueError, match=said):
        describe_model(str(tmp_path / "model.toml"))


def test_pickles_are_refused(flux: Path) -> None:
    path = flux / "text_encoder_2" / "model.safetensors"
    path.rename(path.with_name("pytorch_model.bin"))
    with pytest.raises(ValueError, match=r"text_encoder_2/pytorch_model\.bin is a pickle"):
        describe_model(str(flux))


def test_half_precision_files_are_preferred(flux: Path) -> None:
    before = describe_model(str(flux))
    FluxTransformer2DModel.from_pretrained(flux / "transformer").half().save_pretrained(
        flux / "transformer", variant="fp16"
    )
    after = describe_model(str(flux))
    assert after.fingerprint != before.fingerprint
    assert after.geometry == before.geometry
    load_backbone(after, device="cpu", dtype="float32")


def limit(folder: Path) -> TextLimit:
    return load_text_limit(str(folder), describe_model(str(folder)).geometry.inputs.text_tokens)


def test_what_t5_reads_is_kept(models: dict[str, Path]) -> None:
    """CLIP's 16 tokens are full before T5's 24: nothing falls off that one of them reads."""
    fits = "abcdefgh, ijklmn, opq"
    for kind in ("flux", "schnell", "sd3"):
        tokenizer = limit(models[kind])._readers[-1][0]
        assert len(tokenizer(fits).input_ids) == 23
        assert limit(models[kind]).cut(fits) == Cut(fits)
        assert limit(models[kind]).cut(f"{fits}, rst, x") == Cut(fits, ("rst", "x"))


def test_without_t5_clip_is_all_that_reads(models: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(models["sd3-without-t5"], tmp_path / "sd3")
    assert limit(folder).cut("abcdefgh, ijklm, x") == Cut("abcdefgh, ijklm", ("x",))
    # some copies have T5's tokenizer still
    shutil.copytree(models["sd3"] / "tokenizer_3", folder / "tokenizer_3")
    assert limit(folder).cut("abcdefgh, ijklm, x") == Cut("abcdefgh, ijklm", ("x",))


def test_the_codec_sees_no_further_than_its_halo(models: dict[str, Path]) -> None:
    """With group norms given, a window with its halo decodes to the pixels of the whole."""
    backbone: Any = load_backbone(describe_model(str(models["flux"])), device="cpu", dtype="float32")
    vae = sixteen_channel_vae()
    halo = backbone.geometry.codec.decoder_halo
    latents = torch.randn(1, 16, halo + 20, halo + 20, generator=torch.Generator().manual_seed(0))
    norms = backbone.norms["decoder"]
    statistics = norms.collect(lambda: backbone.decode(latents))
    # attention in the middle sees the whole window: leave it out
    backbone._vae.decoder.mid_block.attentions[0].forward = lambda states, **_: states
    with norms.given(statistics):
        whole, part = backbone.decode(latents), backbone.decode(latents[..., 8:, 8:])
    inside = (8 + halo) * backbone.geometry.factor
    torch.testing.assert_close(part[..., halo * 8 :, halo * 8 :], whole[..., inside:, inside:], rtol=0, atol=1e-5)
    assert {key for key, _ in vae.named_parameters()} == {key for key, _ in backbone._vae.named_parameters()}
