"""Compiled, channels-last or with another kernel for attention, the denoiser says the same."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend

from pipeline.models.attention.kernels import ATTENTIONS, ON_CPU, Options
from pipeline.models.protocol import Backbone, Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.checks import COMPILERS
from pipeline.plan.device import DeviceFacts
from pipeline.plan.recipe import Recipe
from tests.support.composite import write_composite
from tests.support.tiny import small_plan, tiny_unet, write_stable_diffusion

IN_CPP = pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="torch.compile needs a C++ compiler on a CPU")
AT_WILL = pytest.mark.skipif(
    "GIGATILE_SLOW" not in os.environ, reason="compiling takes a minute or two: set GIGATILE_SLOW=1 to have it tested"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_composite(tmp_path_factory.mktemp("model")))


def load(name: str, options: Options) -> Backbone:
    return load_backbone(describe_model(name), device="cpu", dtype="float32", options=options)


def predict(backbone: Backbone) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    latents, text = torch.randn(2, 4, 16, 16, generator=rng), torch.randn(2, 16, 16, generator=rng)
    structure = {"image": torch.rand(2, 3, 128, 128, generator=rng), "edges": torch.rand(2, 1, 128, 128, generator=rng)}
    return backbone.predict(latents, torch.tensor(500), Conditioning(text=text, structure=structure))


@pytest.mark.parametrize("options", [Options(channels_last=True), *(Options(attention=name) for name in ON_CPU)])
def test_says_the_same(model: str, options: Options) -> None:
    torch.testing.assert_close(predict(load(model, options)), predict(load(model, Options())), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in ATTENTIONS if name != "auto"])
def test_the_kernel_is_the_one_asked_for(name: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch may choose from while the U-Net runs."""
    switches = {
        SDPBackend.MATH: torch.backends.cuda.math_sdp_enabled,
        SDPBackend.FLASH_ATTENTION: torch.backends.cuda.flash_sdp_enabled,
        SDPBackend.EFFICIENT_ATTENTION: torch.backends.cuda.mem_efficient_sdp_enabled,
        SDPBackend.CUDNN_ATTENTION: torch.backends.cuda.cudnn_sdp_enabled,
    }
    seen, backbone = [], load(model, Options(attention=name))
    attend = torch.nn.functional.scaled_dot_product_attention

    def spy(*words: Any, **options: Any) -> torch.Tensor:
        seen.append([kernel for kernel, is_on in switches.items() if is_on()])
        with torch.nn.attention.sdpa_kernel(SDPBackend.MATH):
            return attend(*words, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    predict(backbone)
    assert {tuple(one) for one in seen} == {(ATTENTIONS[name],)}


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=[pytest.mark.slow, IN_CPP, AT_WILL])])
def test_compiled_says_the_same(tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A U-Net of one block down and one up, traced; and compiled to C++ besides, which is torch's part and slow."""
    compiling = functools.partialmethod(torch.nn.Module.compile, backend=backend)
    monkeypatch.setattr(torch.nn.Module, "compile", compiling)
    base = write_stable_diffusion(tmp_path / "base")
    small = {"block_out_channels": (8,), "mid_block_type": None}
    blocks = {"down_block_types": ("CrossAttnDownBlock2D",), "up_block_types": ("UpBlock2D",)}
    tiny_unet(**small, **blocks).save_pretrained(base / "unet")
    found, expected = (predict(load(str(base), Options(compile=on))) for on in (True, False))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_they_are_part_of_the_plan(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card = describe_model(model)
    settings: dict[str, Any] = {"height": 30, "width": 40, "model": card, "window": 16, "overlap": 6, "region": 16}
    changes: list[dict[str, Any]] = [{}, {"channels_last": True}, {"attention": "math"}]
    assert len({small_plan(**settings, **change).hash for change in changes}) == 3
    assert Recipe.from_flat(compile=True, attention="flash").model.options == Options(compile=True, attention="flash")
    gpu = DeviceFacts(kind="cuda", name="test", threads=1)
    with pytest.raises(ValueError, match=r"needs model\.dtype float16 or bfloat16 on a GPU"):
        small_plan(**settings, device=gpu, attention="flash", dtype="float32")
    assert small_plan(**settings, device=gpu, attention="flash", dtype="float16").recipe.model.attention == "flash"
    with pytest.raises(ValueError, match="'efficient' needs a GPU"):
        small_plan(**settings, attention="efficient")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler \(g\+\+ or clang\+\+\)"):
        small_plan(**settings, compile=True)
