"""What tests of several folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

CLUSTERS = ("test_ray.py", "test_driver.py", "test_job.py", "test_object_store.py", "test_raylets.py")
"""what the names of tests that start Ray hold"""
# Ray's workers would else give way to the tests of the other process, which never wait
os.environ.setdefault("RAY_worker_niceness", "0")


def starts_ray(nodeid: str) -> bool:
    return any(name in nodeid for name in CLUSTERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray's tests first, so that one of two processes begins with them: they take longest."""
    unnamed = [item.nodeid for item in items if item.get_closest_marker("ray") and not starts_ray(item.nodeid)]
    assert not unnamed, f"name these as tests/conftest.py knows tests that start Ray: {unnamed}"
    items.sort(key=lambda item: not starts_ray(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Ray's tests, which take both cores, one after another in one process, others by file.

    xdist's own groups do not reach pytest 9.2's test ids.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if starts_ray(nodeid):
                return "clusters"
            # one small model is trained for all of these
            return "training" if "tests/training/" in nodeid else nodeid.split("::")[0]

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def ray_until_the_end() -> Iterator[None]:
    """Ends what ``shared_ray`` started."""
    yield
    import ray  # not at the head: most tests do without, and it takes seconds

    ray.shutdown()


@pytest.fixture
def shared_ray(ray_until_the_end: None) -> None:
    """This process is the driver of a Ray with three CPUs, the same for all tests that ask for one."""
    from tests.rays import ensure_ray

    ensure_ray()
