"""The server that processes which are killed are forked from."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

import pytest

LIBRARIES = [
    *("cluster.runs.generate", "pipeline.taggers.embedded"),
    *("tests.support.composite", "tests.support.runs", "tests.support.series"),
]


@pytest.fixture(scope="session")
def server() -> ForkServerContext:
    """It loads the libraries once, for all that it forks."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return context
