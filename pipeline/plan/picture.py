"""How much of the input a model is shown: what survives of it in the first step's noise, and what else tells of it."""

from __future__ import annotations

from .plan import Plan

LEAST_SHARE = 0.3
"""of the first state, below which a model paints another picture"""


def surviving_share(plan: Plan) -> float:
    """The weight of the coarse latent in the state that the first step reads: sqrt(alpha_bar), or 1 - sigma of a flow.

    0 where a run begins from noise alone.
    """
    return float(plan.solver().level(0)[0]) if plan.recipe.sampling.start == "image" else 0.0


def is_shown(plan: Plan) -> bool:
    """Whether anything but the first state tells the model what is in the picture."""
    recipe = plan.recipe
    return (
        plan.model_reads_coarse
        or bool(recipe.structure.shown)
        or recipe.image_prompts.source != "none"
        or recipe.sampling.skip > 0
        or plan.is_guided
    )


def find_lost_picture(plan: Plan) -> tuple[str, ...]:
    """A line where next to nothing of the input reaches the model; a picture from words has none to lose."""
    if plan.stage.from_text or not plan.geometry.reads_text or is_shown(plan):
        return ()
    share = surviving_share(plan)
    if share >= LEAST_SHARE:
        return ()
    kept = f"keeps {share:.0%} of the picture" if share else "is noise alone"
    return (
        f"the first step's state {kept} and nothing else shows it to the model, which will paint another one: add a "
        'ControlNet (a model file), an IP-Adapter or guide = "structure", or set start = "image" and a strength of '
        "about 0.3",
    )
