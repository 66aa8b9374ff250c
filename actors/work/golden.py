"""What a worker says of itself before it gets work."""

from __future__ import annotations

import dataclasses
import os
import socket
from typing import Any

import google_crc32c
import torch

from actors.schedule.task import Hello
from pipeline.geometry.noise import keyed_noise
from pipeline.imaging.finite import check_weights, finite, finite_table
from pipeline.models.protocol import Backbone, Conditioning
from pipeline.plan.device import describe_device, package_versions
from pipeline.plan.plan import Plan
from pipeline.tasks.denoise import DENOISER, PromptTable
from storage.box import Box
from storage.errors import NotFiniteError

Asked = tuple[Any, ...]


def greet(plan: Plan, backbone: Backbone, known: dict[Asked, int] | None = None) -> Hello:
    """Who this process is, with a checksum of the model's prediction for a fixed input.

    ``known``: what the same backbone predicted before, for plans that ask for the same; it is added to.
    """
    facts = describe_device(plan.device.kind, plan.device.threads)
    known, asked = {} if known is None else known, _asked(plan)
    golden, fault = known.get(asked, 0), ""
    try:
        if asked not in known:
            check_weights(backbone, "the model")
            known[asked] = golden = golden_checksum(plan, backbone)
    except NotFiniteError as e:
        # told, not raised: where another worker's copy is sound the run goes on
        fault = str(e)
    return Hello(
        device=dataclasses.asdict(facts),
        versions=package_versions(plan.versions),
        golden=golden,
        fault=fault,
        node=socket.gethostname(),
        pid=os.getpid(),
    )


def _asked(plan: Plan) -> Asked:
    """All of a plan that golden_checksum reads."""
    settings, place = plan.denoise_settings, plan.neighbourhood(0)
    shape = settings.batch, plan.geometry.channels, settings.tiles.tile_height, settings.tiles.tile_width
    return (*shape, float(plan.solver().timestep(0)), plan.model_reads_coarse, place)


def golden_checksum(plan: Plan, backbone: Backbone) -> int:
    """crc32c of a prediction for keyed noise: another for wrong weights, another GPU, bad memory.

    Raises NotFiniteError where the model gives no numbers.
    """
    settings = plan.denoise_settings
    box = Box(top=0, left=0, height=settings.tiles.tile_height, width=settings.tiles.tile_width)
    noise = torch.from_numpy(keyed_noise(box, channels=plan.geometry.channels, seed=0, stage=0, draw=0))
    batch = noise.expand(settings.batch, *noise.shape).contiguous()
    words = finite_table(backbone.embed(["", ""]), "the text encoder", "for no words")
    rows = PromptTable(embeddings=words).rows(1, settings.batch)
    coarse = batch.flip(-1) if plan.model_reads_coarse else None
    conditioning = Conditioning(coarse=coarse, neighbourhood=plan.neighbourhood(0), **rows)
    prediction = backbone.predict(batch, plan.solver().timestep(0), conditioning)
    finite(prediction, DENOISER, "for a fixed input")
    return int(google_crc32c.value(prediction.contiguous().numpy().tobytes()))
