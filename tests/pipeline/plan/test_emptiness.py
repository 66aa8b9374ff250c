"""Tiles and regions without data, against a look at every pixel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.geometry.tiles import Tile
from pipeline.models.families import analytic
from pipeline.plan.cost import price, share_decoded, share_encoded
from pipeline.plan.emptiness import (
    cover,
    is_region_empty,
    is_tile_empty,
    windows_decoded,
    windows_encoded,
)
from pipeline.plan.plan import Plan
from storage.box import Box, cells
from storage.occupancy import CELL, Occupancy
from tests.support.geometries import altered
from tests.support.tiny import small_plan


def plan_of(squares: np.ndarray | None, **settings: object) -> Plan:
    """Of an image of 10 x 12 squares, 4 times as large out, in regions of 64 latent pixels, of 4 output pixels each."""
    height, width = 10 * CELL, 12 * CELL
    plan = small_plan(**{"height": height, "width": width, "region": 64, "window": 32, "overlap": 16, **settings})
    table = None if squares is None else Occupancy.of(squares, height=height, width=width)
    image = dataclasses.replace(plan.image, occupancy=table, holes="pixels" if table else "none")
    return dataclasses.replace(plan, image=image)


def tiles_of(plan: Plan) -> list[Tile]:
    regions = plan.regions
    return [tile for region in range(regions.num_regions) for tile in plan.tiles.owned_by(regions.box(region))]


def squares() -> np.ndarray:
    found = np.zeros((10, 12), bool)
    found[:3, :4] = True
    found[9, 11] = True
    return found


def test_a_tile_is_empty_where_its_pixels_are() -> None:
    plan, held = plan_of(squares()), squares().repeat(CELL, 0).repeat(CELL, 1)
    assert plan.geometry.factor == plan.scale
    empty = [is_tile_empty(plan, tile.box) for tile in tiles_of(plan)]
    seen = 0 if plan.denoise_reads_coarse else max(plan.geometry.codec.encoder_halo, plan.geometry.codec.decoder_halo)
    expected = [not held[tile.box.grown(seen, plan.regions.canvas).slices].any() for tile in tiles_of(plan)]
    assert any(expected)
    assert not all(expected)
    # squares are coarser than pixels: what they call empty is
    assert all(by_pixel for by_square, by_pixel in zip(empty, expected, strict=True) if by_square)
    assert sum(empty) > 0.7 * sum(expected)


def test_a_region_is_empty_where_nothing_that_touches_it_holds_data() -> None:
    plan = plan_of(squares())
    found = {region for region in range(plan.regions.num_regions) if is_region_empty(plan, region)}
    assert found
    for region in found:
        box = plan.regions.box(region)
        assert all(is_tile_empty(plan, tile.box) for tile in plan.tiles.touching(box)), region
    assert not found & set(plan.regions.overlapping(dataclasses.replace(plan.regions.box(0), height=96, width=128)))


def near(plan: Plan, held: np.ndarray, margin: int) -> np.ndarray:
    """bool ``[y, x]`` of the canvas: what lies so near to data, square by square."""
    canvas, found = plan.regions.canvas, np.zeros(plan.regions.canvas.shape, bool)
    for top, left in zip(*np.nonzero(held[::8, ::8]), strict=True):
        found[Box(top=8 * int(top), left=8 * int(left), height=8, width=8).grown(margin, canvas).slices] = True
    return found


def under_tiles(plan: Plan, held: np.ndarray, reach: int) -> np.ndarray:
    """bool ``[y, x]`` of the canvas: what lies under tiles that hold data, wherever they move, and so near to them."""
    canvas, found = plan.regions.canvas, np.zeros(plan.regions.canvas.shape, bool)
    for tile in tiles_of(plan):
        if held[tile.box.grown(plan.jitter, canvas).slices].any():
            found[tile.box.grown(plan.jitter + reach, canvas).slices] = True
    return found


@pytest.mark.parametrize(
    ("recipe", "reach"),
    [
        ({}, 0),
        ({"colour": "wavelet"}, 0),
        ({"jitter": "step"}, 0),
        ({"guide": "structure", "low_band": 0.125, "steps": 2}, 32),
    ],
)
def test_windows_cover_what_is_read_for_data_once_and_little_more(recipe: dict[str, object], reach: int) -> None:
    plan, held = plan_of(squares(), region=128, **recipe), squares().repeat(CELL, 0).repeat(CELL, 1)
    encoded = near(plan, held, plan.decode_halo + reach) | under_tiles(plan, held, reach)
    for windows, needed in ((windows_encoded, encoded), (windows_decoded, near(plan, held, plan.decode_halo))):
        times = np.zeros(plan.regions.canvas.shape, int)
        for region in range(plan.regions.num_regions):
            box = plan.regions.box(region)
            for window in windows(plan, box):
                assert box.contains(window)
                times[window.slices] += 1
            assert is_region_empty(plan, region) or windows is not windows_encoded or times[box.slices].any()
        assert times.max() == 1
        assert times[needed].all()
        assert needed.sum() <= times.sum() < 1.4 * needed.sum()
    assert share_encoded(plan) >= share_decoded(plan) == pytest.approx(times.mean())


def test_dilated_samples_look_at_latents_everywhere() -> None:
    plan = plan_of(squares(), dilated=1.0)
    assert share_encoded(plan) == 1
    assert share_decoded(plan) < 1
    assert not any(is_region_empty(plan, region) for region in range(plan.regions.num_regions))


def test_a_smaller_copy_of_the_picture_shows_all_of_it() -> None:
    """By which the group norms of an autoencoder are measured."""
    geometry = altered(analytic.GEOMETRY, codec={"encoder_norms": 1, "decoder_norms": 1, "norm_groups": 1})
    plans = [
        plan_of(squares(), model=dataclasses.replace(analytic.CARD, geometry=geometry), codec_norm=norm)
        for norm in ("fast", "window")
    ]
    assert share_encoded(plans[0]) == 1 > share_encoded(plans[1])


def test_a_window_is_halved_only_where_that_is_less_work() -> None:
    box, wanted = Box(top=5, left=7, height=64, width=128), np.zeros((4, 8), bool)
    wanted[:, [1, 4]] = True
    apart = [Box(top=5, left=left, height=64, width=16) for left in (23, 71)]
    assert all(any(whole.contains(part) for whole in apart) for part in cover(box, wanted, 0))
    assert sum(part.area for part in cover(box, wanted, 0)) == 2 * 64 * 16
    # with halos of 20, two windows of 16 would be more than one of 64
    assert cover(box, wanted, 20) == [Box(top=5, left=23, height=64, width=64)]
    assert cover(box, np.zeros((4, 8), bool), 20) == []
    assert cover(box, np.ones((4, 8), bool), 0) == [box]


def test_windows_at_the_edges_are_cut() -> None:
    """A box that squares do not divide: the last ones are smaller."""
    box, wanted = Box(top=0, left=0, height=20, width=40), np.array([[False, False, True], [False, False, True]])
    assert cover(box, wanted, 0) == [Box(top=0, left=32, height=20, width=8)]


def test_of_pictures_without_holes_windows_are_the_autoencoders() -> None:
    plan, box = plan_of(None, region=320), Box(top=0, left=0, height=320, width=300)
    assert windows_decoded(plan, box) == windows_encoded(plan, box) == list(cells(box, 256))


@pytest.mark.parametrize("held", [None, np.ones((10, 12), bool)])
def test_where_data_are_everywhere_nothing_is_spared(held: np.ndarray | None) -> None:
    plan = plan_of(held, batch=1)
    assert not any(is_region_empty(plan, region) for region in range(plan.regions.num_regions))
    assert price(plan).forwards == plan.tiles.num_tiles * plan.num_steps
    assert share_encoded(plan) == share_decoded(plan) == 1


def test_the_price_is_that_of_the_tiles_that_hold_data() -> None:
    plan = plan_of(squares(), batch=1)
    seen = sum(not is_tile_empty(plan, tile.box) for tile in tiles_of(plan))
    assert 0 < seen < plan.tiles.num_tiles
    assert price(plan).forwards == seen * plan.num_steps
    whole = price(plan_of(None, batch=1))
    assert 0 < price(plan).decodes / whole.decodes < price(plan).encodes / whole.encodes < 1


def test_tiles_that_move_count_wherever_they_may_be() -> None:
    still, moving = plan_of(squares(), batch=1), plan_of(squares(), batch=1, jitter="step")
    assert moving.jitter > 0
    assert price(moving).forwards > price(still).forwards


@pytest.mark.parametrize("halos", [{"encoder_halo": 90, "decoder_halo": 3}, {"encoder_halo": 3, "decoder_halo": 90}])
def test_the_wider_of_what_the_autoencoder_sees_counts(halos: dict[str, int]) -> None:
    """From noise there is no coarse latent: data 64 latent pixels away are seen through the autoencoder."""
    plan = plan_of(squares(), coarse=None, start="noise")
    geometry = altered(plan.geometry, coarse=False, **halos)
    plan = dataclasses.replace(plan, geometry=geometry)
    assert not plan.denoise_reads_coarse
    per_square = CELL * plan.scale // plan.geometry.factor
    near = Box(top=3 * per_square + 64, left=0, height=32, width=32)
    assert not is_tile_empty(plan, near)
    assert is_tile_empty(plan, Box(top=3 * per_square + 97, left=0, height=32, width=32))
