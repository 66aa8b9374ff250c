"""Settings that change nothing where they are given: one table of what is read by nobody, and when.

A row is a recipe's field, a command's option (``--name``) or a key of a model file, when it has no effect, and why. A
row speaks where the user asked for the setting, beyond what the preset says of itself; words (prompts, and what a model
file attaches) are always asked for. What cannot be meant at all is refused elsewhere (checks.py, rules.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.models.files.model_file import ModelFile
from pipeline.models.protocol import num_branches
from pipeline.settings import Condition

from .plan import Plan
from .presets import PRESETS
from .recipe import SETTINGS, Recipe

MARKUP = {
    "weights": re.compile(r"\([^()]*:\s*-?\d*\.?\d+\s*\)|\({2,}[^()]+\){2,}|[\w)](?:\+{2,}|-{2,})(?=[\s,]|$)"),
    "brackets": re.compile(r"\[[^\[\]]*\]|\{[^{}]*\|[^{}]*\}"),
    "networks": re.compile(r"<\s*(?:lora|lyco|hypernet|embedding|ti)\s*:[^<>]*>", re.IGNORECASE),
    "breaks": re.compile(r"\b(?:BREAK|AND)\b"),
}
"""what other programs read as more than words: (x:1.3), ((x)), x++; [x], {a|b}; <lora:x:1>; BREAK"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a user asked for and what became of it."""

    asked: Recipe
    """the preset, the file and the command line together, before any model is known"""
    plans: tuple[Plan, ...]
    """of every stage"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """options of the command line by name, where they are not the defaults"""
    file: ModelFile | None = None
    """what is attached to the model"""
    memory_scale: int | None = None
    """the scale that a memory of textures was made for"""
    brightest: int | None = None
    """the largest value of the user's map of difficulty"""

    @property
    def plan(self) -> Plan:
        return self.plans[-1]

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def is_text(self) -> bool:
        return self.plan.stage.from_text

    @property
    def is_single(self) -> bool:
        """A picture from words, made in one stage: there is no picture before it."""
        return self.is_text and len(self.plans) == 1

    def is_given(self, setting: str) -> bool:
        """Whether the user asked for it, beyond the preset."""
        if setting.startswith("-"):
            return setting in self.options
        base = PRESETS[self.asked.name].recipe if self.asked.name in PRESETS else Recipe()
        return bool(self.asked.value(setting) != base.value(setting))

    def all(self, holds: Callable[[Plan], bool]) -> bool:
        """Of the plans of all stages."""
        return all(holds(plan) for plan in self.plans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, when nobody reads it, and why."""

    setting: str
    when: Callable[[Case], bool]
    why: str | Callable[[Case], str]
    is_words: bool = False
    """whether it speaks of the preset's own too"""

    def line(self, case: Case) -> str:
        why = self.why if isinstance(self.why, str) else self.why(case)
        return f"{self.setting} changes nothing here: {why}" if not self.is_words else f"{self.setting}: {why}"


def find_unread(case: Case) -> list[str]:
    """A line for each setting that was asked for and that nobody reads, each setting once."""
    lines: dict[str, str] = {}
    for row in ROWS:
        if (row.is_words or case.is_given(row.setting)) and row.when(case):
            lines.setdefault(row.setting if not row.is_words else row.line(case), row.line(case))
    return [*lines.values(), *_replaced(case, set(lines))]


def _replaced(case: Case, known: set[str]) -> list[str]:
    """What was asked for and became something else in every stage, whichever field it is."""
    lines = []
    for name in SETTINGS:
        value = case.asked.value(name)
        found = [plan.recipe.value(name) for plan in case.plans]
        if value is not None and case.is_given(name) and name not in known and value not in found:
            why = "it reads the stage before, and this picture is made in one" if case.is_single else "see the plan"
            lines.append(f"{name} = {value!r} is not what runs, {found[-1]!r} is: {why}")
    return lines


def reads_negative(plan: Plan) -> bool:
    """Whether predictions move away from the negative prompt."""
    assert plan.recipe.guidance.weight is not None
    return plan.geometry.reads_text and num_branches(plan.geometry, plan.recipe.guidance.weight) > 1


def _no_negative(case: Case) -> str:
    if not case.plan.geometry.reads_text:
        return "nobody reads it: the model reads no text"
    why = f"guidance.weight {case.recipe.guidance.weight:g} moves away from nothing"
    if case.plan.geometry.inputs.embeds_guidance:
        why = "the model reads the weight of guidance itself, in one branch"
    is_tagged = case.recipe.prompts.source in ("local", "file")
    return f"it only keeps tags from being said: {why}" if is_tagged else f"nobody reads it: {why}"


def _markup(text: str) -> str | None:
    """The first of each kind of what is more than words to other programs; None where there is none."""
    found = [match.group(0) for pattern in MARKUP.values() if (match := pattern.search(text))]
    return ", ".join(found) or None


def _spelt(field: str) -> Row:
    def text(case: Case) -> str:
        return str(case.recipe.value(field))

    return Row(
        setting=field,
        when=lambda case: case.plan.geometry.reads_text and _markup(text(case)) is not None,
        why=lambda case: (
            f"weights and other markup are not read, they go to the encoder as letters: {_markup(text(case))}"
        ),
        is_words=True,
    )


def _tag_markup(case: Case) -> str | None:
    tags = case.plan.tags
    return None if tags is None else _markup(", ".join(tags.phrases))


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


_ONE_STAGE = "the run of an image is one stage"
_NO_STAGE = "it looks at the picture of the stage before, and this picture is made in one"

ROWS: tuple[Row, ...] = (
    # -- what stands beside the settings
    *(_derived(name, condition) for name, one in SETTINGS.items() for condition in one.about.read_with),
    # -- words
    Row(
        setting="prompts.negative",
        when=lambda case: bool(case.recipe.prompts.negative) and not case.all(reads_negative),
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


def _mixes(plan: Plan) -> bool:
    return plan.stage.before is not None and plan.recipe.stages.lift == "mixed"


def _adapter(case: Case) -> Any:
    return None if case.file is None else case.file.image_adapter
