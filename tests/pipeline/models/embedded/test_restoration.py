"""The restoration module: its reach, its outputs' ranges, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from pipeline.imaging.pixels import enlarge, restore_window, source_window
from pipeline.models.embedded.restoration import RestorationModule
from storage.box import Box


@pytest.fixture
def module() -> RestorationModule:
    torch.manual_seed(0)
    return RestorationModule(width=8, num_blocks=2).eval().requires_grad_(False)


def test_the_halo_is_the_reach(module: RestorationModule) -> None:
    """By gradients in float64: what is restored under one input pixel depends on its halo, and on nothing beyond."""
    exact, middle = module.double(), 15
    low = torch.rand(1, 3, 31, 31, dtype=torch.float64, requires_grad=True)
    exact.conv_in.double()
    features = exact(low)[0][..., middle * 4 : middle * 4 + 4, middle * 4 : middle * 4 + 4].sum()
    (seen,) = torch.autograd.grad(features, low)
    rows = (seen != 0).any(3).any(1)[0].nonzero().flatten()
    assert middle - int(rows.min()) <= module.halo
    assert int(rows.max()) - middle <= module.halo
    assert middle - int(rows.min()) >= module.halo - 2


def test_windows_agree_with_the_whole(module: RestorationModule) -> None:
    low = torch.rand(3, 60, 70, generator=torch.Generator().manual_seed(0))
    source = Box(top=0, left=0, height=60, width=70)
    whole = module(low[None])[0][0]
    for box in (Box(top=80, left=96, height=64, width=64), Box(top=0, left=200, height=64, width=80)):
        window = source_window(box, 4, source, module.halo)
        ys, xs = window.within(source)
        part = restore_window(lambda x: module(x)[0], low[:, ys, xs], window, box, 4)
        torch.testing.assert_close(part, whole[:, *box.within(source.scaled(4))], rtol=0, atol=1e-5)


def test_what_lies_beyond_the_image_repeats_its_edge(module: RestorationModule) -> None:
    low = torch.rand(3, 20, 20)
    source, box = Box(top=0, left=0, height=20, width=20), Box(top=64, left=64, height=32, width=32)
    part = restore_window(lambda x: module(x)[0], low, source, box, 4)
    torch.testing.assert_close(part[:, 16:], part[:, 15:16].expand(-1, 16, -1), rtol=0, atol=1e-6)


def test_untrained_it_is_near_bicubic(module: RestorationModule) -> None:
    low = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))
    whole = Box(top=0, left=0, height=24, width=24)
    restored, confidence = module(low[None])
    assert (restored[0] - enlarge(low, whole, whole.scaled(4), 4)).abs().mean() < 0.1
    assert confidence.shape == (1, 1, 24, 24)
    assert 0 < confidence.min() <= confidence.max() < 1


@pytest.fixture
def steered() -> RestorationModule:
    torch.manual_seed(0)
    module = RestorationModule(width=8, num_blocks=2, phrases=("clean", "noise")).eval().requires_grad_(False)
    torch.nn.init.normal_(module.steer.weight)
    return module


def test_words_steer_only_where_they_are_said(steered: RestorationModule) -> None:
    low = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(0))
    words = torch.zeros(1, 2, 24, 40)
    torch.testing.assert_close(steered(low)[0], steered(low, words)[0], rtol=0, atol=1e-6)
    words[:, 1, :, 30:] = 1
    changed = (steered(low)[0] - steered(low, words)[0]).abs().amax((0, 1, 2))
    # beyond its reach a word may change rounding, no more
    assert changed[: 4 * (30 - steered.halo)].max() < 1e-6
    assert changed[4 * 34 :].min() > 1e-4


def test_a_word_for_all_places_is_a_map_of_ones(steered: RestorationModule) -> None:
    low = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    words = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(steered(low, words)[0], steered(low, words.expand(1, 2, 16, 16))[0])


def test_an_untrained_steering_changes_nothing() -> None:
    module = RestorationModule(width=8, num_blocks=2, phrases=("clean",)).eval()
    low = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(module(low)[0], module(low, torch.ones(1, 1, 1, 1))[0], rtol=0, atol=1e-6)


def test_files(module: RestorationModule, tmp_path: Path) -> None:
    module.save_pretrained(tmp_path)
    again = RestorationModule.from_pretrained(tmp_path)
    low = torch.rand(1, 3, 16, 16)
    # read from a file, weights lie elsewhere in memory, and a library may take another way through them
    torch.testing.assert_close(module(low)[0], again(low)[0], rtol=0, atol=1e-6)
    assert again.halo == module.halo == 8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_restored_picture_is_float32_whatever_the_module_is(module: RestorationModule, dtype: torch.dtype) -> None:
    """The plain enlargement keeps its digits under a detail of half precision."""
    low = torch.rand(1, 3, 12, 17, generator=torch.Generator().manual_seed(0)).to(dtype)
    exact, _ = module(low.float())
    restored, _ = module.to(dtype)(low)
    assert restored.dtype == torch.float32
    assert (restored.to(dtype).float() != restored).float().mean() > 0.5, "on no grid of a half-precision format"
    torch.testing.assert_close(restored, exact, rtol=0, atol=0.05)


@pytest.fixture
def many() -> RestorationModule:
    torch.manual_seed(0)
    return RestorationModule(width=8, num_blocks=2, scales=(1, 2, 4)).eval().requires_grad_(False)


def plainly(module: RestorationModule, low: torch.Tensor, scale: int) -> torch.Tensor:
    """What a module restores, layer by layer: numpy's order for the pixels, the weights by their names in the file."""
    weights = module.state_dict()
    name = "conv_out" if scale == 4 else f"others.{scale}"

    def convolve(features: torch.Tensor, layer: str) -> torch.Tensor:
        return functional.conv2d(features, weights[f"{layer}.weight"], weights[f"{layer}.bias"], padding=1)

    first = features = convolve(low * 2 - 1, "conv_in")
    for block in range(2):
        inner = functional.silu(convolve(features, f"blocks.{block}.conv1"))
        features = features + convolve(inner, f"blocks.{block}.conv2")
    detail = convolve(convolve(features, "conv_mid") + first, name)
    height, width = low.shape[2:]
    parted = detail.view(1, 3, scale, scale, height, width).permute(0, 1, 4, 2, 5, 3)
    plain = functional.interpolate(low, (height * scale, width * scale), mode="bicubic", align_corners=False)
    return plain + parted.reshape(1, 3, height * scale, width * scale)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_each_scale_has_a_last_layer_of_its_own_over_one_body(many: RestorationModule, scale: int) -> None:
    low = torch.rand(1, 3, 9, 14, generator=torch.Generator().manual_seed(0))
    restored, confidence = many(low, scale=scale)
    torch.testing.assert_close(restored, plainly(many, low, scale))
    torch.testing.assert_close(confidence, many(low)[1])


