"""A job of many pages is a job a page."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from cluster.job import Job, parse_pages
from cluster.runs import pages
from cluster.runs.pages import page_jobs
from storage.errors import ImageError
from tests.storage.images.files import picture


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A scan of three pages in the current folder; the jobs that were checked."""
    monkeypatch.chdir(tmp_path)
    with tifffile.TiffWriter("scan.tif") as tiff:
        for seed in range(3):
            tiff.write(picture(20, 30, seed=seed).transpose(1, 2, 0), photometric="rgb")
    checked: list[str] = []
    monkeypatch.setattr(
        pages, "check", lambda job, source, waiting: checked.append(f"{job.output} {source.info.height}")
    )
    return checked


@pytest.mark.parametrize("said", [None, "2", " 3-3 "])
def test_one_page_is_the_job_itself(scan: list[str], said: str | None) -> None:
    job = Job(input="scan.tif", output="o.tif", pages=said)
    assert page_jobs(job) == (job,)
    assert scan == []


@pytest.mark.parametrize(("said", "numbers"), [("all", (1, 2, 3)), ("2-3", (2, 3))])
def test_each_is_a_picture_and_a_run_of_its_own(scan: list[str], said: str, numbers: tuple[int, ...]) -> None:
    found = page_jobs(Job(input="scan.tif", output="deep/o.tif", run="s3://bucket/run/", pages=said))
    assert [one.output for one in found] == [f"deep/o-p{n}.tif" for n in numbers]
    assert [one.run for one in found] == [f"s3://bucket/run-p{n}" for n in numbers]
    assert [one.page_number() for one in found] == list(numbers)
    assert scan == [f"deep/o-p{n}.tif 20" for n in numbers], "all are checked before any begins"
    assert page_jobs(Job(input="scan.tif", output="o.tif", pages=said))[0].run_url == f"o-p{numbers[0]}.tif.run"


def test_what_is_not_there(scan: list[str]) -> None:
    with pytest.raises(ImageError, match="has 3 pages; expected --pages within 1 to 3, got 2-9"):
        page_jobs(Job(input="scan.tif", output="o.tif", pages="2-9"))
    with pytest.raises(ValueError, match="expected one INPUT file"):
        page_jobs(Job(input=("a.tif", "b.tif", "c.tif"), output="o.tif", pages="all"))
    with pytest.raises(ValueError, match="one picture is made of one page"):
        Job(input="scan.tif", output="o.tif", pages="all").page_number()


@pytest.mark.parametrize("said", ["", "0", "5-2", "1,2", "x", "-1", "1-", "٣"])
def test_what_is_no_page(said: str) -> None:
    with pytest.raises(ValueError, match="--pages must be a page's number"):
        parse_pages(said)


@pytest.mark.parametrize(
    ("given", "second"),
    [
        ("a.ome.zarr", "a-p2.ome.zarr"),
        ("a.png.dzi", "a-p2.png.dzi"),
        ("a.b.COG.TIF", "a.b-p2.COG.TIF"),
        ("s3://bucket/folder/a.webp.iiif", "s3://bucket/folder/a-p2.webp.iiif"),
    ],
)
def test_the_suffix_that_says_the_format_stays_whole(scan: list[str], given: str, second: str) -> None:
    jobs = page_jobs(Job(input="scan.tif", output=given, pages="2-3"))
    assert jobs[0].output == second
