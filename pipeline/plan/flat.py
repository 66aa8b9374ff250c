"""Names of the release before, when a recipe was one flat table: read with a warning until the next release."""

from __future__ import annotations

FLAT = {
    "window": "tiles.window",
    "overlap": "tiles.overlap",
    "blend": "tiles.blend",
    "region": "tiles.region",
    "jitter": "tiles.jitter",
    "attend": "tiles.attend",
    "attention_window": "tiles.attention_window",
    "attention_jitter": "tiles.attention_jitter",
    "steps": "sampling.steps",
    "solver": "sampling.solver",
    "spacing": "sampling.spacing",
    "start": "sampling.start",
    "strength": "sampling.strength",
    "restart": "sampling.restart",
    "skip": "sampling.skip",
    "coarse": "sampling.coarse",
    "detail": "sampling.detail",
    "prompt": "prompts.text",
    "negative_prompt": "prompts.negative",
    "prompts": "prompts.source",
    "word_share": "prompts.word_share",
    "collect_words": "prompts.collect_words",
    "tag_threshold": "prompts.tag_threshold",
    "most_tags": "prompts.most_tags",
    "least_confidence": "prompts.least_confidence",
    "parents": "prompts.parents",
    "tags_first": "prompts.tags_first",
    "degradations": "prompts.degradations",
    "captions": "prompts.captions",
    "crops": "prompts.crops",
    "activity": "difficulty.activity",
    "difficulty": "difficulty.source",
    "heads": "difficulty.heads",
    "difficulty_cell": "difficulty.cell",
    "difficulty_power": "difficulty.power",
    "idle_spread": "difficulty.idle_spread",
    "group_bounds": "difficulty.group_bounds",
    "group_numbers": "difficulty.group_numbers",
    "group_times": "difficulty.group_times",
    "group_steps": "difficulty.group_steps",
    "lower_bound": "difficulty.lower_bound",
    "guidance": "guidance.weight",
    "guide": "guidance.guide",
    "low_band": "guidance.low_band",
    "stages": "stages.growth",
    "lift": "stages.lift",
    "anchor": "stages.anchor",
    "dilated": "dilation.power",
    "dilation_window": "dilation.window",
    "blur": "dilation.blur",
    "blur_power": "dilation.blur_power",
    "interaction": "dilation.interaction",
    "interaction_group": "dilation.interaction_group",
    "structure": "structure.controls",
    "edge_share": "structure.edge_share",
    "image_prompts": "image_prompts.source",
    "texture_count": "image_prompts.count",
    "texture_likeness": "image_prompts.likeness",
    "codec_norm": "codec.norm",
    "colour": "codec.colour",
    "value_range": "codec.value_range",
    "dtype": "model.dtype",
    "batch": "model.batch",
    "attention": "model.attention",
    "channels_last": "model.channels_last",
    "compile": "model.compile",
    "seed": "run.seed",
    "keep_steps": "run.keep_steps",
    "compat": "run.compat",
    "compat_batch": "run.compat_batch",
}
"""flat name -> ``section.field``"""


def dotted(name: str) -> str:
    """A setting's name of today, by either of its names.

    >>> dotted("window"), dotted("tiles.window")
    ('tiles.window', 'tiles.window')
    """
    return FLAT.get(name, name)


def outdated_line(names: list[str], *, where: str) -> str:
    """What is said of flat names that were used, with what to write in their place.

    >>> outdated_line(["window"], where="mine.toml")
    'mine.toml: names of the release before, which the next one will not read: write tiles.window for window'
    """
    words = ", ".join(f"{FLAT[name]} for {name}" for name in names)
    return f"{where}: names of the release before, which the next one will not read: write {words}"
