"""What cannot work, said in one line before anything is computed: a recipe against an image and a model."""

from __future__ import annotations

import re
import shutil

from pipeline.models.attention.kernels import HALF_ONLY, ON_CPU
from pipeline.models.attention.neighbourhood import QUARTERS
from pipeline.models.protocol import LatentGeometry, ModelCard
from pipeline.prompts.tag_file import TagFile

from .device import DeviceFacts
from .recipe import Recipe

COMPILERS = ("g++", "clang++")


def check_scale(scale: int, model: ModelCard) -> None:
    """Refuse a scale that is none, or not the one that the model was trained for."""
    native = model.geometry.native_scale
    if scale < 1:
        raise ValueError(f"scale must be a whole number of at least 1, got {scale}")
    if native is not None and scale != native:
        raise ValueError(f"scale {scale} is not reachable: the model {model.name} enlarges by {native}; use {native}")


def check_smallest(height: int, width: int, scale: int, geometry: LatentGeometry) -> None:
    """Refuse an image smaller than the model's least canvas."""
    least = -(-geometry.multiple * geometry.factor // scale)
    if min(height, width) < least:
        raise ValueError(
            f"the image is {height} x {width} pixels (height x width); at scale {scale} this model needs "
            f"at least {least} a side: pad the image, or enlarge more"
        )


def check_parts(recipe: Recipe, model: ModelCard) -> None:
    """Refuse what needs a part that the model lacks, and words that it does not know."""
    if not model.geometry.restores:
        for field, value, instead in (
            ("coarse", "restored", "bicubic"),
            ("difficulty", "confidence", "gradient"),
        ):
            if getattr(recipe, field) == value:
                raise ValueError(
                    f"recipe: {field} = {value!r} needs a restoration module, which the model "
                    f"{model.name} lacks: use {instead!r}"
                )
    _check_structure(recipe, model)
    if recipe.crops != "none" and not model.geometry.reads_crops:
        raise ValueError(
            f"recipe: crops = {recipe.crops!r} needs a model that reads them (SDXL), which {model.name} "
            "does not: use 'none'"
        )
    if recipe.image_prompts != "none" and not model.geometry.looks:
        raise ValueError(
            f"recipe: image_prompts = {recipe.image_prompts!r} needs an IP-Adapter, which the model {model.name} "
            "lacks: use 'none', or a model file with [image_adapter]"
        )
    if recipe.codec_norm != "window" and not model.geometry.decoder_norms:
        raise ValueError(
            f"recipe: codec_norm = {recipe.codec_norm!r} needs an autoencoder with group norms, which the model "
            f"{model.name} lacks: use 'window'"
        )
    check_words("prompt", f"{recipe.prompt} {recipe.negative_prompt}", model)


def _check_structure(recipe: Recipe, model: ModelCard) -> None:
    known = model.geometry.structures
    if missing := [name for name in recipe.structures if name not in known]:
        raise ValueError(
            f"recipe: structure = {recipe.structure!r} needs a ControlNet for the {missing[0]}, which the model "
            f"{model.name} lacks: use {' or '.join(repr(name) for name in ('none', *known))}"
        )


def check_compat(recipe: Recipe) -> None:
    """Refuse the defects of the published code of DemoFusion and AccDiffusion in methods that are neither."""
    if recipe.compat == "official" and not recipe.skip and not recipe.dilated:
        raise ValueError(
            f"recipe: compat = 'official' has the defects of DemoFusion's and AccDiffusion's code, and {recipe.name!r} "
            "mixes in no skip residual and takes no dilated samples: leave compat out"
        )


def check_guidance(recipe: Recipe, model: ModelCard) -> None:
    """Refuse weights between none and one, which nobody means: diffusers takes them for none, the formula does not."""
    if recipe.guidance is not None and 0 < recipe.guidance < 1 and not model.geometry.embeds_guidance:
        raise ValueError(
            f"recipe: guidance must be 0 or 1 for none, or above 1, for the model {model.name}, got {recipe.guidance}"
        )


def check_dilation(recipe: Recipe, geometry: LatentGeometry) -> None:
    """Refuse dilated samples below the model's own size, and windows for none."""
    side, native = recipe.dilation_window, geometry.window
    if side is not None and not recipe.dilated:
        raise ValueError(
            "recipe: dilation_window is for dilated samples, and none are taken: give dilated a power, such as 1"
        )
    if side is not None and (side % native or side < 2 * native):
        raise ValueError(
            f"recipe: dilation_window must be a multiple of the model's window of {native} latent pixels, at least "
            f"{2 * native}, got {side}: its samples would be smaller than a window"
        )


def check_words(where: str, text: str, model: ModelCard) -> None:
    """Refuse words outside the closed vocabulary of a model that has one."""
    known = model.vocabulary
    if known is not None:
        said = re.findall(r"[^\s,]+", text.lower())
        if unknown := [word for word in dict.fromkeys(said) if word not in known]:
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
    if recipe.attention not in ON_CPU and device.kind == "cpu":
        raise ValueError(
            f"recipe: attention = {recipe.attention!r} needs a GPU, the device is a CPU: use {', '.join(ON_CPU)}"
        )
    if recipe.attention in HALF_ONLY and device.kind != "cpu" and recipe.dtype == "float32":
        raise ValueError(
            f"recipe: attention = {recipe.attention!r} needs dtype float16 or bfloat16 on a GPU, got float32: "
            "use auto, math or efficient"
        )
    if not recipe.compile:
        return
    if model.geometry.cost.parameters == 0:
        raise ValueError(f"recipe: compile = true, but the model {model.name} has no network to compile: leave it out")
    if device.kind == "cpu" and not any(map(shutil.which, COMPILERS)):
        raise ValueError(
            f"recipe: compile = true needs a C++ compiler ({' or '.join(COMPILERS)}) on a CPU and there is none: "
            "install one, or leave compile out"
        )


def check_window(recipe: Recipe, geometry: LatentGeometry) -> None:
    """Refuse windows and regions that the model or the tiling cannot have."""
    assert recipe.window is not None
    assert recipe.overlap is not None
    if recipe.window % geometry.multiple or recipe.region % geometry.multiple:
        raise ValueError(
            f"recipe: window and region must be multiples of {geometry.multiple} for this model, "
            f"got {recipe.window} and {recipe.region}"
        )
    if geometry.largest_window is not None and recipe.window > geometry.largest_window:
        raise ValueError(
            f"recipe: window must be at most {geometry.largest_window} for this model, whose positions end there, "
            f"got {recipe.window}"
        )
    if recipe.overlap >= recipe.window:
        raise ValueError(f"recipe: overlap must be below the window of {recipe.window}, got {recipe.overlap}")


def check_attend(recipe: Recipe, model: ModelCard) -> None:
    """Refuse neighbourhoods that the model's attention cannot have."""
    if recipe.attend == "tiles":
        return
    if not model.geometry.attends_nearby:
        raise ValueError(
            f"recipe: attend = {recipe.attend!r} needs a model whose attention is known to allow it (a U-Net of Stable "
            f"Diffusion's blocks, FLUX, Stable Diffusion 3), which {model.name} is not: use 'tiles'"
        )
    window, reach = recipe.window, recipe.attention_window
    assert window is not None
    assert reach is not None
    # a neighbourhood begins a quarter of it before its block, at every level
    parts = QUARTERS * model.geometry.multiple
    if reach % parts:
        raise ValueError(f"recipe: attention_window must be a multiple of {parts} for this model, got {reach}")
    if reach > window:
        raise ValueError(
            f"recipe: attention_window must be at most the window of {window}, got {reach}: give a smaller one, or a "
            "larger window and region"
        )
