"""The worker: one model replica that carries out tasks against the run store. A plain class; Ray only wraps it.

Messages are tasks and small outcomes. Pixels and latents go through the store, contributions through the executor.
What a task computes stands in pipeline/tasks; here it is read from and written to the store.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from actors.artifacts.blobs import Blobs, Sums
from actors.artifacts.latents import States
from actors.artifacts.layout import DISAGREEMENT, OUT, compared_name, history_name, latent_name, words_name
from actors.artifacts.reductions import StoredReductions
from actors.artifacts.words import StoredWords
from actors.schedule.task import Hello, Kind, Outcome, Task
from pipeline.plan.plan import Plan
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.decode import Decoder
from pipeline.tasks.denoise import Denoiser
from pipeline.tasks.merge import Merger
from pipeline.tasks.replica import Replica
from storage.errors import NotFiniteError
from storage.run import RunStore

from .exchange import Exchange
from .golden import greet
from .preparation import Done, Preparation


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Carries out tasks of one plan. Two threads may call ``run``: one reads and writes while the other computes."""

    store: RunStore
    plan: Plan
    replica: Replica
    blobs: Blobs
    states: States
    words: StoredWords
    reductions: StoredReductions
    preparation: Preparation
    denoiser: Denoiser
    exchange: Exchange
    merger: Merger
    decoder: Decoder

    def hello(self) -> Hello:
        """What this worker is, with a checksum of the model's prediction for a fixed input."""
        return greet(self.plan, self.replica.backbone, self.replica.goldens)

    def run(
        self, task: Task, contributions: Sequence[Contribution], sums: Sums | None = None
    ) -> tuple[Outcome, list[Contribution]]:
        """Carry out one task. ``contributions`` (merge only) come in plan order; tasks that contribute return some.

        ``sums``: the journal's checksums of blobs that the task may read.
        """
        self.blobs.expect(sums or {})
        self.replica.start_count()
        started = time.perf_counter()
        try:
            done = self._carry_out(task, contributions)
        except NotFiniteError as e:
            raise NotFiniteError(f"{task}: {e}") from e
        outcome = Outcome(
            crc32c=done.crc32c,
            extra=done.extra,
            seconds=time.perf_counter() - started,
            backbone_seconds=self.replica.seconds,
            forwards=self.replica.forwards,
            active=done.active,
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            bytes_read=self.store.root.traffic.read,
            bytes_written=self.store.root.traffic.written,
            ended=time.time(),
        )
        return outcome, done.contributions

    def _carry_out(self, task: Task, contributions: Sequence[Contribution]) -> Done:
        step, region = task.step, task.region
        actions: dict[Kind, Callable[[], Done]] = {
            Kind.EMBED: self.preparation.embed,
            Kind.PREPARE: lambda: self.preparation.prepare(region),
            Kind.ENCODE: lambda: self._encode(region),
            Kind.DENOISE: lambda: Done(contributions=self.denoiser.denoise(step, region)),
            Kind.EXCHANGE: lambda: Done(contributions=self.exchange.exchange(step, region)),
            Kind.MERGE: lambda: self._merge(step, region, contributions),
            Kind.DECODE: lambda: self._decode(region),
            Kind.MEASURE: lambda: Done(crc32c=self.reductions.measure(step, region)),
            Kind.REDUCE: lambda: Done(crc32c=self.reductions.reduce(step)),
        }
        return actions[task.kind]()

    def _write(self, name: str, region: int, values: Any) -> int:
        return self.store.open_array(name).write(region, values)

    def _encode(self, region: int) -> Done:
        box = self.plan.regions.box(region)
        noise, coarse = torch.from_numpy(self.states.noise(box, draw=0)), None
        if self.plan.recipe.sampling.start == "image":
            coarse = torch.from_numpy(self.states.coarse(box))
        return Done(crc32c=self._write(latent_name(0), region, self.merger.solver.start(noise, coarse).numpy()))

    def _merge(self, step: int, region: int, contributions: Sequence[Contribution]) -> Done:
        merged = self.merger.merge(step, region, contributions)
        extra = {}
        if merged.history is not None:
            name = history_name(step + 1)
            extra[name] = self._write(name, region, merged.history)
        if self.plan.recipe.prompts.collect_words:
            extra[words_name(step + 1)] = self.words.add(step, region, contributions)
        if merged.disagreement is not None:
            name = compared_name(step + 1)
            extra[name] = self._write(name, region, merged.disagreement)
        return Done(crc32c=self._write(latent_name(step + 1), region, merged.latents), extra=extra)

    def _decode(self, region: int) -> Done:
        extra = {}
        if self.plan.recipe.tiles.disagreement:
            spread = self.store.open_array(compared_name(self.plan.num_steps)).read_region(region)
            extra[DISAGREEMENT] = self._write(DISAGREEMENT, region, spread)
        return Done(crc32c=self._write(OUT, region, self.decoder.decode(region)), extra=extra)
