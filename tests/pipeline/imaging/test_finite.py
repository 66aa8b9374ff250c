"""NaN and infinity: named where they are made, in whichever part of whichever model."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.imaging.finite import at, check_weights, finite, finite_table, is_finite, networks
from pipeline.imaging.moments import Moments
from pipeline.imaging.pixels import ValueRange
from pipeline.models.card import Inputs
from pipeline.models.protocol import Backbone, Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.flat import dotted
from pipeline.plan.recipe import Recipe
from pipeline.plan.reductions import Reduction
from pipeline.tasks.codec import decode_box, encode_box
from pipeline.tasks.denoise import PromptTable, embed_own, predict_tiles
from pipeline.tasks.reduce import Reducer
from storage.box import Box
from storage.errors import NotFiniteError
from tests.support.composite import write_composite
from tests.support.geometries import altered
from tests.support.tiny import write_stable_diffusion
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

BAD = (float("nan"), float("inf"), -float("inf"))


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("make", [lambda v: np.array([1.0, v]), lambda v: torch.tensor([[1.0], [v]]).half()])
def test_one_bad_number_is_enough(bad: float, make: Callable[[float], Any]) -> None:
    with pytest.raises(NotFiniteError, match=r"^the part gave (NaN|infinity) in 1 of 2 numbers at step 3: do that$"):
        finite(make(bad), "the part", "at step 3", mend="do that")


def test_numbers_pass_as_they_are() -> None:
    for values in (torch.full((3, 4), 65504.0).half(), torch.full((2,), 3e38), torch.zeros(0)):
        assert finite(values, "it") is values
    assert is_finite(np.zeros(0))


def test_the_first_culprit_is_named() -> None:
    bad, good = torch.tensor([np.nan]), torch.ones(1)
    with pytest.raises(NotFiniteError, match=r"^the ControlNet gave NaN"):
        finite(bad, "the U-Net", inputs={"the words": good, "no image": None, "the ControlNet": {"down": [good, bad]}})


def test_a_place_in_words() -> None:
    assert at(Box(top=2, left=0, height=3, width=4)) == "at rows 2 to 4, columns 0 to 3 (latent pixels)"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "sd": write_stable_diffusion(root / "sd"),
        "sdxl": write_stable_diffusion(root / "xl", xl=True),
        "sd3": write_stable_diffusion_3(root / "sd3"),
        "flux": write_flux(root / "flux"),
        "composite": write_composite(root / "composite"),
    }


def load(folder: Path | str) -> Backbone:
    return load_backbone(describe_model(str(folder)), device="cpu", dtype="float32")


PARTS = {
    "sd": {"vae", "unet", "text"},
    "sdxl": {"vae", "unet", "text"},
    "sd3": {"vae", "transformer", "clips", "sequence"},
    "flux": {"vae", "transformer", "clip", "sequence"},
    "composite": {"vae", "unet", "text", "controls"},
}


@pytest.mark.parametrize("kind", PARTS)
def test_a_bad_weight_of_any_part_is_refused_by_name(folders: dict[str, Path], kind: str) -> None:
    """The last tensor of each network of each family: none is out of sight."""
    backbone = load(folders[kind])
    check_weights(backbone, "the model")
    found = list(networks(backbone))
    assert {name for name, _ in found} >= PARTS[kind]
    for name, network in found:
        key, tensor = [pair for pair in network.state_dict().items() if pair[1].is_floating_point()][-1]
        kept = tensor.flatten()[0].clone()
        tensor.view(-1)[0] = np.nan
        with pytest.raises(NotFiniteError, match=f"the model: its weights hold NaN in 1 of .* in {name}.{key}"):
            check_weights(backbone, "the model")
        tensor.view(-1)[0] = kept


def test_every_network_of_the_embedded_model_is_looked_at() -> None:
    found = {name for name, _ in networks(load("embedded"))}
    assert found >= {"vae", "unet", "text_encoder", "controlnet", "restorer", "tagger", "texture_encoder", "generator"}


class Spoilt:
    """A model with one answer that is no number."""

    geometry = SimpleNamespace(inputs=Inputs())

    def __init__(self, call: int) -> None:
        self.calls, self._bad = 0, call

    def predict(self, latents: torch.Tensor, _timestep: torch.Tensor, _given: Conditioning) -> torch.Tensor:
        self.calls += 1
        return latents * (np.nan if self.calls == self._bad else 2.0)

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        return {"text": torch.full((len(prompts), 1, 1), np.nan)}


SOLVER: Any = SimpleNamespace(scale_input=lambda latents, _step: latents, timestep=lambda _step: torch.tensor(1))


def predict(call: int, guidance: float) -> torch.Tensor:
    return predict_tiles(
        Spoilt(call),  # type: ignore[arg-type]
        SOLVER,
        7,
        torch.ones(1, 1, 2, 2),
        Conditioning(),
        PromptTable(),
        guidance,
    )


@pytest.mark.parametrize("call", [1, 2])
def test_each_branch_of_the_denoiser(call: int) -> None:
    with pytest.raises(NotFiniteError, match=r"the denoiser gave NaN in 4 of 4 numbers .*at step 7"):
        predict(call, 2.0)


def test_words() -> None:
    with pytest.raises(NotFiniteError, match="the text encoder gave NaN"):
        embed_own(Spoilt(0), "", "a")  # type: ignore[arg-type]


def test_each_window_of_the_codec_is_named(folders: dict[str, Path]) -> None:
    geometry = altered(describe_model(str(folders["sd"])).geometry, encoder_halo=0, decoder_halo=0)
    canvas = Box(top=0, left=0, height=2, width=8)
    geometry = altered(geometry, codec={"window": 4})
    seen: list[int] = []

    def spoil(values: torch.Tensor) -> torch.Tensor:
        seen.append(1)
        return values * (np.nan if len(seen) == 2 else 1.0)

    def decode(latents: torch.Tensor) -> torch.Tensor:
        return spoil(torch.zeros(1, 3, latents.shape[2] * 8, latents.shape[3] * 8))

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        return spoil(torch.zeros(1, 4, pixels.shape[2] // 8, pixels.shape[3] // 8))

    with pytest.raises(NotFiniteError, match=r"decoder gave NaN in .* at rows 0 to 1, columns 4 to 7 \(latent"):
        decode_box(lambda box: np.zeros((4, *box.shape), np.float32), decode, geometry, canvas, canvas)
    seen.clear()
    with pytest.raises(NotFiniteError, match=r"encoder gave NaN in .* at rows 0 to 1, columns 4 to 7 \(latent"):
        encode_box(lambda box: torch.zeros(3, box.height * 8, box.width * 8), encode, geometry, canvas, canvas)


@pytest.mark.parametrize("bad", BAD)
def test_nothing_that_is_no_number_becomes_a_pixel(bad: float) -> None:
    with pytest.raises(NotFiniteError, match="pixels"):
        ValueRange(low=0, high=255, dtype="uint8").from_unit(torch.tensor([0.5, bad]))


def test_sums_over_the_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    reducer = Reducer.__new__(Reducer)
    reducer.reductions = (Reduction(chain="decode", kind="norm", layer=3),)
    regions = SimpleNamespace(box=lambda _region: Box(top=0, left=0, height=1, width=1))
    monkeypatch.setattr("pipeline.tasks.reduce.is_region_empty", lambda *_: False)
    reducer.plan = SimpleNamespace(regions=regions, geometry=SimpleNamespace(codec=SimpleNamespace(norm_groups=1)))  # type: ignore[assignment]
    bad = Moments(count=np.ones(1), mean=np.array([np.nan]), m2=np.ones(1))
    monkeypatch.setattr(Reducer, "_norm_moments", lambda *_: bad)
    with pytest.raises(NotFiniteError, match="group norm 3 of the autoencoder's decoder gave NaN"):
        reducer.share(0, 0, {})
    with pytest.raises(NotFiniteError, match=r"group norm 3 .* of the whole canvas"):
        reducer.reduce(0, np.full((2, 3), np.nan), {"norms": np.empty((0, 2, 1))})


@pytest.mark.parametrize(
    "settings", [{"guidance": 1e30}, {"value_range": (-1.7e308, 1.7e308)}, {"guidance": np.nan}, {"strength": 1e30}]
)
def test_settings_that_leave_the_number_format_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"recipe: {re.escape(dotted(next(iter(settings))))} must be"):
        Recipe.from_flat(**settings)


def test_networks_are_looked_for_four_objects_deep_and_named_by_their_places() -> None:
    """Each once, and not again as a part of another; what is not ours holds nothing of ours."""
    net, other = torch.nn.Linear(1, 1), torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(1, 1))
    assert [name for name, _ in networks({"_a": {"b": [net]}, "parts": {"c": (other,)}})] == ["a.b", "c"]
    assert list(networks([[[[net]]]])) == [("", net)]
    assert list(networks([[[[[net]]]]])) == []
    assert list(networks({"x": other, "y": other[1], "z": other})) == [("x", other)]
    assert list(networks([SimpleNamespace(net=net)])) == []
    assert list(networks(net)) == [("", net)]


def test_a_table_is_finite_where_all_of_it_is() -> None:
    table = {"a": torch.ones(2), "b": torch.tensor([1.0, np.nan])}
    with pytest.raises(NotFiniteError, match=r"^the words gave NaN in 1 of 2 numbers in here: "):
        finite_table(table, "the words", "in here")
    del table["b"]
    assert finite_table(table, "the words") == table
