"""What a user should know of a plan before it runs: it can be computed, and may not be what was meant."""

from __future__ import annotations

from pipeline.models.protocol import UNGUIDED
from pipeline.models.registry import find_few_steps
from pipeline.plan.picture import find_lost_picture
from pipeline.plan.plan import Plan

MOST_TIMES = 4
"""times a distilled model's own steps, above which they are said to be too many"""


def foresee(plan: Plan, model: str, *, allow_pickle: bool = False) -> tuple[str, ...]:
    """A line each; ``model`` as the user named it."""
    return (*find_lost_picture(plan), *_few_steps(plan, model, allow_pickle=allow_pickle))


def _few_steps(plan: Plan, model: str, *, allow_pickle: bool) -> tuple[str, ...]:
    """That a distilled model is asked for what spoils it, or that one is taken for such by its name alone."""
    few = find_few_steps(model, allow_pickle=allow_pickle)
    steps, guidance = plan.recipe.sampling.steps, plan.recipe.guidance.weight
    if few is None or steps is None or plan.geometry.inputs.embeds_guidance:
        return ()
    told = f"the model is of few steps by {few.sign}"
    if steps > MOST_TIMES * few.steps or guidance not in UNGUIDED:
        return (f"{told}: about {few.steps} steps and guidance 0 suit it, the recipe says {steps} and {guidance:g}",)
    if not few.is_certain:
        return (f"{told}: {few.steps} steps and no guidance are its defaults here; a recipe can say otherwise",)
    return ()
