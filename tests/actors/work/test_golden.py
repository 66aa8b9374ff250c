"""What a worker says of itself: its model's answer to one question, and why the model is of no use."""

from __future__ import annotations

import os
import socket
from typing import Any

import google_crc32c
import numpy as np
import torch

from actors.work.golden import golden_checksum, greet
from pipeline.geometry.noise import keyed_noise
from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.models.protocol import Conditioning
from storage.box import Box
from tests.support.tiny import small_plan

PLAN = small_plan(batch=3)


class Scaled(AnalyticBackbone):
    """Other weights: every prediction is so many times as large."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by, self.asked = by, list[tuple[torch.Tensor, float, Conditioning]]()

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        self.asked.append((latents, float(timestep), conditioning))
        return super().predict(latents, timestep, conditioning) * self.by


def test_the_question_is_the_same_wherever_it_is_asked() -> None:
    """A full batch of one tile of keyed noise, at the first timestep; the answer's bytes, and nothing else, count."""
    model = Scaled(1.0)
    found = golden_checksum(PLAN, model)
    ((latents, timestep, given),) = model.asked
    noise = keyed_noise(Box(top=0, left=0, height=48, width=48), channels=4, seed=0, stage=0, draw=0)
    np.testing.assert_array_equal(latents.numpy(), np.stack([noise] * 3))
    assert timestep == PLAN.timesteps[0]
    answer = AnalyticBackbone().predict(latents, torch.tensor(timestep), given)
    assert found == google_crc32c.value(answer.numpy().tobytes())
    assert golden_checksum(PLAN, Scaled(1.0)) == found


def test_other_weights_answer_otherwise() -> None:
    assert len({golden_checksum(PLAN, Scaled(by)) for by in (1.0, 1.0000001, 2.0)}) == 3


def test_a_greeting_names_machine_process_and_answer() -> None:
    hello = greet(PLAN, Scaled(1.0))
    assert (hello.node, hello.pid, hello.fault) == (socket.gethostname(), os.getpid(), "")
    assert hello.golden == golden_checksum(PLAN, Scaled(1.0))
    assert (hello.device["kind"], hello.device["threads"]) == ("cpu", 1)
    assert hello.versions["numpy"] == np.__version__


def test_what_is_wrong_with_a_model_is_told_and_not_raised() -> None:
    hello = greet(PLAN, Scaled(float("nan")))
    assert "the denoiser" in hello.fault
    assert hello.golden == 0

    spoilt: Any = AnalyticBackbone()
    spoilt.network = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(spoilt.network.bias, float("inf"))
    assert "weights hold" in greet(PLAN, spoilt).fault
    assert "bias" in greet(PLAN, spoilt).fault


def test_what_a_model_predicted_before_is_known() -> None:
    """For plans that ask for the same; another shape is asked. A fault is looked at again."""
    model, known = Scaled(1.0), dict[Any, int]()
    first = greet(PLAN, model, known)
    assert list(known.values()) == [first.golden] == [golden_checksum(PLAN, model)]
    model.by = 2.0  # as if its memory had gone bad: it is told when it starts
    assert greet(small_plan(batch=3, seed=5, height=100), model, known).golden == first.golden
    for other in (small_plan(batch=1), small_plan(batch=3, window=32)):
        assert greet(other, model, known).golden == golden_checksum(other, model)
    assert len(known) == 3
    broken = dict[Any, int]()
    assert greet(PLAN, Scaled(float("nan")), broken).fault
    assert broken == {}
