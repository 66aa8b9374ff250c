"""What cannot work, said in one line before anything is computed: a recipe against an image and a model."""

from __future__ import annotations

import re
import shutil

from pipeline.models.attention.kernels import HALF_ONLY, ON_CPU
from pipeline.models.attention.neighbourhood import QUARTERS
from pipeline.models.card import LatentGeometry, ModelCard
from pipeline.prompts.tag_file import TagFile

from .device import DeviceFacts
from .recipe import Recipe

COMPILERS = ("g++", "clang++")


def check_scale(scale: int, model: ModelCard) -> None:
    """Refuse a scale that is none, or none of those that the model was trained for."""
    scales = model.geometry.scales
    if scale < 1:
        raise ValueError(f"scale must be a whole number of at least 1, got {scale}")
    if scales and scale not in scales:
        said = " or ".join(filter(None, (", ".join(map(str, scales[:-1])), str(scales[-1]))))
        raise ValueError(f"scale {scale} is not reachable: the model {model.name} enlarges by {said}; use one of these")


def check_parts(recipe: Recipe, model: ModelCard) -> None:
    """Refuse what needs a part that the model lacks, and words that it does not know."""
    if not model.geometry.restores:
        for field, value, instead in (
            ("sampling.coarse", "restored", "bicubic"),
            ("difficulty.source", "confidence", "gradient"),
        ):
            if recipe.value(field) == value:
                raise ValueError(
                    f"recipe: {field} = {value!r} needs a restoration module, which the model "
                    f"{model.name} lacks: use {instead!r}"
                )
    if recipe.sampling.detail and model.geometry.detail_halo is None:
        raise ValueError(
            f"recipe: sampling.detail = {recipe.sampling.detail:g} needs a model that draws detail, which {model.name} "
            "does not: use 0"
        )
    _check_structure(recipe, model)
    if recipe.prompts.crops != "none" and not model.geometry.inputs.crops:
        raise ValueError(
            f"recipe: prompts.crops = {recipe.prompts.crops!r} needs a model that reads them (SDXL), which "
            f"{model.name} does not: use 'none'"
        )
    if recipe.image_prompts.source != "none" and not model.geometry.looks:
        raise ValueError(
            f"recipe: image_prompts.source = {recipe.image_prompts.source!r} needs an IP-Adapter, which the model "
            f"{model.name} lacks: use 'none', or a model file with [image_adapter]"
        )
    if recipe.codec.norm != "window" and not model.geometry.codec.decoder_norms:
        raise ValueError(
            f"recipe: codec.norm = {recipe.codec.norm!r} needs an autoencoder with group norms, which the model "
            f"{model.name} lacks: use 'window'"
        )
    check_words("prompt", f"{recipe.prompts.text} {recipe.prompts.negative}", model)


def _check_structure(recipe: Recipe, model: ModelCard) -> None:
    known = model.geometry.inputs.structures
    if missing := [name for name in recipe.structure.shown if name not in known]:
        raise ValueError(
            f"recipe: structure.controls = {recipe.structure.controls!r} needs a ControlNet for the {missing[0]}, "
            f"which the model {model.name} lacks: use {' or '.join(repr(name) for name in ('none', *known))}"
        )


def check_compat(recipe: Recipe) -> None:
    """Refuse the defects of the published code of DemoFusion and AccDiffusion in methods that are neither."""
    if recipe.run.compat == "official" and not recipe.sampling.skip and not recipe.dilation.power:
        raise ValueError(
            "recipe: run.compat = 'official' has the defects of DemoFusion's and AccDiffusion's code, and "
            f"{recipe.name!r} mixes in no skip residual and takes no dilated samples: leave compat out"
        )


def check_guidance(recipe: Recipe, model: ModelCard) -> None:
    """Refuse weights between none and one, which nobody means: diffusers takes them for none, the formula does not."""
    weight = recipe.guidance.weight
    if weight is not None and 0 < weight < 1 and not model.geometry.inputs.embeds_guidance:
        raise ValueError(
            f"recipe: guidance.weight must be 0 or 1 for none, or above 1, for the model {model.name}, got {weight}"
        )


def check_dilation(recipe: Recipe, geometry: LatentGeometry) -> None:
    """Refuse dilated samples below the model's own size."""
    side, native = recipe.dilation.window, geometry.window
    if side is not None and (side % native or side < 2 * native):
        raise ValueError(
            f"recipe: dilation.window must be a multiple of the model's window of {native} latent pixels, at least "
            f"{2 * native}, got {side}: its samples would be smaller than a window"
        )


