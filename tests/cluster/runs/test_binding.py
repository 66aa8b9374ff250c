"""From a job to what a plan is made of: what is read, what is refused, and what there must be room for."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cluster.job import Job, TextJob
from cluster.runs import binding
from cluster.runs.binding import (
    asked_recipe,
    check_disk,
    check_memory,
    check_run_place,
    check_target,
    describe_difficulty,
    model_notes,
    open_source,
    read_given,
    read_tagging,
    read_tags,
    read_vit,
)
from pipeline.plan.recipe import Recipe
from storage.box import RegionGrid
from storage.objects.address import Address
from storage.run import RunStore
from tests.storage.images.files import info_of
from tests.support.runs import picture

GIB = 1 << 30


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def job(**options: Any) -> Job:
    return Job(**({"input": "in.png", "output": "out.png"} | options))


def source(height: int = 30, width: int = 50) -> Any:
    return SimpleNamespace(info=info_of(picture(height, width)))


# -- recipe --------------------------------------------------------------------------------------------------------


def test_options_win_over_settings_and_settings_over_the_recipe() -> None:
    Path("mine.toml").write_text("sampling.steps = 5\nrun.seed = 6\nguidance.weight = 7.0\n")
    found = asked_recipe(job(recipe="mine.toml", settings=["sampling.steps=8", "run.seed=9"], seed=0))
    assert (found.sampling.steps, found.run.seed, found.guidance.weight) == (8, 0, 7.0)


def test_bands_of_the_source() -> None:
    Image.fromarray(picture(6, 9).transpose(1, 2, 0)).save("in.png")
    with open_source(job(bands="3")) as one:
        assert one.info.shown_bands == (2,)
        np.testing.assert_array_equal(one.read(one.info.canvas), picture(6, 9))


# -- what is given beside the image ---------------------------------------------------------------------------------


def test_nothing_is_given() -> None:
    given = read_given(job(), source(), None)  # type: ignore[arg-type]
    assert (given.tags, given.attention, given.difficulty_map, given.tagger, given.textures) == (None,) * 5


def test_textures_are_known_by_their_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def memory(url: str, model: Any) -> Any:
        asked.append((url, model))
        return SimpleNamespace(sha256="ab" * 32)

    monkeypatch.setattr(binding, "memory_for", memory)
    model: Any = object()
    assert read_given(job(textures="t"), source(), model).textures == "ab" * 32
    assert asked == [("t", model)]


def test_a_map_of_difficulty() -> None:
    """Of the image's own size, whose rows and columns are not alike; its first band counts."""
    values = picture(30, 50)
    Image.fromarray(values.transpose(1, 2, 0)).save("map.png")
    found = describe_difficulty(job(difficulty="map.png"), source())
    assert found is not None
    assert (found.height, found.width, found.num_bands, found.dtype) == (30, 50, 1, "uint8")
    assert len(found.sha256) == 64
    values[0, 3, 4] ^= 1
    Image.fromarray(values.transpose(1, 2, 0)).save("map.png")
    other = describe_difficulty(job(difficulty="map.png"), source())
    assert other is not None
    assert other.sha256 != found.sha256


@pytest.mark.parametrize(("height", "width"), [(31, 50), (30, 49), (50, 30)])
def test_one_of_another_size(height: int, width: int) -> None:
    Image.fromarray(picture(height, width)[0]).save("map.png")
    message = f"--difficulty map.png: {height} x {width} pixels (height x width), the image has 30 x 50"
    with pytest.raises(ValueError, match=re.escape(message)):
        describe_difficulty(job(difficulty="map.png"), source())


def test_a_vision_transformer_as_the_job_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "describe_attention", lambda *words, **options: (words, options))
    assert read_vit(job()) is None
    found: Any = read_vit(job(vit="dino", allow_pickle=True, settings=["model.strict=false"]))
    assert found == (("dino",), {"allow_pickle": True, "strict": False})


