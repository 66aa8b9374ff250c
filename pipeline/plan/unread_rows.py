"""Settings that change nothing where they are given: one table of what is read by nobody, and when.

A row is a recipe's field, a command's option (``--name``) or a key of a model file, when it has no effect, and why. A
row speaks where the user asked for the setting, beyond what the preset says of itself; words (prompts, and what a model
file attaches) are always asked for. What cannot be meant at all is refused elsewhere (checks.py, rules.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pipeline.prompts.markup import find_markup
from pipeline.settings import Condition

from .detail import draws_detail
from .plan import Plan
from .recipe import SETTINGS
from .samples import can_spare
from .unread_case import Case, Row


def _no_negative(case: Case) -> str:
    if not case.plan.geometry.reads_text:
        return "nobody reads it: the model reads no text"
    why = f"guidance.weight {case.recipe.guidance.weight:g} moves away from nothing"
    if case.plan.geometry.inputs.embeds_guidance:
        why = "the model reads the weight of guidance itself, in one branch"
    is_tagged = case.recipe.prompts.source in ("local", "file")
    return f"it only keeps tags from being said: {why}" if is_tagged else f"nobody reads it: {why}"


def _spelt(field: str) -> Row:
    def text(case: Case) -> str:
        return str(case.recipe.value(field))

    return Row(
        setting=field,
        when=lambda case: case.plan.geometry.reads_text and find_markup(text(case)) is not None,
        why=lambda case: (
            f"weights and other markup are not read, they go to the encoder as letters: {find_markup(text(case))}"
        ),
        is_words=True,
    )


def _tag_markup(case: Case) -> str | None:
    tags = case.plan.tags
    return None if tags is None else find_markup(", ".join(tags.phrases))


def _has_same_times(setting: str, neutral: Any) -> Callable[[Case], bool]:
    """Whether a setting leaves every timestep where it is."""

    def same(plan: Plan) -> bool:
        other = dataclasses.replace(plan, recipe=plan.recipe.with_settings({setting: neutral}))
        return other.solver().timesteps == plan.timesteps

    return lambda case: case.all(same)


def _hears_one(case: Case) -> bool:
    """Whether both branches of guidance are told the same, so that it adds nothing."""
    recipe, geometry = case.recipe, case.plan.geometry
    if geometry.inputs.embeds_guidance or recipe.guidance.weight == 1.0 or recipe.image_prompts.source != "none":
        return False
    if not geometry.reads_text:
        return True
    is_same = recipe.prompts.text == recipe.prompts.negative and not geometry.inputs.zero_negative
    return recipe.prompts.source == "global" and is_same


def _derived(name: str, condition: Condition) -> Row:
    """The row of a setting that is read with another one only."""
    return Row(
        setting=name,
        when=lambda case: case.all(lambda plan: not condition.holds(plan.recipe.value(condition.setting))),
        why=f"{condition.why} ({condition})" if condition.why else f"it is read with {condition}",
    )


def _is_one_tile(case: Case) -> bool:
    return case.all(lambda plan: plan.tiles.num_tiles == plan.prompt_tiles.num_tiles == 1)


def _fits_native(case: Case) -> bool:
    def fits(plan: Plan) -> bool:
        reach = plan.recipe.tiles.attention_window or plan.geometry.window
        return plan.recipe.tiles.attend == "tiles" or max(plan.regions.height, plan.regions.width) <= reach

    return case.all(fits)


def _is_still(case: Case) -> bool:
    return case.all(lambda plan: plan.jitter == 0 or (plan.tiles.num_tiles == 1 and plan.recipe.run.compat == "none"))


def _sees_no_edges(case: Case) -> bool:
    return not any(plan.stage.before and "edges" in plan.recipe.structure.shown for plan in case.plans)


def _idle_controls(case: Case) -> list[str]:
    """The file's ControlNets that act at no step, or are shown nothing."""
    if case.file is None:
        return []
    idle = []
    for control in case.file.controls:
        steps = [plan for plan in case.plans if control.sees in plan.recipe.structure.shown]
        acts = any(control.acts_at((step, plan.num_steps)) for plan in steps for step in range(plan.num_steps))
        if not acts or control.scale == 0:
            idle.append(f"the ControlNet for the {control.sees}")
    return idle


def _mixes(plan: Plan) -> bool:
    return plan.stage.before is not None and plan.recipe.stages.lift == "mixed"


def _adapter(case: Case) -> Any:
    return None if case.file is None else case.file.image_adapter


_ONE_STAGE = "the run of an image is one stage"
_NO_STAGE = "it looks at the picture of the stage before, and this picture is made in one"

