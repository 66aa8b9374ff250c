"""From a small setup to a worker with its model loaded, in the process that it is for."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

from actors.artifacts.previous import Before
from actors.artifacts.tagging import LazyTagger
from pipeline.models.card import ModelCard
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.device import make_deterministic
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from pipeline.prompts.text_limit import TextLimit, load_text_limit
from pipeline.tasks.replica import Replica
from storage.run import RunStore

from .assembly import assemble
from .worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """All that a new worker needs; small, and sent once."""

    store: RunStore
    plan: bytes
    """the plan record"""
    model: str
    """the model as the user named it: each node finds its own copy"""
    allow_pickle: bool = False
    """whether its weights may be pickles"""
    vit: str | None = None
    """the vision transformer, likewise"""
    tagger: str | None = None
    """the tagger likewise; None for the model's own"""
    before: RunStore | None = None
    """the run of the stage before, in a progressive run's later stages"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A model in memory."""

    by: tuple[Any, ...]
    """what it was loaded by: a plan of which all of that is the same has the same model"""
    replica: Replica
    limit: TextLimit


@dataclass(slots=True)
class Workshop:
    """Builds one worker after another in this process; the model stays loaded as long as their plans have the same."""

    _loaded: _Loaded | None = field(default=None, init=False)

    def build(self, setup: WorkerSetup) -> Worker:
        """A worker for a plan. Raises as ``build_worker`` does."""
        plan = plan_from_json(setup.plan)
        make_deterministic(plan.device.threads)
        by = _loaded_by(setup, plan)
        if self._loaded is None or self._loaded.by != by:
            self._loaded = None  # two models at once may be too much for the memory
            self._loaded = _load(setup, plan, by)
        before = None if setup.before is None else Before(setup.before, plan)
        loaded = self._loaded
        return assemble(setup.store, plan, loaded.replica, loaded.limit, vit=setup.vit, before=before)


def build_worker(setup: WorkerSetup) -> Worker:
    """Load the model and open the store in this process.

    Raises ValueError where this node's copy of the model is not the one the plan was made with.
    """
    return Workshop().build(setup)


def _loaded_by(setup: WorkerSetup, plan: Plan) -> tuple[Any, ...]:
    recipe = plan.recipe
    model = setup.model, setup.allow_pickle, plan.model_fingerprint, plan.dropped, recipe.model.dtype
    return *model, recipe.model.options, plan.device, setup.tagger, plan.tagger, recipe.prompts.captions


def _load(setup: WorkerSetup, plan: Plan, by: tuple[Any, ...]) -> _Loaded:
    card = describe_model(setup.model, allow_pickle=setup.allow_pickle, strict=not plan.dropped)
    check_model(card, plan)
    recipe = plan.recipe
    assert recipe.model.dtype is not None
    backbone = load_backbone(card, device=plan.device.kind, dtype=recipe.model.dtype, options=recipe.model.options)
    limit = load_text_limit(card.location, card.geometry.inputs.text_tokens)
    return _Loaded(by=by, replica=Replica(backbone, LazyTagger(setup.tagger, plan).get), limit=limit)


def check_model(card: ModelCard, plan: Plan) -> None:
    if card.fingerprint != plan.model_fingerprint:
        raise ValueError(
            f"model {card.name} on {socket.gethostname()} has fingerprint {card.fingerprint[:12]}, the plan was made "
            f"with {plan.model_fingerprint[:12]}: put the same files on every node"
        )
