"""What a plan is said to need, beside what tests/pipeline/plan/test_plan.py counts."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.models.card import LIVE_FEATURES_UNET
from pipeline.models.families import analytic
from pipeline.models.registry import describe_model
from pipeline.plan.cost import CODEC_CHANNELS, GATHERED, LIBRARIES, denoise_bytes, price
from pipeline.prompts.tagging import Tagging
from tests.support.geometries import altered
from tests.support.series import plan_series, tiny_model
from tests.support.tiny import small_plan


def memory(model: str, side: int, **recipe: object) -> int:
    return denoise_bytes(plan_series(model, side, side, **recipe)[-1])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


def test_a_whole_gathered_canvas_grows_with_it(model: str) -> None:
    """Tiles and regions stay; four channels of float32 for each latent pixel that is gathered do not."""
    small, large = memory(model, 2048), memory(model, 4096)
    assert large - small == GATHERED * 4 * 4 * (512**2 - 256**2)
    bounded = {"dilation_window": 128}
    assert memory(model, 4096, **bounded) == memory(model, 2048, **bounded) < small


def test_a_large_window_of_neighbourhoods(model: str) -> None:
    """Activations grow with the window, which is the region's."""
    near = {"attend": "neighbourhood", "dilated": 0.0, "jitter": "none", "batch": 1}
    needs = [memory(model, 8192, region=side, **near) for side in (512, 1024)]
    assert needs[1] - needs[0] > 52 * 8 * 4 * (1024**2 - 512**2)


def test_the_embedded_models_own_count() -> None:
    """Fewer features live at once in it than in Stable Diffusion's U-Net."""
    card = describe_model("embedded")
    cost = dataclasses.replace(card.geometry.cost, live_features=LIVE_FEATURES_UNET)
    plain = dataclasses.replace(card, geometry=dataclasses.replace(card.geometry, cost=cost))
    settings = {"window": 256, "overlap": 16, "region": 256, "height": 256, "width": 256, "dtype": "float32"}
    settings |= {"coarse": "bicubic"}
    embedded, other = (denoise_bytes(small_plan(model=one, scale=4, **settings)) for one in (card, plain))
    assert other - embedded == 20 * 256**2 * 64 * 4


CANVAS = 75 * 125
"""latent pixels of a small plan's canvas; each is four output pixels a side, and one of the input"""
PIXELS = 3 * (75 * 125 + 300 * 500)
"""bytes of the input and of the output"""
LATENT = 4 * 4 * CANVAS
"""bytes of one copy of its latents"""


@pytest.mark.parametrize(
    ("recipe", "copies"),
    [
        # z of two steps, one more while it is deleted, and the coarse latent
        ({}, 4),
        ({"solver": "dpm++2m"}, 5),
        ({"solver": "unipc"}, 7),
        ({"keep_steps": 1}, 7),
        ({"keep_steps": 2}, 5),
    ],
)
def test_disk_by_hand(recipe: dict[str, object], copies: int) -> None:
    assert price(small_plan(steps=3, **recipe)).disk_peak == copies * LATENT + PIXELS  # type: ignore[arg-type]


def test_disk_of_a_model_that_reads_no_coarse_latent() -> None:
    blind = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, coarse=False))
    assert price(small_plan(model=blind, start="noise")).disk_peak == 3 * LATENT + PIXELS


def test_disk_of_sixteen_bits_and_one_band() -> None:
    plan = small_plan()
    wide = dataclasses.replace(plan, image=dataclasses.replace(plan.image, dtype="uint16"))
    assert price(wide).disk_peak == 4 * LATENT + 2 * PIXELS
    grey = dataclasses.replace(plan, image=dataclasses.replace(plan.image, num_bands=1))
    assert price(grey).disk_peak == 4 * LATENT + PIXELS // 3


def test_forwards_by_hand() -> None:
    """Eight tiles in four regions, batches of four: padded, twice with guidance, at every step."""
    plan = small_plan(batch=4, steps=3)
    owned = [len(plan.tiles.owned_by(plan.regions.box(region))) for region in range(4)]
    assert owned == [6, 2, 0, 0]
    cost = price(plan)
    assert (cost.tiles, cost.region_steps) == (8, 12)
    assert cost.forwards == cost.forwards_least == (2 + 1) * 4 * 3
    assert price(small_plan(batch=3, steps=3, guidance=2.0)).forwards == (2 + 1) * 3 * 2 * 3
    groups = small_plan(batch=4, steps=4, activity="groups", difficulty="gradient", group_steps=(1, 2, 4))
    assert (price(groups).forwards, price(groups).forwards_least) == (3 * 4 * 4, 3 * 4)


def test_forwards_of_dilated_samples() -> None:
    model = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, window=48))
    plan = small_plan(model=model, dilated=1.0, start="image", batch=4, steps=2)
    dilation = plan.dilation
    assert dilation is not None
    # 125 latent pixels in samples of 48: three along each axis, nine in three batches
    assert dilation.num_samples == 9
    cost = price(plan)
    assert cost.dilated_forwards == 3 * 4 * 2
    assert cost.forwards == (3 + 3) * 4 * 2


