"""Reaching Ray: a private one on this machine, the cluster around this process, or one at an address."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
from collections.abc import Mapping
from typing import Any

import ray

from pipeline.plan.device import DeviceFacts, describe_device
from pipeline.plan.speed import measure_speed

from .asking import Question, UnreachableError, ask_beside, ask_worker
from .trust import Answer, ask, objection, open_cluster
from .waiting import Waiting

DEFAULT_PORTS = {"": "", "ray": "10001"}
"""port by scheme, where the address gives none; a plain host:port must give it"""

PROBE_SECONDS = 5.0
"""how long a port may take to answer"""

PREPARE_CPUS = 1
"""logical CPUs of each actor of the prepare pool"""


def join_cluster(address: str, *, allow_open: bool = False) -> None:
    """Connect to a running cluster. Raises UnreachableError, one line with the mend, within seconds.

    ``allow_open``: also one that asks for no token.
    """
    meant = find_cluster(address)
    if meant and "://" not in meant and (wrong := objection(meant, allow_open=allow_open)):
        raise UnreachableError(f"address {address}: {wrong}")
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError, ImportError) as e:
        reason = " ".join(str(e).split()) or type(e).__name__
        raise UnreachableError(f"address {address}: {reason.rstrip('.')}; {_MEND}") from e
    if meant.startswith("ray://") and not allow_open and not _asks_for_token():
        ray.shutdown()
        raise UnreachableError(f"address {address}: {open_cluster(meant)}")


_MEND = (
    "is it the address that `ray start` printed (host:6379), is the cluster's Ray the same version, and is "
    "RAY_AUTH_MODE set as there? --address local needs no cluster"
)


def find_cluster(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """host:port of the cluster that an address means, or ray://host:port; "" where Ray has to find it.

    Raises UnreachableError, one line with the mend, where nothing is there.
    """
    if address != "auto":
        _probe(address, address)
        return address
    named = environment.get("RAY_ADDRESS", "").strip()
    if named and named not in ("auto", "local"):
        _probe(named, f"auto (RAY_ADDRESS={named})")
        return named
    clusters = _local_clusters()
    if not clusters:
        raise UnreachableError(
            "address auto: this machine is part of no Ray cluster; start one with `ray start --head`, "
            "or use --address local"
        )
    return next(iter(clusters)) if len(clusters) == 1 else ""


def _probe(address: str, as_written: str) -> None:
    scheme, _, rest = address.rpartition("://")
    if "@" in rest:  # what stands before it may be a password: it is not repeated
        raise UnreachableError(
            "the address of the cluster has a name or a password in it, which Ray takes in no address: expected local, "
            "auto, host:port or ray://host:port"
        )
    if scheme in ("http", "https"):
        host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
        raise UnreachableError(
            f"address {as_written}: {address} is the address for jobs (the dashboard's): a driver joins {host}:6379, "
            "the one that `ray start` printed, or is sent there by "
            f"`gigatile submit --address {address} -- ...`"
        )
    host, _, port = rest.rpartition(":") if ":" in rest else (rest, "", "")
    number = port or DEFAULT_PORTS.get(scheme, "")
    if scheme not in DEFAULT_PORTS or not host or not number.isdigit():
        raise UnreachableError(f"address {as_written!r}: expected local, auto, host:port or ray://host:port")
    try:
        socket.create_connection((host.strip("[]"), int(number)), timeout=PROBE_SECONDS).close()
    except (OSError, OverflowError) as e:
        raise UnreachableError(
            f"address {as_written}: nothing answers at {host}:{number} ({e}); is the cluster up, and its port "
            "open to you?"
        ) from e


def _asks_for_token() -> bool:
    """Whether the cluster joined through ray:// lets nobody in without a token."""
    return any(ask(address, None) is Answer.REFUSED for address in [str(ray.get_runtime_context().gcs_address)])


def _local_clusters() -> set[str]:
    from ray._private.services import find_gcs_addresses

    return set(find_gcs_addresses())


def cluster_device(kind: str, threads: int, waiting: Waiting) -> DeviceFacts:
    """The device of the connected cluster's workers, asked of one of its nodes. ``kind``: auto, cpu or cuda.

    A node whose devices are all in use tells it, too, so that a plan can be made while the cluster is busy; only where
    none has such a device one is waited for. Raises what Waiting and ``ask_worker`` do.
    """
    if kind == "auto":
        kind = "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
    question = Question(tell=lambda: dataclasses.asdict(describe_device(kind, threads)), kind=kind, threads=threads)
    return DeviceFacts(**ask_beside(question, waiting))


def cluster_speed(device: DeviceFacts, waiting: Waiting, **shape: Any) -> float:
    """FLOPs a second of one of the cluster's workers; ``shape`` as of measure_speed."""
    kind, threads = device.kind, device.threads
    question = Question(tell=lambda: measure_speed(kind, threads=threads, **shape), kind=kind, threads=threads)
    return float(ask_worker(question, waiting))


def largest_memory(kind: str) -> int:
    """Bytes of memory that a node with such devices offers to workers, the largest there is."""
    resource = "GPU" if kind == "cuda" else "CPU"
    able = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get(resource, 0)]
    return max((int(one.get("memory", 0)) for one in able), default=0)


def cluster_size(device: DeviceFacts) -> int:
    """How many workers the connected cluster can hold: one a GPU, or one per ``threads`` CPUs with one CPU to spare."""
    resources = ray.cluster_resources()
    if device.kind == "cuda":
        return max(1, int(resources.get("GPU", 0)))
    return max(1, (int(resources.get("CPU", 1)) - PREPARE_CPUS) // device.threads)
