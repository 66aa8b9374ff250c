"""The sharpener: what it gives, how far it sees, and its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.models.embedded.sharpener import Sharpener


@pytest.fixture
def sharpener() -> Sharpener:
    torch.manual_seed(0)
    return Sharpener(channels=4, width=8, num_blocks=2).eval().requires_grad_(False)


def test_it_sees_as_far_as_its_convolutions_reach(sharpener: Sharpener) -> None:
    exact = sharpener.double()
    coarse = torch.randn(1, 4, 31, 31, dtype=torch.float64, requires_grad=True)
    (seen,) = torch.autograd.grad(exact.conv_out(exact.conv_in(coarse)[:, :8]).sum(), coarse)
    assert seen.abs().max() > 0
    (seen,) = torch.autograd.grad(exact(coarse)[..., 15, 15].double().sum(), coarse)
    rows = (seen != 0).any(3).any(1)[0].nonzero().flatten()
    # a convolution at each end, one after the blocks, two in each of them
    assert (int(rows.min()), int(rows.max())) == (15 - 7, 15 + 7)


def test_the_detail_is_float32_and_begins_small(sharpener: Sharpener) -> None:
    coarse = torch.randn(2, 4, 9, 12, generator=torch.Generator().manual_seed(0))
    detail = sharpener.bfloat16()(coarse.bfloat16())
    assert detail.shape == coarse.shape
    assert detail.dtype == torch.float32
    assert detail.abs().mean() < 0.2


def test_files(sharpener: Sharpener, tmp_path: Path) -> None:
    sharpener.save_pretrained(tmp_path)
    again, coarse = Sharpener.from_pretrained(tmp_path), torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(sharpener(coarse), again(coarse), rtol=0, atol=1e-6)
