"""Images smaller than what a model takes at least: they go on as they end, and only they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import OUT, latent_name
from tests.support.runs import make_case, serial, sit
from tests.support.tiny import write_stable_diffusion

EMBEDDED = {"region": 32, "window": 32, "overlap": 12, "prompt": "aerial"}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 4), (1, 40)])
@pytest.mark.parametrize("kind", ["embedded", "stable-diffusion"])
def test_equals_a_plain_loop(tmp_path: Path, kind: str, height: int, width: int) -> None:
    model, settings = kind, dict[str, Any](EMBEDDED)
    if kind != "embedded":
        model, settings = str(tmp_path / "model"), {"region": 16, "window": 8, "overlap": 4}
        write_stable_diffusion(tmp_path / "model")
    case = make_case(model, height=height, width=width, keep_steps=2, steps=2, dtype="float32", **settings)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    found = store.open_array(latent_name(2)).read(case.plan.regions.canvas)
    assert np.abs(found - serial(case)).max() < 1e-3 * max(1.0, np.abs(found).max())
    out = store.open_array(OUT).read(case.plan.out_regions.canvas)
    assert out.shape == (3, height * case.plan.scale, width * case.plan.scale)
    assert out.std() > 0 or height == width == 1
