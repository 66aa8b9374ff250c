"""Where a Zarr is, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage.errors import ImageError
from storage.images.hierarchy import find_hierarchy
from storage.images.place import find_place


def document(folder: Path, name: str, **table: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(table))


def test_the_top_is_found_from_within(tmp_path: Path) -> None:
    document(tmp_path / "a.zarr", ".zgroup", zarr_format=2)
    document(tmp_path / "a.zarr/b", ".zgroup", zarr_format=2)
    document(tmp_path / "a.zarr/b/0", ".zarray", shape=[2, 3])
    document(tmp_path / "a.zarr/b/0", ".zattrs", units="K")
    for name, expected in ("a.zarr", ""), ("a.zarr/b", "b"), ("a.zarr/b/0", "b/0"):
        found = find_hierarchy(find_place(str(tmp_path / name)))
        assert found is not None
        hierarchy, path = found
        assert (hierarchy.root.path, path) == (tmp_path / "a.zarr", expected)
    node = hierarchy.node("b/0")
    assert node is not None
    assert (node.is_array, node.format, node.attributes) == (True, 2, {"units": "K"})
    assert hierarchy.node("c") is None
    assert find_hierarchy(find_place(str(tmp_path))) is None
    assert find_hierarchy(find_place(f'ZARR:"{tmp_path}/a.zarr":/b/0')) == (hierarchy, "b/0")


def test_children_are_sorted_as_people_count(tmp_path: Path) -> None:
    document(tmp_path / "a.zarr", "zarr.json", node_type="group")
    for name in "10", "9", "labels":
        document(tmp_path / "a.zarr" / name, "zarr.json", node_type="array", attributes=None)
    (tmp_path / "a.zarr/other").mkdir()
    found = find_hierarchy(find_place(str(tmp_path / "a.zarr")))
    assert found is not None
    assert [node.path for node in found[0].children("")] == ["9", "10", "labels"]


@pytest.mark.parametrize(
    ("text", "said"), [("{", "zarr.json is damaged"), ("[]", "no table of JSON"), ("[" * 100000, "is damaged")]
)
def test_damaged_documents(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/zarr.json").write_text(text)
    found = find_hierarchy(find_place(str(tmp_path / "a.zarr")))
    assert found is not None
    with pytest.raises(ImageError, match=said):
        found[0].node("")


def test_a_bucket_is_one_by_name() -> None:
    found = find_hierarchy(find_place("s3://bucket/a/b.ome.zarr/1"))
    assert found is not None
    assert (found[0].root.url, found[1]) == ("s3://bucket/a/b.ome.zarr", "1")
    assert find_hierarchy(find_place("s3://bucket/a.tif")) is None
    with pytest.raises(ImageError, match="not from the web"):
        find_hierarchy(find_place("https://host/a.zarr"))
