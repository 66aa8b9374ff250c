"""The simulation of the coordinator: as long as sums by hand say, all that there is to do, and losses made good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.schedule.attempt import Attempt
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Kind
from benchmarks.machines import TIMES, Machine, Machines, Work, make_plan
from benchmarks.simulation import Barrier, Counted, Point, Simulation, measure

STEADY = Machines(workers=3, jitter=0.0, stragglers=0.0, preemptions=0.0, message=0.0, entry=0.0)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Nine regions and three steps."""
    return Graph(make_plan((3 * 2048) ** 2 / 1e9, 3))


def simulate(graph: Graph, machines: Machines, kind: type[Coordinator] = Coordinator) -> Counted:
    coordinator = kind(graph, [], Patience())
    found = Simulation(coordinator, machines, cost=lambda: 0.0).run()
    assert coordinator.done
    return found


def test_a_machine_reads_ahead_and_computes_one_by_one() -> None:
    """Tasks of 1 + 4 + 0.5 seconds: the second has read when the first has computed, the third waits for a thread."""
    machine, work = Machine(name="w", since=0.0), Work(read=1.0, compute=4.0, write=0.5)
    assert [machine.carry_out(work, 10.0) for _ in range(3)] == [(10.0, 15.5), (10.0, 19.5), (15.5, 23.5)]
    assert machine.carry_out(Work(read=1.0, compute=0.0, write=0.0), 19.5) == (19.5, 20.5), "no GPU, no wait for it"


def test_all_is_done_once_where_nothing_happens(graph: Graph) -> None:
    """As many GPU seconds as the tasks take, on three workers that are there from the beginning to the end."""
    found = simulate(graph, STEADY)
    totals = graph.totals()
    assert found.tasks == sum(totals.values())
    assert found.computed == pytest.approx(sum(TIMES[kind].compute * num for kind, num in totals.items() if num))
    assert found.present == pytest.approx(3 * found.seconds)
    assert 0.5 < found.occupation < 1
    assert found.requeues == {}


def test_one_worker_takes_as_long_as_all_tasks(graph: Graph) -> None:
    found = simulate(graph, replace(STEADY, workers=1))
    assert found.computed < found.seconds < 1.4 * found.computed


def test_the_same_seed_is_the_same_run(graph: Graph) -> None:
    machines = replace(STEADY, jitter=0.05, stragglers=0.1, preemptions=60.0, replaced_after=5.0)
    assert simulate(graph, machines) == simulate(graph, machines)
    assert simulate(graph, machines) != simulate(graph, replace(machines, seed=1))


def test_who_is_preempted_is_replaced_and_its_contributions_made_again(graph: Graph) -> None:
    found = simulate(graph, replace(STEADY, preemptions=120.0, replaced_after=2.0))
    assert found.requeues["worker lost"] > 0
    assert found.requeues["contribution lost"] > 0
    assert found.tasks > sum(graph.totals().values()), "some twice"


def test_with_a_barrier_no_step_begins_before_the_last_has_ended(graph: Graph) -> None:
    coordinator = Barrier(graph, [], Patience())
    simulation = Simulation(coordinator, STEADY, cost=lambda: 0.0)
    begin, seen = simulation._begin, set()

    def begun(attempt: Attempt) -> None:
        task = attempt.task
        if task.kind is Kind.DENOISE and task.step:
            assert not list(coordinator.todo.of_step(Kind.MERGE, task.step - 1)), task
            seen.add(task.step)
        begin(attempt)

    simulation._begin = begun  # type: ignore[method-assign]
    found = simulation.run()
    assert coordinator.done
    assert seen == {1, 2}
    assert found.occupation < simulate(graph, STEADY).occupation, "somebody waits"


def test_the_coordinators_own_time_counts(graph: Graph) -> None:
    """Nothing goes on faster than it tells: at half a second a message, all of its time."""
    busy = simulate(graph, replace(STEADY, workers=9, message=0.5))
    assert busy.coordinating == pytest.approx(0.5 * 2 * busy.tasks)
    assert busy.coordinating / busy.seconds > 0.9
    assert busy.occupation < simulate(graph, replace(STEADY, workers=9)).occupation


def test_a_point_is_a_row() -> None:
    """Of a part of a run: all regions are prepared, so only steps are seen."""
    row = measure(Point(gigapixels=0.05, steps=2, most_tasks=20), STEADY)
    assert (row["gpus"], row["steps"], row["regions"]) == (3, 2, 16)
    assert 20 <= row["tasks"] < 40
    assert 0 < row["occupation"] <= 1
