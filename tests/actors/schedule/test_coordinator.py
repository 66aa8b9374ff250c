"""The state machine under every kind of trouble: it ends, with every task done once and nothing left over."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.schedule.attempt import Attempt
from actors.schedule.coordinator import Coordinator, TaskFailedError
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Fault, Item, Kind, Outcome, Task
from pipeline.models.families import analytic
from tests.support.geometries import altered
from tests.support.tiny import small_plan

ALL = frozenset(Kind)
NORMED = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, decoder_norms=2, norm_groups=4))
"""a card only: the state machine asks for no model"""


def graph(**recipe: object) -> Graph:
    return Graph(small_plan(height=75, width=125, **recipe))  # type: ignore[arg-type]


def commit_all(coordinator: Coordinator) -> None:
    coordinator.commit(list(coordinator.uncommitted))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    workers=st.integers(1, 6),
    norms=st.sampled_from(["window", "exact"]),
    activity=st.sampled_from(["all", "mask"]),
    guide=st.sampled_from(["none", "structure"]),
)
def test_ends_whatever_fails(seed: int, workers: int, norms: str, activity: str, guide: str) -> None:
    """Workers die, contributions vanish, tasks fail and finish late, in any order; dependencies always hold."""
    rng = random.Random(seed)
    uneven = graph(model=NORMED, codec_norm=norms, activity=activity, guide=guide)
    coordinator = Coordinator(uneven, [], Patience(tries=10_000, lease_first=30.0))
    names = [f"w{i}" for i in range(workers)]
    for name in names:
        coordinator.join(name, ALL)
    running: list[Attempt] = []
    now, num_done = 0.0, 0
    while not coordinator.done:
        for attempt in coordinator.assign(now):
            assert all(item in coordinator.available for item in coordinator.graph.inputs(attempt.task))
            running.append(attempt)
        now += rng.random()
        for hung in coordinator.overdue(now):
            coordinator.leave(hung)
            coordinator.join(hung + "x", ALL)
        assert running, "nothing runs and nothing is ready"
        attempt = running.pop(rng.randrange(len(running)))
        luck = rng.random()
        if luck < 0.03 and attempt.worker in coordinator.members:  # nobody dies twice
            coordinator.leave(attempt.worker)
            coordinator.join(f"{attempt.worker}'", ALL)
        elif luck < 0.07:
            fault = Fault.INPUTS if attempt.task.kind is Kind.MERGE else Fault.WORKER
            coordinator.fail(attempt.worker, attempt.number, "no luck", fault)
        else:
            active: tuple[int, ...] = ()
            if activity == "mask" and attempt.task.kind is Kind.PREPARE:
                active = tuple(rng.choice((0, 0, 1, 7)) for _ in range(coordinator.graph.num_steps))
            num_done += coordinator.finish(attempt.worker, attempt.number, Outcome(seconds=1.0, active=active))
        if rng.random() < 0.5 or coordinator.starving:
            commit_all(coordinator)
    assert num_done >= len(coordinator.graph.needed(set()))
    assert not any(coordinator.num_left.values())
    assert {item.kind for item in coordinator.available} - {"statistics"} == {"coarse", "out"}


def test_nothing_unlocks_before_the_journal_has_it() -> None:
    coordinator = Coordinator(graph(), [], Patience())
    coordinator.join("w", frozenset({Kind.PREPARE, Kind.ENCODE}))
    first = coordinator.assign(0.0)[0]
    assert coordinator.finish("w", first.number, Outcome())
    encode = coordinator.graph.consumers(coordinator.graph.product(first.task))[0]
    assert encode not in {a.task for a in coordinator.assign(0.0)}
    commit_all(coordinator)
    handed = {a.task for a in coordinator.assign(0.0)} | {
        a.task for m in coordinator.members.values() for a in m.attempts.values()
    }
    while encode not in handed:
        attempt = next(iter(coordinator.members["w"].attempts.values()))
        coordinator.finish("w", attempt.number, Outcome())
        commit_all(coordinator)
        handed |= {a.task for a in coordinator.assign(0.0)}


def test_neighbours_are_one_step_apart_at_most() -> None:
    """No barrier, and no region runs ahead of its neighbours: z(s + 1) needs the 3 x 3 neighbourhood at s."""
    plan = small_plan(steps=6)
    coordinator = Coordinator(Graph(plan), [], Patience())
    coordinator.join("w", ALL)
    rng = random.Random(0)
    most = 0
    while not coordinator.done:
        coordinator.assign(0.0)
        attempts = list(coordinator.members["w"].attempts.values())
        chosen = rng.choice(attempts)
        coordinator.finish("w", chosen.number, Outcome())
        commit_all(coordinator)
        at = {
            r: max((i.step for i in coordinator.available if i.kind == "z" and i.region == r), default=0)
            for r in range(plan.regions.num_regions)
        }
        for region in at:
            for other in plan.regions.neighbourhood(region, before=1, after=1):
                if any(i.kind == "out" for i in coordinator.available):
                    continue
                most = max(most, abs(at[region] - at[other]))
    assert most == 1


def test_a_late_task_is_given_to_another_and_then_its_worker_is_ended() -> None:
    coordinator = Coordinator(graph(), [], Patience(lease_first=10.0, in_flight=1))
    coordinator.join("slow", ALL)
    (late,) = coordinator.assign(0.0)
    coordinator.join("quick", frozenset({late.task.kind}))
    assert coordinator.overdue(11.0) == []
    tasks = [a.task for a in coordinator.assign(11.0)]
    assert tasks == [late.task]
    assert coordinator.overdue(22.0) == ["slow"]


def test_the_first_result_counts() -> None:
    coordinator = Coordinator(graph(), [], Patience(lease_first=10.0, in_flight=1))
    coordinator.join("slow", ALL)
    (late,) = coordinator.assign(0.0)
    coordinator.join("quick", ALL)
    coordinator.overdue(11.0)
    (again,) = coordinator.assign(11.0)
    assert again.task == late.task
    assert coordinator.finish("quick", again.number, Outcome())
    assert not coordinator.finish("slow", late.number, Outcome())


def two_attempts_of_a_merge() -> tuple[Coordinator, Attempt, Attempt]:
    """A merge is late with one worker and given to another; the rest of the run has not gone on."""
    coordinator = Coordinator(graph(), [], Patience(lease_first=10.0, in_flight=1))
    coordinator.join("slow", ALL)
    while True:
        (late,) = coordinator.assign(0.0)
        if late.task.kind is Kind.MERGE:
            break
        coordinator.finish("slow", late.number, Outcome())
        commit_all(coordinator)
    coordinator.join("quick", ALL)
    for now in itertools.count(11.0):
        coordinator.overdue(now)
        (attempt,) = coordinator.assign(now)
        if attempt.task == late.task:
            return coordinator, late, attempt
        coordinator.finish("quick", attempt.number, Outcome())
        commit_all(coordinator)
    raise AssertionError


@pytest.mark.parametrize("lost_first", [False, True])
def test_contributions_lost_to_a_merge_that_another_worker_does_are_not_made_again(lost_first: bool) -> None:
    """Whichever tells first; and the latents that they were made of are garbage, as ever."""
    coordinator, late, again = two_attempts_of_a_merge()
    read = [item for item in coordinator.graph.inputs(late.task) if item.kind == "contribution"]
    if lost_first:
        coordinator.fail("slow", late.number, "gone", Fault.INPUTS)
    assert coordinator.finish("quick", again.number, Outcome())
    if not lost_first:
        coordinator.fail("slow", late.number, "gone", Fault.INPUTS)
        assert not coordinator.requeues["contribution lost"]
    commit_all(coordinator)
    for item in read:
        wanted = any(merge in coordinator.todo for merge in coordinator.graph.consumers(item))
        assert (coordinator.graph.producer(item) in coordinator.todo) <= wanted
    while not coordinator.done:
        for attempt in coordinator.assign(0.0):
            coordinator.finish(attempt.worker, attempt.number, Outcome())
        for member in list(coordinator.members.values()):
            for attempt in list(member.attempts.values()):
                coordinator.finish(attempt.worker, attempt.number, Outcome())
        commit_all(coordinator)
    assert {item.kind for item in coordinator.available} == {"coarse", "out"}
    assert {item for item in coordinator.items.garbage if item.kind == "z"} == {
        Item("z", step, region)
        for step in range(coordinator.graph.num_steps + 1)
        for region in range(coordinator.graph.num_regions)
    }


def test_gives_up_on_a_task_that_always_fails() -> None:
    coordinator = Coordinator(graph(), [], Patience(tries=3, in_flight=1))
    coordinator.join("w", ALL)
    for _ in range(2):
        (attempt,) = coordinator.assign(0.0)
        coordinator.fail("w", attempt.number, "no")
    (attempt,) = coordinator.assign(0.0)
    with pytest.raises(TaskFailedError, match=r"failed 3 times.*no"):
        coordinator.fail("w", attempt.number, "no")


def test_a_failed_task_waits_for_another_worker() -> None:
    """The worker that failed it is free first, and gets something else; alone, it would get it again."""
    coordinator = Coordinator(graph(), [], Patience(in_flight=1))
    coordinator.join("broken", ALL)
    coordinator.join("good", ALL)
    failed, busy = coordinator.assign(0.0)
    assert coordinator.fail("broken", failed.number, "sticky")
    (other,) = coordinator.assign(0.0)
    assert other.worker == "broken"
    assert other.task != failed.task
    coordinator.finish("good", busy.number, Outcome())
    assert [(a.worker, a.task) for a in coordinator.assign(0.0)] == [("good", failed.task)]


def test_lost_inputs_are_no_failure_of_a_worker() -> None:
    coordinator, late, again = two_attempts_of_a_merge()
    assert not coordinator.fail("quick", again.number, "gone", Fault.INPUTS)
    assert coordinator.finish("slow", late.number, Outcome())


def test_a_task_that_is_at_fault_itself_is_not_tried_again() -> None:
    """NaN comes out wherever it is computed: the first failure ends the run, with its own words."""
    coordinator = Coordinator(Graph(small_plan()), [], Patience())
    coordinator.join("a", ALL)
    coordinator.join("b", ALL)
    attempt = coordinator.assign(0.0)[0]
    with pytest.raises(TaskFailedError, match=r"^the decoder gave NaN$"):
        coordinator.fail(attempt.worker, attempt.number, "the decoder gave NaN", Fault.TASK)


def test_contributions_alive_are_bounded() -> None:
    """Merges that never end: denoise tasks stop at the bound instead of filling the object store."""
    coordinator = Coordinator(Graph(small_plan(height=400, width=400, steps=2)), [], Patience())
    coordinator.join("w", ALL - {Kind.MERGE})
    coordinator.join("m", frozenset({Kind.MERGE}))
    for _ in range(20_000):
        attempts = [attempt for attempt in coordinator.assign(0.0) if attempt.worker == "w"]
        attempts = attempts or list(coordinator.members["w"].attempts.values())
        if not attempts:
            break
        for attempt in attempts:
            coordinator.finish("w", attempt.number, Outcome())
        commit_all(coordinator)
    held = [item for item in coordinator.available if item.kind == "contribution"]
    assert coordinator.members["m"].attempts
    assert coordinator.graph.most_alive(1) - 2 <= len(held) <= coordinator.graph.most_alive(1)
    assert len(held) < coordinator.graph.num_regions


def test_tile_workers_begin_while_others_still_prepare() -> None:
    """With no kind in common, and a long queue of regions to prepare."""
    coordinator = Coordinator(Graph(small_plan(height=400, width=400)), [], Patience(in_flight=1))
    control = frozenset({Kind.EMBED, Kind.PREPARE})
    coordinator.join("tile", ALL - control)
    coordinator.join("prepare", control)
    (prepare,) = coordinator.assign(0.0)
    coordinator.finish("prepare", prepare.number, Outcome())
    commit_all(coordinator)
    assert coordinator.num_left[Kind.PREPARE] > 40
    assert {a.task.kind for a in coordinator.assign(0.0)} == {Kind.ENCODE, Kind.PREPARE}


def test_resume_runs_what_is_missing_and_no_more() -> None:
    full = graph()
    everything = full.needed(set())
    outs = {Item("out", 0, r) for r in range(1, full.num_regions)}
    last = {Item("z", full.num_steps, r) for r in range(full.num_regions)}
    assert full.needed(outs | last) == {t for t in everything if t.kind is Kind.DECODE and t.region == 0}
    assert full.needed(outs) < everything
    assert full.needed(outs | {Item("out", 0, 0)}) == set()


@pytest.mark.parametrize("kept", [0, 2])
@pytest.mark.parametrize("keeps_last", [False, True])
def test_what_an_earlier_sitting_left_behind_is_garbage(kept: int, keeps_last: bool) -> None:
    """Killed after its last entry in the journal, before it had deleted anything."""
    full = graph(colour="adain")
    full.keeps_last = keeps_last
    regions = range(full.num_regions)
    latents = {Item("z", step, r) for step in range(full.num_steps + 1) for r in regions}
    moments = {Item("moments", 0, r) for r in regions}
    rest = {Item("coarse", 0, r) for r in regions} | {Item("statistics", 0, 0)}
    done = Coordinator(full, latents | moments | rest | {Item("out", 0, r) for r in regions}, Patience(kept_steps=kept))
    assert done.done
    stay = {item for item in latents if (kept and item.step % kept == 0)}
    stay |= {item for item in latents if keeps_last and item.step == full.num_steps}
    assert set(done.items.garbage) == (latents - stay) | moments
    assert not done.available & set(done.items.garbage)


def test_what_is_read_again_is_no_garbage() -> None:
    """One region lacks its last step, and one is not decoded; the others' latents are needed by no one."""
    full = graph()
    last, regions = full.num_steps, range(full.num_regions)
    latents = {Item("z", step, r) for step in range(last + 1) for r in regions} - {Item("z", last, 0)}
    decoded = {Item("out", 0, r) for r in regions} - {Item("out", 0, full.num_regions - 1), Item("out", 0, 0)}
    coordinator = Coordinator(full, latents | decoded | {Item("coarse", 0, r) for r in regions}, Patience())
    read = {item for task in coordinator.todo for item in full.inputs(task) if item.kind == "z"}
    assert read & latents
    assert set(coordinator.items.garbage) == latents - read


