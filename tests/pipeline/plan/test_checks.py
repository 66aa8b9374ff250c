"""What cannot work is one line before anything is computed: a table of recipes against models and devices."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.models.card import ModelCard
from pipeline.models.families import analytic
from pipeline.plan import checks
from pipeline.plan.checks import check_scale, check_tags, check_textures, check_words
from pipeline.plan.device import DeviceFacts
from pipeline.prompts.tag_file import TagFile
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import small_plan

GPU = DeviceFacts(kind="cuda", name="a GPU", threads=1)


def model_with(**geometry: Any) -> ModelCard:
    return dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, **geometry))


NEAR = model_with(attends_nearby=True, window=32)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "restoration": (
        {"coarse": "restored"},
        r"a restoration module, which the model analytic lacks: use 'bicubic'",
    ),
    "confidence": (
        {"activity": "groups", "difficulty": "confidence"},
        r"needs a restoration module, which the model analytic lacks: use 'gradient'",
    ),
    "detail": ({"detail": 0.5}, r"detail = 0.5 needs a model that draws detail, which analytic does not: use 0"),
    "edges": ({"structure": "edges"}, r"needs a ControlNet for the edges, which the model analytic lacks: use 'none'"),
    "the other control": (
        {"structure": "both", "model": model_with(structures=("image",))},
        r"needs a ControlNet for the edges, which the model analytic lacks: use 'none' or 'image'",
    ),
    "crops": ({"crops": "tile"}, r"needs a model that reads them \(SDXL\), which analytic does not: use 'none'"),
    "image prompts": ({"image_prompts": "tile"}, r"needs an IP-Adapter, which the model analytic lacks"),
    "norms": ({"codec_norm": "exact"}, r"needs an autoencoder with group norms, which the model analytic lacks"),
    "compat": (
        {"compat": "official", "solver": "euler"},
        r"mixes in no skip residual and takes no dilated samples: leave compat out",
    ),
    "little guidance": ({"guidance": 0.5}, r"must be 0 or 1 for none, or above 1, .* got 0.5"),
    "windows of samples without samples": ({"dilation_window": 128}, r"no dilated samples are taken"),
    "a window of samples that is one": (
        {"dilated": 1.0, "start": "image", "dilation_window": 64},
        r"a multiple of the model's window of 64 latent pixels, at least 128, got 64",
    ),
    "a window of samples that is none": (
        {"dilated": 1.0, "start": "image", "dilation_window": 150},
        r"a multiple of the model's window of 64 latent pixels, at least 128, got 150",
    ),
    "kernels of a GPU": ({"attention": "cudnn"}, r"attention = 'cudnn' needs a GPU, the device is a CPU: use auto"),
    "kernels of half precision": (
        {"attention": "flash", "device": GPU},
        r"attention = 'flash' needs \S*dtype float16 or bfloat16 on a GPU, got float32",
    ),
    "nothing to compile": ({"compile": True}, r"the model analytic has no network to compile: leave it out"),
    "a window between multiples": ({"window": 44, "model": model_with(multiple=8)}, r"multiples of 8 .* got 44 and 64"),
    "a region between multiples": ({"region": 60, "model": model_with(multiple=8)}, r"multiples of 8 .* got 48 and 60"),
    "too large a window": ({"model": model_with(largest_window=40)}, r"window must be at most 40 .* got 48"),
    "all overlap": ({"overlap": 48}, r"overlap must be below the window of 48, got 48"),
    "attention that is not known": ({"attend": "neighbourhood"}, r"needs a model whose attention is known to allow it"),
    "quarters that are none": (
        {"attend": "neighbourhood", "model": NEAR, "attention_window": 30},
        r"attention_window must be a multiple of 4 for this model, got 30",
    ),
    "a wide neighbourhood": (
        {"attend": "neighbourhood", "model": NEAR, "attention_window": 64},
        r"attention_window must be at most the window of 48, got 64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused(name: str) -> None:
    settings, says = REFUSED[name]
    with pytest.raises(ValueError, match=says) as caught:
        small_plan(**settings)
    assert "\n" not in str(caught.value)


ALLOWED: dict[str, dict[str, Any]] = {
    "no guidance": {"guidance": 0.0},
    "the prompt alone": {"guidance": 1.0},
    "little of an embedded weight": {"guidance": 0.5, "model": model_with(embeds_guidance=True)},
    "official with a skip": {"compat": "official", "solver": "euler", "skip": 3.0},
    "two windows of samples": {"dilated": 1.0, "start": "image", "dilation_window": 128},
    "math on a CPU": {"attention": "math"},
    "flash in half": {"attention": "flash", "device": GPU, "dtype": "bfloat16"},
    "the largest window": {"model": model_with(largest_window=48)},
    "nearly all overlap": {"overlap": 47},
    "a neighbourhood": {"attend": "neighbourhood", "model": NEAR, "attention_window": 48, "overlap": 24},
    "an image prompt": {"image_prompts": "tile", "model": model_with(image_width=4)},
    "edges": {"structure": "edges", "model": model_with(structures=("edges",))},
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_works_is_not(name: str) -> None:
    assert small_plan(**ALLOWED[name]).num_steps == 3


def test_compiling_needs_a_compiler_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "which", lambda _name: None)
    heavy = model_with(cost=dataclasses.replace(analytic.GEOMETRY.cost, parameters=5))
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler \(g\+\+ or clang\+\+\) on a CPU and there is none"):
        small_plan(model=heavy, compile=True)
    assert small_plan(model=heavy, compile=True, device=GPU).num_steps == 3
    monkeypatch.setattr(checks.shutil, "which", lambda name: "/bin/clang++" if name == "clang++" else None)
    assert small_plan(model=heavy, compile=True).num_steps == 3


@pytest.mark.parametrize(
    ("scale", "native", "others", "says"),
    [
        (0, None, (), "at least 1, got 0"),
        (3, 4, (), "enlarges by 4; use"),
        (3, 4, (1, 2), "enlarges by 1, 2 or 4; use"),
    ],
)
def test_scales(scale: int, native: int | None, others: tuple[int, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_scale(scale, model_with(native_scale=native, restorer_scales=others))
    check_scale(4, model_with(native_scale=4))
    check_scale(2, model_with(native_scale=4, restorer_scales=(1, 2, 4)))
    check_scale(7, model_with())


def test_words_of_a_closed_vocabulary() -> None:
    model = dataclasses.replace(model_with(text_tokens=8), vocabulary=("sea", "blue"))
    check_words("here", "Blue sea, sea", model)
    with pytest.raises(ValueError, match="here: the model analytic does not know red, ship; it knows blue, sea"):
        check_words("here", "red sea, ship, red", model)
    tags = TagFile(entries=((Box(top=0, left=0, height=1, width=1), {"red sea": 1.0}),))
    with pytest.raises(ValueError, match="--tags: the model analytic does not know red"):
        check_tags(model, tags)
    check_tags(dataclasses.replace(model, vocabulary=None), tags)
    with pytest.raises(ValueError, match="reads no text: leave the tags out"):
        check_tags(analytic.CARD, tags)
    check_tags(analytic.CARD, None)


def test_textures_need_eyes() -> None:
    with pytest.raises(ValueError, match="the model analytic reads no textures"):
        check_textures(analytic.CARD, has_memory=True)
    check_textures(analytic.CARD, has_memory=False)
    check_textures(dataclasses.replace(analytic.CARD, sight="0"), has_memory=True)