def test_a_tagger_and_its_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "describe_tagger", lambda name, **options: (name, options))
    monkeypatch.setattr(binding, "make_tagging", lambda card, vocabulary: (card, vocabulary))
    assert read_tagging(job()) is None
    found: Any = read_tagging(job(tagger="clip"))
    assert found == (("clip", {"allow_pickle": False, "strict": True}), None)
    Path("words.txt").write_text("water\nroof\n[degradations]\nnoise\n")
    found = read_tagging(job(tagger="clip", vocabulary="words.txt"))
    assert (found[1].phrases, found[1].degradations) == (("water", "roof"), ("noise",))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"vocabulary": "words.txt"}, ValueError, "--vocabulary: .* none is given: add --tagger"),
        ({"vocabulary": "gone.txt", "tagger": "t"}, FileNotFoundError, "--vocabulary gone.txt: no such file"),
    ],
)
def test_a_vocabulary_that_cannot_be(options: dict[str, str], error: type[Exception], message: str) -> None:
    Path("words.txt").write_text("water\n")
    with pytest.raises(error, match=message):
        read_tagging(job(**options))


BOX = {"box": [1, 2, 8, 9], "tags": ["sea"]}


def test_tags_of_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """GeoJSON says its type; of the other kind there are pixels, which are read by the image's height and width."""
    told: list[Any] = []

    def parse(table: Any, **options: Any) -> str:
        told.append((table["type"], options["where"], options["height"], options["width"]))
        return "geo"

    monkeypatch.setattr(binding, "parse_geojson", parse)
    assert read_tags(job(), source()) is None
    Path("tags.json").write_text(json.dumps({"height": 30, "width": 50, "tags": [BOX]}))
    found: Any = read_tags(job(tags="tags.json"), source())
    assert [tags for _, tags in found.entries] == [{"sea": 1.0}]
    assert told == []
    Path("tags.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    assert read_tags(job(tags="tags.geojson"), source()) == "geo"
    assert told == [("FeatureCollection", "tags.geojson", 30, 50)]


def test_ground_is_carried_to_pixels_by_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "parse_geojson", lambda _table, *, to_pixels, **_: to_pixels("places"))
    monkeypatch.setattr(binding, "to_pixels", lambda geo, places: (geo, places))
    Path("tags.json").write_text('{"type": "Feature"}')
    image = source()
    assert read_tags(job(tags="tags.json"), image) == (image.info.geo, "places")


def test_a_tag_file_that_is_not_there_or_of_another_image() -> None:
    with pytest.raises(FileNotFoundError, match=r"--tags gone.json: no such file"):
        read_tags(job(tags="gone.json"), source())
    Path("tags.json").write_text(json.dumps({"height": 50, "width": 30, "tags": [BOX]}))
    with pytest.raises(ValueError, match=r"tags\.json"):
        read_tags(job(tags="tags.json"), source())


def test_notes_on_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "scheduler_notes", lambda scheduler, solver: (f"{scheduler} {solver}",))
    plan: Any = SimpleNamespace(
        all_dropped=("a", "b"), scheduler="its scheduler", recipe=Recipe.from_flat(solver="ddim")
    )
    dropped = ": it is dropped, as model.strict = false asks"
    assert model_notes(plan) == (f"a{dropped}", f"b{dropped}", "its scheduler ddim")


# -- room ----------------------------------------------------------------------------------------------------------


def cost(**bytes_of: int) -> Any:
    return SimpleNamespace(**({"memory_worker": 3 * GIB, "disk_peak": 1000} | bytes_of))


