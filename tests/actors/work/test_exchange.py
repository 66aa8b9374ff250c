"""Batches of dilated samples through a worker: what they are shown, and where their predictions go."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from actors.work.exchange import Exchange
from pipeline.imaging.moments import join
from pipeline.models.families import analytic
from pipeline.models.protocol import Conditioning
from pipeline.plan.plan import Plan
from pipeline.tasks.denoise import PromptTable
from pipeline.tasks.exchange import measure_blur
from storage.box import Box
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, window=16))
OWN = PromptTable(embeddings={"text": torch.ones(2, 3, 4)})


def dilated_plan(**recipe: Any) -> Plan:
    settings = {"dilated": 1.0, "window": 16, "overlap": 8, "region": 24, "batch": 2, **recipe}
    return small_plan(height=91, width=109, model=MODEL, **settings)


class Fakes:
    """A canvas of noise in place of the store, and a model that answers with what it is shown."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.solver = plan, plan.solver()
        shape = plan.geometry.channels, *plan.regions.canvas.shape
        self.values = np.random.default_rng(0).normal(3, 2, size=shape).astype(np.float32)
        self.read, self.given = list[tuple[int, Box]](), list[tuple[Conditioning, PromptTable]]()

    def at(self, step: int, box: Box) -> np.ndarray:
        self.read.append((step, box))
        return self.values[:, *box.slices]

    def coarse(self, box: Box) -> np.ndarray:
        return -self.values[:, *box.slices]

    def table(self, chain: str) -> dict[str, np.ndarray]:
        regions = self.plan.regions
        step = int(chain.rpartition("-")[2]) if "-" in chain else 1
        shares = [
            measure_blur(self.plan, step, lambda part: self.values[:, *part.slices], regions.box(region))
            for region in range(regions.num_regions)
        ]
        return {"blur": join(shares).to_vector()}

    def predict(self, step: int, latents: torch.Tensor, given: Conditioning, prompts: PromptTable, scales: Any) -> Any:
        assert scales is None
        self.given.append((given, prompts))
        return latents

    def exchange(self) -> Exchange:
        fakes: Any = self
        return Exchange(self.plan, fakes, fakes, fakes, lambda: OWN)


@pytest.mark.parametrize("interaction", [False, True])
def test_predictions_come_back_to_the_places_that_were_shown(interaction: bool) -> None:
    """A canvas blurred, with its own mean and deviation, each batch its own samples; all of them under one prompt."""
    plan = dilated_plan(interaction=interaction)
    fakes, dilation = Fakes(plan), plan.dilation
    assert dilation is not None
    exchange, total = fakes.exchange(), np.zeros_like(fakes.values)
    batches = dilation.batches(plan.denoise_settings.batch)
    for number in range(len(batches)):
        regions = []
        for one in exchange.exchange(1, number):
            assert one.is_dilated
            total[:, *one.box.slices] += one.dense()
            regions.append(plan.regions.owner(one.box.top, one.box.left))
        assert regions == sorted(set(regions))
    canvas = plan.regions.canvas
    back = total / dilation.weight_sum(canvas, canvas)
    assert np.corrcoef(back.ravel(), fakes.values.ravel())[0, 1] > 0.5
    np.testing.assert_allclose(back.mean((1, 2)), fakes.values.mean((1, 2)), rtol=0.02)
    np.testing.assert_allclose(back.std((1, 2)), fakes.values.std((1, 2)), rtol=0.05)
    assert all(prompts is OWN and given.structure is None for given, prompts in fakes.given)


def test_what_a_windows_batches_share_is_read_once_a_step() -> None:
    fakes = Fakes(dilated_plan())
    exchange = fakes.exchange()
    exchange.exchange(1, 0)
    once = len(fakes.read)
    exchange.exchange(1, 1)
    assert len(fakes.read) == once
    exchange.exchange(2, 0)
    assert len(fakes.read) == 2 * once
    assert {step for step, _ in fakes.read} == {1, 2}


def test_a_model_that_reads_the_coarse_latent_is_shown_its_samples_unblurred() -> None:
    fakes = Fakes(dilated_plan())
    assert fakes.plan.model_reads_coarse
    fakes.exchange().exchange(1, 0)
    ((given, _),) = fakes.given
    assert given.coarse is not None
    assert np.isin(given.coarse[0].numpy(), -fakes.values).all()
