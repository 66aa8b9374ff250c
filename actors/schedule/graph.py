"""Which task needs which items: the region graph of a plan. Pure geometry; nothing here runs anything.

    prepare(r) -> coarse(r), with its tiles' prompts -> encode(r) -> z(0, r); tags of the whole image come first
    denoise(s, r): z(s) of the regions its tiles touch      -> contribution(s, r)
    merge(s, r):   z(s, r) and contributions that touch r   -> z(s + 1, r)
                   with a guide those of its neighbours too, and their coarse latents
    decode(r):     z(N) of r and the decoder's halo         -> out(r)

z(s + 1, r) depends on the 3 x 3 neighbourhood at s only, so there is no barrier between steps.

With dilated samples it depends on a whole dilation window, and their blur on the canvas's mean and deviation at s:

    measure(s, r), reduce(s): z(s) round r, of all regions -> statistics(s)
    exchange(s, b): statistics(s), z(s) under a window     -> exchanged(s, b), predictions for a batch of its samples
    merge(s, r) reads them beside the contributions of the tiles

A recipe with global reductions has two chains of them, before ``prepare`` (the input's pixels) and before ``decode``
(z(N), with the decoder's halo); whoever follows a chain reads its last statistics:

    measure(k, r): statistics(k - 1) and what the chain reads of r  -> moments(k, r)
    reduce(k):     statistics(k - 1) and moments(k) of all regions  -> statistics(k)
"""

from __future__ import annotations

from pipeline.plan.plan import Plan, prompting_regions
from pipeline.plan.reductions import Reduction, chain_end, chain_previous, list_reductions, step_chain
from pipeline.tasks.denoise import reach
from storage.box import RegionGrid

from .task import CONTRIBUTING, Item, Kind, Part, Task

PROMPTS = Item("prompts", 0, 0)

_PRODUCTS = {
    Kind.EMBED: "prompts",
    Kind.PREPARE: "coarse",
    Kind.ENCODE: "z",
    Kind.DENOISE: "contribution",
    Kind.EXCHANGE: "exchanged",
    Kind.DECODE: "out",
    Kind.MEASURE: "moments",
    Kind.REDUCE: "statistics",
}
"""what each kind of task makes; merge makes a later z"""
_STEPPED = frozenset({*CONTRIBUTING, Kind.MEASURE, Kind.REDUCE})
"""tasks whose product is named by their own step"""
_PRODUCERS = {item: kind for kind, item in _PRODUCTS.items() if kind is not Kind.ENCODE}


