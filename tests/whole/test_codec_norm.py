"""The autoencoder's group norms over the whole canvas, through the engine: regions give the whole picture's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import OUT, latent_name, moments_name, statistics_blob
from actors.drive import StoppedError
from actors.schedule.task import Kind
from pipeline.imaging.pixels import enlarge
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.cost import price
from pipeline.plan.record import plan_from_json
from pipeline.plan.reductions import list_reductions
from pipeline.tasks.reduce import table_from_bytes
from storage.box import Box
from storage.run import RunStore
from tests.support.runs import Case, diffusion_case, digest, make_case, serial, sit
from tests.support.tiny import tiny_vae


def diffusion(folder: Path, *, height: int = 20, width: int = 16, **recipe: Any) -> Case:
    """Three by two regions of at most 16 latent pixels; most windows do not see the whole canvas with their halo.

    No attention in the autoencoder: that stays within a window.
    """
    vae = tiny_vae(levels=2, attention=False)
    settings = {"start": "image", "steps": 2, "keep_steps": 2, **recipe}
    return diffusion_case(folder, height=height, width=width, vae=vae, **settings)


def last(case: Case, store: RunStore) -> np.ndarray:
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


def pixels(case: Case, store: RunStore) -> np.ndarray:
    return store.open_array(OUT).read(case.plan.out_regions.canvas).astype(np.float64)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, RunStore]:
    folder = tmp_path_factory.mktemp("exact")
    case = diffusion(folder, codec_norm="exact", colour="adain")
    store = case.begin(str(folder / "run"))
    tally = sit(case, store)
    geometry = case.plan.geometry
    assert tally.done[Kind.REDUCE] == geometry.codec.encoder_norms + geometry.codec.decoder_norms + 1 == 9 + 13 + 1
    return case, store


def test_exact_regions_are_the_plain_loop(exact: tuple[Case, RunStore]) -> None:
    """The loop encodes the whole input at once."""
    case, store = exact
    found, expected = last(case, store), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-5


def test_exact_statistics_are_those_of_the_whole(exact: tuple[Case, RunStore]) -> None:
    """And so is the table that decoding reads: all norms of the decoder in one run over all latents."""
    case, store = exact
    data = store.get_blob(statistics_blob(len(list_reductions(case.plan)) - 1))
    assert data is not None
    backbone: Any = load_backbone(describe_model(case.model), device="cpu", dtype="float32")
    z = torch.from_numpy(last(case, store))[None]
    expected = backbone.norms["decoder"].collect(lambda: backbone.decode(z))
    found = table_from_bytes(data)["norms"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def decoded_whole(case: Case, store: RunStore, *, clip: bool = True) -> np.ndarray:
    """[3, y, x], 0 to 1: all latents through the decoder at once."""
    backbone = load_backbone(describe_model(case.model), device="cpu", dtype="float32")
    plan = case.plan
    rgb = backbone.decode(torch.from_numpy(last(case, store))[None])[0, :, : plan.height_out, : plan.width_out]
    return (rgb.clamp(0, 1) if clip else rgb).double().numpy()


def test_exact_regions_are_decoded_as_the_whole_picture_is(exact: tuple[Case, RunStore]) -> None:
    """And then AdaIN, over that whole picture."""
    case, store = exact
    found = decoded_whole(case, store, clip=False)
    low = torch.from_numpy(case.image / np.float32(255))
    box = Box(top=0, left=0, height=low.shape[1], width=low.shape[2])
    reference = enlarge(low, box, box.scaled(4), 4).clamp(0, 1).double().numpy()
    moved, std, mean = (
        found - found.mean((1, 2), keepdims=True),
        np.sqrt(found.var((1, 2), ddof=1, keepdims=True) + 1e-5),
        reference.mean((1, 2), keepdims=True),
    )
    expected = moved / std * np.sqrt(reference.var((1, 2), ddof=1, keepdims=True) + 1e-5) + mean
    assert np.abs(pixels(case, store) - 255 * expected.clip(0, 1)).max() < 0.5 + 1e-2


def test_the_fast_way_is_exact_on_one_window(tmp_path: Path) -> None:
    """Several regions of a canvas that the autoencoder could see at once: the small copy is the canvas."""
    case = diffusion(tmp_path, codec_norm="fast", start="noise", steps=1, keep_steps=1)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert np.abs(pixels(case, store) - 255 * decoded_whole(case, store)).max() < 0.5 + 1e-2


def test_windows_normalised_apart_differ_in_tone(tmp_path: Path) -> None:
    """What the two ways above are for."""
    case = diffusion(tmp_path, codec_norm="window", start="noise", steps=1, keep_steps=1)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert np.abs(pixels(case, store) - 255 * decoded_whole(case, store)).max() > 3


@pytest.mark.parametrize("codec_norm", ["fast", "window"])
def test_the_fast_way_does_not_depend_on_the_cut(tmp_path: Path, codec_norm: str) -> None:
    """A canvas of two windows' length, so that the copy is smaller; other regions, and so other windows."""
    shown = []
    for region in (16, 128):
        case = diffusion(tmp_path, height=34, codec_norm=codec_norm, region=region, steps=1, keep_steps=1)
        assert case.plan.regions.height > case.plan.geometry.codec.window
        store = case.begin(str(tmp_path / str(region)))
        sit(case, store)
        shown.append(pixels(case, store))
    apart = np.abs(shown[0] - shown[1]).max()
    assert apart <= 1 if codec_norm == "fast" else apart > 3


