"""Tiles and regions without data, against a look at every pixel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.geometry.tiles import Tile
from pipeline.plan.cost import price, share_decoded, share_encoded
from pipeline.plan.emptiness import (
    cover,
    is_box_empty,
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


def area_needed(plan: Plan, held: np.ndarray, margin: int) -> np.ndarray:
    """bool ``[y, x]`` of the canvas: what lies so near to data, a pixel at a time."""
    canvas, needed = plan.regions.canvas, np.zeros(plan.regions.canvas.shape, bool)
    for top, left in zip(*np.nonzero(held[::8, ::8]), strict=True):
        needed[Box(top=8 * int(top), left=8 * int(left), height=8, width=8).grown(margin, canvas).slices] = True
    return needed


def test_windows_cover_what_is_read_for_data_once_and_little_more() -> None:
    plan, held = plan_of(squares(), region=128), squares().repeat(CELL, 0).repeat(CELL, 1)
    canvas, codec = plan.regions.canvas, plan.geometry.codec
    far = 32 + 2 * max(codec.encoder_halo, codec.decoder_halo, plan.decode_halo)
    for windows, margin in ((windows_encoded, far), (windows_decoded, plan.decode_halo)):
        times = np.zeros(canvas.shape, int)
        for region in range(plan.regions.num_regions):
            for window in windows(plan, plan.regions.box(region)):
                assert plan.regions.box(region).contains(window)
                times[window.slices] += 1
        needed = area_needed(plan, held, margin)
        assert times.max() == 1
        assert times[needed].all()
        assert needed.sum() <= times.sum() < 1.3 * needed.sum()
    assert share_encoded(plan) > share_decoded(plan) == pytest.approx(times.mean())


def test_a_window_is_halved_only_where_that_is_less_work() -> None:
    box = Box(top=5, left=7, height=64, width=128)

    def is_right(part: Box) -> bool:
        return part.left >= 7 + 48

    # with halos of 20, windows of 32 and of 16 would be more than one of 64
    assert sum(part.area for part in cover(box, is_right, 0)) == 64 * 48
    assert not any(is_right(part) for part in cover(box, is_right, 0))
    assert cover(box, is_right, 20) == [Box(top=5, left=7, height=64, width=64)]
    assert cover(box, lambda _part: True, 20) == []
    assert cover(box, lambda _part: False, 0) == [box]


def test_of_pictures_without_holes_windows_are_the_autoencoders() -> None:
    plan, box = plan_of(None, region=320), Box(top=0, left=0, height=320, width=300)
    assert windows_decoded(plan, box) == windows_encoded(plan, box) == list(cells(box, 256))


@pytest.mark.parametrize("recipe", [{"guide": "structure", "low_band": 1 / 64}])
def test_low_frequencies_are_drawn_from_two_cells_away(recipe: dict[str, object]) -> None:
    near, plan = Box(top=96 + 100, left=0, height=32, width=32), plan_of(squares(), **recipe)
    assert is_box_empty(plan_of(squares()), near)
    assert not is_box_empty(plan, near)


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