def test_the_largest_scale_is_meant_where_none_is_said(many: RestorationModule) -> None:
    low = torch.rand(1, 3, 9, 14)
    assert many.scales == (1, 2, 4)
    assert torch.equal(many(low)[0], many(low, scale=4)[0])


@pytest.mark.parametrize("asked", [0, 3, 8])
def test_a_scale_it_does_not_restore_by_is_refused(many: RestorationModule, asked: int) -> None:
    with pytest.raises(ValueError, match=f"restores by 1, 2, 4, not by {asked}"):
        many(torch.rand(1, 3, 8, 8), scale=asked)


def test_scales_beyond_the_modules_own_are_refused() -> None:
    with pytest.raises(ValueError, match=r"as the largest, got \[2, 8\]"):
        RestorationModule(width=8, num_blocks=1, scale=4, scales=(2, 8))


def test_weights_of_one_scale_load_as_before(
    module: RestorationModule, many: RestorationModule, tmp_path: Path
) -> None:
    """A folder written before there were several scales: no such word in its config, no such weights."""
    module.save_pretrained(tmp_path / "old")
    config = json.loads((tmp_path / "old" / "config.json").read_text())
    del config["scales"]
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    again = RestorationModule.from_pretrained(tmp_path / "old")
    assert again.scales == (4,)
    assert set(again.state_dict()) == {name for name in many.state_dict() if not name.startswith("others")}
    many.save_pretrained(tmp_path / "new")
    low = torch.rand(1, 3, 8, 8)
    for scale in (1, 2, 4):
        found = RestorationModule.from_pretrained(tmp_path / "new")(low, scale=scale)[0]
        torch.testing.assert_close(found, many(low, scale=scale)[0], rtol=0, atol=1e-6)
