"""What tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook, too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes share the tests: Ray's, which take both cores, come one after another in one, others by file."""
    clusters = [item for item in items if item.get_closest_marker("ray")]
    for item in items:
        item.add_marker(pytest.mark.xdist_group("clusters" if item in clusters else item.nodeid.split("::")[0]))
    items.sort(key=lambda item: item not in clusters)


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
