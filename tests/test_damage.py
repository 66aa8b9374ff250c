"""300 damaged forms of every kind of file that is read: a value, or one line that names the file; nothing else."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.console.screen import Terminal
from cluster.runs.following import judge, read_status
from cluster.terminal import printing
from pipeline.models.files.model_file import read_model_file
from pipeline.plan.presets import load_recipe
from pipeline.prompts.geojson import parse_geojson
from pipeline.prompts.tag_file import parse_tags, read_table
from storage.box import RegionGrid
from storage.errors import CorruptRegionError, FencedError, MissingRegionError
from storage.journal import Journal, Record
from storage.lease import Lease, read_holder
from storage.liveness import Hold, Sighting
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from tests.support.damage import damaged, damages

PLAN = "a" * 64
RECORD = Record(
    kind="merge", stage=0, step=3, region=1, crc32c=7, attempt=0, worker="w", seconds=0.5, extra={"blobs": {"b": 1}}
)
STATUS = {
    "state": "running",
    "stage": "denoise",
    "plan": PLAN,
    "seconds": 2.5,
    "time": 1e9,
    "generation": 1,
    "total": {"merge": 9, "decode": 3},
    "done": {"merge": 2, "decode": 0},
    "fraction": 0.25,
    "region_steps_per_second": 1.5,
    "eta_seconds": 8.0,
    "workers": 2,
}


def lines_of(read: Callable[[], object], *passing: type[Exception]) -> str:
    """The error's one line; "" where there was none."""
    try:
        read()
    except (ValueError, *passing) as e:
        return str(e)
    return ""


def test_journal(tmp_path: Path) -> None:
    """A damaged batch is never replayed as if it were whole."""
    root = ObjectRoot.open(str(tmp_path))
    journal = Journal(root)
    journal.expect(PLAN)
    journal.claim(1)
    journal.append([RECORD], 1)
    key, data = "journal/00000001", root.get("journal/00000001")
    head, _, body = data.partition(b"\n")
    forms = [one + b"\n" + body for one in damages(head, 1)] + [
        damaged(data, random.Random(seed)) for seed in range(300)
    ]
    refused = 0
    for form in forms:
        if form == data:
            continue
        root.put(key, form)
        again = Journal(root)
        again.expect(PLAN)
        line = lines_of(again.replay, FencedError)
        refused += key in line and "\n" not in line
        assert line or again.replay() == [RECORD]
    assert refused >= len(forms) - 5


def test_a_record_of_a_newer_version_is_named(tmp_path: Path) -> None:
    import dataclasses

    from storage import journal

    root = ObjectRoot.open(str(tmp_path))
    body = json.dumps({**dataclasses.asdict(RECORD), "colour": 1}).encode() + b"\n"
    header = {"generation": 1, "owner": "me", "plan": PLAN, "time": "", "nonce": ""}
    crc = journal._checksum(header, body)
    root.put("journal/00000000", json.dumps({**header, "crc32c": crc}).encode() + b"\n" + body)
    with pytest.raises(ValueError, match=r"00000000 holds a record that this version does not read \(colour: "):
        Journal(root).replay()


@pytest.mark.parametrize("name", ["²", "7", "0000000000", "00000001.bak", "x/00000003"])
def test_names_that_are_no_batch_s(tmp_path: Path, name: str) -> None:
    root = ObjectRoot.open(str(tmp_path))
    journal = Journal(root)
    journal.append([RECORD], 1)
    root.put(f"journal/{name}", b"not ours")
    assert Journal(root).replay() == [RECORD]


def test_lease(tmp_path: Path) -> None:
    """Of a damaged record nothing is believed; the run is taken over once its holder has given it back."""
    root = ObjectRoot.open(str(tmp_path))
    Lease.acquire(root, owner="me", plan=PLAN).release()
    data = root.get("lease/0001")
    taken = 0
    for form in damages(data, 2):
        root.put("lease/0001", form)
        holder = read_holder(root, 1)
        assert not holder or (isinstance(holder["owner"], str) and isinstance(holder["pid"], int))
        line = lines_of(lambda: Lease.acquire(root, owner="next", plan=PLAN))
        taken += not line
        assert not line or "is of the plan" in line
        for key in [key for key in root.list("lease") if "0002" in key]:
            root.delete(key)
    assert taken > 270


def test_arrays(tmp_path: Path) -> None:
    """What describes one is refused by those who only read, and written again by the run's own command."""
    store = RunStore.open(str(tmp_path))
    what: dict[str, Any] = {"channels": 2, "grid": RegionGrid(height=20, width=12, side=8), "dtype": "float32"}
    values = np.arange(2 * 8 * 8, dtype=np.float32).reshape(2, 8, 8)
    store.array("z", **what).write(0, values)
    data = store.root.get("z/zarr.json")
    refused = 0
    for form in damages(data, 3):
        store.root.put("z/zarr.json", form)
        fresh = RunStore(store.root)
        line = lines_of(
            lambda fresh=fresh: fresh.open_array("z").read_region(0), CorruptRegionError, MissingRegionError
        )
        refused += bool(line)
        assert "\n" not in line
        assert np.array_equal(fresh.array("z", **what).read_region(0), values)
        assert json.loads(store.root.get("z/zarr.json")) == json.loads(data)
    assert refused > 250


def test_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore.open(str(tmp_path))
    text = io.StringIO()
    monkeypatch.setattr(printing, "out", Terminal(file=text, width=400))
    for hold in (Hold.HELD, Hold.RELEASED):
        for form in damages(json.dumps(STATUS).encode(), 4):
            store.root.put("status.json", form)
            table = judge(read_status(store), Sighting(hold=hold, generation=1, holder={}))
            printing.print_status(table, None)
    assert len(text.getvalue().splitlines()) == 600


def test_tags_and_recipes_of_users(tmp_path: Path) -> None:
    tags = {"height": 60, "width": 80, "tags": [{"box": [0, 0, 60, 40], "tags": {"water": 0.5}}], "degradations": ["b"]}
    ring = [[0, 0], [9, 0], [9, 9], [0, 0]]
    place = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {"tags": ["water"]}, "geometry": place}
    geo = {"type": "FeatureCollection", "features": [feature], "crs": {"type": "name", "properties": {"name": "x"}}}
    path = tmp_path / "t.json"
    size = {"height": 60, "width": 80}
    readers: list[tuple[Any, Callable[[], object]]] = [
        (tags, lambda: parse_tags(read_table(path), where="t.json", **size)),
        (geo, lambda: parse_geojson(read_table(path), where="t.json", to_pixels=lambda r, _crs: list(r), **size)),
    ]
    for seed, (table, read) in enumerate(readers):
        refused = []
        for form in damages(json.dumps(table).encode(), seed):
            path.write_bytes(form)
            refused.append(lines_of(read))
        assert sum(map(bool, refused)) > 150
        assert all("\n" not in line for line in refused)


def test_toml_of_users(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    model = b'base = "x/y"\n[[controls]]\nmodel = "a/b"\nscale = 0.8\n[[loras]]\nmodel = "c/d"\n'
    recipe = (
        b'preset = "yoda"\nsampling.steps = 6\nprompts.text = "a, b"\n'
        b"codec.value_range = [0, 255]\nguidance.weight = 1.5\n"
    )
    for seed, (data, read) in enumerate([(model, read_model_file), (recipe, load_recipe)]):
        draw = random.Random(seed)
        for _ in range(300):
            path.write_bytes(damaged(data, draw))
            line = lines_of(lambda read=read: read(str(path)), FileNotFoundError)
            assert "\n" not in line
