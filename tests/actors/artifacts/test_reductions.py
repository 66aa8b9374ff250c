"""Global reductions through the engine: the whole picture's numbers, and the same bytes whatever is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import OUT, latent_name, moments_name, statistics_blob
from actors.drive import StoppedError
from actors.schedule.task import Kind
from pipeline.imaging.pixels import enlarge
from pipeline.models.registry import describe_model, load_backbone
from storage.box import Box
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, sit


def analytic(**recipe: Any) -> Case:
    """Twelve regions; the canvas's last row and column of regions are cut."""
    settings = {"region": 32, "window": 32, "overlap": 12, "colour": "adain", "keep_steps": 3, **recipe}
    return make_case("analytic", height=75, width=125, **settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, RunStore]:
    case = analytic()
    store = case.begin(str(tmp_path_factory.mktemp("whole") / "run"))
    tally = sit(case, store)
    assert tally.done[Kind.MEASURE] == case.plan.regions.num_regions
    assert tally.done[Kind.REDUCE] == 1
    return case, store


def test_adain_is_that_of_the_whole_picture(whole: tuple[Case, RunStore]) -> None:
    case, store = whole
    plan = case.plan
    backbone = load_backbone(describe_model("analytic"), device="cpu", dtype="float32")
    z = torch.from_numpy(store.open_array(latent_name(plan.num_steps)).read(plan.regions.canvas))
    found = backbone.decode(z[None])[0, :, : plan.height_out, : plan.width_out].double()
    low = torch.from_numpy(case.image / np.float32(255))
    box = Box(top=0, left=0, height=75, width=125)
    reference = enlarge(low, box, box.scaled(4), 4).clamp(0, 1).double()
    std, std_reference = ((x.var((1, 2), keepdim=True) + 1e-5).sqrt() for x in (found, reference))
    expected = (found - found.mean((1, 2), keepdim=True)) / std * std_reference + reference.mean((1, 2), keepdim=True)
    written = store.open_array(OUT).read(plan.out_regions.canvas).astype(np.float64)
    assert np.abs(written - 255 * expected.clamp(0, 1).numpy()).max() < 0.5 + 1e-4


def test_moments_are_deleted_once_they_are_summed(whole: tuple[Case, RunStore]) -> None:
    _, store = whole
    assert not store.open_array(moments_name(0)).regions()
    assert store.get_blob(statistics_blob(0)) is not None


def stop_while_measuring(case: Case, url: str, at_least: int) -> RunStore:
    store = case.begin(url)
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: len(store.open_array(moments_name(0)).regions()) >= at_least)
    return store


def test_stopped_while_measuring_it_ends_the_same(whole: tuple[Case, RunStore], tmp_path: Path) -> None:
    """What was measured before the stop is used; a share that was damaged or lost is measured again."""
    case, expected = whole
    store = stop_while_measuring(case, str(tmp_path / "run"), 6)
    kept = sorted(store.open_array(moments_name(0)).regions())
    num_measured = len(kept)
    assert num_measured >= 6
    store.open_array(moments_name(0)).delete(kept[0])
    damaged = sorted(p for p in (tmp_path / "run" / moments_name(0) / "c").rglob("*") if p.is_file())[2]
    damaged.write_bytes(bytes(byte ^ 255 for byte in damaged.read_bytes()))
    tally = sit(case, RunStore.open(store.url))
    assert tally.done[Kind.MEASURE] == case.plan.regions.num_regions - num_measured + 2
    assert digest(case, store) == digest(case, expected)


@pytest.mark.parametrize("damage", ["lost", "altered"])
def test_a_lost_table_is_made_again(whole: tuple[Case, RunStore], tmp_path: Path, damage: str) -> None:
    case, expected = whole
    url = str(tmp_path / "run")
    store = case.begin(url)
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: bool(store.open_array(OUT).regions()))
    path = tmp_path / "run" / "blobs" / statistics_blob(0)
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    tally = sit(case, RunStore.open(url))
    assert tally.done[Kind.REDUCE] == 1
    assert digest(case, store) == digest(case, expected)


def test_another_cut_measures_the_same(whole: tuple[Case, RunStore], tmp_path: Path) -> None:
    """One region or twelve: the sums agree up to rounding, so hardly a pixel is rounded the other way."""
    case = analytic(region=512)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    one, twelve = (c.begin(s.url).open_array(OUT).read(c.plan.out_regions.canvas) for c, s in ((case, store), whole))
    different = np.abs(one.astype(int) - twelve.astype(int))
    assert different.max() <= 1
    assert (different > 0).mean() < 1e-3


def test_a_table_that_the_journal_does_not_know_is_written_over(whole: tuple[Case, RunStore], tmp_path: Path) -> None:
    """The driver died between the table and its record; then the table was damaged."""
    case, expected = whole
    url, path = str(tmp_path / "run"), tmp_path / "run" / "blobs" / statistics_blob(0)
    store = case.begin(url)
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=path.is_file)
    sorted((tmp_path / "run" / "journal").iterdir())[-1].unlink()
    path.write_bytes(b"cut")
    tally = sit(case, RunStore.open(url))
    assert tally.done[Kind.REDUCE] == 1
    assert digest(case, store) == digest(case, expected)
