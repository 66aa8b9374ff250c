"""Progressive runs for tests: the plans of a small picture from words, and their sittings one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actors.artifacts.layout import WORDS_BLOB
from actors.artifacts.words import read_words
from cluster.pictures.edges import bring_edges
from pipeline.models.registry import describe_model
from pipeline.plan.device import describe_device, package_versions
from pipeline.plan.plan import Plan
from pipeline.plan.presets import parse_recipe
from pipeline.plan.stages import bind_series
from storage.run import RunStore
from tests.support.runs import Case, sit
from tests.support.tiny import write_stable_diffusion

SMALL: dict[str, Any] = {
    "preset": "demofusion",
    "prompt": "abc",
    "negative_prompt": "x",
    "solver": "euler",
    "spacing": "leading",
    "steps": 4,
    "guidance": 2.0,
    "batch": 2,
    "region": 16,
    "keep_steps": 4,
}


def tiny_model(folder: Path, *, xl: bool = True) -> str:
    """A tiny SDXL, whose window is 16 latent pixels, 128 pixels."""
    model = folder / ("tiny-xl" if xl else "tiny-sd")
    if not model.is_dir():
        write_stable_diffusion(model, xl=xl)
    return str(model)


def plan_series(model: str, height: int, width: int, **recipe: Any) -> tuple[Plan, ...]:
    """The plans of a picture of ``height x width`` pixels, on this machine's CPU with one thread."""
    return bind_series(
        parse_recipe({**SMALL, **recipe}, where="test"),
        height=height,
        width=width,
        model=describe_model(model),
        device=describe_device("cpu", 1),
        versions=package_versions(),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """Stores of a series, one a plan."""

    model: str
    plans: tuple[Plan, ...]
    stores: tuple[RunStore, ...]

    def case(self, index: int) -> Case:
        before = self.stores[index - 1] if index else None
        return Case(image=np.zeros((3, 1, 1), np.uint8), model=self.model, plan=self.plans[index], before=before)

    def sit(self, indices: Sequence[int] | None = None, **options: Any) -> None:
        """Sit through all stages, or some, in order; options as of ``tests.support.runs.sit``."""
        for index in range(len(self.plans)) if indices is None else indices:
            if self.plans[index].recipe.prompts.source == "attention":
                self.stores[index].put_blob(WORDS_BLOB, read_words(self.stores[0], self.plans[0]))
            self.bring_edges(index)
            sit(self.case(index), self.stores[index], **options)

    def bring_edges(self, index: int, on_rows: Callable[[], None] = lambda: None) -> None:
        """What the driver does before a stage whose ControlNets are shown edges."""
        store, plan = self.stores[index], self.plans[index]
        if index and "edges" in plan.recipe.structure.shown:
            lease = store.acquire_lease("test", heartbeat_s=0.05, patience=2)
            try:
                records = store.journal.replay()
                bring_edges(store, plan, self.stores[index - 1], lease, records, on_rows=on_rows)
            finally:
                lease.release()


def begin(folder: Path, model: str, plans: tuple[Plan, ...]) -> Series:
    """New runs of all stages."""
    stores = tuple(RunStore.open(str(folder / f"stage-{index}")) for index in range(len(plans)))
    for store, plan in zip(stores, plans, strict=True):
        store.write_plan(plan.to_json())
    return Series(model=model, plans=plans, stores=stores)
