"""The plan's own prompts: embedded once, cut to what is read, and made again where they were lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
import torch

from actors.artifacts.blobs import Blobs
from actors.artifacts.layout import PROMPT_BLOB
from actors.artifacts.own_prompts import OwnPrompts
from pipeline.models.families import analytic
from storage.errors import CorruptRegionError
from storage.run import RunStore
from tests.support.geometries import altered
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, text_tokens=77))


class Limit:
    """Reads eight letters."""

    def cut(self, text: str) -> Any:
        return dataclasses.make_dataclass("Cut", ["prompt"])(text[:8])


class Model:
    """Embeds a prompt as its length."""

    geometry = MODEL.geometry

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        self.asked.append(prompts)
        return {"text": torch.tensor([[[float(len(prompt))]] for prompt in prompts])}

    @contextmanager
    def lend(self) -> Iterator[Any]:
        yield self


def own_prompts(store: RunStore, model: Model, blobs: Blobs | None = None, **recipe: Any) -> OwnPrompts:
    plan = small_plan(model=MODEL, prompt="a long prompt", negative_prompt="x", guidance=2.0, **recipe)
    limit: Any = Limit()
    return OwnPrompts(store, plan, limit, model.lend, blobs or Blobs(store))


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.open(str(tmp_path / "run"))


def test_the_negative_prompt_is_the_first_row_and_both_are_cut(store: RunStore) -> None:
    model = Model()
    prompts = own_prompts(store, model)
    checksum = prompts.embed()
    assert model.asked == [["x", "a long p"]]
    data = store.get_blob(PROMPT_BLOB)
    assert data is not None
    assert checksum == google_crc32c.value(data)
    table = prompts.table()
    assert table.embeddings["text"].flatten().tolist() == [1.0, 8.0]
    assert prompts.table() is table
    assert len(model.asked) == 1


def test_another_worker_reads_what_one_embedded(store: RunStore) -> None:
    own_prompts(store, Model()).embed()
    model = Model()
    assert own_prompts(store, model).table().embeddings["text"].flatten().tolist() == [1.0, 8.0]
    assert model.asked == []


def test_lost_embeddings_are_made_again(store: RunStore) -> None:
    model = Model()
    assert own_prompts(store, model).table().embeddings["text"].flatten().tolist() == [1.0, 8.0]
    assert len(model.asked) == 1


def test_damage_is_seen_by_the_journals_checksum(store: RunStore) -> None:
    """Another prompt's embeddings are of the right form; made again they are what the journal says."""
    checksum = own_prompts(store, Model()).embed()
    other = Model()
    limit: Any = Limit()
    another = small_plan(model=MODEL, prompt="sea", negative_prompt="fog", guidance=2.0)
    OwnPrompts(store, another, limit, other.lend, Blobs(store)).embed()
    blobs = Blobs(store)
    blobs.expect({PROMPT_BLOB: checksum})
    assert own_prompts(store, Model(), blobs).table().embeddings["text"].flatten().tolist() == [1.0, 8.0]
    wrong = Blobs(store)
    wrong.expect({PROMPT_BLOB: checksum + 1})
    with pytest.raises(CorruptRegionError, match="not the same when it is made again"):
        own_prompts(store, Model(), wrong).table()


def test_a_model_without_words_has_none(store: RunStore) -> None:
    model, limit = Model(), Limit()
    given: Any = limit
    prompts = OwnPrompts(store, small_plan(), given, model.lend, Blobs(store))
    assert prompts.table().embeddings == {}
    assert model.asked == []
