"""Two raylets, one of them killed, another joined: the oracle's bytes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from actors.executors.protocol import Executor
from actors.executors.ray import Pool, RayExecutor
from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from actors.work.building import WorkerSetup
from tests.support.killing import KillingExecutor
from tests.support.runs import diffusion_case, digest, sit

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos]

FAST_HEALTH_CHECKS = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    # a raylet that is dead refuses at once; a slow one lives
    "health_check_timeout_ms": 10_000,
    "health_check_failure_threshold": 3,
}


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head without work of its own, and two nodes of one CPU."""
    ray.shutdown()  # the one that other tests share
    cluster = Cluster(
        initialize_head=True,
        connect=False,
        head_node_args={"num_cpus": 0, "_system_config": FAST_HEALTH_CHECKS, "object_store_memory": 100 << 20},
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_raylet_dies_and_a_node_joins(cluster: Any, tmp_path: Path) -> None:
    case = diffusion_case(tmp_path, height=66, width=80)
    oracle, store = case.begin(str(tmp_path / "oracle")), case.begin(str(tmp_path / "run"))
    sit(case, oracle)
    pool = Pool(name="tile", size=2, kinds=frozenset(Kind), num_cpus=1)
    killers: list[KillingExecutor] = []

    def replace_node(_killer: KillingExecutor) -> None:
        node = sorted(cluster.worker_nodes, key=lambda node: node.node_id)[0]
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)

    def start(setup: WorkerSetup, graph: Graph) -> Executor:
        killers.append(KillingExecutor(RayExecutor([pool], setup, graph), [8], replace_node))
        return killers[0]

    deadline = time.monotonic() + 1200
    tally = sit(case, store, start, should_stop=lambda: time.monotonic() > deadline)
    assert killers[0].num_struck == 1
    assert tally.requeues.get("worker lost", 0) + tally.requeues.get("contribution lost", 0) > 0
    assert digest(case, store) == digest(case, oracle)