def test_a_reduction_waits_for_all_regions_and_goes_first() -> None:
    """Nothing is decoded before the table is there, and the table is made before more regions are measured."""
    coordinator = Coordinator(graph(colour="adain"), [], Patience(in_flight=1))
    coordinator.join("w", ALL)
    order = []
    while not coordinator.done:
        (attempt,) = coordinator.assign(0.0)
        order.append(attempt.task.kind)
        coordinator.finish("w", attempt.number, Outcome())
        commit_all(coordinator)
    num = coordinator.graph.num_regions
    assert order[-2 * num - 1 :] == [Kind.MEASURE] * num + [Kind.REDUCE] + [Kind.DECODE] * num
    assert not [item for item in coordinator.available if item.kind in ("z", "moments")]


def test_a_slow_reduction_is_not_late_because_another_was_quick() -> None:
    """One norm deep in a network takes a hundred times what the first one does."""
    plan = small_plan(model=NORMED, codec_norm="exact", start="noise")
    coordinator = Coordinator(Graph(plan), [], Patience(in_flight=1, lease_floor=1.0, lease_first=50.0))
    coordinator.join("w", ALL)
    while not coordinator.done:
        (attempt,) = coordinator.assign(0.0)
        slow = attempt.task.kind is Kind.MEASURE and attempt.task.step == 1
        assert coordinator.overdue(40.0 if slow else 0.4) == []
        assert not attempt.late
        coordinator.finish("w", attempt.number, Outcome(seconds=40.0 if slow else 0.4))
        commit_all(coordinator)