def test_memory_by_hand() -> None:
    """Libraries, one and a half times the weights, and the larger of a step's and the codec's."""
    plan = small_plan(batch=4)
    geometry = plan.geometry
    denoise = 4 * 48 * 48 * geometry.cost.width * LIVE_FEATURES_UNET * 4 + 6 * 4 * (64 + 48) ** 2 * 4
    assert denoise_bytes(plan) == denoise
    codec = (64 * 4) ** 2 * CODEC_CHANNELS * 4 + 2 * 3 * (64 * 4) ** 2 * 4
    assert codec > denoise
    cost = price(plan)
    assert (cost.memory_worker, cost.memory_model) == (LIBRARIES + codec, 0)
    heavy = dataclasses.replace(
        plan, geometry=dataclasses.replace(geometry, cost=dataclasses.replace(geometry.cost, parameters=10_000_000))
    )
    cost = price(heavy)
    assert (cost.memory_worker, cost.memory_model) == (LIBRARIES + 60_000_000 + codec, 40_000_000)
    many = price(small_plan(batch=64))
    assert many.memory_worker == LIBRARIES + 16 * 4 * 48 * 48 * 8 * LIVE_FEATURES_UNET * 4 + 6 * 4 * 112**2 * 4


@pytest.mark.parametrize(
    ("recipe", "encodes", "decodes"),
    [({}, 1.0, 1.0), ({"colour": "adain"}, 1.0, 2.0), ({"codec_norm": "exact"}, 3.5, 6.25)],
)
def test_runs_of_the_autoencoder(recipe: dict[str, object], encodes: float, decodes: float) -> None:
    measured = altered(
        analytic.GEOMETRY,
        encoder_norms=3,
        decoder_norms=5,
        norm_groups=4,
        cost=dataclasses.replace(analytic.GEOMETRY.cost, encoder_measuring=2.5, decoder_measuring=5.25),
    )
    model = dataclasses.replace(analytic.CARD, geometry=measured)
    found = price(small_plan(model=model, **{"codec_norm": "window", **recipe}))  # type: ignore[arg-type]
    assert (found.encodes, found.decodes) == (encodes, decodes)


def test_a_small_copy_costs_its_share_of_a_run() -> None:
    geometry = altered(analytic.GEOMETRY, encoder_norms=3, decoder_norms=5, norm_groups=4, codec={"window": 32})
    plan = small_plan(model=dataclasses.replace(analytic.CARD, geometry=geometry), codec_norm="fast")
    # 75 x 125 becomes 16 x 32
    assert price(plan).decodes == pytest.approx(1 + 16 * 32 / CANVAS)
    assert price(plan).encodes == pytest.approx(1 + 16 * 32 / CANVAS)


def test_disk_of_the_edges_of_the_stage_before() -> None:
    """A byte an output pixel of it, where a ControlNet is shown them: of the first stage there is none before."""
    plan = small_plan()
    stage = dataclasses.replace(plan.stage, before="0" * 64, height_before=30, width_before=50)
    shown = plan.recipe.with_settings({"structure.controls": "both"})
    assert "edges" in shown.structure.shown
    edges = 30 * 50 * 4 * 4
    base = price(plan).disk_peak
    for change, expected in (
        ({"stage": stage, "recipe": shown}, base + edges),
        ({"stage": stage}, base),
        ({"recipe": shown}, base),
        ({"stage": stage, "recipe": plan.recipe.with_settings({"structure.controls": "edges"})}, base + edges),
    ):
        assert price(dataclasses.replace(plan, **change)).disk_peak == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(60, 40), (40, 60)])
@pytest.mark.parametrize("halos", [(3, 5), (5, 3)])
def test_the_autoencoders_memory_is_of_a_window_of_the_longer_side(
    height: int, width: int, halos: tuple[int, int]
) -> None:
    """And its larger halo on either side; of the region at most, and of the window at most. Halves take half."""
    codec = {"encoder_halo": halos[0], "decoder_halo": halos[1]}

    def needed(dtype: str = "float32", **more: int) -> int:
        geometry = altered(analytic.GEOMETRY, codec={**codec, **more}, width=1, live_features=1)
        model = dataclasses.replace(analytic.CARD, geometry=geometry)
        return price(small_plan(model=model, height=height, width=width, dtype=dtype)).memory_worker - LIBRARIES

    regions = 2 * 3 * (64 * 4) ** 2 * 4
    assert needed() == ((60 + 10) * 4) ** 2 * CODEC_CHANNELS * 4 + regions
    assert needed(window=20) == ((20 + 10) * 4) ** 2 * CODEC_CHANNELS * 4 + regions
    assert needed(dtype="bfloat16") == ((60 + 10) * 4) ** 2 * CODEC_CHANNELS * 2 + regions


def test_a_tagger_is_loaded_in_single_precision_beside_the_model() -> None:
    plan = small_plan()
    tagging = Tagging(kind="siglip", fingerprint="0", parameters=1_000_000, phrases=("sea",), degradations=())
    beside = dataclasses.replace(plan, tagger=tagging)
    assert price(beside).memory_worker - price(plan).memory_worker == 6_000_000
