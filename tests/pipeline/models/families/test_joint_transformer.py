"""What transformers over image and text share: a batch at once, or canvas by canvas where places have prompts."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.models.attention.kernels import PLAIN
from pipeline.models.families import joint_transformer as module
from pipeline.models.families.joint_transformer import JointTransformer
from pipeline.models.protocol import Conditioning
from tests.support.tiny import tiny_vae

GEOMETRY: Any = SimpleNamespace(patch=2)
NETWORK: Any = SimpleNamespace(device=torch.device("cpu"), dtype=torch.bfloat16)
LATENTS = torch.randn(3, 4, 6, 8, generator=torch.Generator().manual_seed(0))
GIVEN = Conditioning(text=torch.ones(3, 5, 7), pooled=torch.ones(3, 2), guidance=2.5)


class Halving(JointTransformer):
    """Answers with half of what it is shown, in half precision."""

    def __init__(self) -> None:
        super().__init__(GEOMETRY, tiny_vae(), NETWORK, PLAIN)
        self.asked: list[tuple[Any, ...]] = []

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def _run(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        pooled: torch.Tensor,
        guidance: float | None,
    ) -> torch.Tensor:
        self.asked.append((tuple(latents.shape), float(timestep), text.dtype, pooled.dtype, guidance))
        return (latents / 2).bfloat16()


@pytest.fixture
def surrounded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What attention was told of each pass: the grid of tokens, and the size of one."""
    told: list[Any] = []

    def surround(network: Any, given: Conditioning, shape: Any, *, patch: int) -> Any:
        told.append((shape, patch))
        return contextlib.nullcontext()

    monkeypatch.setattr(module, "surround", surround)
    return told


def test_a_batch_is_one_pass_in_the_transformers_format_and_comes_back_in_single_precision(
    surrounded: list[Any],
) -> None:
    model = Halving()
    found = model.predict(LATENTS, torch.tensor(500.0), GIVEN)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (LATENTS / 2).bfloat16().float(), rtol=0, atol=0)
    assert model.asked == [((3, 4, 6, 8), 500.0, torch.bfloat16, torch.bfloat16, 2.5)]
    assert surrounded == [((3, 4), 2)]


def test_prompts_at_places_are_a_pass_a_canvas(monkeypatch: pytest.MonkeyPatch, surrounded: list[Any]) -> None:
    monkeypatch.setattr(module, "part_places", lambda given: [GIVEN] * len(given.places))
    model = Halving()
    places: Any = ("a", "b", "c")
    given = Conditioning(text=GIVEN.text, pooled=GIVEN.pooled, places=places)
    found = model.predict(LATENTS, torch.tensor(500.0), given)
    torch.testing.assert_close(found, (LATENTS / 2).bfloat16().float(), rtol=0, atol=0)
    assert [shape for shape, *_ in model.asked] == [(1, 4, 6, 8)] * 3
    assert len(surrounded) == 3