def simulate(patience: Patience, *, workers: int, latency: float) -> tuple[float, float]:
    """Seconds that a run of uneven regions takes, and seconds of work in it; messages take ``latency`` each way.

    One region in eight has work, a second a step; every task takes a hundredth besides. None may be called late.
    """
    wide = Graph(small_plan(height=125, width=250, activity="mask", region=16, window=16, overlap=8, steps=6))
    busy = {region: (10,) * wide.num_steps for region in range(0, wide.num_regions, 8)}
    active = {region: busy.get(region, (0,) * wide.num_steps) for region in range(wide.num_regions)}
    coordinator = Coordinator(wide, [], patience, active)
    for number in range(workers):
        coordinator.join(f"w{number}", ALL)
    free = dict.fromkeys(coordinator.members, 0.0)
    news: list[tuple[float, int, float, Attempt]] = []
    now = worked = 0.0
    while not coordinator.done:
        for attempt in coordinator.assign(now):
            is_busy = attempt.task.kind is Kind.DENOISE and attempt.task.region in busy
            seconds = 0.01 + is_busy
            free[attempt.worker] = max(free[attempt.worker], now + latency) + seconds
            worked += seconds
            heapq.heappush(news, (free[attempt.worker] + latency, attempt.number, seconds, attempt))
        now, _, seconds, attempt = heapq.heappop(news)
        assert coordinator.overdue(now) == []
        coordinator.finish(attempt.worker, attempt.number, Outcome(seconds=seconds))
        commit_all(coordinator)
    assert not coordinator.requeues
    return now, worked


