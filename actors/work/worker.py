"""The worker: one model replica that carries out tasks against the run store. A plain class; Ray only wraps it.

Messages are tasks and small outcomes. Pixels and latents go through the store, contributions through the executor.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import google_crc32c
import numpy as np
import torch

from actors.artifacts.blobs import BLOBS, Blobs, Sums
from actors.artifacts.difficulty import DifficultyMaps
from actors.artifacts.edges import read_edges
from actors.artifacts.image_prompts import StoredImagePrompts
from actors.artifacts.latents import States
from actors.artifacts.layout import (
    COARSE,
    DIFFICULTY,
    GLOBAL_TAGS_BLOB,
    OUT,
    PIXELS,
    PROMPTS_ARRAY,
    history_name,
    image_prompt_blob,
    words_name,
)
from actors.artifacts.own_prompts import OwnPrompts
from actors.artifacts.previous import Before
from actors.artifacts.prompts import PromptStore, RegionPrompts
from actors.artifacts.reductions import StoredReductions
from actors.artifacts.tagging import GlobalTags, LazyTagger
from actors.artifacts.words import StoredWords
from actors.schedule.task import Hello, Kind, Outcome, Task
from pipeline.geometry.noise import keyed_noise
from pipeline.geometry.tiles import Tile
from pipeline.imaging.finite import TOO_STRONG, at, check_weights, finite, finite_table
from pipeline.imaging.moments import Rescaling
from pipeline.imaging.pixels import to_rgb
from pipeline.models.protocol import Backbone, Conditioning, WordMaps, num_branches
from pipeline.plan.device import describe_device, package_versions
from pipeline.plan.plan import Plan
from pipeline.prompts.record import PromptRecord
from pipeline.prompts.tagging import Tagger
from pipeline.prompts.text_limit import TextLimit
from pipeline.sampling.guidance import guide_prediction
from pipeline.tasks.activity import active_pixels, active_tiles, count_active
from pipeline.tasks.codec import Codec
from pipeline.tasks.combine import combine, tiles_at
from pipeline.tasks.compat import sample_scales, tile_scales
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.decode import Decoder
from pipeline.tasks.denoise import DENOISER, Idle, PromptTable, cut, denoise_region, predict_tiles, reach
from pipeline.tasks.local_prompts import Prompter, encode_prompt
from pipeline.tasks.merge import merge_region
from pipeline.tasks.prepare import Preparer
from pipeline.tasks.reduce import Reducer, Table
from pipeline.tasks.rest import mask, rest
from pipeline.tasks.word_sums import sum_words
from storage.box import Box
from storage.errors import NotFiniteError
from storage.run import RunStore

from .conditions import Conditions
from .exchange import Exchange


class Worker:
    """Carries out tasks of one plan. Two threads may call ``run``: one reads and writes while the other computes."""

    def __init__(
        self,
        store: RunStore,
        plan: Plan,
        backbone: Backbone,
        text_limit: TextLimit,
        tagger: LazyTagger,
        vit: str | None = None,
        before: Before | None = None,
    ) -> None:
        """``vit`` names the vision transformer that difficulty is read from; ``before`` is the stage before."""
        self.store, self.plan, self.backbone = store, plan, backbone
        self._text_limit, self._tagger = text_limit, tagger
        self.solver = plan.solver()
        self._states, self._before = States(store, plan, self.solver), before
        self._compute = threading.RLock()
        self._clock = threading.local()
        self._blobs = blobs = Blobs(store)
        self._own_prompts = OwnPrompts(store, plan, text_limit, self._in_backbone, blobs)
        maps = DifficultyMaps(store, plan, self._read_rgb, vit, self._compute)
        self._global_tags = GlobalTags(blobs, lambda: self._prompter.tag_all_over())
        self._words = StoredWords(store, plan, text_limit, blobs)
        self._prompter = Prompter(
            plan, self._read_rgb, self._in_backbone, self._in_tagger, self._global_tags.read, self._words.masks
        )
        self._prompt_store = PromptStore(store, plan, self._encode_prompt, blobs)
        lifted = None if before is None else before.latents
        edges = None if before is None else read_edges(store, plan)
        self._preparer = Preparer(plan, self._read_rgb, self._in_backbone, self._prompter, maps.sources, lifted, edges)
        self._images = StoredImagePrompts(store, plan, self._preparer, self._in_backbone, blobs)
        self._conditions = Conditions(plan, self._preparer, self._images, self._own_prompts.table, self._local_prompts)
        self._codec = Codec(self._in_backbone)
        reducer = Reducer(plan, self._preparer, self._codec, self._states.at, self._first_anchor)
        self._reductions = StoredReductions(store, plan, reducer, blobs)
        self._decoder = Decoder(
            plan=plan,
            codec=self._codec,
            last=self._reductions.last,
            enlarged=self._preparer.enlarged,
            statistics=self._decode_statistics,
        )
        self._dilated = Exchange(plan, self._states, self._reductions)

    def hello(self) -> Hello:
        """What this worker is, with a checksum of the model's prediction for a fixed input."""
        facts = describe_device(self.plan.device.kind, self.plan.device.threads)
        golden, fault = 0, ""
        try:
            check_weights(self.backbone, "the model")
            golden = self._golden()
        except NotFiniteError as e:
            # told, not raised: where another worker's copy is sound the run goes on
            fault = str(e)
        return Hello(
            device=dataclasses.asdict(facts),
            versions=package_versions(self.plan.versions),
            golden=golden,
            fault=fault,
            node=socket.gethostname(),
            pid=os.getpid(),
        )

    def _golden(self) -> int:
        geometry, settings = self.plan.geometry, self.plan.denoise_settings
        box = Box(top=0, left=0, height=settings.tiles.tile_height, width=settings.tiles.tile_width)
        noise = torch.from_numpy(keyed_noise(box, channels=geometry.channels, seed=0, stage=0, draw=0))
        batch = noise.expand(settings.batch, *noise.shape).contiguous()
        words = finite_table(self.backbone.embed(["", ""]), "the text encoder", "for no words")
        table = PromptTable(embeddings=words)
        rows = table.rows(1, settings.batch)
        coarse = batch.flip(-1) if self.plan.model_reads_coarse else None
        given = Conditioning(coarse=coarse, neighbourhood=self.plan.neighbourhood(0), **rows)
        prediction = self.backbone.predict(batch, self.solver.timestep(0), given)
        finite(prediction, DENOISER, "for a fixed input")
        return int(google_crc32c.value(prediction.contiguous().numpy().tobytes()))

    def run(
        self, task: Task, contributions: Sequence[Contribution], sums: Sums | None = None
    ) -> tuple[Outcome, list[Contribution]]:
        """Carry out one task. ``contributions`` (merge only) come in plan order; tasks that contribute return some.

        ``sums``: the journal's checksums of blobs that the task may read.
        """
        self._blobs.expect(sums or {})
        self._clock.backbone, self._clock.forwards, self._clock.active = 0.0, 0, ()
        started = time.perf_counter()
        actions: dict[Kind, Callable[[], tuple[int, dict[str, Any], list[Contribution]]]] = {
            Kind.EMBED: self._embed,
            Kind.PREPARE: lambda: self._prepare(task.region),
            Kind.ENCODE: lambda: self._encode(task.region),
            Kind.DENOISE: lambda: self._denoise(task.step, task.region),
            Kind.EXCHANGE: lambda: self._exchange(task.step, task.region),
            Kind.MERGE: lambda: self._merge(task.step, task.region, contributions),
            Kind.DECODE: lambda: self._decode(task.region),
            Kind.MEASURE: lambda: (self._reductions.measure(task.step, task.region), {}, []),
            Kind.REDUCE: lambda: (self._reductions.reduce(task.step), {}, []),
        }
        try:
            crc32c, extra, made = actions[task.kind]()
        except NotFiniteError as e:
            raise NotFiniteError(f"{task}: {e}") from e
        outcome = Outcome(
            crc32c=crc32c,
            extra=extra,
            seconds=time.perf_counter() - started,
            backbone_seconds=self._clock.backbone,
            forwards=self._clock.forwards,
            active=self._clock.active,
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )
        return outcome, made

    @contextmanager
    def _in_backbone(self) -> Iterator[Backbone]:
        """One computation at a time: the other thread's model call would fight over the same cores or GPU."""
        with self._compute:
            started = time.perf_counter()
            yield self.backbone
            self._clock.backbone += time.perf_counter() - started

    @contextmanager
    def _in_tagger(self) -> Iterator[Tagger]:
        with self._in_backbone() as backbone:
            yield self._tagger.get(backbone)

    # -- the tasks ---------------------------------------------------------------------------------------------------

    def _embed(self) -> tuple[int, dict[str, Any], list[Contribution]]:
        blobs = {}
        if self.plan.recipe.prompts.least_confidence > 0:
            self._global_tags.find()
            blobs[GLOBAL_TAGS_BLOB] = self._blobs.sum(GLOBAL_TAGS_BLOB)
        return self._own_prompts.embed(), {BLOBS: blobs} if blobs else {}, []

    def _prepare(self, region: int) -> tuple[int, dict[str, Any], list[Contribution]]:
        plan, blobs = self.plan, dict[str, int]()
        extra: dict[str, Any] = {}
        box = plan.regions.box(region)
        coarse, difficulty = self._preparer.prepare(box, self._reductions.table("encode"))
        if plan.recipe.prompts.source != "global" and plan.prompt_tiles.owned_by(box):
            extra[PROMPTS_ARRAY], blobs = self._prompt_locally(region)
        if plan.recipe.image_prompts.source != "none" and plan.tiles.owned_by(box):
            self._images.look(region)
            blobs[image_prompt_blob(region)] = self._blobs.sum(image_prompt_blob(region))
        if difficulty is not None:
            extra[DIFFICULTY] = self.store.open_array(DIFFICULTY).write(region, difficulty)
            tiles = plan.tiles.owned_by(box)
            self._clock.active = tuple(count_active(plan.recipe, tiles, box, difficulty[0], plan.timesteps))
        if blobs:
            extra[BLOBS] = blobs
        return self.store.open_array(COARSE).write(region, coarse), extra, []

    def _prompt_locally(self, region: int) -> tuple[int, dict[str, int]]:
        """Tag the input under each tile of the region and keep the prompts; written before the coarse latent is.

        Returns the checksum of their table, and those of the blobs that hold them.
        """
        tiles = self.plan.prompt_tiles.owned_by(self.plan.regions.box(region))
        prompts = [self._prompter.prompt(tile) for tile in tiles]
        return self._prompt_store.write(region, prompts), self._prompt_store.sums(prompts)

    def _encode_prompt(self, text: str) -> PromptRecord:
        with self._in_backbone() as backbone:
            return encode_prompt(backbone, self._text_limit, text)

    def _read_rgb(self, window: Box) -> torch.Tensor:
        """Input pixels of a window: ``[3, y, x]``, 0 and 1 at the ends of the value range, not clipped."""
        if self._before is not None:
            return self._before.pixels(window)
        return to_rgb(self.plan.value_range.to_unit(self.store.open_array(PIXELS).read(window)))

    def _encode(self, region: int) -> tuple[int, dict[str, Any], list[Contribution]]:
        plan = self.plan
        box = plan.regions.box(region)
        noise = torch.from_numpy(self._states.noise(box, draw=0))
        coarse = None
        if plan.recipe.sampling.start == "image":
            coarse = torch.from_numpy(self._states.coarse(box))
        z = self.solver.start(noise, coarse)
        return self._states.latents(0).write(region, z.numpy()), {}, []

    def _denoise(self, step: int, region: int) -> tuple[int, dict[str, Any], list[Contribution]]:
        plan = self.plan
        seen = reach(plan.tiles, plan.regions, region, plan.jitter)
        assert seen is not None
        z = self._states.at(step, seen)
        coarse = self._states.coarse(seen) if plan.denoise_reads_coarse else None
        owned = tiles_at(plan, step, region)
        gather = self._conditions.of(step, region, owned, seen, coarse)
        words = sum_words(plan, seen) if plan.recipe.prompts.collect_words else None

        def predict(tiles: list[Tile], latents: torch.Tensor) -> torch.Tensor:
            given, table = gather(tiles)
            maps = None if words is None else WordMaps()
            with self._in_backbone() as backbone:
                scales = tile_scales(plan, self.solver, step, tiles)
                predictions = self._predict(backbone, step, latents, given, table, scales, maps)
            if words is not None and maps is not None:
                words.add(tiles, maps.mean().cpu().numpy())
            return predictions

        idle = self._idle(step, seen, owned, z, coarse) if coarse is not None and plan.has_difficulty else None
        with self._compute:
            made = denoise_region(plan.denoise_settings, owned, seen, z, predict, idle)
        contributions = [made[destination] for destination in sorted(made)]
        if words is not None:
            contributions = [dataclasses.replace(one, words=words.part(one.box)) for one in contributions]
        return 0, {}, contributions

    def _predict(
        self,
        backbone: Backbone,
        step: int,
        latents: torch.Tensor,
        given: Conditioning,
        prompts: PromptTable,
        scales: torch.Tensor | None,
        words: WordMaps | None = None,
    ) -> torch.Tensor:
        """Guided predictions for one full batch, counted."""
        guidance = self.plan.denoise_settings.guidance
        self._clock.forwards += len(latents) * num_branches(self.plan.geometry, guidance)
        return predict_tiles(backbone, self.solver, step, latents, given, prompts, guidance, scales=scales, words=words)

    def _exchange(self, step: int, number: int) -> tuple[int, dict[str, Any], list[Contribution]]:
        """Predictions for one batch of dilated samples: under the whole prompt, and without structure."""
        batch, latents, given = self._dilated.gather(step, number)
        with self._in_backbone() as backbone:
            scales = sample_scales(self.plan, self.solver, step, len(latents))
            predictions = self._predict(backbone, step, latents, given, self._own_prompts.table(), scales)
        return 0, {}, self._dilated.share_out(batch, predictions)

    def _idle(self, step: int, seen: Box, tiles: list[Tile], z: np.ndarray, coarse: np.ndarray) -> Idle:
        """Those of ``tiles`` that the model does not see at ``step``; z and coarse over ``seen``."""
        recipe = self.plan.recipe
        difficulty = self.store.open_array(DIFFICULTY).read(seen)[0]
        active = set(active_tiles(recipe, tiles, seen, difficulty, self.plan.timesteps[step], self.plan.refined_from))

        def predict(tile: Tile) -> np.ndarray:
            still = (cut(values, seen, tile.box) for values in (z, coarse))
            return rest(recipe, self.solver, self.backbone, step, *still)

        return Idle(tiles=frozenset(tiles) - active, predict=predict)

    def _merge(
        self, step: int, region: int, contributions: Sequence[Contribution]
    ) -> tuple[int, dict[str, Any], list[Contribution]]:
        plan = self.plan
        box = plan.regions.box(region)
        wide = plan.merge_window(box)
        around = self._states.at(step, wide)
        z = cut(around, wide, box)
        prediction = self._average(step, box, wide, around, contributions)
        if plan.recipe.difficulty.activity == "mask":
            difficulty, coarse = self.store.open_array(DIFFICULTY).read(box)[0], self._states.coarse(box)
            resting = rest(plan.recipe, self.solver, self.backbone, step, z, coarse)
            assert plan.recipe.difficulty.lower_bound is not None
            active = active_pixels(
                difficulty, plan.timesteps[step], plan.recipe.difficulty.lower_bound, plan.refined_from
            )
            prediction = mask(active, prediction, resting)
        history = self._states.history(step).read(box) if self.solver.num_history and step > 0 else None
        noise = self._states.noise(box, draw=step + 1) if self.solver.is_stochastic else None
        z_next, history_next = merge_region(self.solver, step, z, prediction, history, noise)
        finite(z_next, "the solver", at(box), mend=f'try dtype = "float32"; {TOO_STRONG}')
        extra = {}
        if history_next is not None and step + 1 < plan.num_steps:
            extra[history_name(step + 1)] = self._states.history(step + 1).write(region, history_next)
        if plan.recipe.prompts.collect_words:
            extra[words_name(step + 1)] = self._words.add(step, region, contributions)
        return self._states.latents(step + 1).write(region, z_next), extra, []

    def _average(
        self, step: int, box: Box, wide: Box, z: np.ndarray, contributions: Sequence[Contribution]
    ) -> np.ndarray:
        """What a step predicts of a region: the tiles' mean, drawn to the coarse latent where a recipe asks for it.

        ``z`` lies over ``wide``, all that the region's merge reads.
        """
        plan, canvas = self.plan, self.plan.regions.canvas
        prediction = combine(plan, step, contributions, wide, channels=plan.geometry.channels)
        if not plan.is_guided:
            return prediction
        coarse, cell = self._states.coarse(wide), plan.recipe.guidance.low_cell
        return guide_prediction(self.solver, step, z, prediction, coarse, wide=wide, canvas=canvas, box=box, cell=cell)

    def _decode(self, region: int) -> tuple[int, dict[str, Any], list[Contribution]]:
        return self.store.open_array(OUT).write(region, self._decoder.decode(region)), {}, []

    # -- what the tasks read -----------------------------------------------------------------------------------------

    def _first_anchor(self) -> Rescaling | None:
        """The stage before's anchor, which knows the first stage's."""
        return None if self._before is None else self._before.anchor

    def _decode_statistics(self) -> Table:
        return self._reductions.table("decode")

    def _local_prompts(self, region: int) -> RegionPrompts:
        found = self._prompt_store.read(region)
        if found is None:
            # lost with a machine's page cache: tagging again gives the same words
            self._prompt_locally(region)
            found = self._prompt_store.read(region)
        assert found is not None
        return found
