"""The matrix of bytes: what is compared, what is named, what is refused; no model runs here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import OUT, latent_name
from benchmarks.byte_cells import PRESETS, Cell, all_cells
from benchmarks.byte_inputs import MAKERS, SIZES, Inputs
from benchmarks.bytes import Record, Sums, array_sum, compare, machine_facts, main, refusal, store_sums, write
from pipeline.plan.presets import PRESETS as KNOWN
from pipeline.plan.presets import parse_recipe
from pipeline.sampling.solvers import SOLVERS
from storage.box import RegionGrid
from storage.run import RunStore


def pretend(cells: Sequence[Cell]) -> tuple[dict[str, Sums], dict[str, str], dict[str, str]]:
    """Sums by the cells' names, as if they had run."""
    found = {cell.name: {"latents 0": "same", "latents 1": cell.name, "pixels": cell.name} for cell in cells}
    return found, {"sd": "w"}, {}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of the solvers' cells on the analytic model."""
    assert write(tmp_path / "before.json", "analytic/solver-*", pretend) == 0
    return tmp_path / "before.json"


def test_equal(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = len(Record.read(path).cells)
    capsys.readouterr()
    assert compare(path, None, pretend) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{count} of {count} cells equal"
    assert len(lines) == 2
    assert "not compared" in lines[0]
    assert "words/sd/demofusion" in lines[0]


def test_a_changed_cell_is_named_where_it_first_differs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def changed(cells: Sequence[Cell]) -> Any:
        found, weights, failed = pretend(cells)
        found["analytic/solver-unipc"]["latents 1"] = found["analytic/solver-unipc"]["pixels"] = "another"
        del found["analytic/solver-ddim"]["pixels"]
        return found, weights, failed

    assert compare(path, "analytic/solver-[du]*", changed) == 1
    found = capsys.readouterr().out
    assert "analytic/solver-unipc: latents 1 differs first, 2 of 3 in all" in found
    assert "analytic/solver-ddim: pixels differs first, 1 of 3 in all" in found
    assert found.endswith("\n2 of 4 cells equal\n")


def test_failed_and_lost_cells_and_other_weights_are_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(cells: Sequence[Cell]) -> Any:
        found, _, _ = pretend(cells)
        for name in ("analytic/solver-ddpm", "analytic/solver-lcm"):
            del found[name]
        return found, {"sd": "other"}, {"analytic/solver-ddpm": "recipe: no"}

    assert compare(path, None, broken) == 1
    found = capsys.readouterr().out
    assert "analytic/solver-ddpm: fails: recipe: no" in found
    assert "analytic/solver-lcm: no such cell any more" in found
    assert "model sd: other weights than before" in found


@pytest.mark.parametrize("key", sorted(machine_facts()))
def test_another_machine_is_refused_before_anything_runs(
    path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    def never(cells: Sequence[Cell]) -> Any:
        raise AssertionError("ran")

    capsys.readouterr()
    assert compare(path, None, never, {**machine_facts(), key: "another"}) == 2
    found = capsys.readouterr().out
    assert found.count("\n") == 1
    assert f"{key} was" in found
    assert "is 'another'" in found


def test_a_fact_that_one_side_lacks_is_another_machine() -> None:
    assert refusal({"a": "1"}, {"a": "1"}) is None
    assert "b was '', is '2'" in (refusal({"a": "1"}, {"a": "1", "b": "2"}) or "")


def test_failures_are_told_when_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What ran is kept."""

    def half(cells: Sequence[Cell]) -> Any:
        found, weights, _ = pretend(cells[1:])
        return found, weights, {cells[0].name: "recipe: no"}

    assert write(tmp_path / "a.json", "analytic/solver-*", half) == 1
    assert "fails: recipe: no" in capsys.readouterr().out
    assert len(Record.read(tmp_path / "a.json").cells) == 7


def test_some_cells_are_written_anew_and_the_others_kept(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def other(cells: Sequence[Cell]) -> Any:
        return {cell.name: {"pixels": "new"} for cell in cells}, {"flux": "v"}, {}

    before = Record.read(path)
    assert write(path, "*/solver-ddim", other) == 0
    now = Record.read(path)
    changed = [name for name in now.cells if now.cells[name] != before.cells.get(name)]
    assert changed == ["analytic/solver-ddim", "sd/solver-ddim"]
    assert now.cells.keys() == before.cells.keys() | {"sd/solver-ddim"}
    assert now.weights == {"sd": "w", "flux": "v"}
    path.write_text(json.dumps({**dataclasses.asdict(now), "facts": {"processor": "another"}}))
    assert write(path, "*/solver-ddim", other) == 2
    assert "made on another machine" in capsys.readouterr().out
    assert write(path, None, other) == 0, "all are written anew: nothing of the old record is left"
    assert len({sums["pixels"] for sums in Record.read(path).cells.values()}) == 1


@pytest.mark.parametrize(
    ("text", "words"), [(None, "No such file"), ("{}", "expected a file by"), ("", "expected a file by")]
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    assert main(["compare", str(tmp_path / "a.json")]) == 2
    found = capsys.readouterr().err
    assert found.count("\n") == 1
    assert words in found


def test_a_pattern_that_matches_nothing_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("compare", "write"):
        assert main([command, str(path), "--only", "nowhere/*"]) == 2
        assert "--only nowhere/*: matches no cell" in capsys.readouterr().err


def test_sums_are_of_shape_format_and_values() -> None:
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    expected = hashlib.sha256(b"(1, 3, 4) <f4" + b"".join(float_bytes(v) for v in range(12))).hexdigest()
    assert array_sum(values) == array_sum(np.asfortranarray(values)) == array_sum(values.astype(">f4")) == expected
    others = (values.reshape(1, 4, 3), values.astype("<f8"), values.view("<i4"), -values)
    assert len({expected, *map(array_sum, others)}) == 5


def float_bytes(value: float) -> bytes:
    return np.float32(value).tobytes()


def test_a_stores_latents_and_pixels_are_summed(tmp_path: Path) -> None:
    """Of steps that were kept; a changed pixel changes one sum."""
    grid, sums = RegionGrid(height=8, width=12, side=8), []
    for place, value in enumerate((1, 2)):
        store = RunStore.open(str(tmp_path / str(place)))
        for name, dtype in ((latent_name(0), "float32"), (latent_name(1), "float32"), (OUT, "uint8")):
            array = store.array(name, channels=1, grid=grid, dtype=dtype)
            for region in range(grid.num_regions if name != latent_name(0) else 0):
                shape = (1, *grid.box(region).shape)
                array.write(region, np.full(shape, value if name == OUT and region else 1, dtype))
        sums.append(store_sums(store))
    assert [list(one) for one in sums] == [["latents 1", "pixels"]] * 2
    assert sums[0]["latents 1"] == sums[1]["latents 1"]
    assert sums[0]["pixels"] != sums[1]["pixels"]


def test_the_matrix_is_whole() -> None:
    """Every preset on two models at least, every solver, and recipes and inputs that exist."""
    cells = all_cells()
    assert len(cells) >= 60
    assert set(PRESETS) == set(KNOWN)
    for preset in KNOWN:
        assert {f"embedded/preset-{preset}", f"sd/preset-{preset}"} <= {cell.name for cell in cells}
    assert set(SOLVERS.names()) <= {cell.recipe.get("solver") for cell in cells}
    for cell in cells:
        parse_recipe(dict(cell.recipe), where=cell.name)
        assert cell.recipe["keep_steps"] > 0, cell.name
        named = [cell.model, *(name for option, name in cell.given.items() if option != "--compat")]
        assert set(named) - {"embedded", "analytic"} <= set(MAKERS), cell.name
        assert (cell.picture is None) == bool(cell.size), cell.name


def test_every_cell_has_regions_in_both_directions() -> None:
    """Of its last stage: pixels over the model's factor and the region's side."""
    factors = {"embedded": 4, "analytic": 4, "norms": 2}
    for cell in all_cells():
        if cell.picture:
            sides = [cell.scale * side for side in SIZES[cell.picture]]
        else:
            sides = [int(side) for side in cell.size.split("x")]
        assert min(sides) > factors.get(cell.model, 8) * cell.recipe["region"], cell.name


def test_inputs_are_the_same_each_time_and_made_once(tmp_path: Path) -> None:
    found = []
    for place in ("a", "b"):
        inputs = Inputs(tmp_path / place)
        paths = [Path(inputs.path(name)) for name in ("small", "tags-small", "difficulty", "vocabulary", "vit")]
        assert [Path(inputs.path("vit"))] == paths[-1:]
        assert list(inputs.weights()) == ["vit"]
        found.append(([path.read_bytes() for path in paths[:-1]], inputs.weights()))
    assert found[0] == found[1]
    assert inputs.path("embedded") == "embedded"


def test_a_record_is_what_was_written(path: Path) -> None:
    assert dataclasses.asdict(Record.read(path)) == json.loads(path.read_text())
    assert Record.read(path).facts == machine_facts()
