"""Which task needs which items: the region graph of a plan. Pure geometry; nothing here runs anything.

    prepare(r) -> coarse(r), with its tiles' prompts -> encode(r) -> z(0, r); tags of the whole image come first
    denoise(s, r): z(s) of the regions its tiles touch      -> contribution(s, r)
    merge(s, r):   z(s, r) and contributions that touch r   -> z(s + 1, r)
    decode(r):     z(N) of r and the decoder's halo         -> out(r)

z(s + 1, r) depends on the 3 x 3 neighbourhood at s only, so there is no barrier between steps.

A recipe with global reductions has two chains of them, before ``prepare`` (the input's pixels) and before ``decode``
(z(N), with the decoder's halo); whoever follows a chain reads its last statistics:

    measure(k, r): statistics(k - 1) and what the chain reads of r  -> moments(k, r)
    reduce(k):     statistics(k - 1) and moments(k) of all regions  -> statistics(k)
"""

from __future__ import annotations

from pipeline.denoise import reach
from pipeline.plan import Plan
from pipeline.reduction import chain_end, chain_previous, list_reductions

from .places import prompting_regions
from .task import Item, Kind, Task

PROMPTS = Item("prompts", 0, 0)

_PRODUCTS = {
    Kind.EMBED: "prompts",
    Kind.PREPARE: "coarse",
    Kind.ENCODE: "z",
    Kind.DENOISE: "contribution",
    Kind.DECODE: "out",
    Kind.MEASURE: "moments",
    Kind.REDUCE: "statistics",
}
"""what each kind of task makes; merge makes a later z"""
_PRODUCERS = {item: kind for kind, item in _PRODUCTS.items() if kind is not Kind.ENCODE}


