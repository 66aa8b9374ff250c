"""Stages: their sizes, how each follows the one before, and what they are told."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.plan.presets import parse_recipe
from pipeline.plan.record import plan_from_json
from pipeline.plan.stages import bind_series, stage_sizes
from tests.support.geometries import altered
from tests.support.tiny import DEVICE

MODEL = dataclasses.replace(
    analytic.CARD,
    geometry=altered(analytic.GEOMETRY, window=32, multiple=8, text_tokens=8, word_cell=4),
    defaults=dataclasses.replace(analytic.DEFAULTS, text_steps=6, text_guidance=3.0),
)
"""a card only: nothing here runs. Its native size is 128 pixels"""


def plans_of(height: int, width: int, **recipe: Any) -> tuple[Plan, ...]:
    settings = {"stages": "double", "start": "image", "prompt": "a, b", "region": 32, **recipe}
    return bind_series(
        parse_recipe(settings, where="test"), height=height, width=width, model=MODEL, device=DEVICE, versions={}
    )


@given(st.integers(64, 5000), st.integers(64, 5000))
def test_linear_sizes_grow_from_native_to_the_whole(height: int, width: int) -> None:
    sizes = stage_sizes(height, width, native=128, growth="linear")
    assert sizes[-1] == (height, width)
    assert max(sizes[0]) <= 128 or len(sizes) == 1
    longer = [max(size) for size in sizes]
    assert longer == sorted(set(longer))
    for rows, cols in sizes:
        # the picture's own shape, to a pixel
        assert abs(rows - cols * height / width) <= 1 + height / width
    assert len(sizes) == math.ceil(max(height, width) / 128)


@given(st.integers(1024, 40000), st.integers(1024, 40000), st.sampled_from([8, 16, 32]))
def test_doubling_begins_at_the_native_area_in_the_pictures_shape(height: int, width: int, unit: int) -> None:
    """Area within a third, shape within half a per cent or as near as the grid has it, no growth above two."""
    sizes = stage_sizes(height, width, native=1024, growth="double", unit=unit)
    assert sizes[-1] == (height, width)
    canvases = [(-(-rows // unit), -(-cols // unit)) for rows, cols in sizes]
    assert all(side % unit == 0 for size in sizes[:-1] for side in size)
    first, last = canvases[0], canvases[-1]
    area = first[0] * first[1] * unit**2 / 1024**2
    assert 0.66 < area < 1.5
    # whoever rounds the sides of that area to the grid is no nearer to the shape
    off = abs(math.log(first[0] * last[1] / first[1] / last[0]))
    ideal = math.sqrt(1024**2 * last[0] / last[1]) / unit, math.sqrt(1024**2 * last[1] / last[0]) / unit
    rounded = abs(math.log(round(ideal[0]) * last[1] / round(ideal[1]) / last[0]))
    assert off <= max(0.005, rounded) + 1e-9
    for earlier, later in itertools.pairwise(canvases):
        assert all(small <= large <= 2 * small for small, large in zip(earlier, later, strict=True))
        assert earlier != later


@pytest.mark.parametrize(
    ("size", "first", "count"),
    [
        ((2048, 2048), (1024, 1024), 2),
        ((4096, 4096), (1024, 1024), 3),
        ((2100, 2100), (1056, 1056), 2),
        ((1440, 2560), (736, 1312), 2),
        ((1100, 1100), (1100, 1100), 1),
        ((1024, 8192), (352, 2816), 3),
    ],
)
def test_first_stages_of_a_model_of_1024_pixels(size: tuple[int, int], first: tuple[int, int], count: int) -> None:
    sizes = stage_sizes(*size, native=1024, growth="double", unit=32)
    assert (sizes[0], len(sizes)) == (first, count)


def test_a_table_of_positions_bounds_the_first_stage() -> None:
    sizes = stage_sizes(1024, 8192, native=1024, growth="double", unit=32, longest=1536)
    assert max(sizes[0]) <= 1536


def test_the_first_stage_is_one_window_of_any_shape() -> None:
    """Four times as wide as high: of native area, so wider than the window and the region that later stages have."""
    first, *later = plans_of(256, 1024)
    # a region is of whole cells, which the first stage need not be
    assert plans_of(256, 1024, lift="mixed", low_band=1 / 24, region=48)[0].recipe.tiles.region == 72
    assert (first.height_out, first.width_out) == (64, 256)
    assert first.tiles.num_tiles == first.regions.num_regions == 1
    assert all(plan.recipe.tiles.region == 32 for plan in later)
    assert {(plan.stage.height_first, plan.stage.width_first) for plan in (first, *later)} == {(64, 256)}


def test_each_stage_knows_the_one_before() -> None:
    plans = plans_of(512, 320)
    assert [plan.stage.index for plan in plans] == [0, 1, 2]
    assert plans[0].stage.before is None
    for earlier, later in itertools.pairwise(plans):
        assert later.stage.before == earlier.hash
        assert (later.stage.height_before, later.stage.width_before) == earlier.regions.canvas.shape
    assert [plan.stage.is_last for plan in plans] == [False, False, True]
    assert (plans[-1].height_out, plans[-1].width_out) == (512, 320)
    # all of an earlier canvas is shown, so that the next one lies over it edge to edge
    assert all(plan.height_out == plan.regions.height * MODEL.geometry.factor for plan in plans[:-1])
    assert [plan_from_json(plan.to_json()) for plan in plans] == list(plans)


def test_the_first_stage_goes_without_a_picture() -> None:
    rich = {
        "skip": 2.0,
        "dilated": 1.0,
        "jitter": "step",
        "interaction": True,
        "colour": "wavelet",
        "guide": "structure",
    }
    first, *later = plans_of(256, 256, **rich)
    for name, value in rich.items():
        assert first.recipe.value(name) != value, name
        assert all(plan.recipe.value(name) == value for plan in later), name
    assert (first.recipe.sampling.start, later[0].recipe.sampling.start) == ("noise", "image")
    assert first.tiles.num_tiles == 1


def test_one_stage_keeps_what_needs_no_picture() -> None:
    (plan,) = plans_of(256, 256, stages="one", start="noise", dilated=1.0, jitter="step", skip=2.0)
    assert (plan.recipe.dilation.power, plan.recipe.tiles.jitter, plan.recipe.sampling.skip) == (1.0, "step", 0.0)
    assert plan.tiles.num_tiles > 1
    assert plan.stage.decodes


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        ({}, [6, 6]),
        ({"steps": 9}, [9, 9]),
        ({"activity": "groups", "group_steps": (1, 2, 8)}, [8, 8]),
        ({"steps": 9, "restart": 0.34}, [9, 3]),
    ],
)
def test_steps(recipe: dict[str, Any], steps: list[int]) -> None:
    """The model's own for words, those asked for, or those of hard tiles."""
    assert [plan.num_steps for plan in plans_of(256, 256, **recipe)] == steps


