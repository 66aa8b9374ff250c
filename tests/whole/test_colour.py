"""Colour through the engine: regions are corrected apart and fit together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from actors.artifacts.layout import OUT, latent_name
from pipeline.imaging.colour import transfer_colour
from pipeline.imaging.pixels import enlarge
from pipeline.models.registry import describe_model, load_backbone
from storage.box import Box
from tests.support.runs import make_case, sit


def test_regions_are_corrected_as_the_whole_picture_is(tmp_path: Path) -> None:
    case = make_case(
        "embedded",
        height=76,
        width=60,
        region=32,
        window=32,
        overlap=12,
        steps=1,
        dtype="float32",
        colour="wavelet",
        keep_steps=1,
    )
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    plan = case.plan
    backbone = load_backbone(describe_model("embedded"), device="cpu", dtype="float32")
    z = torch.from_numpy(store.open_array(latent_name(1)).read(plan.regions.canvas))
    low = torch.from_numpy(case.image / np.float32(255))
    whole = Box(top=0, left=0, height=76, width=60)
    reference = enlarge(low, whole, plan.regions.canvas.scaled(4), 4).clamp(0, 1)
    expected = transfer_colour(backbone.decode(z[None])[0], reference).clamp(0, 1) * 255
    found = store.open_array(OUT).read(plan.out_regions.canvas).astype(np.float32)
    assert np.abs(found - expected[:, : 4 * 76, : 4 * 60].numpy()).max() < 0.51