@pytest.mark.parametrize("hangs_after", [0, 1, 3])
def test_a_worker_that_hangs_in_its_first_tasks_is_found_in_minutes(hangs_after: int) -> None:
    """Others have shown in a second what such tasks take, or show it when they are idle; the run goes on meanwhile."""
    coordinator = Coordinator(Graph(small_plan(height=200, width=200)), [], Patience())
    for name in ("hung", "well"):
        coordinator.join(name, ALL)
    now, num_done, killed = 0.0, Counter[str](), None
    while not coordinator.done:
        coordinator.assign(now)
        for name in coordinator.overdue(now):
            assert (name, killed) == ("hung", None)
            killed = now
            coordinator.leave(name)
        for name, member in list(coordinator.members.items()):
            if member.attempts and (name == "well" or num_done[name] < hangs_after):
                coordinator.finish(name, next(iter(member.attempts)), Outcome(seconds=1.0))
                num_done[name] += 1
        commit_all(coordinator)
        now += 1.0
        assert now < 1000, "the run stands still"
    assert killed is None or killed < 360
    assert now - num_done["well"] < 360, "waited so long"


def test_a_first_task_that_is_slow_is_not_late() -> None:
    """A worker that loads or compiles for two minutes what another has long done, and one behind it."""
    coordinator = Coordinator(graph(), [], Patience())
    coordinator.join("warm", ALL)
    coordinator.join("cold", ALL)
    now = 0.0
    while now < 150:
        coordinator.assign(now)
        assert coordinator.overdue(now) == []
        member = coordinator.members["warm"]
        if member.attempts:
            coordinator.finish("warm", next(iter(member.attempts)), Outcome(seconds=1.0))
        commit_all(coordinator)
        now += 1.0
    assert coordinator.members["cold"].attempts
    assert not coordinator.requeues["late"]


