"""Each picture's job: what the command says, and over that what its row says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.collection import Collection
from cluster.job import Job
from cluster.machines.this_machine import ThisMachine
from cluster.machines.warm import LentJob, WarmBackend
from cluster.runs.collection import entries as module
from cluster.runs.collection.entries import Entry, entries_of
from storage.errors import ImageError

BACKEND = WarmBackend(ThisMachine())


def jobs_of(**given: Any) -> list[Entry]:
    return entries_of(Collection(**{"output": "out/", **given}), BACKEND)


def test_a_job_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = jobs_of(input=("x/a.png", "b.jpg"), seed=5, workers=0, scale=2, overwrite=True)
    assert [first.name, second.name] == ["a.tif", "b.tif"]
    assert isinstance(first.job, LentJob)
    assert first.job.backend is BACKEND
    run = str(tmp_path / "out.run/pictures/a.tif")
    assert (first.job.input, first.job.output, first.job.run) == ("x/a.png", "out/a.tif", run)
    assert (first.job.seed, first.job.workers, first.job.scale, first.job.overwrite) == (5, 0, 2, True)
    alone = Job(input="b.jpg", output="out/b.tif", run=second.job.run, seed=5, workers=0, scale=2, overwrite=True)
    assert all(getattr(second.job, name) == getattr(alone, name) for name in Job.__dataclass_fields__)


def test_where_the_runs_are_is_said_for_all(tmp_path: Path) -> None:
    (entry,) = jobs_of(input="a.png", output="s3://bucket/out", run="s3://other/run/")
    assert (entry.job.output, entry.job.run) == ("s3://bucket/out/a.tif", "s3://other/run/pictures/a.tif")


def test_rows_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text(
        '{"input": "/a.tif", "seed": 9, "range": "full"}\n{"input": ["/r.tif", "/g.tif"], "output": "deep/rg.png"}\n'
    )
    plain, first, second = jobs_of(input="c.tif", list_file=str(tmp_path / "l.jsonl"), seed=5, name="{number}.tif")
    assert [entry.name for entry in (plain, first, second)] == ["1.tif", "2.tif", "deep/rg.png"]
    assert [entry.job.seed for entry in (plain, first, second)] == [5, 9, 5]
    assert first.job.value_range == "full"
    assert second.job.input == ("/r.tif", "/g.tif")
    assert second.job.run is not None
    assert second.job.run.endswith("out.run/pictures/deep/rg.png")


def test_pages_are_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file that cannot be opened there is one, which will say why."""

    def count(name: str) -> int:
        if name == "broken.tif":
            raise ImageError("broken")
        return 3

    monkeypatch.setattr(module, "num_pages", count)
    found = jobs_of(input=("scan.tif", "broken.tif"), pages="all")
    assert [(entry.name, entry.job.pages) for entry in found] == [
        *((f"scan-p{n}.tif", str(n)) for n in (1, 2, 3)),
        ("broken-p1.tif", "1"),
    ]
    assert found[1].input == "scan.tif, page 2"
    (one,) = jobs_of(input="scan.tif", pages="2")
    assert (one.name, one.job.pages) == ("scan.tif", "2")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "expected INPUT, pictures, before OUTPUT"),
        ({"input": ("a/x.png", "b/x.png")}, "would both be written to x.tif"),
        ({"input": "a.png", "name": "{x}.tif"}, "--name {x}.tif"),
        ({"input": "a.png", "pages": "x"}, "--pages must be"),
    ],
)
def test_what_is_refused_before_any_work(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=r"expected|would|must") as caught:
        jobs_of(**given)
    assert why in str(caught.value)


def test_a_row_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("input,output\n/a.tif,a.tif\n/b.tif,../b.tif\n")
    with pytest.raises(ValueError, match=r"l\.csv, line 3: \.\./b\.tif: expected a name below OUTPUT"):
        jobs_of(list_file=str(tmp_path / "l.csv"))


def test_the_digest_is_of_what_changes_the_result() -> None:
    def digest(model: str = "m", **given: Any) -> str:
        return jobs_of(**{"input": "a.png", **given})[0].digest(model)

    same = digest()
    assert digest(workers=3, overwrite=True, run="elsewhere", name="b.tif", retry_failed=True) == same
    changes: list[dict[str, Any]] = [
        *({"seed": 1}, {"scale": 2}, {"recipe": "yoda"}, {"bands": "1"}, {"threads": 2}, {"input": "b.png"}),
        *({"settings": ["sampling.steps=3"]}, {"tags": "t.json"}, {"value_range": "full"}, {"model": "other"}),
    ]
    found = [digest(**change) for change in changes] + [digest("another model")]
    assert len({same, *found}) == len(found) + 1


def test_the_digest_knows_what_a_recipes_file_says(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    digests = []
    for steps in (3, 4):
        recipe.write_text(f"sampling.steps = {steps}")
        digests.append(jobs_of(input="a.png", recipe=str(recipe))[0].digest("m"))
    assert digests[0] != digests[1]


def test_the_stamp_tells_a_file_that_changed(tmp_path: Path) -> None:
    path, tags = tmp_path / "a.png", tmp_path / "t.json"
    path.write_bytes(b"one")
    tags.write_bytes(b"{}")
    (entry,) = jobs_of(input=str(path), tags=str(tags))
    assert entry.size() == 3
    stamps = [entry.stamp()]
    path.write_bytes(b"other")
    stamps.append(entry.stamp())
    tags.write_bytes(b"{ }")
    stamps.append(entry.stamp())
    assert len(set(stamps)) == 3
    (away,) = jobs_of(input="s3://bucket/a.png", tags=str(tags))
    assert (away.stamp(), away.size()) == ("", 0), "nothing here tells of what is elsewhere"