def test_what_the_model_says_of_words_is_taken() -> None:
    first, second = plans_of(256, 256)
    assert (first.recipe.guidance.weight, second.recipe.guidance.weight) == (3.0, 3.0)
    # tiles of MultiDiffusion half overlap; neighbourhoods know their own
    assert second.recipe.tiles.overlap == 16


def test_words_are_collected_where_somebody_asks() -> None:
    assert [plan.recipe.prompts.collect_words for plan in plans_of(256, 256)] == [False, False]
    assert [plan.recipe.prompts.collect_words for plan in plans_of(256, 256, prompts="attention")] == [True, False]
    assert plans_of(256, 256, collect_words=True)[0].recipe.prompts.collect_words
    assert not plans_of(128, 128, prompts="attention")[0].recipe.prompts.collect_words


@pytest.mark.parametrize(
    ("recipe", "decodes"),
    [({}, False), ({"lift": "pixels"}, True), ({"lift": "mixed"}, True), ({"colour": "adain"}, True)],
)
def test_a_stage_is_decoded_where_the_next_reads_pixels(recipe: dict[str, Any], decodes: bool) -> None:
    first, second = plans_of(256, 256, **recipe)
    assert (first.stage.decodes, second.stage.decodes) == (decodes, True)


@pytest.mark.parametrize(
    ("size", "message"),
    [((100, 300), "128 x 128 pixels and larger"), ((128, 6000), "first stage would be 128x3, .*at least 32")],
)
def test_sizes_that_cannot_be(size: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plans_of(*size, stages="linear")


@pytest.mark.parametrize(
    ("size", "native", "unit", "longest", "sizes"),
    [
        ((896, 350), 128, 16, None, ((240, 96), (480, 192), (896, 350))),
        ((637, 204), 256, 8, 310, ((304, 128), (608, 256), (637, 204))),
        ((1461, 903), 1024, 32, None, ((1312, 832), (1461, 903))),
        ((3315, 5085), 1024, 8, None, ((832, 1272), (1664, 2544), (3315, 5085))),
        ((385, 611), 512, 8, 600, ((376, 592), (385, 611))),
        ((212, 950), 128, 32, 206, ((32, 128), (64, 256), (128, 512), (212, 950))),
        ((714, 682), 256, 8, None, ((256, 248), (512, 496), (714, 682))),
        ((499, 641), 512, 32, None, ((499, 641),)),
    ],
)
def test_stages_of_every_version(
    size: tuple[int, int], native: int, unit: int, longest: int | None, sizes: tuple[tuple[int, int], ...]
) -> None:
    """Written down: a series that began with them goes on with them. Each turns on another bound or share."""
    assert stage_sizes(*size, native=native, growth="double", unit=unit, longest=longest) == sizes
    assert stage_sizes(*size, native=native, growth="one", unit=unit, longest=longest) == (size,)
    turned = stage_sizes(*size[::-1], native=native, growth="double", unit=unit, longest=longest)
    assert turned == tuple(one[::-1] for one in sizes)


def test_linear_stages_round_up() -> None:
    shares = [(165, 502), (329, 1004), (493, 1505), (658, 2007), (822, 2509), (986, 3010), (1151, 3512), (1315, 4014)]
    assert stage_sizes(1479, 4515, native=512, growth="linear") == (*shares, (1479, 4515))