def test_uneven_regions_keep_workers_busy() -> None:
    """Idle regions are handed out by the handful, so messages cost little."""
    plain, worked = simulate(Patience(most_in_flight=2), workers=2, latency=0.02)
    balanced, _ = simulate(Patience(), workers=2, latency=0.02)
    assert balanced < 0.9 * plain
    assert worked / (2 * balanced) > 0.9


def test_a_quick_task_behind_slow_ones_is_not_late() -> None:
    """A merge takes a hundredth of the denoise task that its worker has in hand already."""
    simulate(Patience(lease_floor=0.3), workers=2, latency=0.02)


def test_work_is_a_share_of_the_busiest_step() -> None:
    coordinator = Coordinator(graph(), [], Patience(), {0: (4, 2, 0), 1: (8, 8, 1)})
    assert [coordinator.workload.share(Task(Kind.DENOISE, step, 0)) for step in range(3)] == [0.5, 0.25, 0.0]
    assert coordinator.workload.share(Task(Kind.DENOISE, 2, 1)) == 1 / 8
    assert coordinator.workload.share(Task(Kind.MERGE, 0, 1)) == 0
    assert coordinator.workload.share(Task(Kind.DENOISE, 0, 2)) == 1, (
        "a region that nothing is known of is taken to be full"
    )


def alone(coordinator: Coordinator, kinds: frozenset[Kind] = ALL) -> list[Task]:
    """What one worker is given, one after another, each finished and journalled before the next."""
    coordinator.join("w", kinds)
    order = []
    while not coordinator.done:
        coordinator.assign(0.0)
        attempt = min(coordinator.members["w"].attempts.values(), key=lambda one: one.number)
        order.append(attempt.task)
        coordinator.finish("w", attempt.number, Outcome())
        commit_all(coordinator)
    return order


def test_a_merge_is_handed_out_before_any_tile() -> None:
    """As soon as it can be: it frees memory, and unlocks its neighbours."""
    coordinator = Coordinator(graph(), [], Patience(in_flight=1))
    order = alone(coordinator)
    made: set[Task] = set()
    for number, task in enumerate(order):
        ready = [
            merge
            for merge in order[number:]
            if merge.kind is Kind.MERGE
            and all(coordinator.graph.producer(item) in made for item in coordinator.graph.inputs(merge))
        ]
        if ready:
            assert task.kind is Kind.MERGE, f"{task} before {ready[0]}"
        made.add(task)


