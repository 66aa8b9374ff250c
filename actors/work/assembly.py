"""A worker from its parts, each of which knows only what was made before it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from actors.artifacts.blobs import Blobs
from actors.artifacts.difficulty import DifficultyMaps
from actors.artifacts.edges import read_edges
from actors.artifacts.image_prompts import StoredImagePrompts
from actors.artifacts.latents import States
from actors.artifacts.own_prompts import OwnPrompts
from actors.artifacts.pixels import read_bands, read_pixels, read_valid
from actors.artifacts.previous import Before
from actors.artifacts.prompts import PromptStore
from actors.artifacts.reductions import StoredReductions
from actors.artifacts.tagging import GlobalTags
from actors.artifacts.words import StoredWords
from pipeline.imaging.moments import Rescaling
from pipeline.plan.plan import Plan
from pipeline.prompts.record import PromptRecord
from pipeline.prompts.text_limit import TextLimit
from pipeline.tasks.codec import Codec
from pipeline.tasks.crop_tags import CropTags
from pipeline.tasks.decode import Decoder
from pipeline.tasks.denoise import Denoiser
from pipeline.tasks.finish import Finisher
from pipeline.tasks.local_prompts import Prompter, encode_prompt
from pipeline.tasks.merge import Merger
from pipeline.tasks.prepare import Preparer
from pipeline.tasks.reduce import Reducer
from pipeline.tasks.replica import Replica
from storage.run import RunStore

from .conditions import Conditions
from .exchange import Exchange
from .preparation import Preparation
from .worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a worker is made from."""

    store: RunStore
    plan: Plan
    replica: Replica
    limit: TextLimit
    vit: str | None
    """name of the vision transformer that difficulty is read from"""
    before: Before | None
    """the stage before"""


def assemble(
    store: RunStore,
    plan: Plan,
    replica: Replica,
    limit: TextLimit,
    *,
    vit: str | None = None,
    before: Before | None = None,
) -> Worker:
    """``vit`` names the vision transformer that difficulty is read from; ``before`` is the stage before."""
    inputs = Inputs(store=store, plan=plan, replica=replica, limit=limit, vit=vit, before=before)
    solver, blobs = plan.solver(), Blobs(store)
    states, words = States(store, plan, solver), StoredWords(store, plan, limit, blobs)
    preparation = _preparation(inputs, blobs, states, words)
    preparer, own_prompts, reductions = preparation.preparer, preparation.own_prompts.table, preparation.reductions
    conditions = Conditions(plan, preparer, preparation.images, own_prompts, preparation.local_prompts)
    denoiser = Denoiser(plan=plan, solver=solver, reads=states, replica=replica, gather_of=conditions.of)

    return Worker(
        store=store,
        plan=plan,
        replica=replica,
        blobs=blobs,
        states=states,
        words=words,
        reductions=reductions,
        preparation=preparation,
        denoiser=denoiser,
        exchange=Exchange(plan, states, reductions, denoiser, own_prompts),
        merger=Merger(plan=plan, solver=solver, reads=states, backbone=replica.backbone),
        decoder=Decoder(
            plan=plan,
            codec=Codec(replica.lend),
            last=reductions.last,
            enlarged=preparer.enlarged,
            statistics=functools.partial(reductions.table, "decode"),
            finisher=Finisher(plan=plan, pixels=read_bands(store), valid=read_valid(store, plan)),
        ),
    )


def _preparation(inputs: Inputs, blobs: Blobs, states: States, words: StoredWords) -> Preparation:
    store, plan, replica, limit, before = inputs.store, inputs.plan, inputs.replica, inputs.limit, inputs.before
    read_rgb = read_pixels(store, plan, before)
    tags = CropTags(plan=plan, read_rgb=read_rgb, in_tagger=replica.lend_tagger)
    global_tags = GlobalTags(blobs, tags.all_over)
    prompter = Prompter(plan, replica.lend, tags, global_tags.read, words.masks)
    maps = DifficultyMaps(store, plan, read_rgb, inputs.vit, replica.alone).sources
    lifted, edges = (None, None) if before is None else (before.latents, read_edges(store, plan))
    preparer = Preparer(plan, read_rgb, replica.lend, prompter, maps, lifted, edges)

    def first_anchor() -> Rescaling | None:
        # the stage before's own, which knows the first stage's
        return None if before is None else before.anchor

    def encode(text: str) -> PromptRecord:
        with replica.lend() as backbone:
            return encode_prompt(backbone, limit, text)

    reducer = Reducer(plan, preparer, Codec(replica.lend), states.at, first_anchor)
    return Preparation(
        store=store,
        plan=plan,
        blobs=blobs,
        own_prompts=OwnPrompts(store, plan, limit, replica.lend, blobs),
        global_tags=global_tags,
        prompter=prompter,
        prompts=PromptStore(store, plan, encode, blobs),
        preparer=preparer,
        images=StoredImagePrompts(store, plan, preparer, replica.lend, blobs),
        reductions=StoredReductions(store, plan, reducer, blobs),
    )