@pytest.mark.parametrize(("workers", "needed"), [(0, 3), (1, 3), (4, 12)])
def test_memory_of_all_workers(monkeypatch: pytest.MonkeyPatch, workers: int, needed: int) -> None:
    """Exactly as much as there is will do; this process is a worker, too."""
    priced = cost()
    monkeypatch.setattr(binding, "price", lambda _plan: priced)
    plan: Any = None
    assert check_memory(plan, workers, needed * GIB, "here") is priced
    who, mend = ("4 workers need", "fewer workers, or ") if workers > 1 else ("a worker needs", "")
    message = f"memory: {who} {needed}.0 GiB and here has {needed}.0 GiB free: use {mend}a recipe with a smaller window"
    with pytest.raises(ValueError, match=re.escape(message)):
        check_memory(plan, workers, needed * GIB - 1, "here")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Bytes that are free wherever it is asked, and where it was."""
    found: dict[str, Any] = {"bytes": 1000, "asked": []}

    def free_bytes(root: Any) -> int | None:
        found["asked"].append(root.url)
        answer: int | None = found["bytes"]
        return answer

    monkeypatch.setattr("storage.objects.root.ObjectRoot.free_bytes", free_bytes)
    return found


def test_room_on_the_disk_that_the_run_will_be_on(free: dict[str, Any], tmp_path: Path) -> None:
    """Of a folder that is not there yet, the nearest that is; and nothing is made."""
    run = Address.local(tmp_path / "not" / "yet" / "run")
    check_disk(cost(disk_peak=1000), run)
    assert free["asked"] == [str(tmp_path)]
    with pytest.raises(OSError, match=r"disk: the run needs 0.0 GiB at its largest and .*run has 0.0 GiB free: give"):
        check_disk(cost(disk_peak=1001), run)
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_holds_already_counts(free: dict[str, Any], tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    grid = RegionGrid(height=8, width=8, side=8)
    store.array("z", channels=1, grid=grid, dtype="uint8").write(0, np.zeros((1, 8, 8), np.uint8))
    held = sum(store.usage().values())
    assert held > 64
    run = Address.local(tmp_path / "run")
    check_disk(cost(disk_peak=1000 + held), run)
    with pytest.raises(OSError, match=r"beside 0\.0 GiB of it"):
        check_disk(cost(disk_peak=1001 + held), run)


def test_a_store_that_does_not_say_what_is_free(free: dict[str, Any], tmp_path: Path) -> None:
    """As object stores: it is taken to hold anything."""
    free["bytes"] = None
    RunStore.open(str(tmp_path / "run"))
    check_disk(cost(disk_peak=1 << 60), Address.local(tmp_path / "run"))
    check_disk(cost(disk_peak=1 << 60), Address.local(tmp_path / "none"))


# -- where things are kept -------------------------------------------------------------------------------------------


def test_the_target_is_the_enlarged_images(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(binding, "check_output", lambda path, **facts: told.append((path, facts)))
    monkeypatch.setattr(binding, "check_georeference", lambda geo, scale: told.append((geo, scale)))
    image = SimpleNamespace(info=info_of(picture(30, 50), has_alpha=True), ratio=Fraction(1))
    check_target(job(scale=3, overwrite=True), image)  # type: ignore[arg-type]
    (path, facts), ground = told
    assert (path, facts["height"], facts["width"], facts["num_bands"]) == ("out.png", 90, 150, 4)
    assert (facts["overwrite"], facts["dtype"], ground) == (True, "uint8", (image.info.geo, 3))
    assert "in.png" in facts["inputs"]
    told.clear()
    image.ratio = Fraction(3, 2)
    check_target(job(scale=4.5), image)  # type: ignore[arg-type]
    assert (told[0][1]["height"], told[1][1]) == (90, 3)


@pytest.mark.parametrize(
    ("output", "run", "message"),
    [
        ("a.png", "a.png", "OUTPUT a.png lies in the run's own folder a.png"),
        ("run/a.png", "run", "OUTPUT run/a.png lies in the run's own folder run"),
        ("run/deep/a.png", "run", "lies in the run's own folder"),
        ("link/a.png", "run", "lies in the run's own folder"),
        ("a.png", "a.png/run", "--run a.png/run lies below OUTPUT a.png, which the picture is to be"),
        ("a.dzi", "a_files", "--run a_files lies below OUTPUT a.dzi"),
        ("a.zarr", "a.zarr/run", "--run a.zarr/run lies below OUTPUT a.zarr"),
        ("s3://one/run/a.tif", "s3://one/run", "OUTPUT s3://one/run/a.tif lies in the run's own folder s3://one/run"),
        ("s3://one/a.zarr", "s3://one/a.zarr/run", "--run s3://one/a.zarr/run lies below OUTPUT s3://one/a.zarr"),
        ("s3://one/b.png", "file", "is no folder; give a folder that is empty or not there yet"),
        ("b.png", "file", "is no folder; give a folder that is empty or not there yet"),
        ("b.png", "file/run", "is no folder"),
    ],
)
def test_places_in_each_others_way(output: str, run: str, message: str) -> None:
    Path("run").mkdir()
    Path("link").symlink_to("run")
    Path("file").touch()
    with pytest.raises(ValueError, match=re.escape(message)):
        check_run_place(TextJob(prompt="a", output=output, run=run))


@pytest.mark.parametrize(
    ("output", "run"),
    [
        ("a.png", "a.png.run"),
        ("a.png", "run"),
        ("runs.png", "run"),
        ("deep/a.png", "deep/run"),
        ("a", "s3://bucket/a"),
        ("s3://one/a.tif", None),
        ("s3://one/a.tif", "run"),
        ("s3://one/a.tif", "s3://other/a.tif"),
    ],
)
def test_places_apart(output: str, run: str | None) -> None:
    Path("run").mkdir()
    check_run_place(TextJob(prompt="a", output=output, run=run))
