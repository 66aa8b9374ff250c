"""A private Ray for tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray


@contextmanager
def private_ray(num_cpus: int) -> Iterator[None]:
    """Start Ray in this process with a small object store, and end it."""
    ray.init(
        address="local",
        num_cpus=num_cpus,
        object_store_memory=200 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()
