"""RayExecutor gives LocalExecutor's bytes, with any number of workers, however they die."""

from __future__ import annotations

import functools
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util import list_named_actors

from actors.artifacts.layout import PIXELS
from actors.executors.crew import Crew
from actors.executors.lent import LentExecutor
from actors.executors.protocol import Executor, NoRoomError, WorkersExhaustedError
from actors.executors.ray import RayExecutor, fault_of, reason_of
from actors.executors.slots import Pool
from actors.executors.staffing import Staffing
from actors.schedule.coordinator import TaskFailedError
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Fault, Kind
from actors.work.building import WorkerSetup
from cluster.runs.prompts import count_prompts
from pipeline.prompts.vocabulary import Vocabulary
from storage.errors import NotFiniteError
from storage.run import RunStore
from tests.support.killing import KillingExecutor
from tests.support.runs import MASKED, STAGED, Case, diffusion_case, digest, make_case, sit
from tests.support.tiny import write_stable_diffusion
from tests.support.tiny_taggers import write_tagger

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("shared_ray")]


RECIPE: dict[str, Any] = {**STAGED, **MASKED, "solver": "dpm++2m", "colour": "adain"}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Every kind of task: reductions, dilated samples, guided merges, tiles that rest."""
    return diffusion_case(tmp_path_factory.mktemp("model"), height=90, width=110, **RECIPE)


@pytest.fixture(scope="module")
def expected(case: Case, tmp_path_factory: pytest.TempPathFactory) -> str:
    store = case.begin(str(tmp_path_factory.mktemp("oracle") / "run"))
    sit(case, store)
    return digest(case, store)


def pools(workers: int) -> list[Pool]:
    """Two workers come with a prepare pool, whose end the run must see."""
    tile = Pool(name="tile", size=workers, kinds=frozenset(Kind), num_cpus=1)
    prepare = Pool(name="prepare", size=1, kinds=frozenset({Kind.EMBED, Kind.PREPARE}), num_cpus=1)
    return [tile, prepare] if workers == 2 else [tile]


@pytest.fixture
def store(case: Case, tmp_path: Path) -> RunStore:
    return case.begin(str(tmp_path / "run"))


def test_one_worker_is_killed_and_one_hangs(case: Case, expected: str, store: RunStore) -> None:
    """A stopped process raises nothing, ever: only the lease finds it."""
    killers: list[KillingExecutor] = []
    signals = [signal.SIGKILL, signal.SIGSTOP]

    def start(setup: WorkerSetup, graph: Graph) -> Executor:
        inner = RayExecutor(pools(2), setup, graph)
        names = [name for name in list_named_actors() if name.startswith(f"gigatile-{case.plan.hash[:12]}-")]
        assert {"tile-1", "tile-2"} <= {"-".join(name.split("-")[-2:]) for name in names}
        killers.append(KillingExecutor(inner, [5, 14], lambda killer: killer.send(signals.pop(0))))
        return killers[0]

    tally = sit(case, store, start, patience=Patience(lease_floor=3.0, lease_first=20.0))
    assert killers[0].num_struck == 2
    assert tally.requeues.get("worker lost", 0) > 0
    assert tally.requeues.get("late", 0) > 0
    assert all(tally.done[kind] for kind in Kind)
    assert digest(case, store) == expected


def test_workers_that_cannot_start_end_the_run(case: Case, store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # each takes the time that the imports take; tests/actors/executors/test_slots.py counts more
    monkeypatch.setattr("actors.executors.slots.MOST_START_FAILURES", 1)

    def start(setup: WorkerSetup, graph: Graph) -> Executor:
        broken = WorkerSetup(store=setup.store, plan=setup.plan, model="/nowhere/model")
        return RayExecutor([Pool(name="tile", size=1, kinds=frozenset(Kind), num_cpus=1)], broken, graph)

    with pytest.raises(WorkersExhaustedError, match=r"1 workers in a row did not start: .*no such folder"):
        sit(case, store, start)


def test_workers_for_whom_there_is_no_room_wait_and_say_for_what(case: Case, store: RunStore) -> None:
    """As long as they may; and they can be called off at once."""
    setup, huge = case.setup(store), Pool(name="tile", size=3, kinds=frozenset(Kind), num_cpus=64, memory=1 << 30)
    for most_wait_s, is_over in ((None, False), (0.0, True)):
        executor = RayExecutor([huge], setup, Graph(case.plan), most_wait_s=most_wait_s)
        assert executor.staffing() == Staffing(asked=3, placed=0, cpus=192.0, memory=3 << 30)
        with pytest.raises(NoRoomError, match="0 of 3 workers") if is_over else nullcontext():
            assert executor.wait(0.01) == []
        executor.close()


def test_a_task_that_always_fails_ends_the_run_after_its_worker_was_replaced(case: Case, store: RunStore) -> None:
    store.open_array(PIXELS).delete(0)
    # the pixels are under two regions, whose tasks take turns
    with pytest.raises(
        TaskFailedError, match=r"\(step 0, region [0-9]+\) failed 2 times, last on tile-[23]: .*written"
    ):
        sit(case, store, lambda setup, graph: RayExecutor(pools(1), setup, graph), patience=Patience(tries=2))


def test_a_tagger_in_the_prepare_pool_alone(tmp_path: Path) -> None:
    """Tile workers neither tag nor embed here; all of it gives the oracle's bytes."""
    model, tagger = write_stable_diffusion(tmp_path / "sd"), write_tagger(tmp_path / "siglip", "siglip")
    case = make_case(
        str(model),
        height=70,
        width=90,
        tagger=str(tagger),
        vocabulary=Vocabulary(phrases=("water", "roof"), degradations=("noise",)),
        **{"window": 16, "overlap": 6, "region": 16, "steps": 2, "guidance": 2.0, "batch": 2, "most_tags": 1},
        **{"tag_threshold": 0.5, "least_confidence": 0.51, "parents": 1, "degradations": "negative"},
    )
    control = frozenset({Kind.EMBED, Kind.PREPARE})
    tile = Pool(name="tile", size=1, kinds=frozenset(Kind) - control, num_cpus=1)
    prepare = Pool(name="prepare", size=1, kinds=control, num_cpus=1)
    oracle, store = case.begin(str(tmp_path / "oracle")), case.begin(str(tmp_path / "run"))
    sit(case, oracle)
    tally = sit(case, store, lambda setup, graph: RayExecutor([tile, prepare], setup, graph))
    assert not tally.requeues
    assert tally.staffing is not None
    assert tally.staffing.placed > 0
    assert tally.backbone_seconds > 0
    assert digest(case, store) == digest(case, oracle)
    assert count_prompts(store) == count_prompts(oracle)
    workers = {record.kind: record.worker.split("-")[0] for record in store.journal.replay()}
    assert {kind: workers[kind] for kind in ("embed", "prepare", "merge")} == {
        "embed": "prepare",
        "prepare": "prepare",
        "merge": "tile",
    }


