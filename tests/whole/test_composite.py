"""A base with attachments through the whole engine: the plain loop's numbers, however it is cut up or interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import latent_name
from actors.drive import StoppedError
from actors.schedule.task import Kind
from tests.support.composite import write_composite, write_image_adapter
from tests.support.runs import Case, digest, make_case, serial, sit

SMALL = {"region": 16, "window": 16, "overlap": 6, "steps": 2, "guidance": 2.0, "batch": 2, "prompt": "abc"}


def composite_case(folder: Path, model: Path, **recipe: Any) -> Case:
    return make_case(str(model), height=30, width=44, keep_steps=2, **{**SMALL, **recipe})


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_composite(tmp_path_factory.mktemp("xl"), xl=True)


@pytest.fixture(scope="module")
def seeing(xl: Path) -> Path:
    """The same with an IP-Adapter."""
    lines = write_image_adapter(xl.parent / "adapter", xl.parent / "base")
    (xl.parent / "seeing.toml").write_text(xl.read_text() + lines)
    return xl.parent / "seeing.toml"


def test_image_prompts(tmp_path: Path, seeing: Path) -> None:
    """The plain loop's numbers, stopped and resumed in between; prompts that are lost or cut short are made again."""
    case = composite_case(tmp_path, seeing, image_prompts="tile", start="noise")
    store, blobs = case.begin(str(tmp_path / "run")), tmp_path / "run" / "blobs" / "cond" / "image-prompts"
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: sum(r.kind == Kind.MERGE for r in store.journal.replay()) > 0)
    kept = sorted(blobs.iterdir())
    assert kept
    before = [blob.read_bytes() for blob in kept]
    kept[0].unlink()
    kept[-1].write_bytes(before[-1][:-20])
    sit(case, store)
    assert [blob.read_bytes() for blob in kept] == before
    found = store.open_array(latent_name(2)).read(case.plan.regions.canvas)
    assert np.abs(found - serial(case)).max() / np.abs(found).max() < 1e-5


@pytest.mark.parametrize(
    "recipe",
    [{"crops": "tile"}, {"structure": "edges"}],
)
def test_equals_a_plain_loop(tmp_path: Path, xl: Path, recipe: dict[str, Any]) -> None:
    """From noise: the autoencoder's windows see no more than themselves, the plain loop encodes the whole."""
    case = composite_case(tmp_path, xl, start="noise", **recipe)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    found = store.open_array(latent_name(2)).read(case.plan.regions.canvas)
    assert np.abs(found - serial(case)).max() / np.abs(found).max() < 1e-5


def test_every_attachment_and_the_crops_count(tmp_path: Path, xl: Path) -> None:
    def run(name: str, **recipe: Any) -> str:
        case = composite_case(tmp_path, xl, **recipe)
        store = case.begin(str(tmp_path / name))
        sit(case, store)
        return digest(case, store)

    found = {run("both"), run("crops", crops="tile"), run("edges", structure="edges"), run("none", structure="none")}
    assert len(found) == 4


def test_killed_and_resumed(tmp_path: Path, xl: Path) -> None:
    case = composite_case(tmp_path, xl, crops="tile")
    whole, broken = case.begin(str(tmp_path / "whole")), case.begin(str(tmp_path / "broken"))
    sit(case, whole)
    with pytest.raises(StoppedError):
        sit(case, broken, should_stop=lambda: sum(r.kind == Kind.MERGE for r in broken.journal.replay()) > 2)
    sit(case, broken)
    assert digest(case, broken) == digest(case, whole)
