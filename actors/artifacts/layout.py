"""What a run's arrays and blobs are called in its store; what each is, table.py says."""

from __future__ import annotations

PIXELS, VALID, DIFFICULTY_MAP, EDGES = "pixels", "valid", "cond/difficulty-map", "cond/edges"
COARSE, DIFFICULTY, PROMPTS_ARRAY, OUT = "cond/coarse", "cond/difficulty", "cond/prompt", "out"
# each stage of a progressive run has a store of its own: one pass a store
LATENTS, HISTORY, WORDS, MOMENTS = "z/0/s{step:04d}", "history/0/s{step:04d}", "words/s{step:04d}", "moments/{step:04d}"
COMPARED, DISAGREEMENT = "disagreement/s{step:04d}", "disagreement/out"

PROMPT_BLOB, GLOBAL_TAGS_BLOB = "cond/prompts.npz", "cond/global-tags.json"
TEXTURES_BLOB, WORDS_BLOB = "cond/textures.npz", "cond/words.npz"
STATISTICS, PROMPTS, IMAGE_PROMPTS = (
    "statistics/{step:04d}.npz",
    "cond/prompts/{key:016x}.npz",
    "cond/image-prompts/{region:06d}.npz",
)


def latent_name(step: int) -> str:
    """Array of the latents at ``step``."""
    return LATENTS.format(step=step)


def history_name(step: int) -> str:
    """Array of the solver's remembered tensors at ``step``, beside z."""
    return HISTORY.format(step=step)


def words_name(step: int) -> str:
    """Array of the maps summed over the steps before ``step``: ``[T, rows, columns]`` of cells, beside z."""
    return WORDS.format(step=step)


def compared_name(step: int) -> str:
    """Array of how far tiles disagreed at the step before ``step``, beside z."""
    return COMPARED.format(step=step)


def moments_name(k: int) -> str:
    """Array of the shares of reduction ``k``: ``[length, rows, columns]`` of the plan's regions."""
    return MOMENTS.format(step=k)


def statistics_blob(k: int) -> str:
    """Where the table of reduction ``k`` is kept."""
    return STATISTICS.format(step=k)


def prompt_blob(key: int) -> str:
    """Where a distinct prompt is kept."""
    return PROMPTS.format(key=key)


def image_prompt_blob(region: int) -> str:
    """Where the image prompts of a region's tiles are kept."""
    return IMAGE_PROMPTS.format(region=region)