class Graph:
    """The dependencies of one plan."""

    def __init__(self, plan: Plan) -> None:
        regions = plan.regions
        self.num_regions = regions.num_regions
        self.num_steps = plan.num_steps
        self.reads_text = plan.geometry.text_tokens is not None
        self.reads_global_tags = plan.recipe.prompts.least_confidence > 0
        """whether a tile's prompt can be that of the whole image"""
        self.reads_coarse, self.uses_coarse = plan.denoise_reads_coarse, plan.uses_coarse
        self.destinations: list[tuple[int, ...]] = []
        """regions that the tiles of each region touch, ascending; empty for a region where no tile starts"""
        for region in range(regions.num_regions):
            seen = reach(plan.tiles, regions, region, plan.jitter)
            self.destinations.append(() if seen is None else tuple(regions.overlapping(seen)))
        self.sources = _inverse(self.destinations)
        """regions whose tiles touch each region, ascending: the plan's order of summation"""
        self.is_guided = plan.is_guided
        self.merge_reads = [
            tuple(regions.overlapping(plan.merge_window(regions.box(r)))) for r in range(regions.num_regions)
        ]
        """regions whose z and contributions each region's merge reads: itself, and with a guide its neighbours"""
        self._merge_readers = _inverse(self.merge_reads)
        self._summed = [tuple(sorted({m for q in seen for m in self.sources[q]})) for seen in self.merge_reads]
        """regions whose contributions each region's merge reads, in the plan's order of summation"""
        self._summed_by = _inverse(self._summed)
        self._prompting = [self._prompted_by(plan, region) for region in range(regions.num_regions)]
        """regions whose prompts the tiles of each region read beside its own"""
        self._prompted = _inverse(self._prompting)
        halo = plan.decode_halo
        self.decode_reads = [
            tuple(regions.overlapping(regions.box(r).grown(halo, regions.canvas))) for r in range(regions.num_regions)
        ]
        self._decode_readers = _inverse(self.decode_reads)
        self._plan_exchange(plan)
        self.decodes, self.keeps_last = plan.stage.decodes, not plan.stage.is_last
        self.reductions = list_reductions(plan)
        self._step_ends = [chain_end(self.reductions, step_chain(step)) for step in range(plan.num_steps)]
        self._encode_end, self._decode_end = (chain_end(self.reductions, chain) for chain in ("encode", "decode"))
        self.order = _sweep(regions.rows, regions.cols)
        """place of each region in the sweep along the canvas's shorter side, which keeps the open front short"""
        self.front = self._most_at_once(regions)
        """contributions that merges along the sweep need at once"""

    def _most_at_once(self, regions: RegionGrid) -> int:
        spans = (regions.position(seen[-1])[0] - regions.position(seen[0])[0] + 1 for seen in self._summed)
        front = max(2, *spans) * min(regions.rows, regions.cols)
        # merges wait for their step's dilated samples: tiles go on meanwhile
        return min(2 * front, regions.num_regions) if self.exchange_reads else front

    def most_alive(self, workers: int) -> int:
        """Contributions that may be alive at once, so that so many tile workers have work and memory is bounded."""
        return max(4 * workers, self.front + 2 * workers + 4)

    def _plan_exchange(self, plan: Plan) -> None:
        """What each batch of dilated samples reads and where its predictions go; nothing where a recipe takes none."""
        self.exchange_reads: list[tuple[int, ...]] = []
        self.exchange_destinations: list[tuple[int, ...]] = []
        """regions under the window of each batch, ascending"""
        self.blur_reads: list[tuple[int, ...]] = []
        """regions that a region's blur sees"""
        dilation, regions = plan.dilation, plan.regions
        if dilation is not None:
            halo = dilation.factor - 1
            boxes = [dilation.window(window) for window, _, _ in dilation.batches(plan.denoise_settings.batch)]
            self.exchange_destinations = [tuple(regions.overlapping(box)) for box in boxes]
            self.exchange_reads = [tuple(regions.overlapping(box.grown(halo, regions.canvas))) for box in boxes]
            grown = [regions.box(r).grown(halo, regions.canvas) for r in range(regions.num_regions)]
            self.blur_reads = [tuple(regions.overlapping(box)) for box in grown]
        none: list[tuple[int, ...]] = [()] * regions.num_regions
        self.exchange_sources = _inverse(self.exchange_destinations, regions.num_regions)
        """batches whose predictions touch each region, ascending"""
        self._exchange_readers = _inverse(self.exchange_reads, regions.num_regions)
        self._exchanged = [
            tuple(sorted({batch for r in seen for batch in self.exchange_sources[r]})) for seen in self.merge_reads
        ]
        """batches whose predictions each region's merge reads"""
        self._exchanged_by = _inverse(self._exchanged, len(self.exchange_reads))
        self._blur_readers = _inverse(self.blur_reads) if self.blur_reads else none

    def receivers(self, task: Task) -> tuple[int, ...]:
        """Regions that a contributing task's results go to, ascending: in the order in which it returns them."""
        table = self.exchange_destinations if task.kind is Kind.EXCHANGE else self.destinations
        return table[task.region]

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
        if kind is Kind.EXCHANGE:
            found = [*self._statistics(self._step_ends[step]), *self._states(step, self.exchange_reads[region])]
            return [*found, PROMPTS] if self.reads_text else found
        if kind is Kind.MERGE:
            seen = self.merge_reads[region]
            needed = [Item("z", step, r) for r in seen]
            needed += [Item("coarse", 0, r) for r in seen] if self.is_guided else []
            needed += [Item("contribution", step, r) for r in self._summed[region]]
            return [*needed, *(Item("exchanged", step, batch) for batch in self._exchanged[region])]
        if kind is Kind.DECODE:
            return [*self._statistics(self._decode_end), *self._decoded(region)]
        if kind is Kind.MEASURE:
            reduction = self.reductions[step]
            before = self._statistics(chain_previous(self.reductions, step))
            return [*before, *self._measured(reduction, region)]
        if kind is Kind.REDUCE:
            before = self._statistics(chain_previous(self.reductions, step))
            return [*before, *(Item("moments", step, r) for r in range(self.num_regions))]
        return []

    def _measured(self, reduction: Reduction, region: int) -> list[Item]:
        """What the share of a region is measured of, beside the statistics before."""
        if reduction.kind == "blur":
            return self._states(reduction.layer, self.blur_reads[region])
        if reduction.chain == "encode":
            # what restores is steered by the tiles' words, which may be the whole image's
            return [PROMPTS] if self.reads_global_tags else []
        return self._decoded(region)

    def gate(self, task: Task) -> Item | None:
        """The input that comes last where a task has hundreds, so that one look tells that it has to wait."""
        end = self._step_ends[task.step] if task.kind is Kind.EXCHANGE else None
        return None if end is None else Item("statistics", end, 0)

    def parts(self, task: Task) -> list[Part]:
        """The contributions that a merge sums, in plan order; none for other tasks."""
        if task.kind is not Kind.MERGE:
            return []
        seen = self.merge_reads[task.region]
        makers = [Task(Kind.DENOISE, task.step, m) for m in self._summed[task.region]]
        makers += [Task(Kind.EXCHANGE, task.step, batch) for batch in self._exchanged[task.region]]
        return [Part(maker, r) for maker in makers for r in self.receivers(maker) if r in seen]

    def prompting(self, region: int) -> tuple[int, ...]:
        """Regions whose prompts the tiles of a region read, its own among them."""
        return (region, *self._prompting[region])

    def _prompted_by(self, plan: Plan, region: int) -> tuple[int, ...]:
        seen = reach(plan.tiles, plan.regions, region, plan.jitter)
        return tuple(prompting_regions(plan, seen)) if plan.has_places and seen is not None else ()

    def _statistics(self, k: int | None) -> list[Item]:
        return [] if k is None else [Item("statistics", k, 0)]

    def _states(self, step: int, regions: tuple[int, ...]) -> list[Item]:
        """Latents at a step, and what is mixed into them."""
        found = [Item("z", step, r) for r in regions]
        return [*found, *(Item("coarse", 0, r) for r in regions)] if self.reads_coarse else found

    def _decoded(self, region: int) -> list[Item]:
        """The last latents under a region and the decoder's halo."""
        return [Item("z", self.num_steps, r) for r in self.decode_reads[region]]

    def product(self, task: Task) -> Item:
        kind, step, region = task
        if kind is Kind.EMBED:
            return PROMPTS
        if kind is Kind.MERGE:
            return Item("z", step + 1, region)
        return Item(_PRODUCTS[kind], step if kind in _STEPPED else 0, region)

    def producer(self, item: Item) -> Task:
        kind, step, region = item
        if kind == "z":
            return Task(Kind.ENCODE, 0, region) if step == 0 else Task(Kind.MERGE, step - 1, region)
        return Task(_PRODUCERS[kind], step, region)

    def consumers(self, item: Item) -> list[Task]:
        """Tasks that read an item, but for those of a step that read conditioning: see ``conditioned_regions``."""
        kind, step, region = item
        if item == PROMPTS and self.reads_global_tags:
            measured = [k for k, one in enumerate(self.reductions) if one.chain == "encode"]
            measures = [Task(Kind.MEASURE, k, r) for k in measured for r in range(self.num_regions)]
            return [*measures, *(Task(Kind.PREPARE, 0, r) for r in range(self.num_regions))]
        if kind == "coarse":
            return [Task(Kind.ENCODE, 0, region)]
        if kind == "contribution":
            return [Task(Kind.MERGE, step, r) for r in self._summed_by[region]]
        if kind == "exchanged":
            return [Task(Kind.MERGE, step, r) for r in self._exchanged_by[region]]
        if kind == "z" and step == self.num_steps:
            readers = self._decode_readers[region]
            measuring = [k for k, one in enumerate(self.reductions) if one.chain == "decode"]
            # decode first: it is the last to run, so one look tells that the latents are still needed
            return [
                *(Task(Kind.DECODE, 0, r) for r in readers if self.decodes),
                *(Task(Kind.MEASURE, k, r) for k in measuring for r in readers),
            ]
        if kind == "moments":
            return [Task(Kind.REDUCE, step, 0)]
        if kind == "statistics":
            return self._followers(step)
        if kind == "z":
            return [
                *(Task(Kind.MERGE, step, r) for r in self._merge_readers[region]),
                *(Task(Kind.DENOISE, step, r) for r in self.sources[region]),
                *(Task(Kind.EXCHANGE, step, batch) for batch in self._exchange_readers[region]),
                *(Task(Kind.MEASURE, k, r) for k in self._measuring(step) for r in self._blur_readers[region]),
            ]
        return []

    def _measuring(self, step: int) -> list[int]:
        """Reductions that read the latents at a step before the last."""
        end = self._step_ends[step]
        return [] if end is None else [end]

    def _followers(self, k: int) -> list[Task]:
        """Tasks that read the statistics of reduction ``k``: the next one's, or those that come after the chain."""
        regions = range(self.num_regions)
        if self.reductions[k].kind == "blur":
            return [Task(Kind.EXCHANGE, self.reductions[k].layer, batch) for batch in range(len(self.exchange_reads))]
        if k == self._encode_end:
            return [Task(Kind.PREPARE, 0, r) for r in regions]
        if k == self._decode_end:
            return [Task(Kind.DECODE, 0, r) for r in regions if self.decodes]
        return [*(Task(Kind.MEASURE, k + 1, r) for r in regions), Task(Kind.REDUCE, k + 1, 0)]

    def conditioned_regions(self, item: Item) -> tuple[int, ...]:
        """Regions whose latents, at any step, wait for an item to be used: the prompts, or a coarse latent."""
        if item == PROMPTS:
            return tuple(range(self.num_regions))
        if item.kind != "coarse":
            return ()
        own = [item.region] if self.reads_coarse or self.is_guided else []
        return tuple(sorted({*own, *self._prompted[item.region]}))

    def goals(self) -> list[Item]:
        """What a whole run leaves behind: the decoded regions, and what a next stage reads."""
        goals = [Item("out", 0, r) for r in range(self.num_regions)] if self.decodes else []
        if self.keeps_last:
            goals += [Item("z", self.num_steps, r) for r in range(self.num_regions)]
            goals += self._statistics(self._decode_end)
        return goals

    def needed(self, available: set[Item]) -> set[Task]:
        """Tasks to run, given the items that are there, until the goals are. Walks back from the end."""
        todo: set[Task] = set()
        wanted = self.goals()
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
            Kind.EXCHANGE: len(self.exchange_reads) * self.num_steps,
            Kind.MERGE: self.num_regions * self.num_steps,
            Kind.DECODE: self.num_regions if self.decodes else 0,
            Kind.MEASURE: len(self.reductions) * self.num_regions,
            Kind.REDUCE: len(self.reductions),
        }


def _inverse(relation: list[tuple[int, ...]], num_targets: int | None = None) -> list[tuple[int, ...]]:
    inverse: list[list[int]] = [[] for _ in range(len(relation) if num_targets is None else num_targets)]
    for source, targets in enumerate(relation):
        for target in targets:
            inverse[target].append(source)
    return [tuple(sorted(sources)) for sources in inverse]


def _sweep(rows: int, cols: int) -> list[int]:
    if cols <= rows:
        return list(range(rows * cols))
    return [col * rows + row for row in range(rows) for col in range(cols)]
