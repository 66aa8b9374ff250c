"""The plan: a recipe bound to one image, one model and one kind of device. The result is a pure function of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from storage.box import Box, RegionGrid

from .backbone import LatentGeometry, ModelCard
from .checks import (
    check_difficulty,
    check_options,
    check_parts,
    check_scale,
    check_smallest,
    check_tags,
    check_textures,
    check_window,
)
from .colour import REACH as COLOUR_REACH
from .denoise import DenoiseSettings
from .device import DeviceFacts
from .difficulty import AttentionCard
from .pixels import ValueRange
from .prompt_checks import check_prompting, check_tagger
from .recipe import Recipe, default_group_steps, group_grid
from .solver import Solver, build_solver, solver_name
from .tag_file import TagFile, tag_file_from_table
from .tagger import MOST, THRESHOLDS, Tagging
from .tiling import TileGrid, check_reach, plan_tiles

FORMAT = 4
"""version of the plan record; a change to how results are computed raises it"""

GROUP_STEPS = 4
"""least default number of steps where tiles take different shares of them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a plan must know of the image."""

    height: int
    """input pixels along y"""
    width: int
    """input pixels along x"""
    num_bands: int
    """1 or 3"""
    dtype: str
    """uint8 or uint16"""
    sha256: str
    """of the file's bytes and of the chosen bands"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Geometry, timesteps, batch shape, seed and fingerprints: all that affects a byte of the result."""

    recipe: Recipe
    """with no field left open"""
    image: ImageFacts
    scale: int
    """output pixels along each axis of one input pixel"""
    geometry: LatentGeometry
    scheduler: dict[str, Any]
    model_fingerprint: str
    device: DeviceFacts
    versions: dict[str, str]
    regions: RegionGrid
    """of the latent canvas, in latent pixels"""
    tiles: TileGrid
    timesteps: tuple[float, ...]
    tags: TagFile | None = None
    """the user's tags, where prompts are ``file``"""
    attention: AttentionCard | None = None
    """the vision transformer, where difficulty is ``attention``"""
    difficulty_map: ImageFacts | None = None
    """the user's map, where difficulty is ``file``"""
    textures: str | None = None
    """sha256 of the memory of textures, where image prompts are ``textures``"""
    tagger: Tagging | None = None
    """what tags, where prompts are ``local`` and it is not the model's own"""
    degradations: tuple[str, ...] = ()
    """phrases that speak of damage, of those that are said of tiles"""
    format: int = FORMAT

    @property
    def height_out(self) -> int:
        return self.image.height * self.scale

    @property
    def width_out(self) -> int:
        return self.image.width * self.scale

    @property
    def num_steps(self) -> int:
        return len(self.timesteps)

    @property
    def out_regions(self) -> RegionGrid:
        """The same regions in output pixels, cut at the image's true edge (the latent canvas may reach beyond it)."""
        factor = self.geometry.factor
        return RegionGrid(height=self.height_out, width=self.width_out, side=self.regions.side * factor)

    @property
    def value_range(self) -> ValueRange:
        assert self.recipe.value_range is not None
        low, high = self.recipe.value_range
        return ValueRange(low=low, high=high, dtype=self.image.dtype)

    @property
    def source(self) -> Box:
        """The whole input, in input pixels."""
        return Box(top=0, left=0, height=self.image.height, width=self.image.width)

    @property
    def denoise_reads_coarse(self) -> bool:
        """Whether a step needs the coarse latent: the backbone reads it, or inactive places follow it."""
        return self.geometry.reads_coarse or self.has_difficulty

    @property
    def decode_halo(self) -> int:
        """Latent pixels round a region that its output depends on: the decoder's reach, and the colour's."""
        colour = -(-COLOUR_REACH // self.geometry.factor) if self.recipe.colour == "wavelet" else 0
        return self.geometry.decoder_halo + colour

    @property
    def has_difficulty(self) -> bool:
        """Whether the run keeps a map of difficulty."""
        return self.recipe.activity != "all"

    @property
    def uses_coarse(self) -> bool:
        """Whether there is a coarse latent at all; making it is the task that makes the local prompts too."""
        return self.denoise_reads_coarse or self.recipe.start == "image" or self.recipe.prompts != "global"

    @property
    def denoise_settings(self) -> DenoiseSettings:
        assert self.recipe.batch is not None
        assert self.recipe.guidance is not None
        return DenoiseSettings(
            tiles=self.tiles,
            regions=self.regions,
            batch=self.recipe.batch,
            guidance=self.recipe.guidance,
            blend=self.recipe.blend,
        )

    def solver(self) -> Solver:
        recipe = self.recipe
        assert recipe.solver is not None
        assert recipe.steps is not None
        return build_solver(
            recipe.solver,
            self.scheduler,
            steps=recipe.steps,
            strength=recipe.strength if recipe.start == "image" else 1.0,
            spacing=recipe.spacing,
            times=group_grid(recipe.group_times, recipe.group_steps) if recipe.group_steps else None,
        )

    def to_json(self) -> bytes:
        """Canonical JSON: the same plan gives the same bytes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, indent=1).encode()

    @property
    def hash(self) -> str:
        """sha256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_json()).hexdigest()


