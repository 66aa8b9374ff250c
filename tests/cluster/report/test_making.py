"""The report of a run: what it holds, of what is there, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.report import making
from cluster.report.making import Asked, default_output, make_report, write_page
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from storage.timeline import write_segment
from tests.support.runs import Case, make_case

from .histories import segment
from .test_page import Reader


@pytest.fixture
def case() -> Case:
    return make_case("analytic", height=40, width=40)


def begin(case: Case, where: Path) -> RunStore:
    return case.begin(str(where / "run"))


def test_a_report_of_two_sittings(case: Case, tmp_path: Path) -> None:
    store = begin(case, tmp_path)
    rows = [("tile-1", "denoise", 1000.0, 1036.0, 30.0)]
    ended = [
        (990.0, "stage", "", "checking"),
        (1000.0, "joined", "tile-1", ""),
        (1036.0, "gone", "tile-1", "a <b> fell"),
    ]
    write_segment(store.root, segment(rows, ended, generation=2, requeues={"worker lost": 2}))
    write_segment(store.root, segment([], [(2000.0, "stage", "", "finished")], generation=10))
    store.write_status({"state": "finished", "reason": "<i>", "plan": case.plan.hash})
    page = make_report(Asked(run=store.url, price=100.0))
    text = Reader(page).text
    assert case.plan.hash in text
    assert text.index("Sitting 2") < text.index("Sitting 10")
    assert "100.0% were inside tasks, 83.3% inside the model" in text
    assert "a <b> fell" in text
    assert "worker lost" in text
    assert "data:image/jpeg" in page
    assert "result: its pixels are not in the run" in text
    assert text.count("it ended without a word") == 1


def test_a_run_without_a_timeline_says_so(case: Case, tmp_path: Path) -> None:
    store = begin(case, tmp_path)
    assert "the run has no timeline" in make_report(Asked(run=store.url))


def test_what_cannot_be_read_is_told_and_the_rest_is_there(case: Case, tmp_path: Path) -> None:
    store = begin(case, tmp_path)
    write_segment(store.root, segment([], [(5.0, "stage", "", "checking")]))
    ObjectRoot.open(tmp_path / "run").put("timeline/00000000-00000000", b"damaged")
    text = Reader(make_report(Asked(run=store.url))).text
    assert "timeline/00000000-00000000 cannot be read" in text
    assert "Sitting 1" in text


def test_of_many_sittings_the_last_are_drawn(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MOST_SITTINGS", 1)
    store = begin(case, tmp_path)
    for generation in (3, 4):
        write_segment(store.root, segment([], [(5.0, "stage", "", "checking")], generation=generation))
    text = Reader(make_report(Asked(run=store.url))).text
    assert "Sitting 4" in text
    assert "Sitting 3" not in text
    assert "1 earlier sittings are not drawn" in text


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_none(price: float) -> None:
    with pytest.raises(ValueError, match="--price"):
        Asked(run="r", price=price)


def test_a_result_needs_what_it_is_measured_by() -> None:
    with pytest.raises(ValueError, match="--result and --against"):
        Asked(run="r", result="a.png")


def test_a_page_is_refused_before_it_is_made(tmp_path: Path) -> None:
    def make() -> str:
        raise AssertionError("made")

    (tmp_path / "there.html").write_text("mine")
    for path, error in (
        (tmp_path / "there.html", FileExistsError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "no" / "page.html", FileNotFoundError),
        ("s3://bucket/page.html", ValueError),
    ):
        with pytest.raises(error, match=r"page|there|folder"):
            write_page(str(path), make, overwrite=False)
    assert (tmp_path / "there.html").read_text() == "mine"


def test_a_page_is_whole_or_not_there(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")

    def fail() -> str:
        raise ValueError("no run")

    with pytest.raises(ValueError, match="no run"):
        write_page(str(page), fail, overwrite=True)
    assert page.read_text() == "old"
    write_page(str(page), lambda: "größer", overwrite=True)
    assert page.read_text(encoding="utf-8") == "größer"
    assert list(tmp_path.iterdir()) == [page]


def test_where_a_page_goes() -> None:
    assert default_output("/data/x.run/") == "/data/x.run.report.html"
    assert default_output("s3://bucket/runs/scene") == "scene.report.html"
