"""What a run keeps: one row an array or a blob. What is created, checked on resume and deleted follows from it.

An item of the graph that is in the store is one array, and others are kept beside it: written before it, checked by
the same record of the journal, and deleted with it. So that array alone tells that the item is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from actors.schedule.task import Item, Kind
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import list_reductions, share_length
from pipeline.tasks.prompt_table import CHANNELS as PROMPT_CHANNELS
from pipeline.tasks.prompt_table import prompt_grid
from pipeline.tasks.word_sums import cell_grid, map_shape
from storage.arrays import NOT_FINITE
from storage.box import RegionGrid
from storage.run import RunStore

from . import layout

DRIVER = "driver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Of one array; a chunk a region of its grid."""

    channels: int
    grid: RegionGrid
    dtype: str = "float32"
    compress: bool = False
    no_data: str | None = None
    """"nan" or an infinity, where that is what holes of floats hold"""


Shapes = dict[int, Shape]
"""by step; of what there is one of, by 0; empty where a plan has none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A row of the table."""

    name: str
    """in the store; ``{step}`` stands for the step or the reduction, ``{key}`` for a prompt's content"""
    holds: str
    made_by: tuple[str, ...]
    """kinds of tasks, or the driver before any worker starts"""
    item: str | None = None
    """kind of item that it is, or is kept beside"""
    is_beside: bool = False
    shapes: Callable[[Plan], Shapes] | None = None
    """of an array that is created before any worker starts; None for a blob, and for what the driver brings in"""
    kept: str = "to the end"

    @property
    def is_blob(self) -> bool:
        return self.name.endswith((".npz", ".json"))

    @property
    def checked_by(self) -> str:
        """Where the journal has its checksum."""
        if self.made_by == (DRIVER,):
            return "the driver's record"
        return "its task's record, beside" if self.is_beside else "its task's record"


def _one(shape: Shape | None) -> Shapes:
    return {} if shape is None else {0: shape}


def _latents(plan: Plan) -> Shapes:
    return dict.fromkeys(range(plan.num_steps + 1), Shape(channels=plan.geometry.channels, grid=plan.regions))


def _history(plan: Plan) -> Shapes:
    num = plan.solver().num_history
    shape = Shape(channels=plan.geometry.channels * num, grid=plan.regions) if num else None
    return {} if shape is None else dict.fromkeys(range(1, plan.num_steps), shape)


def _words(plan: Plan) -> Shapes:
    if not plan.recipe.prompts.collect_words:
        return {}
    tokens, cell = map_shape(plan.geometry)
    return dict.fromkeys(range(1, plan.num_steps + 1), Shape(channels=tokens, grid=cell_grid(plan.regions, cell)))


def _compared(plan: Plan) -> Shapes:
    return {plan.num_steps: _deviations(plan)} if plan.recipe.tiles.disagreement else {}


def _disagreement(plan: Plan) -> Shapes:
    return _one(_deviations(plan) if plan.recipe.tiles.disagreement and plan.stage.decodes else None)


def _deviations(plan: Plan) -> Shape:
    return Shape(channels=1, grid=plan.regions, no_data="nan")


def _coarse(plan: Plan) -> Shapes:
    return _one(Shape(channels=plan.geometry.channels, grid=plan.regions) if plan.uses_coarse else None)


def _difficulty(plan: Plan) -> Shapes:
    return _one(Shape(channels=1, grid=plan.regions) if plan.has_difficulty else None)


def _prompts(plan: Plan) -> Shapes:
    if plan.recipe.prompts.source == "global":
        return {}
    return _one(Shape(channels=PROMPT_CHANNELS, grid=prompt_grid(plan), dtype="uint64", compress=True))


def _moments(plan: Plan) -> Shapes:
    grid = RegionGrid(height=plan.regions.rows, width=plan.regions.cols, side=1)
    lengths = [share_length(plan, reduction) for reduction in list_reductions(plan)]
    return {k: Shape(channels=length, grid=grid, dtype="float64") for k, length in enumerate(lengths)}


def _out(plan: Plan) -> Shapes:
    image = plan.image
    # of other holes the value is a number, which any array takes
    no_data = image.hole if image.hole in NOT_FINITE and np.dtype(image.dtype).kind == "f" else None
    return _one(
        Shape(channels=image.num_bands, grid=plan.out_regions, dtype=image.dtype, compress=True, no_data=no_data)
    )


