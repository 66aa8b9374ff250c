"""What a run's arrays and blobs are called in its store."""

from __future__ import annotations

STAGE = 0
"""each stage of a progressive run has a store of its own: one pass a store"""
PIXELS, COARSE, DIFFICULTY, OUT = "pixels", "cond/coarse", "cond/difficulty", "out"
PROMPT_BLOB = "cond/prompts.npz"


def statistics_blob(k: int) -> str:
    """Where the table of reduction ``k`` is kept."""
    return f"statistics/{k:04d}.npz"


def latent_name(step: int) -> str:
    """Array of the latents at ``step``."""
    return f"z/{STAGE}/s{step:04d}"


def history_name(step: int) -> str:
    """Array of the solver's remembered tensors at ``step``, beside z."""
    return f"history/{STAGE}/s{step:04d}"
