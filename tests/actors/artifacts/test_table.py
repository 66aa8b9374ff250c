"""The table of what a run keeps: complete, unambiguous, and as the docs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.artifacts.layout import COARSE, DIFFICULTY, OUT, PROMPTS_ARRAY, history_name, latent_name, moments_name
from actors.artifacts.table import DRIVER, TABLE, Kept, blob_name, create_arrays, describe
from actors.schedule.graph import Graph
from actors.schedule.task import CONTRIBUTING, Item, Kind, Task
from storage.run import RunStore
from tests.support.tiny import small_plan

DOCS = Path(__file__).parents[3] / "docs" / "store.md"


def test_the_docs_list_is_current() -> None:
    assert describe() in DOCS.read_text(), "docs/store.md: put what describe() gives in place of its table"


def test_what_a_task_makes_is_one_array_or_one_blob() -> None:
    """Beside a contribution, which never is in the store."""
    graph = Graph(small_plan())
    for kind in Kind:
        item = graph.product(Task(kind, 0, 0))
        own = [row for row in TABLE if row.item == item.kind and not row.is_beside]
        assert len(own) == (0 if kind in CONTRIBUTING else 1), kind
        assert all(kind in row.made_by for row in own)
        assert bool(blob_name(item)) == any(row.is_blob for row in own)


def test_names_do_not_collide_and_shapes_are_of_arrays_that_tasks_make() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert (row.shapes is not None) == (not row.is_blob and row.made_by != (DRIVER,)), row.name
        assert (row.item is None) == (row.made_by == (DRIVER,)), row.name


@pytest.mark.parametrize(
    ("recipe", "extra"),
    [
        ({}, []),
        ({"solver": "dpm++2m"}, [history_name(1), history_name(2)]),
        ({"activity": "mask"}, [DIFFICULTY, moments_name(0)]),
        ({"colour": "adain"}, [moments_name(0)]),
    ],
)
def test_arrays_of_a_plan(tmp_path: Path, recipe: dict[str, Any], extra: list[str]) -> None:
    """Each array that tells of an item comes before those beside it, and all are created."""
    plan = small_plan(**recipe)
    store = RunStore.open(str(tmp_path / "run"))
    create_arrays(store, plan)
    expected = [*(latent_name(step) for step in range(plan.num_steps + 1)), OUT, *extra]
    expected += [COARSE] if plan.uses_coarse else []
    assert sorted(name for name, _ in Kept(plan).arrays()) == sorted(expected)
    assert all(store.has_array(name) for name in expected)
    assert not store.has_array(PROMPTS_ARRAY)
    kept = Kept(plan)
    assert kept.names(Item("z", 1, 0)) == [latent_name(1), *(name for name in extra if name == history_name(1))]
    assert kept.names(Item("z", 0, 0)) == [latent_name(0)], "nothing is remembered before the first step"
    assert kept.names(Item("statistics", 0, 0)) == []
