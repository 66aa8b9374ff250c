"""One region's tiles through a made-up model: what it is given, and what its predictions add up to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.geometry.blend import axis_window, tile_weight
from pipeline.geometry.tiles import Tile, TileGrid, plan_tiles
from pipeline.models.families import analytic
from pipeline.models.protocol import Conditioning, WordMaps
from pipeline.plan.facts import DenoiseSettings
from pipeline.sampling.solver import build_solver
from pipeline.tasks.denoise import Denoiser, Idle, PromptTable, cut, denoise_region, embed_own, predict_tiles, reach
from pipeline.tasks.replica import Replica
from pipeline.tasks.rest import rest
from storage.box import Box, RegionGrid
from storage.errors import NotFiniteError
from tests.support.geometries import altered
from tests.support.tiny import small_plan

REGIONS = RegionGrid(height=26, width=40, side=16)
TILES = plan_tiles(26, 40, window=10, stride=7)


class Model:
    """Answers with its latents times a number that depends on the text; remembers what it was given."""

    def __init__(self, **geometry: Any) -> None:
        self.geometry = altered(analytic.GEOMETRY, **geometry)
        self.seen: list[tuple[torch.Tensor, float, Conditioning]] = []

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, given: Conditioning) -> torch.Tensor:
        self.seen.append((latents, float(timestep), given))
        assert given.text is not None
        return latents * given.text.view(-1, 1, 1, 1)

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        return {"text": torch.tensor([float(len(prompt) + 1) for prompt in prompts]).view(-1, 1, 1)}

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    decode = encode

    @contextlib.contextmanager
    def recording(self, maps: WordMaps) -> Iterator[None]:
        before = len(self.seen)
        yield
        assert len(self.seen) == before + 1, "the conditional branch alone"
        maps.add(torch.ones(1, 1, 1, 1))


SOLVER = build_solver("euler", {**analytic.SCHEDULER, "timestep_spacing": "trailing"}, steps=4)
TABLE = PromptTable(embeddings={"text": torch.tensor([[[2.0]], [[5.0]]])})
LATENTS = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


def predict(model: Any, guidance: float, table: PromptTable = TABLE, **more: Any) -> torch.Tensor:
    conditioning = more.pop("conditioning", Conditioning())
    return predict_tiles(model, SOLVER, 1, LATENTS, conditioning, table, guidance, **more)


@pytest.mark.parametrize("guidance", [2.5, 7.5, 0.5])
def test_guidance_is_its_formula(guidance: float) -> None:
    """u + g (c - u), of what the solver shows the model at that step; row 0 is the negative prompt."""
    model = Model()
    scaled = LATENTS / (float(SOLVER.scheduler.sigmas[1]) ** 2 + 1) ** 0.5
    found = predict(model, guidance)
    torch.testing.assert_close(found, scaled * (2 + guidance * (5 - 2)))
    assert [given.text.shape for _, _, given in model.seen] == [(3, 1, 1), (3, 1, 1)]
    assert [given.guidance for _, _, given in model.seen] == [guidance, guidance]
    assert [time for _, time, _ in model.seen] == [749, 749]


@pytest.mark.parametrize(("guidance", "embeds"), [(1.0, False), (0.0, False), (7.5, True)])
def test_one_branch_is_the_prompt_alone(guidance: float, embeds: bool) -> None:
    model = Model(embeds_guidance=embeds)
    found = predict(model, guidance)
    torch.testing.assert_close(found, model.seen[0][0] * 5)
    assert len(model.seen) == 1


def test_scales_in_place_of_the_solvers() -> None:
    found = predict(Model(), 1.0, scales=torch.tensor([1.0, 0.5, 2.0]))
    torch.testing.assert_close(found, LATENTS * torch.tensor([5.0, 2.5, 10.0]).view(3, 1, 1, 1))


def test_prompts_of_each_tile_and_against_it() -> None:
    each, against = (torch.tensor(one).view(3, 1, 1) for one in ([1.0, 2.0, 3.0], [0.0, -1.0, 4.0]))
    table = PromptTable(embeddings=TABLE.embeddings, each={"text": each}, against={"text": against})
    found = predict(Model(), 3.0, table, scales=torch.ones(3))
    torch.testing.assert_close(found, LATENTS * torch.tensor([3.0, 8.0, 1.0]).view(3, 1, 1, 1))
    torch.testing.assert_close(table.rows(1, 3)["text"], each)
    own = PromptTable(embeddings=TABLE.embeddings, each={"text": each})
    assert own.rows(0, 3)["text"].flatten().tolist() == [2, 2, 2]


def test_the_negative_branch_sees_no_image_prompt_and_all_else() -> None:
    model, image = Model(), torch.ones(3, 1, 2)
    shown = {"image": torch.ones(3, 3, 5, 6)}
    predict(model, 2.0, conditioning=Conditioning(image=image, structure=shown, step=(1, 4)))
    (_, _, positive), (_, _, negative) = model.seen
    assert positive.image is image
    assert negative.image is not None
    assert not negative.image.any()
    assert (negative.structure, negative.step) == (positive.structure, positive.step) == (shown, (1, 4))


def test_maps_are_those_of_the_prompt() -> None:
    maps = WordMaps()
    predict(Model(), 2.0, words=maps)
    assert maps.mean().shape == (1, 1, 1, 1)


@pytest.mark.parametrize(("bad", "where"), [(0, "the denoiser .* at step 1"), (1, "without words, at step 1")])
def test_no_numbers_of_either_branch_are_refused(bad: int, where: str) -> None:
    class Broken(Model):
        def predict(self, latents: torch.Tensor, timestep: torch.Tensor, given: Conditioning) -> torch.Tensor:
            found = super().predict(latents, timestep, given)
            return found * float("nan") if len(self.seen) == bad + 1 else found

    with pytest.raises(NotFiniteError, match=where):
        predict(Broken(), 2.0)


def test_what_guidance_itself_blows_up_is_refused() -> None:
    table = PromptTable(embeddings={"text": torch.tensor([[[-1e20]], [[1e20]]])})
    with pytest.raises(NotFiniteError, match=r"guidance of 1e\+30 .*try less guidance"):
        predict(Model(), 1e30, table)


def test_own_prompts_are_the_negative_and_then_the_prompt() -> None:
    model: Any = Model()
    assert embed_own(model, "ab", "abcd")["text"].flatten().tolist() == [3, 5]
    assert embed_own(model, "", "abcd")["text"].flatten().tolist() == [1, 5]
    zero: Any = Model(zero_negative=True)
    assert embed_own(zero, "", "abcd")["text"].flatten().tolist() == [0, 5]
    assert embed_own(zero, "ab", "abcd")["text"].flatten().tolist() == [3, 5]


@pytest.mark.parametrize("jitter", [0, 3])
def test_a_region_sees_what_its_tiles_cover(jitter: int) -> None:
    for region in range(REGIONS.num_regions):
        owned = TILES.owned_by(REGIONS.box(region))
        rows = {y for tile in owned for y in range(tile.box.top - jitter, tile.box.bottom + jitter) if 0 <= y < 26}
        cols = {x for tile in owned for x in range(tile.box.left - jitter, tile.box.right + jitter) if 0 <= x < 40}
        seen = reach(TILES, REGIONS, region, jitter)
        assert (seen is None) == (not owned)
        if seen is not None:
            assert (seen.top, seen.bottom) == (min(rows), max(rows) + 1)
            assert (seen.left, seen.right) == (min(cols), max(cols) + 1)


def test_a_narrow_last_column_owns_no_tile() -> None:
    grid = TileGrid(tile_height=8, tile_width=8, tops=(0,), lefts=(0, 8))
    assert reach(grid, RegionGrid(height=8, width=20, side=16), 1) is None


def test_beyond_the_canvas_are_zeros() -> None:
    have, values = Box(top=4, left=10, height=3, width=5), np.arange(1, 16, dtype=np.float32).reshape(1, 3, 5)
    for box in (
        Box(top=5, left=11, height=2, width=3),
        Box(top=2, left=13, height=4, width=6),
        Box(top=6, left=7, height=4, width=5),
        Box(top=40, left=40, height=2, width=3),
    ):
        expected = np.zeros((1, *box.shape), dtype=np.float32)
        for y in range(box.height):
            for x in range(box.width):
                row, col = box.top + y - 4, box.left + x - 10
                if 0 <= row < 3 and 0 <= col < 5:
                    expected[0, y, x] = values[0, row, col]
        np.testing.assert_array_equal(cut(values, have, box), expected)


Predict = Callable[[list[Tile], torch.Tensor], torch.Tensor]


def denoise(region: int, predict: Predict, *, batch: int = 2, blend: str = "cosine", idle: Idle | None = None) -> Any:
    """Of a region whose latents are their own row and column, two channels."""
    settings = DenoiseSettings(tiles=TILES, regions=REGIONS, batch=batch, guidance=1.0, blend=blend)
    seen = reach(TILES, REGIONS, region)
    assert seen is not None
    z = np.stack(np.mgrid[seen.top : seen.bottom, seen.left : seen.right]).astype(np.float32)
    return denoise_region(settings, TILES.owned_by(REGIONS.box(region)), seen, z, predict, idle)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("region", [0, 1, 3, 4])
def test_contributions_by_a_loop(region: int, batch: int) -> None:
    """Weight times prediction, tile by tile, cut at the regions; tiles of the batch get their own latents."""
    calls: list[list[Tile]] = []

    def answer(tiles: list[Tile], latents: torch.Tensor) -> torch.Tensor:
        calls.append(tiles)
        for tile, own in zip(tiles, latents, strict=True):
            expected = np.stack(np.mgrid[tile.box.top : tile.box.bottom, tile.box.left : tile.box.right])
            np.testing.assert_array_equal(own.numpy(), expected)
        factors = torch.tensor([1.0 + tile.row + 10 * tile.col for tile in tiles])
        return latents * factors.view(-1, 1, 1, 1)

    found = denoise(region, answer, batch=batch)
    owned = TILES.owned_by(REGIONS.box(region))
    expected = np.zeros((2, 26, 40), dtype=np.float64)
    for tile in owned:
        ys, xs = tile.box.slices
        values = np.stack(np.mgrid[tile.box.top : tile.box.bottom, tile.box.left : tile.box.right])
        expected[:, ys, xs] += tile_weight("cosine", 10, 10) * values * (1 + tile.row + 10 * tile.col)
    seen = reach(TILES, REGIONS, region)
    assert list(found) == list(REGIONS.overlapping(seen))
    for destination, one in found.items():
        assert one.box == REGIONS.box(destination).intersection(seen)
        assert one.total.dtype == np.float32
        np.testing.assert_allclose(one.total, expected[:, *one.box.slices], rtol=1e-5, atol=1e-5)
    # whole batches always: the last tile fills a short one up
    flat = [tile for call in calls for tile in call]
    assert [len(call) for call in calls] == [batch] * -(-len(owned) // batch)
    assert flat == owned + owned[-1:] * (len(flat) - len(owned))


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_sums_are_made_row_by_row_in_single_precision_after_what_rests(batch: int) -> None:
    """1, 1e8 and -1e8 in another order are another sum: idle tiles first, then row-major."""
    owned = TILES.owned_by(REGIONS.box(0))
    assert [(tile.row, tile.col) for tile in owned] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (2, 1),
        (2, 2),
    ]
    said = dict(zip(owned, [3e7, -5e7, 1.25, 7e7, -0.5, 2e7, 1e8, -9e7, 0.75], strict=True))
    resting = frozenset({owned[4], owned[2]})

    def answer(tiles: list[Tile], latents: torch.Tensor) -> torch.Tensor:
        assert not resting & {*tiles}
        return torch.stack([torch.full_like(latents[0], said[tile]) for tile in tiles])

    idle = Idle(tiles=resting, predict=lambda tile: np.full((2, 10, 10), said[tile], dtype=np.float32))
    for quiet, order in ((None, owned), (idle, [owned[2], owned[4], *(t for t in owned if t not in resting)])):
        found = denoise(0, answer if quiet else answer_all(said), batch=batch, blend="uniform", idle=quiet)
        total = np.zeros((26, 40), dtype=np.float32)
        for tile in order:
            total[tile.box.slices] += np.float32(said[tile])
        for one in found.values():
            np.testing.assert_array_equal(one.total[1], total[one.box.slices])
        backwards = np.zeros((26, 40), dtype=np.float32)
        for tile in reversed(order):
            backwards[tile.box.slices] += np.float32(said[tile])
        assert (backwards != total).any(), "numbers that tell the orders apart"


def answer_all(said: dict[Tile, float]) -> Predict:
    return lambda tiles, latents: torch.stack([torch.full_like(latents[0], said[tile]) for tile in tiles])


def test_only_idle_tiles_is_no_pass_of_the_model() -> None:
    owned = TILES.owned_by(REGIONS.box(1))
    idle = Idle(tiles=frozenset(owned), predict=lambda tile: np.ones((2, 10, 10), dtype=np.float32))

    def refuse(*_: Any) -> torch.Tensor:
        raise AssertionError("the model was asked")

    found = denoise(1, refuse, idle=idle)
    assert sum(float(one.total[0].sum()) for one in found.values()) == pytest.approx(
        len(owned) * float(tile_weight("cosine", 10, 10).sum()), rel=1e-5
    )


def test_geometry_of_a_table_without_text() -> None:
    """A model that reads no text has no rows at all."""
    assert PromptTable().rows(0, 3) == {} == PromptTable().rows(1, 3)
    assert embed_own(SimpleNamespace(embed=lambda _: {}, geometry=analytic.GEOMETRY), "", "a") == {}  # type: ignore[arg-type]


def test_a_tile_that_is_not_square_has_weights_of_its_shape() -> None:
    """A canvas of eight rows: tiles of 8 x 10, each sums to itself where it stands alone."""
    regions, tiles = RegionGrid(height=8, width=40, side=16), plan_tiles(8, 40, window=10, stride=7)
    assert (tiles.tile_height, tiles.tile_width) == (8, 10)
    settings = DenoiseSettings(tiles=tiles, regions=regions, batch=2, guidance=1.0, blend="cosine")
    seen = reach(tiles, regions, 0)
    assert seen is not None
    z = np.ones((1, *seen.shape), dtype=np.float32)
    found = denoise_region(settings, tiles.owned_by(regions.box(0)), seen, z, lambda _, latents: latents * 3)
    total = np.zeros((8, 40))
    for tile in tiles.owned_by(regions.box(0)):
        total[tile.box.slices] += 3 * np.outer(axis_window("cosine", 8), axis_window("cosine", 10))
    for one in found.values():
        np.testing.assert_allclose(one.total[0], total[one.box.slices], rtol=1e-6)


class Held:
    """What a run holds: latents that tell their place and step, a coarse latent, a difficulty that grows along x."""

    def at(self, step: int, box: Box) -> np.ndarray:
        rows, cols = np.mgrid[box.top : box.bottom, box.left : box.right].astype(np.float32)
        return np.stack([rows / 99, cols / 99] * 2) + np.float32(step)

    def coarse(self, box: Box) -> np.ndarray:
        return self.at(7, box)

    def difficulty(self, box: Box) -> np.ndarray:
        return np.repeat(np.arange(box.left, box.right, dtype=np.float32)[None] % 64 / 64, box.height, 0)


class Doubles:
    """A model that doubles what it is shown."""

    geometry = analytic.GEOMETRY

    def predict(self, latents: torch.Tensor, _timestep: torch.Tensor, _given: Conditioning) -> torch.Tensor:
        return latents * 2


@pytest.mark.parametrize("activity", ["all", "mask"])
@pytest.mark.parametrize("region", [0, 1])
def test_a_region_of_a_plan_by_its_parts(activity: str, region: int) -> None:
    """Its tiles where they are at the step, of the latents and the coarse latent that they see; counted; and where
    difficulty lets tiles rest, those are led to the coarse latent without the model."""
    given = {} if activity == "all" else {"activity": "mask", "difficulty": "gradient", "lower_bound": 0.1}
    plan = small_plan(steps=4, batch=2, window=24, overlap=8, region=64, **given)
    solver, step, asked = plan.solver(), 1, []
    replica = Replica(Doubles(), lambda _: None)  # type: ignore[arg-type,return-value]

    def conditions(*words: Any) -> Any:
        asked.append(words)
        return lambda tiles: (Conditioning(), PromptTable())

    denoiser = Denoiser(plan=plan, solver=solver, reads=Held(), replica=replica, gather_of=conditions)  # type: ignore[arg-type]
    found = denoiser.denoise(step, region)
    seen, owned = reach(plan.tiles, plan.regions, region), plan.tiles.owned_by(plan.regions.box(region))
    assert seen is not None
    z, coarse = Held().at(step, seen), Held().coarse(seen)
    ((told_step, told_region, told_tiles, told_seen, told_coarse),) = asked
    assert (told_step, told_region, told_tiles, told_seen) == (step, region, owned, seen)
    np.testing.assert_array_equal(told_coarse, coarse)
    resting = set()
    if activity == "mask":
        hardest = {tile: float(Held().difficulty(tile.box).max()) for tile in owned}
        resting = {tile for tile in owned if 1000 * (hardest[tile] + 0.1) < plan.timesteps[step]}
        assert 0 < len(resting) < len(owned)

    def still(tile: Tile) -> np.ndarray:
        return rest(plan.recipe, solver, Doubles(), step, cut(z, seen, tile.box), cut(coarse, seen, tile.box))  # type: ignore[arg-type]

    expected = denoise_region(
        plan.denoise_settings,
        owned,
        seen,
        z,
        lambda _, latents: solver.scale_input(latents, step) * 2,
        Idle(tiles=frozenset(resting), predict=still) if resting else None,
    )
    assert [one.box for one in found] == [expected[destination].box for destination in sorted(expected)]
    for one, destination in zip(found, sorted(expected), strict=True):
        np.testing.assert_allclose(one.total, expected[destination].total, rtol=1e-5, atol=1e-5)
        assert one.words is None
    assert replica.forwards == 2 * -(-(len(owned) - len(resting)) // 2)