def test_a_crew_goes_from_run_to_run(case: Case, expected: str, tmp_path: Path) -> None:
    """Three runs in threads over two workers, one of which is killed: each gives what it gives alone."""
    crew = Crew(2, ray.kill)
    names = ["first", "second", "third"]
    crew.announce(names)
    lost: dict[str, int] = {}

    def start(name: str, setup: WorkerSetup, graph: Graph) -> Executor:
        inner = LentExecutor(crew, name, pools(1), setup, graph)
        kills = [6] if name == "second" else []
        return KillingExecutor(inner, kills, lambda killer: killer.send(signal.SIGKILL))

    def run(name: str) -> str:
        store = case.begin(str(tmp_path / name))
        tally = sit(case, store, functools.partial(start, name), patience=Patience(lease_first=120.0))
        lost[name] = tally.requeues.get("worker lost", 0)
        return digest(case, store)

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(run, names)) == [expected] * 3
    assert {name: num > 0 for name, num in lost.items()} == {"first": False, "second": True, "third": False}
    crew.close()


@ray.remote(max_retries=0)
def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "fault"),
    [(NotFiniteError("decode(step 0, region 1): the decoder gave NaN"), Fault.TASK), (OSError("away"), Fault.WORKER)],
)
def test_who_is_to_blame_survives_the_way_through_ray(error: Exception, fault: Fault) -> None:
    """A task that gives NaN is not tried on worker after worker, and its line comes through whole."""
    with pytest.raises(ray.exceptions.RayTaskError) as failed:
        ray.get(_raise.remote(error))
    assert fault_of(failed.value) is fault
    assert reason_of(failed.value) == str(error)