def test_tiles_come_by_the_lowest_step_and_then_in_the_sweep() -> None:
    coordinator = Coordinator(graph(), [], Patience(in_flight=1))
    place = coordinator.graph.place
    order = [task for task in alone(coordinator) if task.kind is Kind.DENOISE]
    steps = [task.step for task in order]
    assert steps == sorted(steps)
    for step in set(steps):
        places = [place(task.region) for task in order if task.step == step]
        assert places == sorted(places)


def test_what_all_tiles_wait_for_comes_first() -> None:
    """Encoding before tiles, preparing before encoding: of two that are both ready."""
    coordinator = Coordinator(graph(start="image"), [], Patience(in_flight=1))
    kinds = [task.kind for task in alone(coordinator)]
    last = {kind: len(kinds) - 1 - kinds[::-1].index(kind) for kind in (Kind.PREPARE, Kind.ENCODE)}
    assert last[Kind.PREPARE] < kinds.index(Kind.ENCODE)
    assert last[Kind.ENCODE] < kinds.index(Kind.DENOISE)
    # what is ready to be decoded waits for what others wait for
    assert kinds.index(Kind.DECODE) > len(kinds) - 2 * kinds.count(Kind.DECODE)


def test_no_worker_gets_one_task_twice() -> None:
    """Late or not, it is somebody else's to try."""
    coordinator = Coordinator(graph(), [], Patience(lease_floor=1.0, lease_first=1.0, lease_warmup=0.0, in_flight=4))
    coordinator.join("slow", ALL)
    first = {attempt.task for attempt in coordinator.assign(0.0)}
    assert len(first) == 4
    assert coordinator.overdue(100.0) == []
    again = coordinator.assign(100.0)
    assert not first & {attempt.task for attempt in again}
    coordinator.join("other", ALL)
    assert first & {attempt.task for attempt in coordinator.assign(100.0)}


def test_three_tries_are_three() -> None:
    """On one worker after another; two failures are forgiven."""
    coordinator = Coordinator(graph(), [], Patience(tries=3, in_flight=1))
    coordinator.join("a", frozenset({Kind.PREPARE}))
    (attempt,) = coordinator.assign(0.0)
    for failure in (1, 2):
        assert coordinator.fail(attempt.worker, attempt.number, "no luck")
        assert coordinator.requeues["task failed"] == failure
        again = coordinator.assign(0.0)
        assert [one.task for one in again] == [attempt.task]
        attempt = again[0]
    with pytest.raises(TaskFailedError, match="failed 3 times, last on a: no luck"):
        coordinator.fail(attempt.worker, attempt.number, "no luck")


def test_a_late_task_kills_its_worker_at_the_second_time_only() -> None:
    coordinator = Coordinator(graph(), [], Patience(lease_floor=60.0, lease_first=60.0, lease_warmup=0.0, in_flight=1))
    coordinator.join("w", ALL)
    coordinator.assign(0.0)
    assert coordinator.overdue(59.0) == []
    assert coordinator.overdue(61.0) == []
    assert coordinator.requeues["late"] == 1
    assert coordinator.overdue(62.0) == []
    assert coordinator.overdue(1e6) == ["w"]


def test_tasks_of_a_lost_worker_are_another_ones() -> None:
    coordinator = Coordinator(graph(), [], Patience(in_flight=2))
    coordinator.join("gone", ALL)
    lost = [attempt.task for attempt in coordinator.assign(0.0)]
    coordinator.leave("gone")
    assert coordinator.requeues["worker lost"] == 2
    coordinator.join("next", ALL)
    assert [attempt.task for attempt in coordinator.assign(0.0)] == lost


def test_no_worker_with_room_for_more_gets_one_task_twice() -> None:
    """Also where nothing else is ready, and it is late."""
    coordinator = Coordinator(graph(), [], Patience(lease_floor=1.0, lease_first=1.0, lease_warmup=0.0, in_flight=8))
    coordinator.join("slow", ALL)
    first = {attempt.task for attempt in coordinator.assign(0.0)}
    assert len(first) < 8
    assert coordinator.overdue(100.0) == []
    assert coordinator.assign(100.0) == []
    coordinator.join("other", ALL)
    assert {attempt.task for attempt in coordinator.assign(100.0)} == first


