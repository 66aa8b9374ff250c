"""A worker put together: one replica, one set of checksums and one reader of latents for all its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.artifacts.layout import EDGES
from actors.work import assembly as module
from actors.work.assembly import assemble
from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.prompts.text_limit import load_text_limit
from pipeline.tasks.replica import Replica
from storage.box import Box
from storage.run import RunStore
from tests.support.tiny import small_plan

PLAN = small_plan()


def replica_of(backbone: Any) -> Replica:
    return Replica(backbone, lambda model: model)  # type: ignore[arg-type, return-value]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.open(str(tmp_path / "run"))


def limit() -> Any:
    return load_text_limit("", None)


def test_what_the_journal_says_of_blobs_reaches_all_parts(store: RunStore) -> None:
    """Checksums come with each task, to the worker: whoever reads a blob must see them."""
    worker = assemble(store, PLAN, replica_of(AnalyticBackbone()), limit())
    preparation = worker.preparation
    readers = [preparation.own_prompts, preparation.global_tags, preparation.prompts, preparation.images]
    assert {id(one._blobs) for one in [*readers, worker.reductions, worker.words]} == {id(worker.blobs)}  # type: ignore[attr-defined]
    assert preparation.blobs is worker.blobs


def test_all_parts_use_one_replica_and_one_reader_of_latents(store: RunStore) -> None:
    replica = replica_of(AnalyticBackbone())
    worker = assemble(store, PLAN, replica, limit())
    assert worker.replica is worker.denoiser.replica is replica
    assert worker.merger.backbone is replica.backbone
    assert worker.denoiser.reads is worker.merger.reads is worker.states
    assert worker.denoiser.solver is worker.merger.solver


def test_a_later_stage_is_lifted_from_the_one_before_and_shown_its_edges(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Before:
        anchor = None

        def latents(self, box: Box) -> str:
            return f"latents of {box}"

        def pixels(self, window: Box) -> str:
            return f"pixels of {window}"

    def read_edges(given: RunStore, plan: Any) -> str:
        asked.append(EDGES)
        assert (given, plan) == (store, PLAN)
        return "edges"

    monkeypatch.setattr(module, "read_edges", read_edges)
    before: Any = Before()
    preparer: Any = assemble(store, PLAN, replica_of(AnalyticBackbone()), limit(), before=before).preparation.preparer
    box = Box(top=0, left=0, height=1, width=1)
    assert preparer._lifted(box) == f"latents of {box}"
    assert preparer._read_rgb(box) == f"pixels of {box}"
    assert preparer._edges == "edges"
    alone: Any = assemble(store, PLAN, replica_of(AnalyticBackbone()), limit()).preparation.preparer
    assert (alone._lifted, alone._edges) == (None, None)
    assert asked == [EDGES]
