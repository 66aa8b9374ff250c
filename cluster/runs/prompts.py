"""The prompts of a run for people: what is cut, before it; the table tile -> prompt, during and after it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from actors.artifacts.layout import PROMPTS_ARRAY, prompt_blob
from actors.artifacts.prompts import read_prompt
from actors.artifacts.series import open_begun
from actors.artifacts.sums import record_sums
from pipeline.geometry.tiles import Tile
from pipeline.models.registry import locate_configs
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from pipeline.prompts.record import PromptRecord
from pipeline.prompts.text_limit import TextLimit, load_text_limit
from pipeline.tasks.crop_tags import CropTags
from pipeline.tasks.local_prompts import Prompter
from pipeline.tasks.prompt_table import read_block
from storage.arrays import RegionArray, checksum
from storage.errors import CorruptRegionError
from storage.journal import Record
from storage.run import RunStore

log = logging.getLogger(__name__)

MOST_LOOKED_AT = 4096
"""tiles whose prompts from a tag file are measured before a run; after it the table tells of all"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TilePrompts:
    """One tile and its prompts as they were encoded."""

    tile: Tile
    prompt: PromptRecord
    negative: PromptRecord | None
    """None where it is the plan's own"""

    def to_table(self) -> dict[str, Any]:
        """For JSON."""
        table: dict[str, Any] = {"row": self.tile.row, "col": self.tile.col, "prompt": self.prompt.kept}
        if self.negative is not None:
            table["negative"] = self.negative.kept
        return table | ({"dropped": list(self.dropped)} if self.dropped else {})

    @property
    def dropped(self) -> tuple[str, ...]:
        return self.prompt.dropped + (self.negative.dropped if self.negative is not None else ())


def open_prompts(run: str) -> tuple[RunStore, Plan]:
    """The store and the plan of a run whose tiles have prompts of their own; of a series its furthest stage.

    Raises FileNotFoundError where there is no run, ValueError where all tiles have one prompt.
    """
    store, record = open_begun(run)
    plan = plan_from_json(record, where=f"{store.url}/plan.json")
    if plan.recipe.prompts.source == "global":
        raise ValueError(
            f"the tiles of {store.url} have no prompts of their own: all have {plan.recipe.prompts.text!r}; "
            "expected a run with prompts 'local', 'file' or 'attention'"
        )
    return store, plan


def tile_prompts(store: RunStore, plan: Plan) -> Iterator[TilePrompts]:
    """The prompts of all tiles that have some by now, region by region.

    Raises CorruptRegionError where they are not as the journal says.
    """
    if not store.has_array(PROMPTS_ARRAY):
        return
    table, journalled = store.open_array(PROMPTS_ARRAY), store.journal.replay()
    sums, prompts = record_sums(journalled), dict[int, PromptRecord | None]({0: None})
    for region, block in _blocks(table, journalled):
        if block is None:
            raise CorruptRegionError(f"the prompts of region {region} of {store.url} are damaged: {_MEND}")
        tiles = plan.prompt_tiles.owned_by(plan.regions.box(region))
        for tile, keys in zip(tiles, read_block(plan, region, block), strict=True):
            for key in set(keys) - prompts.keys():
                prompts[key] = read_prompt(store, key, sums)
                if prompts[key] is None:
                    raise CorruptRegionError(f"blobs/{prompt_blob(key)} in {store.url} is damaged or gone: {_MEND}")
            prompt = prompts[keys[0]]
            if prompt is not None:
                yield TilePrompts(tile=tile, prompt=prompt, negative=prompts[keys[1]])


_MEND = "the run's own command makes them again where it still needs them"


def _blocks(table: RegionArray, journalled: Iterable[Record]) -> Iterator[tuple[int, np.ndarray | None]]:
    """The blocks of all regions that are there, ascending; None for one that is damaged, or not as journalled."""
    told = {record.region: record.extra[PROMPTS_ARRAY] for record in journalled if PROMPTS_ARRAY in record.extra}
    for region in sorted(table.regions()):
        try:
            block = table.read_region(region)
        except CorruptRegionError:
            yield region, None
        else:
            yield region, block if told.get(region, checksum(block)) == checksum(block) else None


def by_frequency(prompts: list[TilePrompts]) -> list[tuple[int, TilePrompts]]:
    """Each distinct pair of prompts, with how many tiles have it; the commonest first."""
    pairs = [(one.prompt.text, one.negative.text if one.negative else None) for one in prompts]
    first = dict(zip(reversed(pairs), reversed(prompts), strict=True))
    return [(count, first[pair]) for pair, count in Counter(pairs).most_common()]


def count_prompts(store: RunStore, journalled: Iterable[Record] = ()) -> dict[str, int]:
    """Tiles with prompts of their own, distinct prompts, and tiles with one that was cut: from the table alone.

    What is damaged is told of and not counted: the picture does not need it any more. ``journalled``: the run's
    records.
    """
    if not store.has_array(PROMPTS_ARRAY):
        return {}
    keys, counts = set[int](), np.zeros(2, dtype=int)
    for region, block in _blocks(store.open_array(PROMPTS_ARRAY), journalled):
        if block is None:
            log.warning("the prompts of region %d of %s are damaged: they are not counted", region, store.url)
            continue
        keys.update(np.unique(block[:2]).tolist())
        counts += (np.count_nonzero(block[0]), np.count_nonzero(block[2]))
    return {"tiles": int(counts[0]), "distinct": len(keys - {0}), "cut": int(counts[1])}


def find_cuts(plan: Plan, model: str, *, allow_pickle: bool = False) -> tuple[str, ...]:
    """What falls off the prompts that are known before anything is computed, a line each.

    ``model``: as the user named it. Local prompts are known once their tiles are tagged; their table tells of cuts.
    """
    if not plan.geometry.reads_text:
        return ()
    limit = load_text_limit(str(locate_configs(model, allow_pickle=allow_pickle)), plan.geometry.inputs.text_tokens)
    recipe, lines = plan.recipe, []
    read = {"prompts.text": recipe.prompts.text}
    if plan.reads_negative:
        read["prompts.negative"] = recipe.prompts.negative
    for name, text in read.items():
        if dropped := limit.cut(text).dropped:
            lines.append(f"{name} is longer than the model reads; these fall off: {', '.join(dropped)}")
    if plan.tags is not None and not lines:
        lines += _cut_tags(plan, limit)
    return tuple(lines)


def _cut_tags(plan: Plan, limit: TextLimit) -> list[str]:
    """The same for the prompts that the tag file gives to tiles."""

    def nothing(*_: Any) -> Any:
        raise AssertionError("a tag file needs neither pixels nor a model")

    tags = CropTags(plan=plan, read_rgb=nothing, in_tagger=nothing)
    prompter = Prompter(plan, nothing, tags, tags.all_over, nothing)
    grid = plan.prompt_tiles
    tiles = (grid.tile(row, col) for row in range(len(grid.tops)) for col in range(len(grid.lefts)))
    counts = Counter(prompter.prompt(tile) for tile, _ in zip(tiles, range(MOST_LOOKED_AT), strict=False))
    lost: dict[str, None] = {}
    num_cut = 0
    for pair, count in counts.items():
        dropped = [phrase for text in (pair.prompt, pair.negative) if text for phrase in limit.cut(text).dropped]
        num_cut += count if dropped else 0
        lost |= dict.fromkeys(dropped)
    if not lost:
        return []
    return [f"prompts of {num_cut} tiles are longer than the model reads; these fall off: {', '.join(lost)}"]