def plan_from_json(data: bytes) -> Plan:
    """The plan that ``to_json`` wrote. Raises ValueError for a record of another format."""
    table = json.loads(data)
    if table.get("format") != FORMAT:
        raise ValueError(
            f"plan record of format {table.get('format')}, this gigatile reads format {FORMAT}: "
            "resume the run with the version that began it"
        )
    tiles, geometry = dict(table["tiles"]), table["geometry"]
    recipe: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in table["recipe"].items()
    }
    tiles |= {"tops": tuple(tiles["tops"]), "lefts": tuple(tiles["lefts"])}
    return Plan(
        **{
            **table,
            "recipe": Recipe(**recipe),
            "image": ImageFacts(**table["image"]),
            "geometry": LatentGeometry(**{**geometry, "structures": tuple(geometry["structures"])}),
            "device": DeviceFacts(**table["device"]),
            "regions": RegionGrid(**table["regions"]),
            "tiles": TileGrid(**tiles),
            "timesteps": tuple(table["timesteps"]),
            "attention": _maybe(AttentionCard, table["attention"]),
            "difficulty_map": _maybe(ImageFacts, table["difficulty_map"]),
            "tags": None if table["tags"] is None else tag_file_from_table(table["tags"]),
            "tagger": _tagging_from(table["tagger"]),
            "degradations": tuple(table["degradations"]),
        }
    )


def _maybe(kind: Any, table: dict[str, Any] | None) -> Any:
    return None if table is None else kind(**table)


def _tagging_from(table: dict[str, Any] | None) -> Tagging | None:
    if table is None:
        return None
    return Tagging(**{**table, **{name: tuple(table[name]) for name in ("phrases", "degradations")}})


