"""Tables of vectors: what is written is read, by us and by plain Zarr; half a table is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from storage.tables import VectorTable, read_table, write_table


def table(rows: int = 1100) -> VectorTable:
    rng = np.random.default_rng(0)
    columns = {"keys": rng.normal(size=(rows, 5)), "values": rng.normal(size=(rows, 3))}
    columns = {name: column.astype(np.float32) for name, column in columns.items()}
    return VectorTable(columns=columns, facts={"model": "abc", "scale": 4})


def test_round_trip(tmp_path: Path) -> None:
    write_table(str(tmp_path / "t"), table())
    found = read_table(str(tmp_path / "t"))
    assert found.facts == table().facts
    for name, column in table().columns.items():
        np.testing.assert_array_equal(found.columns[name], column)


def test_plain_zarr_reads_it(tmp_path: Path) -> None:
    write_table(str(tmp_path / "t"), table())
    group = zarr.open_group(str(tmp_path / "t"), mode="r")
    assert group.attrs["model"] == "abc"
    np.testing.assert_array_equal(group["keys"][:], table().columns["keys"])


def test_it_is_written_once(tmp_path: Path) -> None:
    write_table(str(tmp_path / "t"), table())
    with pytest.raises(FileExistsError, match="there already"):
        write_table(str(tmp_path / "t"), table())


def test_half_a_table_is_none_and_is_replaced(tmp_path: Path) -> None:
    write_table(str(tmp_path / "t"), table())
    (tmp_path / "t" / "zarr.json").unlink()
    with pytest.raises(FileNotFoundError, match="holds no table"):
        read_table(str(tmp_path / "t"))
    write_table(str(tmp_path / "t"), table(rows=7))
    assert len(read_table(str(tmp_path / "t")).columns["keys"]) == 7


def test_a_lost_chunk_is_an_error(tmp_path: Path) -> None:
    write_table(str(tmp_path / "t"), table())
    (tmp_path / "t" / "keys" / "c" / "1" / "0").unlink()
    with pytest.raises(ValueError, match="keys is damaged"):
        read_table(str(tmp_path / "t"))


def test_a_damaged_group_is_named(tmp_path: Path) -> None:
    write_table(str(tmp_path / "t"), table(rows=2))
    group = tmp_path / "t" / "zarr.json"
    group.write_text(group.read_text()[:-3])
    with pytest.raises(ValueError, match=r"zarr\.json is damaged .* make the table again"):
        read_table(str(tmp_path / "t"))
    group.write_text("[]")
    with pytest.raises(FileNotFoundError, match="holds no table"):
        read_table(str(tmp_path / "t"))


def test_columns_are_of_one_length(tmp_path: Path) -> None:
    uneven = VectorTable(columns={"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, facts={})
    with pytest.raises(ValueError, match="as many rows"):
        write_table(str(tmp_path / "t"), uneven)


def test_folders_of_others_are_not_replaced(tmp_path: Path) -> None:
    """Once a folder called as a column is was emptied to make room for it."""
    mine = tmp_path / "keys" / "id_rsa"
    mine.parent.mkdir()
    mine.write_text("secret")
    with pytest.raises(FileExistsError, match=r"holds keys/id_rsa and no table: choose a place that is empty"):
        write_table(str(tmp_path), table())
    assert mine.read_text() == "secret"
