"""Reaching Ray: a private one on this machine, the cluster around this process, or one at an address."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

import ray

from pipeline.device import DeviceFacts, describe_device
from pipeline.speed import measure_speed

DEFAULT_PORTS = {"": "", "ray": "10001"}
"""port by scheme, where the address gives none; a plain host:port must give it"""

PROBE_SECONDS = 5.0
"""how long a port may take to answer"""

PREPARE_CPUS = 1
"""logical CPUs of each actor of the prepare pool"""


class UnreachableError(ConnectionError):
    """No Ray cluster at the address."""


def start_private(num_cpus: int, object_bytes: int) -> None:
    """Start Ray on this machine for this process alone; ``object_bytes`` bounds its shared memory."""
    ray.init(
        address="local",
        num_cpus=num_cpus,
        object_store_memory=object_bytes,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def join_cluster(address: str) -> None:
    """Connect to a running cluster. Raises UnreachableError, one line with the mend, within seconds."""
    if address != "auto":
        _probe(address)
    elif not (os.environ.get("RAY_ADDRESS") or _has_local_cluster()):
        raise UnreachableError(
            "address auto: this machine is part of no Ray cluster; start one with `ray start --head`, "
            "or use --address local"
        )
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError, ImportError) as e:
        reason = next((line for line in str(e).splitlines() if line.strip()), type(e).__name__)
        raise UnreachableError(f"address {address}: {reason.strip()}") from e


def _probe(address: str) -> None:
    scheme, _, rest = address.rpartition("://")
    host, _, port = rest.partition(":")
    number = port or DEFAULT_PORTS.get(scheme, "")
    if scheme not in DEFAULT_PORTS or not host or not number.isdigit():
        raise UnreachableError(f"address {address!r}: expected local, auto, host:port or ray://host:port")
    try:
        socket.create_connection((host, int(number)), timeout=PROBE_SECONDS).close()
    except (OSError, OverflowError) as e:
        raise UnreachableError(
            f"address {address}: nothing answers at {host}:{number} ({e}); is the cluster up, and its port open to you?"
        ) from e


def _has_local_cluster() -> bool:
    from ray._private.services import find_gcs_addresses

    return bool(find_gcs_addresses())


def cluster_device(kind: str, threads: int) -> DeviceFacts:
    """The device of the connected cluster's workers, asked of one of them. ``kind``: auto, cpu or cuda."""
    if kind == "auto":
        kind = "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
    return DeviceFacts(**_ask(lambda: dataclasses.asdict(describe_device(kind, threads)), kind, threads))


def cluster_speed(device: DeviceFacts, **shape: Any) -> float:
    """FLOPs a second of one of the cluster's workers; ``shape`` as of measure_speed."""
    return float(_ask(lambda: measure_speed(device.kind, threads=device.threads, **shape), device.kind, device.threads))


def _ask(question: Callable[[], Any], kind: str, threads: int) -> Any:
    """The answer of a task on a node with such a device."""
    options: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0} if kind == "cuda" else {"num_cpus": threads}
    remote: Any = ray.remote(question)
    return ray.get(remote.options(max_retries=3, **options).remote())


def cluster_memory() -> int:
    """Bytes of memory that the connected cluster offers to workers, all nodes together."""
    return int(ray.cluster_resources().get("memory", 0))


def cluster_size(device: DeviceFacts) -> int:
    """How many workers the connected cluster can hold: one a GPU, or one per ``threads`` CPUs with one CPU to spare."""
    resources = ray.cluster_resources()
    if device.kind == "cuda":
        return max(1, int(resources.get("GPU", 0)))
    return max(1, (int(resources.get("CPU", 1)) - PREPARE_CPUS) // device.threads)