def differing_fields(mine: Plan, stored: Plan) -> list[str]:
    """Where two plans differ, a line each: ``field: this command says A, the run says B``."""
    ours, theirs = _flat(dataclasses.asdict(mine)), _flat(dataclasses.asdict(stored))
    return [
        f"{key}: this command says {ours.get(key)!r}, the run says {theirs.get(key)!r}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def bind(
    recipe: Recipe,
    *,
    image: ImageFacts,
    scale: int,
    model: ModelCard,
    device: DeviceFacts,
    versions: dict[str, str],
    tags: TagFile | None = None,
    attention: AttentionCard | None = None,
    difficulty_map: ImageFacts | None = None,
    textures: str | None = None,
    tagger: Tagging | None = None,
) -> Plan:
    """Bind a recipe to an image, a model and a device. Raises ValueError with the mend for what cannot work.

    ``tagger``: what tags in place of the model's own tagger.
    """
    if tags is not None and recipe.prompts in (None, "local"):
        recipe = dataclasses.replace(recipe, prompts="file")
    if textures is not None and recipe.image_prompts == "none":
        recipe = dataclasses.replace(recipe, image_prompts="textures")
    if recipe.difficulty is None and (attention or difficulty_map):
        recipe = dataclasses.replace(recipe, difficulty="file" if difficulty_map else "attention")
    geometry = model.geometry
    check_scale(scale, model)
    height, width = (_canvas_side(side * scale, geometry) for side in (image.height, image.width))
    check_smallest(image.height, image.width, scale, geometry)
    one_window = max(height, width) <= min(geometry.codec_window, recipe.region)
    settled = _settle(recipe, model, image, tagger, one_window=one_window)
    check_parts(settled, model)
    check_tags(settled, model, tags)
    check_difficulty(settled, has_attention=attention is not None, has_map=difficulty_map is not None)
    check_tagger(settled, model, tagger)
    degradations = _degradations(model, tags, tagger)
    check_prompting(settled, degradations)
    check_textures(settled, model, has_memory=textures is not None)
    check_options(settled, model, device)
    assert settled.window is not None
    assert settled.overlap is not None
    check_window(settled, geometry)
    tiles = plan_tiles(height, width, window=settled.window, stride=settled.window - settled.overlap)
    regions = RegionGrid(height=height, width=width, side=settled.region)
    check_reach(tiles, regions)
    plan = Plan(
        recipe=settled,
        image=image,
        scale=scale,
        geometry=geometry,
        scheduler=model.scheduler,
        model_fingerprint=model.fingerprint,
        device=device,
        versions=versions,
        regions=regions,
        tiles=tiles,
        timesteps=(),
        tags=tags,
        attention=attention,
        difficulty_map=difficulty_map,
        textures=textures,
        tagger=tagger,
        degradations=degradations if settled.prompts != "global" else (),
    )
    return dataclasses.replace(plan, timesteps=plan.solver().timesteps)


def _canvas_side(pixels_out: int, geometry: LatentGeometry) -> int:
    latents = -(-pixels_out // geometry.factor)
    return -(-latents // geometry.multiple) * geometry.multiple


def _degradations(model: ModelCard, tags: TagFile | None, tagger: Tagging | None) -> tuple[str, ...]:
    """Phrases that speak of damage: the tagger's own, the tag file's and, for its file too, the model's."""
    if tagger is not None:
        return tagger.degradations
    return tuple(dict.fromkeys([*(tags.degradations if tags is not None else ()), *model.degradations]))


def _settle(recipe: Recipe, model: ModelCard, image: ImageFacts, tagger: Tagging | None, *, one_window: bool) -> Recipe:
    """Fill what the recipe leaves open from the model, the image and the tagger.

    ``one_window``: the autoencoder sees the whole canvas at once.
    """
    geometry = model.geometry
    window = recipe.window or geometry.window
    defaults: dict[str, Any] = {
        "steps": geometry.steps,
        "guidance": geometry.guidance,
        "solver": solver_name(str(model.scheduler.get("_class_name"))),
        "coarse": "bicubic" if geometry.restorer_halo is None else "restored",
        "prompts": "global" if geometry.restorer_halo is None and tagger is None else "local",
        "tag_threshold": 0.0 if tagger is None else THRESHOLDS[tagger.kind],
        "most_tags": 0 if tagger is None else MOST[tagger.kind],
        "start": "noise" if geometry.reads_coarse and recipe.activity == "all" else "image",
        "structure": geometry.structure,
        "window": window,
        "overlap": min(geometry.overlap, window // 2),
        "batch": geometry.batch,
        "dtype": geometry.dtype,
        "codec_norm": "window" if one_window or not geometry.decoder_norms else "fast",
        "value_range": (0.0, 255.0 if image.dtype == "uint8" else 65535.0),
    }
    if recipe.activity == "all":
        defaults["difficulty"] = "none"
        if recipe.difficulty not in (None, "none"):
            raise ValueError(
                f"recipe: difficulty {recipe.difficulty!r} is read by activity 'groups' and 'mask' only: choose one "
                "of them (the presets patchscaler and yoda do), or leave the difficulty out"
            )
    else:
        defaults["difficulty"] = "gradient" if geometry.restorer_halo is None else "confidence"
    if recipe.activity == "groups":
        counts = recipe.group_steps or default_group_steps(recipe.steps or max(GROUP_STEPS, geometry.steps))
        defaults |= {"steps": counts[2], "group_steps": counts}
    open_fields = {key: value for key, value in defaults.items() if getattr(recipe, key) is None}
    return dataclasses.replace(recipe, **open_fields)
