"""What a job asks for in vain: its options and recipe, looked up in the table of settings without effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from cluster.job import Work
from cluster.pictures.textures import read_memory
from pipeline.models.files.model_file import read_model_file
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import Recipe
from pipeline.plan.unread import find_unread
from pipeline.plan.unread_case import Case
from storage.box import RegionGrid

from .binding import open_difficulty

SIDE = 2048
"""pixels a side of what is read of a map at once"""


def find_vain(job: Work, asked: Recipe, plans: Sequence[Plan]) -> list[str]:
    """A line for each; ``asked``: the job's recipe before it was bound, ``plans`` of all stages."""
    textures, difficulty = getattr(job, "textures", None), getattr(job, "difficulty", None)
    case = Case(
        asked=asked,
        plans=tuple(plans),
        options=given_options(job),
        file=read_model_file(job.model, allow_pickle=job.allow_pickle),
        memory_scale=None if textures is None else read_memory(textures).facts.get("scale"),
        brightest=None if difficulty is None else brightest(difficulty),
    )
    return find_unread(case)


def given_options(job: Work) -> dict[str, Any]:
    """The options that the job does not leave at their defaults, as the command line names them."""
    fields = [field for field in dataclasses.fields(job) if field.default is not dataclasses.MISSING]
    values = {field: getattr(job, field.name) for field in fields}
    return {f"--{field.name.replace('_', '-')}": value for field, value in values.items() if value != field.default}


def brightest(path: str) -> int:
    """The largest value of a map of difficulty, read piece by piece up to the first that is not black."""
    with open_difficulty(path) as picture:
        grid = RegionGrid(height=picture.info.height, width=picture.info.width, side=SIDE)
        for index in range(grid.num_regions):
            if peak := int(picture.read(grid.box(index)).max()):
                return peak
    return 0
