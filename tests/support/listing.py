"""All tasks of a small plan and what each reads, listed one by one: each edge by boxes that share a pixel.

Nothing here is taken from the graph, nor from what it asks for its rows and columns of regions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from actors.schedule.task import Item, Kind, Task
from pipeline.geometry.tiles import Tile, TileGrid
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import list_reductions
from storage.box import Box

PROMPTS = Item("prompts", 0, 0)


def list_tasks(plan: Plan) -> dict[Task, set[Item]]:
    """What each task of a whole run reads; tasks whose results nobody could use are not in it."""
    tasks = _before_steps(plan)
    for step in range(plan.num_steps):
        tasks |= _of_step(plan, step)
    return tasks | _after_steps(plan)


def touched(plan: Plan, box: Box | None) -> set[int]:
    """Regions that share a pixel with a box."""
    if box is None:
        return set()
    return {r for r in range(plan.regions.num_regions) if plan.regions.box(r).intersection(box) is not None}


def grown(plan: Plan, box: Box, by: int) -> Box:
    height, width = plan.regions.height, plan.regions.width
    top, left = max(0, box.top - by), max(0, box.left - by)
    bottom, right = min(height, box.bottom + by), min(width, box.right + by)
    return Box(top=top, left=left, height=bottom - top, width=right - left)


def starting_in(grid: TileGrid, box: Box) -> list[Tile]:
    tiles = [grid.tile(row, col) for row in range(len(grid.tops)) for col in range(len(grid.lefts))]
    return [tile for tile in tiles if box.top <= tile.box.top < box.bottom and box.left <= tile.box.left < box.right]


def seen(plan: Plan, region: int) -> Box | None:
    """What a region's tiles are read from and written to, as one box."""
    boxes = [tile.box for tile in starting_in(plan.tiles, plan.regions.box(region))]
    if not boxes:
        return None
    top, left = min(box.top for box in boxes), min(box.left for box in boxes)
    bottom, right = max(box.bottom for box in boxes), max(box.right for box in boxes)
    return grown(plan, Box(top=top, left=left, height=bottom - top, width=right - left), plan.jitter)


def windows(plan: Plan) -> list[Box]:
    """The dilation window of each batch of samples."""
    dilation = plan.dilation
    if dilation is None:
        return []
    each = math.ceil(dilation.factor**2 / plan.denoise_settings.batch)
    grid = dilation.windows
    found = [grid.tile(row, col).box for row in range(len(grid.tops)) for col in range(len(grid.lefts))]
    assert len(found) * each == len(dilation.batches(plan.denoise_settings.batch))
    return [box for box in found for _ in range(each)]


def _at(kind: str, step: int, regions: Iterable[int]) -> set[Item]:
    return {Item(kind, step, region) for region in regions}


def _tables(plan: Plan, chain: str) -> set[Item]:
    """The last statistics of a chain."""
    found = [k for k, one in enumerate(list_reductions(plan)) if one.chain == chain]
    return {Item("statistics", found[-1], 0)} if found else set()


def _reduce(plan: Plan, chain: str, measured: list[set[Item]]) -> dict[Task, set[Item]]:
    """The tasks of a chain; ``measured``: what each region is measured of, beside the statistics before."""
    tasks: dict[Task, set[Item]] = {}
    before: set[Item] = set()
    for k, reduction in enumerate(list_reductions(plan)):
        if reduction.chain == chain:
            tasks |= {Task(Kind.MEASURE, k, r): before | items for r, items in enumerate(measured)}
            tasks[Task(Kind.REDUCE, k, 0)] = before | _at("moments", k, range(plan.regions.num_regions))
            before = {Item("statistics", k, 0)}
    return tasks


def _before_steps(plan: Plan) -> dict[Task, set[Item]]:
    num = plan.regions.num_regions
    tags = {PROMPTS} if plan.recipe.prompts.least_confidence > 0 else set()
    tasks: dict[Task, set[Item]] = {Task(Kind.EMBED, 0, 0): set()}
    tasks |= _reduce(plan, "encode", [tags] * num)
    for r in range(num):
        if plan.uses_coarse:
            tasks[Task(Kind.PREPARE, 0, r)] = tags | _tables(plan, "encode")
        tasks[Task(Kind.ENCODE, 0, r)] = _at("coarse", 0, [r]) if plan.uses_coarse else set()
    return tasks


