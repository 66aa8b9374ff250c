"""Tag files through the engine: the plain loop's numbers, on the embedded model and on Stable Diffusion's layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import latent_name
from actors.drive import StoppedError
from pipeline.prompts.tag_file import TagFile
from storage.box import Box
from storage.run import RunStore
from tests.support.runs import Case, diffusion_case, digest, make_case, serial, sit
from tests.support.tiny import write_stable_diffusion

HALVES = TagFile(
    entries=(
        (Box(top=0, left=0, height=32, width=22), {"water": 1.0}),
        (Box(top=0, left=22, height=32, width=22), {"strong blur": 0.7, "smooth": 1.0}),
    )
)
SMALL = {"window": 32, "overlap": 12, "steps": 2, "keep_steps": 2, "dtype": "float32", "guidance": 2.0}


def last(case: Case, url: str) -> np.ndarray:
    store = case.begin(url)
    sit(case, store)
    return store.open_array(latent_name(case.plan.num_steps)).read(case.plan.regions.canvas)


def test_embedded_equals_a_plain_loop(tmp_path: Path) -> None:
    case = make_case("embedded", height=32, width=44, tags=HALVES, region=32, **SMALL)
    assert np.abs(last(case, str(tmp_path / "run")) - serial(case)).max() < 1e-3


@pytest.mark.parametrize("xl", [False, True], ids=["sd", "sdxl"])
def test_stable_diffusion_equals_a_plain_loop(tmp_path: Path, xl: bool) -> None:
    """The pooled embedding of SDXL is each tile's own too."""
    write_stable_diffusion(tmp_path / "model", xl=xl)
    settings = {**SMALL, "window": 16, "overlap": 6, "region": 32, "batch": 2}
    case = make_case(str(tmp_path / "model"), height=44, width=60, tags=HALVES, **settings)
    found, expected = last(case, str(tmp_path / "run")), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4


@pytest.mark.parametrize(
    "recipe",
    [
        {
            "activity": "groups",
            "structure": "both",
            "solver": "unipc",
            "steps": 4,
            "keep_steps": 4,
            "degradations": "negative",
        },
        {
            "activity": "mask",
            "difficulty_cell": 1,
            "structure": "edges",
            "solver": "euler-ancestral",
            "coarse": "bicubic",
            "colour": "adain",
            "parents": 1,
            "least_confidence": 0.5,
        },
        {
            "activity": "groups",
            "difficulty": "gradient",
            "structure": "image",
            "blend": "gaussian",
            "solver": "ddpm",
            "steps": 3,
            "keep_steps": 3,
        },
    ],
)
def test_ingredients_combine(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """Tags, guidance, groups or masks, structure, colour, solvers with memory or noise: the plain loop's numbers, and
    the same bytes after a stop."""
    case = make_case(
        "embedded", height=32, width=44, tags=HALVES, **{**SMALL, "region": 32, "colour": "wavelet", **recipe}
    )
    found = last(case, str(tmp_path / "whole"))
    expected = serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-3
    store = case.begin(str(tmp_path / "run"))
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: any(store.open_array(latent_name(1)).regions()))
    sit(case, store)
    assert digest(case, store) == digest(case, RunStore.open(str(tmp_path / "whole")))


def test_tags_change_the_picture(tmp_path: Path) -> None:
    hashes = set()
    for number, tags in enumerate((HALVES, TagFile(entries=HALVES.entries[:1]), None)):
        prompts = {"prompts": "global"} if tags is None else {}
        case = diffusion_case(tmp_path, height=32, width=44, tags=tags, **prompts)
        store = case.begin(str(tmp_path / str(number)))
        sit(case, store)
        hashes.add(digest(case, store))
    assert len(hashes) == 3
