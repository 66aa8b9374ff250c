"""Reaching Ray: a private one on this machine, the cluster around this process, or one at an address."""

from __future__ import annotations

import dataclasses
import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from actors.executors.ray import reason_of
from pipeline.plan.device import DeviceFacts, describe_device
from pipeline.plan.speed import measure_speed

from .trust import Answer, ask, objection, open_cluster

DEFAULT_PORTS = {"": "", "ray": "10001"}
"""port by scheme, where the address gives none; a plain host:port must give it"""

PROBE_SECONDS = 5.0
"""how long a port may take to answer"""

ANSWER_SECONDS = 300.0
"""how long a worker of the cluster may take to start, to import the libraries and to answer"""

PREPARE_CPUS = 1
"""logical CPUs of each actor of the prepare pool"""


class UnreachableError(ConnectionError):
    """No Ray cluster at the address, or none whose workers answer."""


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
            f"`ray job submit --address {address} -- ... --address auto`"
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


def cluster_device(kind: str, threads: int) -> DeviceFacts:
    """The device of the connected cluster's workers, asked of one of them. ``kind``: auto, cpu or cuda.

    Raises ValueError where no node has such a device, UnreachableError where no worker answers in ANSWER_SECONDS.
    """
    if kind == "auto":
        kind = "cuda" if ray.cluster_resources().get("GPU", 0) >= 1 else "cpu"
    return DeviceFacts(**_ask(lambda: dataclasses.asdict(describe_device(kind, threads)), kind, threads))


def cluster_speed(device: DeviceFacts, **shape: Any) -> float:
    """FLOPs a second of one of the cluster's workers; ``shape`` as of measure_speed."""
    return float(_ask(lambda: measure_speed(device.kind, threads=device.threads, **shape), device.kind, device.threads))


def _ask(question: Callable[[], Any], kind: str, threads: int) -> Any:
    """The answer of a task on a node with such a device; see cluster_device."""
    _check_room(kind, threads)
    options: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0} if kind == "cuda" else {"num_cpus": threads}
    device = "a GPU" if kind == "cuda" else f"{threads} CPUs"
    remote: Any = ray.remote(question)
    reference = remote.options(max_retries=3, **options).remote()
    try:
        return ray.get(reference, timeout=ANSWER_SECONDS)
    except GetTimeoutError as e:
        ray.cancel(reference, force=True)
        raise UnreachableError(
            f"expected a worker with {device} free to answer in {ANSWER_SECONDS:g} s and none did: look at `ray "
            "status` for what else uses the cluster, or take another --device or --threads"
        ) from e
    except (RayError, RuntimeError) as e:
        raise UnreachableError(
            f"a worker with {device} could not tell its device or speed: {reason_of(e).rstrip('.')}; every node needs "
            "gigatile with the packages that are here"
        ) from e


def _check_room(kind: str, threads: int) -> None:
    """Raise ValueError where no node could ever run a worker: Ray would wait for one for ever."""
    resource, least = ("GPU", 1) if kind == "cuda" else ("CPU", threads)
    most = max((node["Resources"].get(resource, 0) for node in ray.nodes() if node["Alive"]), default=0)
    if most < least:
        mend = "--device cpu" if kind == "cuda" else "fewer --threads"
        raise ValueError(
            f"--device {kind}: expected a node with {least} {resource} in the cluster, and the largest has {most:g}: "
            f"start one first, or use {mend}"
        )


def cluster_memory() -> int:
    """Bytes of memory that the connected cluster offers to workers, all nodes together."""
    return int(ray.cluster_resources().get("memory", 0))


def cluster_size(device: DeviceFacts) -> int:
    """How many workers the connected cluster can hold: one a GPU, or one per ``threads`` CPUs with one CPU to spare."""
    resources = ray.cluster_resources()
    if device.kind == "cuda":
        return max(1, int(resources.get("GPU", 0)))
    return max(1, (int(resources.get("CPU", 1)) - PREPARE_CPUS) // device.threads)