READ = "until no task reads it again"
_ENDS, _STEPS = (Kind.PREPARE,), (Kind.MERGE,)
TABLE = (
    Artifact(name=layout.PIXELS, holds="the input", made_by=(DRIVER,)),
    Artifact(name=layout.VALID, holds="where the input is data", made_by=(DRIVER,)),
    Artifact(name=layout.DIFFICULTY_MAP, holds="a user's map of difficulty", made_by=(DRIVER,)),
    Artifact(name=layout.EDGES, holds="edges of the stage before", made_by=(DRIVER,)),
    Artifact(name=layout.COARSE, holds="the coarse latent", made_by=_ENDS, item="coarse", shapes=_coarse),
    Artifact(
        name=layout.DIFFICULTY,
        holds="difficulty of latent pixels",
        made_by=_ENDS,
        item="coarse",
        is_beside=True,
        shapes=_difficulty,
    ),
    Artifact(
        name=layout.PROMPTS_ARRAY,
        holds="keys of the tiles' prompts",
        made_by=_ENDS,
        item="coarse",
        is_beside=True,
        shapes=_prompts,
    ),
    Artifact(
        name=layout.LATENTS,
        holds="latents at a step",
        made_by=(Kind.ENCODE, Kind.MERGE),
        item="z",
        shapes=_latents,
        kept=READ,
    ),
    Artifact(
        name=layout.HISTORY,
        holds="what the solver remembers at a step",
        made_by=_STEPS,
        item="z",
        is_beside=True,
        shapes=_history,
        kept=READ,
    ),
    Artifact(
        name=layout.WORDS,
        holds="attention to words, summed over the steps before",
        made_by=_STEPS,
        item="z",
        is_beside=True,
        shapes=_words,
        kept=READ,
    ),
    Artifact(
        name=layout.COMPARED,
        holds="how far tiles disagree at the last step",
        made_by=_STEPS,
        item="z",
        is_beside=True,
        shapes=_compared,
        kept=READ,
    ),
    Artifact(
        name=layout.MOMENTS,
        holds="each region's share of a reduction",
        made_by=(Kind.MEASURE,),
        item="moments",
        shapes=_moments,
        kept=READ,
    ),
    Artifact(name=layout.OUT, holds="the picture", made_by=(Kind.DECODE,), item="out", shapes=_out),
    Artifact(
        name=layout.DISAGREEMENT,
        holds="how far tiles disagree, of latent pixels",
        made_by=(Kind.DECODE,),
        item="out",
        is_beside=True,
        shapes=_disagreement,
    ),
    Artifact(name=layout.PROMPT_BLOB, holds="the run's own prompts, embedded", made_by=(Kind.EMBED,), item="prompts"),
    Artifact(
        name=layout.GLOBAL_TAGS_BLOB,
        holds="tags of the whole picture",
        made_by=(Kind.EMBED,),
        item="prompts",
        is_beside=True,
    ),
    Artifact(name=layout.STATISTICS, holds="the table of a reduction", made_by=(Kind.REDUCE,), item="statistics"),
    Artifact(name=layout.PROMPTS, holds="a tile's prompt, embedded", made_by=_ENDS, item="coarse", is_beside=True),
    Artifact(
        name=layout.IMAGE_PROMPTS, holds="image prompts of a region", made_by=_ENDS, item="coarse", is_beside=True
    ),
    Artifact(name=layout.TEXTURES_BLOB, holds="the memory of textures", made_by=(DRIVER,)),
    Artifact(name=layout.WORDS_BLOB, holds="the first stage's attention to words", made_by=(DRIVER,)),
)


class Kept:
    """The arrays and blobs of one plan's items."""

    def __init__(self, plan: Plan) -> None:
        shaped = [(row, row.shapes(plan)) for row in TABLE if row.shapes is not None]
        self._shaped = sorted(shaped, key=lambda entry: entry[0].is_beside)
        """the arrays that tell of an item first"""

    def arrays(self) -> Iterator[tuple[str, Shape]]:
        """All arrays, by name."""
        for row, shapes in self._shaped:
            for step, shape in shapes.items():
                yield row.name.format(step=step), shape

    def names(self, item: Item) -> list[str]:
        """The arrays whose regions make up an item, the one that tells of it first; none for a blob."""
        return [
            row.name.format(step=item.step)
            for row, shapes in self._shaped
            if row.item == item.kind and item.step in shapes
        ]

    def listed(self, *, beside: bool) -> Iterator[tuple[str, str, int]]:
        """Arrays that tell of an item, or are kept ``beside`` those: name, kind of item, step."""
        for row, shapes in self._shaped:
            if row.item is not None and row.is_beside == beside:
                for step in shapes:
                    yield row.name.format(step=step), row.item, step


def create_arrays(store: RunStore, plan: Plan) -> None:
    """Create every array's metadata before any worker starts; workers only ever write whole regions."""
    for name, shape in Kept(plan).arrays():
        store.array(name, **{part.name: getattr(shape, part.name) for part in fields(shape)})


_OWN_BLOBS = {row.item: row for row in TABLE if row.is_blob and row.item is not None and not row.is_beside}


def blob_name(item: Item) -> str | None:
    """The blob that an item is; None for one in arrays."""
    row = _OWN_BLOBS.get(item.kind)
    return None if row is None else row.name.format(step=item.step)


def describe(rows: Sequence[Artifact] = TABLE) -> str:
    """The table as Markdown."""
    lines = ["| name | holds | made by | checked by | kept |", "|---|---|---|---|---|"]
    for row in rows:
        name = f"blobs/{row.name}" if row.is_blob else row.name
        made_by = ", ".join(str(kind) for kind in row.made_by)
        lines.append(f"| `{name}` | {row.holds} | {made_by} | {row.checked_by} | {row.kept} |")
    return "\n".join(lines)