@pytest.mark.parametrize(("chain", "layer"), [("encode", 2), ("decode", 5)])
def test_stopped_in_either_chain_it_ends_the_same(
    exact: tuple[Case, RunStore], tmp_path: Path, chain: str, layer: int
) -> None:
    """With four of six regions measured for one norm: the passes before it are not made again."""
    case, expected = exact
    url = str(tmp_path / "run")
    store = case.begin(url)
    stop_at = next(k for k, one in enumerate(list_reductions(case.plan)) if (one.chain, one.layer) == (chain, layer))

    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: len(store.open_array(moments_name(stop_at)).regions()) >= 4)
    tally = sit(case, RunStore.open(url))
    assert tally.done[Kind.REDUCE] == len(list_reductions(case.plan)) - stop_at
    assert digest(case, store) == digest(case, expected)


def test_what_is_settled(tmp_path: Path) -> None:
    """A canvas that the autoencoder sees at once needs no statistics of others; a larger one gets the fast way."""
    one = diffusion(tmp_path, region=64).plan
    assert one.recipe.codec.norm == "window"
    assert not list_reductions(one)
    several = diffusion(tmp_path).plan
    assert several.recipe.codec.norm == "fast"
    assert [(r.chain, r.kind) for r in list_reductions(several)] == [("encode", "shrunk"), ("decode", "shrunk")]
    assert [r.chain for r in list_reductions(diffusion(tmp_path, start="noise").plan)] == ["decode"]
    assert plan_from_json(several.to_json()) == several
    for model in ("embedded", "analytic"):
        plan = make_case(model, height=40, width=40, region=32, window=32).plan
        assert plan.recipe.codec.norm == "window"
        assert not list_reductions(plan)


def test_one_window_is_what_it_was(tmp_path: Path) -> None:
    """A canvas in one region and one window: measured or not, the same picture up to rounding."""
    shown = []
    for codec_norm in ("window", "exact"):
        case = diffusion(tmp_path, codec_norm=codec_norm, region=64, steps=1)
        store = case.begin(str(tmp_path / codec_norm))
        sit(case, store)
        shown.append(pixels(case, store))
    assert np.abs(shown[0] - shown[1]).max() <= 1


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an autoencoder with group norms, which the model analytic lacks"):
        make_case("analytic", height=40, width=40, codec_norm="exact")
    with pytest.raises(ValueError, match=r"codec\.norm must be one of window, fast, exact, got 'group'"):
        diffusion(tmp_path, codec_norm="group")


def test_the_price_is_said(tmp_path: Path) -> None:
    """Exactly: the decoder runs once, and as far as each norm once more."""
    window, fast, exact = (price(diffusion(tmp_path, codec_norm=way).plan) for way in ("window", "fast", "exact"))
    geometry = diffusion(tmp_path).plan.geometry
    assert (window.encodes, window.decodes) == (1, 1)
    assert (fast.encodes, fast.decodes) == (2, 2)
    assert (exact.encodes, exact.decodes) == (1 + geometry.cost.encoder_measuring, 1 + geometry.cost.decoder_measuring)
    assert 0.3 * geometry.codec.decoder_norms < geometry.cost.decoder_measuring < geometry.codec.decoder_norms
    assert price(diffusion(tmp_path, start="noise", colour="adain", codec_norm="window").plan).decodes == 2
    assert price(diffusion(tmp_path, start="noise").plan).encodes == 0