def _of_step(plan: Plan, step: int) -> dict[Task, set[Item]]:
    num, tasks = plan.regions.num_regions, dict[Task, set[Item]]()
    words = {PROMPTS} if plan.geometry.inputs.text_tokens is not None else set()
    reads_coarse = plan.denoise_reads_coarse
    given: dict[Item, set[int]] = {}
    for r in range(num):
        box = seen(plan, r)
        if box is not None:
            under = touched(plan, box)
            given[Item("contribution", step, r)] = under
            items = _at("z", step, under) | words | (_at("coarse", 0, under) if reads_coarse else set())
            tasks[Task(Kind.DENOISE, step, r)] = items | _at("coarse", 0, _prompting(plan, box))
    halo = plan.dilation.factor - 1 if plan.dilation is not None else 0
    for number, window in enumerate(windows(plan)):
        given[Item("exchanged", step, number)] = touched(plan, window)
        under = touched(plan, grown(plan, window, halo))
        items = _at("z", step, under) | words | (_at("coarse", 0, under) if reads_coarse else set())
        tasks[Task(Kind.EXCHANGE, step, number)] = items | _tables(plan, f"step {step}")
    blurred = [touched(plan, grown(plan, plan.regions.box(r), halo)) for r in range(num)]
    read = [_at("z", step, one) | (_at("coarse", 0, one) if reads_coarse else set()) for one in blurred]
    tasks |= _reduce(plan, f"step {step}", read)
    for r in range(num):
        merged = touched(plan, plan.merge_window(plan.regions.box(r)))
        items = _at("z", step, merged) | (_at("coarse", 0, merged) if plan.is_guided else set())
        tasks[Task(Kind.MERGE, step, r)] = items | {item for item, regions in given.items() if regions & merged}
    return tasks


def _prompting(plan: Plan, box: Box) -> set[int]:
    """Regions that own a window whose prompt holds somewhere in a box."""
    if not plan.has_places:
        return set()
    owned = {r: starting_in(plan.prompt_tiles, plan.regions.box(r)) for r in range(plan.regions.num_regions)}
    return {r for r, tiles in owned.items() if any(tile.box.intersection(box) for tile in tiles)}


def _after_steps(plan: Plan) -> dict[Task, set[Item]]:
    boxes = [grown(plan, plan.regions.box(r), plan.decode_halo) for r in range(plan.regions.num_regions)]
    last = [_at("z", plan.num_steps, touched(plan, box)) for box in boxes]
    tasks = _reduce(plan, "decode", last)
    if plan.stage.decodes:
        tasks |= {Task(Kind.DECODE, 0, r): items | _tables(plan, "decode") for r, items in enumerate(last)}
    return tasks


def made_by(task: Task) -> Item:
    """What a task makes."""
    kind, step, region = task
    if kind is Kind.MERGE:
        return Item("z", step + 1, region)
    names = {
        Kind.EMBED: "prompts",
        Kind.PREPARE: "coarse",
        Kind.ENCODE: "z",
        Kind.DENOISE: "contribution",
        Kind.EXCHANGE: "exchanged",
        Kind.DECODE: "out",
        Kind.MEASURE: "moments",
        Kind.REDUCE: "statistics",
    }
    return Item(names[kind], step, region)


def goals_of(plan: Plan) -> set[Item]:
    """What a run leaves behind."""
    num = plan.regions.num_regions
    goals = _at("out", 0, range(num)) if plan.stage.decodes else set()
    if plan.stage.index + 1 < plan.stage.count:
        goals |= _at("z", plan.num_steps, range(num)) | _tables(plan, "decode")
    return goals


def needed_for(goals: set[Item], tasks: dict[Task, set[Item]], there: set[Item]) -> set[Task]:
    """Tasks that have to run until the goals are there, given what is there."""
    makers = {made_by(task): task for task in tasks}
    needed, wanted = set[Task](), list(goals - there)
    while wanted:
        task = makers[wanted.pop()]
        if task not in needed:
            needed.add(task)
            wanted += tasks[task] - there
    return needed
