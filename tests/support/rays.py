"""A private Ray for tests."""

from __future__ import annotations

import logging

import ray


def ensure_ray() -> None:
    """Start a Ray in this process with a small object store, unless it runs one: starting takes seconds."""
    if not ray.is_initialized():
        ray.init(
            address="local",
            num_cpus=3,
            object_store_memory=200 << 20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
