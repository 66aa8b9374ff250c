"""Where a run computes: the backend that its address names, and what it finds there."""

from __future__ import annotations

from cluster.job import Work
from storage.registry import Registry

from .backend import Backend, Placement
from .ray_cluster import RayCluster
from .this_machine import ThisMachine
from .waiting import Waiting
from .warm import LentJob

DEVICES = ("auto", "cpu", "cuda")
RAY = RayCluster()
BACKENDS: Registry[Backend] = Registry(
    what="executor",
    group="gigatile.executors",
    kind=Backend,
    built_in=(ThisMachine(), RAY),
    names_of=lambda backend: backend.schemes,
)
"""by the scheme of an address"""


def scheme_of(address: str) -> str:
    """What says which backend an address is for.

    >>> [scheme_of(one) for one in ("local", "auto", "ray://head:10001", "head:6379")]
    ['local', 'auto', 'ray', '']
    """
    return address if address in ("local", "auto") else address.rpartition("://")[0]


def backend_of(address: str) -> Backend:
    """The backend of an address; Ray's for one of no scheme that is known, which says what it expected.

    Raises ValueError, one line, where an installed one is broken.
    """
    return BACKENDS.find(scheme_of(address)) or RAY


def backend_for(job: Work) -> Backend:
    """The backend that a job is lent, or that of its address."""
    return job.backend if isinstance(job, LentJob) else backend_of(job.address)


def place(job: Work, waiting: Waiting | None = None) -> Placement:
    """Connect where the job says so, and look what is there. Raises ValueError for options that cannot be.

    ``waiting``: how a cluster is waited for; where none is given, as patiently, and not to be stopped.
    """
    workers = job.workers
    if job.device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}; got {job.device!r}")
    if job.threads < 1 or (workers is not None and workers < 0):
        raise ValueError(f"threads must be at least 1 and workers at least 0, got {job.threads} and {workers}")
    if not 0 <= job.tagger_gpu < 1:
        raise ValueError(f"--tagger-gpu must be a share from 0 up to below 1, got {job.tagger_gpu}")
    if job.wait is not None and not 0 <= job.wait < float("inf"):
        raise ValueError(f"--wait {job.wait:g}: expected seconds, 0 or more; leave it out to wait for ever")
    return backend_for(job).place(job, waiting or Waiting())