def test_a_wide_canvas_is_swept_column_by_column() -> None:
    """Two rows of four regions: the front is two regions long."""
    coordinator = Coordinator(Graph(small_plan(height=100, width=250, steps=2)), [], Patience(in_flight=1))
    order = alone(coordinator)
    for kind in (Kind.PREPARE, Kind.ENCODE, Kind.DECODE):
        first = [task.region for task in order if task.kind is kind and task.step == 0]
        assert first == [0, 4, 1, 5, 2, 6, 3, 7]


def test_what_all_regions_wait_for_comes_before_what_one_does() -> None:
    """Words first, then what the autoencoder reads and gives as a whole, one norm after another, before and after."""
    both = altered(analytic.GEOMETRY, encoder_norms=2, decoder_norms=1, norm_groups=4, text_tokens=8)
    card = dataclasses.replace(analytic.CARD, geometry=both)
    plan = small_plan(model=card, codec_norm="exact", start="image", steps=2, prompt="a")
    coordinator = Coordinator(Graph(plan), [], Patience(in_flight=1))
    named = [name for name, _ in itertools.groupby(f"{task.kind} {task.step}" for task in alone(coordinator))]
    before = ["embed 0", "measure 0", "reduce 0", "measure 1", "reduce 1", "prepare 0", "encode 0", "denoise 0"]
    after = ["merge 1", "measure 2", "reduce 2", "decode 0"]
    assert (named[:8], named[-4:]) == (before, after)


QUICK = frozenset({Kind.PREPARE})


def prepared(coordinator: Coordinator, *seconds: float) -> None:
    """Tasks of one sort took so long elsewhere."""
    for one in seconds:
        coordinator.workload.record(Task(Kind.PREPARE, 0, 0), Outcome(seconds=one))


def test_leases_by_hand() -> None:
    """30 s is the median of 10, 30 and 50; five times that; of who has done none yet five times the slowest, and two
    minutes more; a minute at least; half an hour where nothing is known."""
    coordinator = Coordinator(graph(), [], Patience(in_flight=1))
    coordinator.join("a", QUICK)
    (first,) = coordinator.assign(100.0)
    assert (first.deadline, first.started, first.ahead) == (100.0 + 1800, 100.0, ())
    prepared(coordinator, 10.0, 30.0, 50.0)
    coordinator.join("b", QUICK)
    (second,) = coordinator.assign(100.0)
    assert second.deadline == 100.0 + 5 * 50 + 120
    assert coordinator.finish("b", second.number, Outcome(seconds=30.0))
    (third,) = coordinator.assign(200.0)
    assert (third.worker, third.deadline) == ("b", 200.0 + 5 * 30)
    quick = Coordinator(graph(), [], Patience(in_flight=1))
    prepared(quick, 2.0, 2.0, 2.0)
    quick.join("a", QUICK)
    (first,) = quick.assign(0.0)
    assert first.deadline == 60 + 120
    quick.finish("a", first.number, Outcome(seconds=2.0))
    (second,) = quick.assign(0.0)
    assert second.deadline == 60


def test_a_lease_is_of_all_that_a_worker_has_in_hand() -> None:
    """Two at once: twice its own time, or that of what lies before it and its own, whichever is more."""
    coordinator = Coordinator(graph(), [], Patience(in_flight=2, lease_floor=1.0))
    prepared(coordinator, 30.0)
    coordinator.join("a", QUICK)
    one, two = coordinator.assign(0.0)
    assert (one.ahead, two.ahead) == ((), (one.task,))
    assert [each.deadline for each in (one, two)] == [5 * 60 + 120] * 2
    coordinator.finish("a", one.number, Outcome(seconds=30.0))
    (three,) = coordinator.assign(10.0)
    assert three.ahead == (two.task,)
    assert three.deadline == 10 + 5 * 60
    both = Coordinator(graph(start="image"), [], Patience(in_flight=2, lease_floor=1.0))
    prepared(both, 100.0)
    both.workload.record(Task(Kind.ENCODE, 0, 0), Outcome(seconds=1.0))
    both.join("a", frozenset({Kind.PREPARE, Kind.ENCODE}))
    first, _ = both.assign(0.0)
    both.finish("a", first.number, Outcome(seconds=100.0))
    commit_all(both)
    both.join("b", frozenset({Kind.ENCODE}))
    encode = next(one for one in both.assign(0.0) if one.task.kind is Kind.ENCODE)
    assert encode.deadline == 5 * max(2 * 1, 1 + 100 * (len(encode.ahead))) + 120


