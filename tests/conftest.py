"""What tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


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