def check_words(where: str, text: str, model: ModelCard) -> None:
    """Refuse words outside the closed vocabulary of a model that has one."""
    known = model.vocabulary
    if known is not None:
        words = re.findall(r"[^\s,]+", text.lower())
        if unknown := [word for word in dict.fromkeys(words) if word not in known]:
            raise ValueError(
                f"{where}: the model {model.name} does not know {', '.join(unknown)}; "
                f"it knows {', '.join(sorted(known))}"
            )


def check_tags(model: ModelCard, tags: TagFile | None) -> None:
    """Refuse tags for a model that reads no text, or not these words."""
    if tags is not None:
        if not model.geometry.reads_text:
            raise ValueError(f"--tags: the model {model.name} reads no text: leave the tags out")
        check_words("--tags", ", ".join(tags.phrases), model)


def check_textures(model: ModelCard, *, has_memory: bool) -> None:
    """Refuse a memory of textures for a model that cannot read it."""
    if has_memory and model.sight is None:
        raise ValueError(
            f"--textures: the model {model.name} reads no textures: use one with a plain IP-Adapter, or leave them out"
        )


def check_options(recipe: Recipe, model: ModelCard, device: DeviceFacts) -> None:
    """Refuse ways to run the denoiser that the device or this machine does not have."""
    if recipe.model.attention not in ON_CPU and device.kind == "cpu":
        raise ValueError(
            f"recipe: model.attention = {recipe.model.attention!r} needs a GPU, the device is a CPU: use "
            f"{', '.join(ON_CPU)}"
        )
    if recipe.model.attention in HALF_ONLY and device.kind != "cpu" and recipe.model.dtype == "float32":
        raise ValueError(
            f"recipe: model.attention = {recipe.model.attention!r} needs model.dtype float16 or bfloat16 on a "
            "GPU, got float32: use auto, math or efficient"
        )
    if not recipe.model.compile:
        return
    if model.geometry.cost.parameters == 0:
        raise ValueError(
            f"recipe: model.compile = true, but the model {model.name} has no network to compile: leave it out"
        )
    if device.kind == "cpu" and not any(map(shutil.which, COMPILERS)):
        raise ValueError(
            f"recipe: model.compile = true needs a C++ compiler ({' or '.join(COMPILERS)}) on a CPU and there is "
            "none: install one, or leave model.compile out"
        )


def check_window(recipe: Recipe, geometry: LatentGeometry) -> None:
    """Refuse windows and regions that the model or the tiling cannot have."""
    assert recipe.tiles.window is not None
    assert recipe.tiles.overlap is not None
    if recipe.tiles.window % geometry.multiple or recipe.tiles.region % geometry.multiple:
        raise ValueError(
            f"recipe: tiles.window and tiles.region must be multiples of {geometry.multiple} for this model, "
            f"got {recipe.tiles.window} and {recipe.tiles.region}"
        )
    if geometry.largest_window is not None and recipe.tiles.window > geometry.largest_window:
        raise ValueError(
            f"recipe: tiles.window must be at most {geometry.largest_window} for this model, whose positions end "
            f"there, got {recipe.tiles.window}"
        )
    if recipe.tiles.overlap >= recipe.tiles.window:
        raise ValueError(
            f"recipe: tiles.overlap must be below the window of {recipe.tiles.window}, got {recipe.tiles.overlap}"
        )


def check_attend(recipe: Recipe, model: ModelCard) -> None:
    """Refuse neighbourhoods that the model's attention cannot have."""
    if recipe.tiles.attend == "tiles":
        return
    if not model.geometry.attends_nearby:
        raise ValueError(
            f"recipe: tiles.attend = {recipe.tiles.attend!r} needs a model whose attention is known to allow it (a "
            f"U-Net of Stable Diffusion's blocks, FLUX, Stable Diffusion 3), which {model.name} is not: use 'tiles'"
        )
    window, reach = recipe.tiles.window, recipe.tiles.attention_window
    assert window is not None
    assert reach is not None
    # a neighbourhood begins a quarter of it before its block, at every level
    parts = QUARTERS * model.geometry.multiple
    if reach % parts:
        raise ValueError(f"recipe: tiles.attention_window must be a multiple of {parts} for this model, got {reach}")
    if reach > window:
        raise ValueError(
            f"recipe: tiles.attention_window must be at most the window of {window}, got {reach}: give a smaller "
            "one, or a larger tiles.window and tiles.region"
        )
