"""What may be removed of a finished run: every key of the table but what is read afterwards, and nobody else's."""

from __future__ import annotations

import pytest

from actors.artifacts.remains import is_needless
from actors.artifacts.table import TABLE
from storage.place import ARRAYS, is_aside

KEPT = {"cond/prompt", "cond/prompts.npz", "cond/global-tags.json", "cond/prompts/{key:016x}.npz"}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.name))
@pytest.mark.parametrize("number", [0, 7, 123456])
def test_every_row(row: object, number: int) -> None:
    name = row.name.format(step=number, key=number, region=number)  # type: ignore[attr-defined]
    is_blob = row.is_blob  # type: ignore[attr-defined]
    keys = [f"blobs/{name}"] if is_blob else [f"{name}/zarr.json", f"{name}/c/0/0/0", f"{name}/c/0/12/3"]
    is_kept = row.name in KEPT  # type: ignore[attr-defined]
    for key in keys:
        assert is_needless(key, keep_pixels=False) is not is_kept
        assert is_needless(key, keep_pixels=True) is not (is_kept or name in ("out", "disagreement/out"))


@pytest.mark.parametrize(
    "key",
    [
        *("plan.json", "status.json", "journal/00000001", "lease/0001", "blobs/golden.json", "thesis.txt"),
        *("out/thesis.txt", "out/c/0/0", "z/0/s0001/notes/zarr.json", "pixels/c/0/0/0.txt", "stage-0/out/c/0/0/0"),
        *("blobs/cond/textures.npz.mine", "xout/c/0/0/0", "z/0/s1/c/0/0/0"),
    ],
)
def test_what_is_read_afterwards_and_what_is_not_the_runs_stays(key: str) -> None:
    assert not is_needless(key, keep_pixels=False)


@pytest.mark.parametrize("row", [row for row in TABLE if not row.is_blob], ids=lambda row: str(row.name))
def test_arrays_are_known_as_the_runs(row: object) -> None:
    """Also by those who sweep up what killed writers left."""
    name = row.name.format(step=0)  # type: ignore[attr-defined]
    assert name.split("/")[0] in ARRAYS
    assert is_aside(f"{name}/c/0/0/0#1")