def test_a_task_that_nobody_has_finished_is_shown_to_an_idle_worker() -> None:
    """After two minutes, once, and only where one is idle that can do it."""
    coordinator = Coordinator(graph(), [], Patience(in_flight=4))
    coordinator.join("a", ALL)
    tasks = {one.task for one in coordinator.assign(0.0)}
    assert coordinator.overdue(500.0) == []
    assert coordinator.assign(500.0) == [], "nobody is idle"
    coordinator.join("blind", frozenset({Kind.DECODE}))
    assert coordinator.overdue(500.0) == []
    coordinator.join("b", ALL)
    assert coordinator.overdue(119.9) == []
    assert coordinator.assign(119.9) == []
    assert coordinator.overdue(120.0) == []
    shown = coordinator.assign(120.0)
    assert {one.task for one in shown} == tasks
    assert {one.worker for one in shown} == {"b"}
    assert not coordinator.requeues, "nothing was late"
    coordinator.join("c", ALL)
    assert coordinator.overdue(130.0) == []
    assert coordinator.assign(130.0) == [], "once"


def test_what_is_known_to_take_long_is_not_shown() -> None:
    coordinator = Coordinator(graph(), [], Patience(in_flight=4))
    prepared(coordinator, 400.0)
    coordinator.join("a", QUICK)
    coordinator.assign(0.0)
    coordinator.join("b", QUICK)
    assert coordinator.overdue(500.0) == []
    assert coordinator.assign(500.0) == []


def test_each_worker_has_a_task_before_any_has_two() -> None:
    coordinator = Coordinator(graph(), [], Patience(in_flight=2))
    coordinator.join("a", ALL)
    coordinator.join("b", ALL)
    assert coordinator.starving
    assert coordinator.is_quiet
    handed = coordinator.assign(0.0)
    assert [one.worker for one in handed] == ["a", "b", "a", "b"]
    assert [one.number for one in handed] == [0, 1, 2, 3]
    assert not coordinator.starving
    assert not coordinator.is_quiet
    for one in (handed[0], handed[2]):
        coordinator.finish("a", one.number, Outcome())
    assert coordinator.starving
    assert not coordinator.is_quiet
    assert {one.task for one in coordinator.uncommitted} == {handed[0].task, handed[2].task}
    coordinator.commit(coordinator.uncommitted[:1])
    assert [one.task for one in coordinator.uncommitted] == [handed[2].task]
    assert coordinator.num_left[Kind.PREPARE] == 3


def test_results_that_are_of_no_use() -> None:
    """Of an attempt that is not known, of a worker that is not, and the second of one task."""
    coordinator = Coordinator(graph(), [], Patience(in_flight=1))
    coordinator.join("a", ALL)
    (one,) = coordinator.assign(0.0)
    assert not coordinator.finish("a", one.number + 1, Outcome())
    assert not coordinator.finish("b", one.number, Outcome())
    assert not coordinator.fail("a", one.number + 1, "no luck")
    assert coordinator.finish("a", one.number, Outcome())
    assert not coordinator.finish("a", one.number, Outcome())
    assert not coordinator.fail("a", one.number, "no luck")
    assert not coordinator.requeues
    coordinator.leave("nobody")
    assert not coordinator.requeues


def test_light_tasks_are_handed_out_until_they_are_a_full_ones_work() -> None:
    """Regions of one active tile of ten: the lightest loaded first, eight at most."""
    plan = small_plan(height=260, width=260, activity="mask", difficulty="gradient", steps=3)
    regions = range(plan.regions.num_regions)
    counts = {region: ((1, 1, 1) if region else (10, 10, 10)) for region in regions}
    there = [Item(kind, step, r) for kind, step in (("coarse", 0), ("z", 0)) for r in regions]
    there += [Item("statistics", 0, 0)]
    coordinator = Coordinator(Graph(plan), there, Patience(in_flight=2, most_in_flight=8), counts)
    tiles = frozenset({Kind.DENOISE})
    coordinator.join("a", tiles)
    coordinator.join("b", tiles)
    handed = coordinator.assign(0.0)
    names = Counter(one.worker for one in handed)
    shares = {name: sum(coordinator.workload.share(o.task) for o in handed if o.worker == name) for name in "ab"}
    assert coordinator.workload.share(Task(Kind.DENOISE, 0, 0)) == 1
    assert names == {"a": 2, "b": 8}
    assert shares == {"a": pytest.approx(1.1), "b": pytest.approx(0.8)}