class Graph:
    """The dependencies of one plan."""

    def __init__(self, plan: Plan) -> None:
        regions = plan.regions
        self.num_regions = regions.num_regions
        self.num_steps = plan.num_steps
        self.reads_text = plan.geometry.text_tokens is not None
        self.reads_global_tags = plan.recipe.least_confidence > 0
        """whether a tile's prompt can be that of the whole image"""
        self.reads_coarse, self.uses_coarse = plan.denoise_reads_coarse, plan.uses_coarse
        self.destinations: list[tuple[int, ...]] = []
        """regions that the tiles of each region touch, ascending; empty for a region where no tile starts"""
        for region in range(regions.num_regions):
            seen = reach(plan.tiles, regions, region)
            self.destinations.append(() if seen is None else tuple(regions.overlapping(seen)))
        self.sources = _inverse(self.destinations)
        """regions whose tiles touch each region, ascending: the plan's order of summation"""
        self._prompting = [self._prompted_by(plan, region) for region in range(regions.num_regions)]
        """regions whose prompts the tiles of each region read beside its own"""
        self._prompted = _inverse(self._prompting)
        halo = plan.decode_halo
        self.decode_reads = [
            tuple(regions.overlapping(regions.box(r).grown(halo, regions.canvas))) for r in range(regions.num_regions)
        ]
        self._decode_readers = _inverse(self.decode_reads)
        self.reductions = list_reductions(plan)
        self._encode_end, self._decode_end = (chain_end(self.reductions, chain) for chain in ("encode", "decode"))
        self.order = _sweep(regions.rows, regions.cols)
        """place of each region in the sweep along the canvas's shorter side, which keeps the open front short"""
        self.front = min(regions.rows, regions.cols)

    def inputs(self, task: Task) -> list[Item]:
        """Items that must be there before ``task`` may start; contributions in plan order."""
        kind, step, region = task
        if kind is Kind.PREPARE:
            return [*([PROMPTS] if self.reads_global_tags else []), *self._statistics(self._encode_end)]
        if kind is Kind.ENCODE:
            return [Item("coarse", 0, region)] if self.uses_coarse else []
        if kind is Kind.DENOISE:
            seen = self.destinations[region]
            needed = [Item("z", step, r) for r in seen]
            conditioning = {*(seen if self.reads_coarse else ()), *self._prompting[region]}
            needed += [Item("coarse", 0, r) for r in sorted(conditioning)]
            return [*needed, PROMPTS] if self.reads_text else needed
        if kind is Kind.MERGE:
            return [Item("z", step, region), *(Item("contribution", step, r) for r in self.sources[region])]
        if kind is Kind.DECODE:
            return [*self._statistics(self._decode_end), *self._decoded(region)]
        if kind is Kind.MEASURE:
            before = self._statistics(chain_previous(self.reductions, step))
            return before if self.reductions[step].chain == "encode" else [*before, *self._decoded(region)]
        if kind is Kind.REDUCE:
            before = self._statistics(chain_previous(self.reductions, step))
            return [*before, *(Item("moments", step, r) for r in range(self.num_regions))]
        return []

    def _prompted_by(self, plan: Plan, region: int) -> tuple[int, ...]:
        seen = reach(plan.tiles, plan.regions, region)
        return tuple(prompting_regions(plan, seen)) if plan.has_places and seen is not None else ()

    def _statistics(self, k: int | None) -> list[Item]:
        return [] if k is None else [Item("statistics", k, 0)]

    def _decoded(self, region: int) -> list[Item]:
        """The last latents under a region and the decoder's halo."""
        return [Item("z", self.num_steps, r) for r in self.decode_reads[region]]

    def product(self, task: Task) -> Item:
        kind, step, region = task
        if kind is Kind.EMBED:
            return PROMPTS
        if kind is Kind.MERGE:
            return Item("z", step + 1, region)
        return Item(_PRODUCTS[kind], step if kind in (Kind.DENOISE, Kind.MEASURE, Kind.REDUCE) else 0, region)

    def producer(self, item: Item) -> Task:
        kind, step, region = item
        if kind == "z":
            return Task(Kind.ENCODE, 0, region) if step == 0 else Task(Kind.MERGE, step - 1, region)
        return Task(_PRODUCERS[kind], step, region)

    def consumers(self, item: Item) -> list[Task]:
        """Tasks that read an item, but for the denoise tasks that read conditioning: see ``conditioned_regions``."""
        kind, step, region = item
        if item == PROMPTS and self.reads_global_tags:
            return [Task(Kind.PREPARE, 0, r) for r in range(self.num_regions)]
        if kind == "coarse":
            return [Task(Kind.ENCODE, 0, region)]
        if kind == "contribution":
            return [Task(Kind.MERGE, step, r) for r in self.destinations[region]]
        if kind == "z" and step == self.num_steps:
            readers = self._decode_readers[region]
            measuring = [k for k, one in enumerate(self.reductions) if one.chain == "decode"]
            # decode first: it is the last to run, so one look tells that the latents are still needed
            return [
                *(Task(Kind.DECODE, 0, r) for r in readers),
                *(Task(Kind.MEASURE, k, r) for k in measuring for r in readers),
            ]
        if kind == "moments":
            return [Task(Kind.REDUCE, step, 0)]
        if kind == "statistics":
            return self._followers(step)
        if kind == "z":
            return [Task(Kind.MERGE, step, region), *(Task(Kind.DENOISE, step, r) for r in self.sources[region])]
        return []

    def _followers(self, k: int) -> list[Task]:
        """Tasks that read the statistics of reduction ``k``: the next one's, or those that come after the chain."""
        regions = range(self.num_regions)
        if k == self._encode_end:
            return [Task(Kind.PREPARE, 0, r) for r in regions]
        if k == self._decode_end:
            return [Task(Kind.DECODE, 0, r) for r in regions]
        return [*(Task(Kind.MEASURE, k + 1, r) for r in regions), Task(Kind.REDUCE, k + 1, 0)]

    def conditioned_regions(self, item: Item) -> tuple[int, ...]:
        """Regions whose denoise tasks, at every step, read the prompts or a coarse latent."""
        if item == PROMPTS:
            return tuple(r for r in range(self.num_regions) if self.destinations[r])
        if item.kind != "coarse":
            return ()
        return tuple(sorted({*(self.sources[item.region] if self.reads_coarse else ()), *self._prompted[item.region]}))

    def needed(self, available: set[Item]) -> set[Task]:
        """Tasks to run, given the items that are there, until every region is decoded. Walks back from the end."""
        todo: set[Task] = set()
        wanted = [Item("out", 0, r) for r in range(self.num_regions)]
        while wanted:
            item = wanted.pop()
            task = self.producer(item)
            if item not in available and task not in todo:
                todo.add(task)
                wanted.extend(self.inputs(task))
        return todo

    def totals(self) -> dict[Kind, int]:
        """How many tasks of each kind a whole run has."""
        owners = sum(bool(seen) for seen in self.destinations)
        return {
            Kind.EMBED: int(self.reads_text),
            Kind.PREPARE: self.num_regions if self.uses_coarse else 0,
            Kind.ENCODE: self.num_regions,
            Kind.DENOISE: owners * self.num_steps,
            Kind.MERGE: self.num_regions * self.num_steps,
            Kind.DECODE: self.num_regions,
            Kind.MEASURE: len(self.reductions) * self.num_regions,
            Kind.REDUCE: len(self.reductions),
        }


def _inverse(relation: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    inverse: list[list[int]] = [[] for _ in relation]
    for source, targets in enumerate(relation):
        for target in targets:
            inverse[target].append(source)
    return [tuple(sorted(sources)) for sources in inverse]


def _sweep(rows: int, cols: int) -> list[int]:
    if cols <= rows:
        return list(range(rows * cols))
    return [col * rows + row for row in range(rows) for col in range(cols)]
