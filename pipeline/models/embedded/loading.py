"""The embedded model: a Stable-Diffusion-shaped set of small parts, trained by the scripts in training/.

Autoencoder, U-Net with cross-attention, text encoder of a closed vocabulary, ControlNet, restoration module, tagger.
They are read from disk here, and run by backbone.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.attention.neighbourhood import knows_attention
from pipeline.models.attention.word_maps import word_cell
from pipeline.models.autoencoder.geometry import CodecGeometry
from pipeline.models.card import LIVE_FEATURES, Cost, Defaults, Inputs, LatentGeometry, ModelCard
from pipeline.models.family import Family
from pipeline.models.files.weights import fingerprint_files, read_whole, weight_file
from pipeline.prompts.tokenizer import read_tokenizer
from storage.documents import read_json

from .backbone import STRUCTURES, EmbeddedBackbone, Parts
from .detail import DETAIL, DetailNetwork
from .flops import count_denoiser, count_latents, count_restored
from .generator import GENERATOR, Generator
from .restoration import RestorationModule
from .tagger import DEGRADATIONS, Tagger
from .texture_encoder import TextureEncoder

WEIGHTED = ("vae", "unet", "text_encoder", "controlnet", "restorer", "tagger")
"""folders of the parts that have weights"""
TEXTURES = ("texture_encoder", "image_adapter")
"""and of those that texture prompts need, which a model may lack"""


KINDS: dict[str, Any] = {
    "vae": AutoencoderDC,
    "unet": UNet2DConditionModel,
    "controlnet": ControlNetModel,
    "restorer": RestorationModule,
    "tagger": Tagger,
    GENERATOR: Generator,
    DETAIL: DetailNetwork,
    "texture_encoder": TextureEncoder,
    "text_encoder": CLIPTextModel,
}
"""folder of a part -> the class of its network"""


def _reads_textures(index: dict[str, Any]) -> bool:
    return "texture_encoder" in index


def _optional(index: dict[str, Any]) -> list[str]:
    """Parts beside WEIGHTED that a model has."""
    return [*(TEXTURES if _reads_textures(index) else ()), *(part for part in (GENERATOR, DETAIL) if part in index)]


def parts(index: dict[str, Any]) -> list[str]:
    """Configs that must be there, relative to the model's folder."""
    names = ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer.json"]
    configured = [*WEIGHTED, *(part for part in _optional(index) if part != "image_adapter")]
    return [*names, "tokenizer/tokenizer_config.json", *(f"{part}/config.json" for part in configured)]


def weighted_parts(index: dict[str, Any]) -> list[str]:
    return [*WEIGHTED, *_optional(index)]