ROWS: tuple[Row, ...] = (
    # -- what stands beside the settings
    *(_derived(name, condition) for name, one in SETTINGS.items() for condition in one.about.read_with),
    # -- words
    Row(
        setting="prompts.negative",
        when=lambda case: bool(case.recipe.prompts.negative) and not case.all(lambda plan: plan.reads_negative),
        why=_no_negative,
        is_words=True,
    ),
    _spelt("prompts.text"),
    _spelt("prompts.negative"),
    Row(
        setting="--tags",
        when=lambda case: _tag_markup(case) is not None,
        why=lambda case: (
            f"weights and other markup are not read, they go to the encoder as letters: {_tag_markup(case)}"
        ),
        is_words=True,
    ),
    Row(
        setting="prompts.text",
        when=lambda case: not case.plan.geometry.reads_text,
        why="the model reads no text",
    ),
    Row(setting="guidance.weight", when=_hears_one, why="the model is told the same with and without the prompt"),
    # -- beginning and time
    Row(
        setting="sampling.coarse",
        when=lambda case: not case.plan.uses_coarse and case.recipe.image_prompts.source != "textures",
        why="nothing reads the enlarged input but the decoder's colours",
    ),
    Row(
        setting="sampling.detail",
        when=lambda case: bool(case.asked.sampling.detail) and case.all(lambda plan: not draws_detail(plan)),
        why="it is drawn for the restoration module's enlargement, at the scale that the denoiser was trained for",
    ),
    Row(
        setting="sampling.start",
        when=lambda case: len(case.plans) > 1 and case.asked.sampling.start == "noise",
        why="stages after the first begin from the one before",
    ),
    Row(
        setting="sampling.strength", when=_has_same_times("sampling.strength", 1.0), why="the same steps run without it"
    ),
    Row(setting="sampling.restart", when=_has_same_times("sampling.restart", 1.0), why="the same steps run without it"),
    Row(
        setting="sampling.spacing",
        when=_has_same_times("sampling.spacing", "model"),
        why=lambda case: f"the timesteps of {case.recipe.sampling.solver} lie there anyway",
    ),
    # -- values
    Row(
        setting="codec.consistency",
        when=lambda case: case.plan.scale == 1 or case.is_text,
        why="what is as large as its input, or has none, is not shrunk again",
    ),
    # -- difficulty
    Row(
        setting="difficulty.idle_spread",
        when=lambda case: not case.plan.geometry.spreads,
        why="it is read by models with a restoration module",
    ),
    Row(
        setting="--difficulty",
        when=lambda case: case.brightest == 0,
        why="the map is black: every place is spared but in the last steps",
    ),
    Row(
        setting="--uncertainty-from",
        when=lambda case: not case.options.get("--uncertainty"),
        why="it says where other seeds look, and --uncertainty asks for none",
    ),
    Row(
        setting="--uncertainty-from",
        when=lambda case: bool(case.options.get("--uncertainty")) and not can_spare(case.plan),
        why="the recipe sums up the whole picture, or samples it dilated: other seeds look everywhere",
    ),
    # -- pictures that are shown
    Row(
        setting="structure.edge_share",
        when=_sees_no_edges,
        why="it is for edges of the stage before, shown to a ControlNet",
    ),
    Row(
        setting="guidance.low_band",
        when=lambda case: case.all(lambda plan: plan.recipe.guidance.guide == "none" and not _mixes(plan)),
        why="it is read by guidance.guide = 'structure' and stages.lift = 'mixed'",
    ),
    Row(
        setting="--textures",
        when=lambda case: case.memory_scale not in (None, case.plan.scale),
        why=lambda case: (
            f"the memory's keys are pictures enlarged by {case.memory_scale}, the run's by "
            f"{case.plan.scale}: make one with `gigatile textures --scale {case.plan.scale}`"
        ),
        is_words=True,
    ),
    # -- stages
    Row(
        setting="stages.growth",
        when=lambda case: not case.is_text and not case.plan.geometry.inputs.crops,
        why=_ONE_STAGE,
    ),
    *(
        Row(setting=name, when=lambda case: not case.is_text, why=_ONE_STAGE)
        for name in ("stages.lift", "stages.anchor")
    ),
    *(
        Row(setting=name, when=lambda case: case.is_single, why="this picture is made in one stage")
        for name in ("stages.lift", "stages.anchor")
    ),
    *(Row(setting=name, when=lambda case: case.is_single, why=_NO_STAGE) for name in ("--tagger", "--vit")),
    # -- tiles
    Row(setting="tiles.jitter", when=_is_still, why="the tiles have nowhere to move to"),
    *(Row(setting=name, when=_is_one_tile, why="the canvas is one tile") for name in ("tiles.blend", "tiles.overlap")),
    *(
        Row(setting=name, when=_fits_native, why="a neighbourhood holds the canvas")
        for name in ("tiles.attend", "tiles.attention_window", "tiles.attention_jitter")
    ),
    # -- how it runs
    Row(
        setting="model.channels_last",
        when=lambda case: case.plan.geometry.is_channels_last or not case.plan.geometry.cost.parameters,
        why="the embedded model's networks always are, the analytic one has none",
    ),
    *(
        Row(setting=name, when=lambda case: not case.plan.geometry.cost.parameters, why="the model has no network")
        for name in ("model.attention", "model.dtype")
    ),
    Row(
        setting="--tagger-gpu",
        when=lambda case: case.plan.device.kind != "cuda" or case.options.get("--workers") == 0,
        why="it shares GPUs out among workers, and there are none here",
    ),
    Row(
        setting="model.strict",
        when=lambda case: not any(plan.all_dropped for plan in case.plans),
        why="all that the model's files hold is read",
    ),
    # -- a model file
    Row(
        setting="model file",
        when=lambda case: bool(_idle_controls(case)),
        why=lambda case: f"{', '.join(_idle_controls(case))} is shown nothing, or acts at no step",
        is_words=True,
    ),
    Row(
        setting="model file",
        when=lambda case: case.file is not None and any(one.scale == 0 for one in case.file.loras),
        why="a LoRA of scale 0 is merged as nothing",
        is_words=True,
    ),
    Row(
        setting="model file",
        when=lambda case: (
            _adapter(case) is not None and case.all(lambda plan: plan.recipe.image_prompts.source == "none")
        ),
        why="nobody reads its image_adapter: image_prompts.source is 'none' (use 'tile' or --textures)",
        is_words=True,
    ),
    Row(
        setting="model file",
        when=lambda case: (
            (adapter := _adapter(case)) is not None
            and adapter.scale == 0
            and case.recipe.image_prompts.source != "none"
        ),
        why="its image_adapter has a scale of 0: image prompts have no weight",
        is_words=True,
    ),
)
"""every setting that can be without effect; a setting that is in no row always has one, or only says how a run goes"""
