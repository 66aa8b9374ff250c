"""Prompts in the run store: each distinct one is encoded once, and what is lost or damaged is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actors.artifacts.layout import PROMPTS_ARRAY, prompt_blob
from actors.artifacts.prompts import PromptStore, read_prompt
from pipeline.plan.plan import Plan
from pipeline.prompts.record import PromptRecord, prompt_key
from pipeline.tasks.denoise import PromptTable
from pipeline.tasks.local_prompts import TilePrompt
from pipeline.tasks.prompt_table import CHANNELS, prompt_grid
from storage.run import RunStore
from tests.support.tiny import small_plan


class Encoder:
    """Embeds a prompt as its length; reads eight letters."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, text: str) -> PromptRecord:
        self.seen.append(text)
        embeddings = {"text": torch.full((2, 3), float(len(text)))}
        return PromptRecord(text=text, kept=text[:8], dropped=(text[8:],) if text[8:] else (), embeddings=embeddings)


@pytest.fixture
def plan() -> Plan:
    return small_plan()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path, plan: Plan) -> RunStore:
    url = request.getfixturevalue("s3_url") if request.param == "s3" else str(tmp_path / "run")
    made = RunStore.open(url)
    made.array(PROMPTS_ARRAY, channels=CHANNELS, grid=prompt_grid(plan), dtype="uint64", compress=True)
    return made


def prompts_for(plan: Plan, region: int) -> list[TilePrompt]:
    tiles = plan.tiles.owned_by(plan.regions.box(region))
    texts = ["water", "water", "roof", "a long prompt"]
    return [TilePrompt(texts[n % 4], "blur" if n % 3 == 0 else None) for n in range(len(tiles))]


def test_each_distinct_prompt_is_encoded_once(plan: Plan, store: RunStore) -> None:
    """Across tiles, regions and workers."""
    encode = Encoder()
    for worker in range(2):
        prompts = PromptStore(store, plan, encode)
        for region in range(plan.regions.num_regions):
            if wanted := prompts_for(plan, region):
                crc = prompts.write(region, wanted)
                assert crc == store.open_array(PROMPTS_ARRAY).crc(region)
        assert sorted(encode.seen) == ["a long prompt", "blur", "roof", "water"], worker


def test_what_was_written_is_read_by_tile(plan: Plan, store: RunStore) -> None:
    wanted = prompts_for(plan, 0)
    PromptStore(store, plan, Encoder()).write(0, wanted)
    found = PromptStore(store, plan, Encoder()).read(0)
    assert found is not None
    assert [found.records[key].text for key, _ in found.keys] == [one.prompt for one in wanted]
    own = PromptTable(embeddings={"text": torch.stack([torch.full((2, 3), -1.0), torch.full((2, 3), -2.0)])})
    places = [len(wanted) - 1, 0, 1, 0]
    table = found.rows(places, own)
    assert table.rows(1, 4)["text"][:, 0, 0].tolist() == [float(len(wanted[n].prompt)) for n in places]
    expected = [-1.0 if wanted[n].negative is None else 4.0 for n in places]
    assert table.rows(0, 4)["text"][:, 0, 0].tolist() == expected
    assert set(expected) == {-1.0, 4.0}


def test_without_negative_prompts_of_their_own_all_tiles_have_the_plans(plan: Plan, store: RunStore) -> None:
    prompts = PromptStore(store, plan, Encoder())
    prompts.write(0, [TilePrompt("water") for _ in prompts_for(plan, 0)])
    found = prompts.read(0)
    assert found is not None
    assert found.rows([0], PromptTable(embeddings={"text": torch.zeros(2, 2, 3)})).against is None


def test_lost_and_damaged(plan: Plan, store: RunStore) -> None:
    """None where a part is missing; writing again mends it, whatever was lost."""
    wanted, encode = prompts_for(plan, 0), Encoder()
    prompts = PromptStore(store, plan, encode)
    assert prompts.read(0) is None
    crc = prompts.write(0, wanted)
    blob, chunk = f"blobs/{prompt_blob(prompt_key('water'))}", f"{PROMPTS_ARRAY}/c/0/0/0"
    for key, damage in ((blob, None), (blob, b"short"), (chunk, None), (chunk, b"\x00" * 40)):
        whole = store.root.get(key)
        store.root.delete(key)
        if damage is not None:
            store.root.put(key, damage)
        fresh = PromptStore(store, plan, encode)
        assert fresh.read(0) is None
        assert fresh.write(0, wanted) == crc
        assert store.root.get(key) == whole
        assert PromptStore(store, plan, encode).read(0) is not None
    assert encode.seen.count("water") == 3
    record = read_prompt(store, prompt_key("a long prompt"))
    assert record is not None
    assert (record.kept, record.dropped) == ("a long p", ("rompt",))
