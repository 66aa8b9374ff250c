"""Whether sharp detail is drawn for the restored enlargement, and how far what restores it sees."""

from __future__ import annotations

from .plan import Plan


def draws_detail(plan: Plan) -> bool:
    """Where the recipe asks for some, the enlargement is the restoration module's and the scale the model's own."""
    recipe, geometry = plan.recipe, plan.geometry
    is_restored = plan.uses_coarse and recipe.sampling.coarse == "restored" and not plan.lifts_latents
    return bool(recipe.sampling.detail) and is_restored and plan.scale == geometry.native_scale


def restored_halo(plan: Plan) -> int:
    """Input pixels round a window that its restored picture is made from; 0 for a model that restores nothing."""
    detail = plan.geometry.detail_halo if draws_detail(plan) else None
    return max(plan.geometry.restorer_halo or 0, detail or 0)