def kinds(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    """Folder of each part that has weights -> the class of its network; the image adapter has none of its own."""
    return {part: KINDS[part] for part in weighted_parts(index) if part in KINDS}


def read_sight(folder: Path, index: dict[str, Any]) -> str | None:
    """See ModelCard.sight: the tagger measures, the texture encoder describes."""
    if not _reads_textures(index):
        return None
    files = {part: weight_file(folder / part, part) for part in ("tagger", "texture_encoder")}
    return fingerprint_files(files | {f"{part}/config.json": folder / part / "config.json" for part in files})


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    """Geometry from the configs; the model's own table in model_index.json is called ``gigatile``."""
    settings = index["gigatile"]
    configs = {part: read_json(folder / part / "config.json") for part in WEIGHTED}
    vae = configs["vae"]
    if GENERATOR in index:
        _check_generator(folder, configs["unet"])
    width = None
    if _reads_textures(index):
        width = read_json(folder / "texture_encoder" / "config.json")["width"]
    return LatentGeometry(
        channels=vae["latent_channels"],
        factor=2 ** (len(vae["encoder_block_out_channels"]) - 1),
        window=settings["window"],
        multiple=settings["multiple"],
        codec=CodecGeometry(encoder_halo=settings["encoder_halo"], decoder_halo=settings["decoder_halo"], window=256),
        cost=Cost(width=configs["unet"]["block_out_channels"][0], live_features=LIVE_FEATURES),
        inputs=Inputs(
            coarse=True,
            text_tokens=configs["text_encoder"]["max_position_embeddings"],
            image_width=width,
            structures=tuple(STRUCTURES),
            word_cell=word_cell(configs["unet"]),
        ),
        restorer_halo=settings["restorer_halo"],
        restorer_scales=_restorer_scales(configs["restorer"]),
        detail_halo=read_json(folder / DETAIL / "config.json")["halo"] if DETAIL in index else None,
        steers=True,
        spreads=True,
        tags=True,
        native_scale=settings["native_scale"],
        is_channels_last=True,
        attends_nearby=all(knows_attention(configs[part]) for part in ("unet", "controlnet")),
    )


def _restorer_scales(config: dict[str, Any]) -> tuple[int, ...]:
    """Of a module's config; those written before there were several scales have one."""
    return tuple(sorted({config["scale"], *config.get("scales", ())}))


def read_defaults(folder: Path, index: dict[str, Any]) -> Defaults:
    """What the model's own table says."""
    settings = index["gigatile"]
    return Defaults(
        overlap=settings["overlap"],
        steps=settings["steps"],
        guidance=settings["guidance"],
        detail=settings.get("detail", 0.0),
        text_steps=settings.get("text_steps"),
        text_guidance=settings.get("text_guidance"),
        batch=1,
        dtype=settings["dtype"],
    )


def _check_generator(folder: Path, unet: dict[str, Any]) -> None:
    """Maps of attention are the generator's or the denoiser's: one geometry speaks of both."""
    depth = len(read_json(folder / GENERATOR / "config.json")["widths"]) - 1
    if word_cell(unet) != 2**depth:
        raise ValueError(
            f"model {folder}: its denoiser reads words at {word_cell(unet)} latent pixels a position, its generator at "
            f"{2**depth}: export the model with networks of one depth"
        )


def read_vocabulary(folder: Path) -> tuple[str, ...]:
    """Every word that the tokenizer knows."""
    table = read_json(folder / "tokenizer" / "tokenizer.json")
    return tuple(word for word in table["model"]["vocab"] if word.isalpha())


def read_degradations(folder: Path) -> tuple[str, ...]:
    """The tagger's phrases that speak of damage."""
    config = read_json(folder / "tagger" / "config.json")
    return tuple(phrase for phrase in config["phrases"] if phrase in DEGRADATIONS)


def read_facts(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    """What its card says beside those of other families."""
    return {
        "vocabulary": read_vocabulary(folder),
        "degradations": read_degradations(folder),
        "sight": read_sight(folder, index),
    }


PRECISE = ("vae", "restorer", "tagger", "texture_encoder", DETAIL)
"""parts that pixels go through: half precision would leave 16-bit data 8 bits"""


def load(card: ModelCard, *, device: str, dtype: torch.dtype, options: Options = PLAIN) -> EmbeddedBackbone:
    folder = Path(card.location)
    index = read_json(folder / "model_index.json")
    settings = index["gigatile"]
    adapter = None
    if card.geometry.inputs.image_width is not None:
        adapter = weight_file(folder / "image_adapter", card.name)
    loaded: dict[str, Any] = {}
    for part, kind in kinds(folder, index).items():
        kept = torch.float32 if part in PRECISE else dtype
        form = {"dtype" if part == "text_encoder" else "torch_dtype": kept}
        loaded[part] = read_whole(kind, folder / part, f"model {part}", strict=card.strict, variant="fp16", **form)
    for network in loaded.values():
        network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    for part in ("unet", "controlnet"):
        options.prepare(loaded[part])
    if GENERATOR in loaded:
        options.prepare(loaded[GENERATOR].unet)
    parts = Parts(
        **loaded,
        tokenizer=read_tokenizer(folder / "tokenizer"),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
        adapter=adapter,
    )
    return EmbeddedBackbone(card.geometry, parts, settings, options)


FAMILY = Family(
    name="embedded",
    class_names=("GigatileSuperResolver",),
    parts=parts,
    weighted_parts=weighted_parts,
    kinds=kinds,
    read_geometry=read_geometry,
    read_defaults=read_defaults,
    facts=read_facts,
    load=load,
    count_pass=count_denoiser,
    count_codec=count_latents,
    count_restoration=count_restored,
)
