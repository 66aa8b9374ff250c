"""What a run wrote: told to the journal, and known again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.schedule.task import Kind
from cluster.job import Job
from cluster.pictures.transfer import EXPORT, Exported
from cluster.runs import outcome
from cluster.runs.outcome import already_finished
from storage.box import RegionGrid
from storage.journal import Record, driver_record
from storage.run import RunStore

PLAN: Any = SimpleNamespace(hash="0" * 64, to_json=lambda: b"{}", out_regions=RegionGrid(height=4, width=16, side=4))


def run_at(folder: Path) -> RunStore:
    return RunStore.open(str(folder / "run"))


def exported(path: Path, *, named: str | None = None) -> Record:
    """The journal's record of what is at ``path``."""
    data = path.read_bytes()
    facts = {"path": named or os.path.realpath(path), "sha256": "pixels", "size": len(data)}
    return driver_record(EXPORT, extra={**facts, "file_sha256": hashlib.sha256(data).hexdigest()})


def job_for(path: Path, *, overwrite: bool = False) -> Any:
    return SimpleNamespace(output=str(path), overwrite=overwrite)


def test_an_output_that_is_there_whole_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"a picture")
    found = already_finished(job_for(path), [driver_record("ingest"), exported(path)])
    assert found is not None
    assert (found.path, found.sha256) == (str(path), "pixels")
    assert already_finished(job_for(path), []) is None
    assert already_finished(job_for(path), [exported(path, named="/elsewhere.png")]) is None


@pytest.mark.parametrize("data", [b"a pict", b"a Picture", b"", b"a picture and more"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_an_output_that_was_cut_short_or_changed_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes, overwrite: bool
) -> None:
    """Written again where that is allowed, else the user is asked: it may be somebody's work."""
    path = tmp_path / "out.png"
    path.write_bytes(b"a picture")
    records = [exported(path)]
    path.write_bytes(data)
    if overwrite:
        assert already_finished(job_for(path, overwrite=True), records) is None
        assert "was changed since this run wrote it: it is written again" in caplog.text
    else:
        with pytest.raises(FileExistsError, match="was changed since this run wrote it: choose another name"):
            already_finished(job_for(path), records)
    path.unlink()
    assert already_finished(job_for(path, overwrite=overwrite), records) is None


def test_the_latest_record_of_an_output_counts(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"first")
    first = exported(path)
    path.write_bytes(b"second")
    assert already_finished(job_for(path), [first, exported(path)]) is not None


def record(path: Path, sha256: str = "ab", **facts: Any) -> Any:
    whole = {"path": str(path), "sha256": sha256, "size": 3, "file_sha256": hashlib.sha256(b"abc").hexdigest()}
    return driver_record("export", extra=whole | facts)


def finished(output: Path, records: list[Any], *, overwrite: bool = False) -> str | None:
    found = already_finished(Job(input="in.png", output=str(output), overwrite=overwrite), records)
    if found is None:
        return None
    assert found.path == str(output)
    return found.sha256


def test_an_output_that_is_there_as_it_was_written(tmp_path: Path) -> None:
    """The last of the journal's exports to it counts, links followed; of another file it says nothing."""
    path, other = tmp_path / "a.png", tmp_path / "b.png"
    path.write_bytes(b"abc")
    assert finished(path, []) is None
    assert finished(path, [record(other)]) is None
    assert finished(other, [record(other)]) is None
    assert finished(path, [record(path, "old"), record(path, "new"), record(other, "other")]) == "new"
    (tmp_path / "link.png").symlink_to(path)
    assert finished(tmp_path / "link.png", [record(path)]) == "ab"
    assert finished(path, [driver_record("ingest", extra={"array": "a", "crc32c": []})]) is None


@pytest.mark.parametrize("content", [b"abd", b"abcd", b""])
def test_an_output_that_was_changed_since(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is somebody's work: written over only where the command says so."""
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(FileExistsError, match=r"a\.png was changed since this run wrote it: choose another name"):
        finished(path, [record(path)])
    assert finished(path, [record(path)], overwrite=True) is None
    assert "it is written again" in caplog.text


@pytest.mark.parametrize("has_alpha", [True, False])
def test_an_export_is_checked_by_the_journal_and_told_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_alpha: bool
) -> None:
    """What was decoded is compared with its sums; what was written is known again."""
    store, asked = run_at(tmp_path), {}
    path = tmp_path / "out.png"

    def export(*given: Any, **options: Any) -> Exported:
        asked.update(options, given=given)
        path.write_bytes(b"a picture")
        return Exported(path=str(path), sha256="5" * 64)

    monkeypatch.setattr(outcome, "export", export)
    monkeypatch.setattr(outcome, "describe_provenance", lambda plan, info, fingerprint: (plan, info, fingerprint))
    source: Any = SimpleNamespace(alpha=object(), fingerprint=lambda: "f")
    info: Any = SimpleNamespace(has_alpha=has_alpha)
    seat: Any = SimpleNamespace(
        job=Job(input="in.png", output=str(path)),
        store=store,
        prepared=SimpleNamespace(plan=PLAN),
        lease=SimpleNamespace(generation=4),
        stop_if_asked=object(),
    )
    told = Record(kind=str(Kind.DECODE), stage=0, step=0, region=3, crc32c=77, attempt=1, worker="w", seconds=0.0)
    store.journal.append([told], 4)
    early = outcome.begin_early(seat, info, source)
    found = outcome.hand_out_image(seat, SimpleNamespace(announce=lambda *words: None), early)  # type: ignore[arg-type]
    assert found == Exported(path=str(path), sha256="5" * 64)
    assert asked["given"] == (store, PLAN, info, str(path))
    assert (asked["told"], asked["overwrite"], asked["on_rows"]) == ({3: 77}, False, seat.stop_if_asked)
    assert asked["alpha"] is (source.alpha if has_alpha else None)
    assert asked["provenance"] == (PLAN, info, source.fingerprint)
    monkeypatch.undo()
    (record,) = [record for record in store.journal.replay() if record.kind == EXPORT]
    extra = record.extra
    assert extra == {
        "path": str(path),
        "sha256": "5" * 64,
        "size": 9,
        "file_sha256": hashlib.sha256(b"a picture").hexdigest(),
    }
