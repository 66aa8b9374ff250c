"""Maps of attention to words through the whole engine, and the prompts that a later stage makes of them."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import PROMPTS_ARRAY, WORDS_BLOB, latent_name, words_name
from actors.artifacts.prompts import read_prompt
from actors.artifacts.words import read_words
from actors.drive import StoppedError
from pipeline.geometry.blend import tile_weight
from pipeline.models.attention.word_maps import record_words
from pipeline.models.protocol import Backbone, Conditioning, WordMaps
from pipeline.models.registry import describe_model, load_backbone
from pipeline.tasks.prompt_table import read_block
from storage.run import RunStore
from tests.support.runs import Case, diffusion_case, digest, sit

STEPS = 3


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Several regions, tiles at odd offsets, a solver with history; every latent is kept."""
    return diffusion_case(
        tmp_path_factory.mktemp("model"), collect_words=True, keep_steps=1, solver="dpm++2m", overlap=5
    )


def run(case: Case, folder: Path) -> RunStore:
    store = case.begin(str(folder / "run"))
    sit(case, store)
    return store


@pytest.fixture(scope="module")
def store(case: Case, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return run(case, tmp_path_factory.mktemp("run"))


def words_digest(store: RunStore) -> str:
    array = store.open_array(words_name(STEPS))
    return hashlib.sha256(array.read(array.grid.canvas).tobytes()).hexdigest()


def plain_maps(case: Case, store: RunStore, backbone: Backbone) -> np.ndarray:
    """[T, h, w] at the latent's resolution: every tile by itself, averaged with the blend's weights, summed over steps.

    From the latents that the run kept.
    """
    plan, solver = case.plan, case.plan.solver()
    text = backbone.embed([plan.recipe.prompts.text])
    weight = tile_weight(plan.recipe.tiles.blend, plan.tiles.tile_height, plan.tiles.tile_width)
    result: Any = 0
    for step in range(STEPS):
        z = torch.from_numpy(store.open_array(latent_name(step)).read(plan.regions.canvas))
        total, weights = np.zeros((16, *plan.regions.canvas.shape)), np.zeros(plan.regions.canvas.shape)
        for top in plan.tiles.tops:
            for left in plan.tiles.lefts:
                ys, xs = slice(top, top + plan.tiles.tile_height), slice(left, left + plan.tiles.tile_width)
                seen, maps = solver.scale_input(z[None, :, ys, xs], step), WordMaps()
                with record_words(backbone._unet, maps):  # type: ignore[attr-defined]
                    backbone.predict(seen, solver.timestep(step), Conditioning(text=text["text"]))
                total[:, ys, xs] += weight * maps.mean()[0].numpy().repeat(2, 1).repeat(2, 2)
                weights[ys, xs] += weight
        cells = (a.reshape(*a.shape[:-2], a.shape[-2] // 2, 2, -1, 2).sum((-3, -1)) for a in (total, weights))
        result = result + next(cells) / next(cells)
    return np.asarray(result)


def test_the_maps_equal_a_plain_loop(case: Case, store: RunStore) -> None:
    assert case.plan.regions.num_regions > 1
    assert any(left % 2 for left in case.plan.tiles.lefts)
    array = store.open_array(words_name(STEPS))
    found = array.read(array.grid.canvas)
    backbone = load_backbone(describe_model(case.model), device="cpu", dtype="float32")
    np.testing.assert_allclose(found, plain_maps(case, store, backbone), rtol=1e-4, atol=1e-5)
    with np.load(io.BytesIO(read_words(store, case.plan))) as table:
        np.testing.assert_allclose(table["maps"], found / STEPS, rtol=1e-6)
        np.testing.assert_allclose(table["maps"].sum(0), 1, rtol=1e-4)


def test_collecting_changes_no_pixel(case: Case, store: RunStore, tmp_path: Path) -> None:
    folder = Path(case.model).parent
    plain = diffusion_case(folder, keep_steps=1, solver="dpm++2m", overlap=5)
    assert digest(plain, run(plain, tmp_path)) == digest(case, store)


@pytest.mark.parametrize("until", [1, 2])
def test_stopped_and_resumed_it_sums_the_same(case: Case, store: RunStore, tmp_path: Path, until: int) -> None:
    """Stopped within a step; and a sum that was damaged meanwhile is made again with its latents."""
    again = case.begin(str(tmp_path / "run"))
    folder = Path(again.url) / "words" / f"s{until:04d}" / "c"
    with pytest.raises(StoppedError):
        sit(case, again, should_stop=lambda: folder.is_dir() and any(folder.rglob("*")))
    assert not (Path(again.url) / "words" / f"s{STEPS:04d}" / "c").is_dir()
    chunk = sorted(path for path in folder.rglob("*") if path.is_file())[0]
    chunk.write_bytes(chunk.read_bytes()[:-3] + b"abc")
    sit(case, RunStore.open(again.url))
    assert words_digest(again) == words_digest(store)
    assert digest(case, again) == digest(case, store)


def test_a_later_stage_says_what_the_maps_say(tmp_path: Path) -> None:
    """The first word, of two pieces, holds on the left and the second on the right: a tile has its own, or both."""
    plain = diffusion_case(tmp_path, prompt="ab cd", keep_steps=1)
    recipe = plain.plan.recipe.with_settings({"prompts.source": "attention", "prompts.word_share": 0.6})
    case = dataclasses.replace(plain, plan=dataclasses.replace(plain.plan, recipe=recipe))
    store = case.begin(str(tmp_path / "run"))
    maps = np.zeros((16, 8, 8), dtype=np.float32)
    maps[1:3, :, :4], maps[3:5, :, 4:] = 1, 1
    buffer = io.BytesIO()
    np.savez(buffer, maps=maps)
    store.put_blob(WORDS_BLOB, buffer.getvalue())
    sit(case, store)
    said, width = _prompts(case, store), case.plan.regions.width
    assert set(said.values()) == {"ab", "cd", "ab cd"}
    for (_, left), text in said.items():
        share = ((np.arange(left, left + 16) + 0.5) / width < 0.5).mean()
        assert text == ("ab" if share >= 0.6 else "cd" if share <= 0.4 else "ab cd")
    assert digest(plain, run(plain, tmp_path / "plain")) != digest(case, store)


def _prompts(case: Case, store: RunStore) -> dict[tuple[int, int], str]:
    """The stored prompt of every tile, by its place."""
    plan, table, said = case.plan, store.open_array(PROMPTS_ARRAY), {}
    for region in table.regions():
        keys = read_block(plan, region, table.read_region(region))
        for tile, (key, _) in zip(plan.tiles.owned_by(plan.regions.box(region)), keys, strict=True):
            record = read_prompt(store, key)
            assert record is not None
            said[tile.box.top, tile.box.left] = record.text
    return said
