"""What a cluster on Kubernetes is to be: a small table, in TOML or word by word, checked before anything is printed."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from storage.records import first_fault

MEMORY = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti)")
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LONGEST_NAME = 47
"""letters; KubeRay adds some, and Kubernetes takes 63"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """How a cloud marks the nodes that it may take back."""

    key: str
    value: str
    is_tainted: bool = False
    """whether pods must say that they tolerate it"""


CLOUDS = {
    "gke": Market(key="cloud.google.com/gke-spot", value="true", is_tainted=True),
    "eks": Market(key="eks.amazonaws.com/capacityType", value="SPOT"),
    "karpenter": Market(key="karpenter.sh/capacity-type", value="spot"),
    "aks": Market(key="kubernetes.azure.com/scalesetpriority", value="spot", is_tainted=True),
    "": None,
}
"""by the name of a cloud; of none it is not asked which nodes are whose"""

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """A group of like pods, one a node."""

    __pydantic_config__ = _STRICT

    cpus: int = 4
    memory: str = "16Gi"
    gpus: int = 0
    least: int = 0
    """pods that are always there"""
    most: int = 0
    """0: no such group"""
    spot: bool = False
    """whether the cloud may take its nodes back: cheaper, and nothing finished is lost"""
    selector: dict[str, str] = field(default_factory=dict)
    """labels of the nodes, such as the GPU's model"""


GROUPS = {
    "head": Nodes(most=1),
    "cpu": Nodes(cpus=8, memory="32Gi", most=4),
    "gpu": Nodes(cpus=8, memory="32Gi", gpus=1, most=8, spot=True),
}
"""what is not said of a group is as here"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeSpec:
    """A cluster, and how a job on it is tried again."""

    __pydantic_config__ = _STRICT

    image: str
    """holds gigatile and the Ray of this gigatile"""
    name: str = "gigatile"
    namespace: str = ""
    cloud: str = ""
    """one of CLOUDS"""
    secret: str = ""
    """name of a Secret whose keys become variables of all pods, such as AWS_ACCESS_KEY_ID"""
    service_account: str = ""
    """where the cloud gives pods their rights by it, and no secret is needed"""
    variables: dict[str, str] = field(default_factory=dict)
    """of all pods, for what is no secret, such as AWS_ENDPOINT_URL"""
    pull_secret: str = ""
    """name of the Secret with which the image is fetched"""
    token_secret: str = ""
    """name of a Secret whose key auth_token lets jobs in; KubeRay makes one where none is given"""
    head: Nodes = GROUPS["head"]
    """on nodes that are not taken back; it computes nothing, and brings pictures in and out"""
    cpu: Nodes = GROUPS["cpu"]
    gpu: Nodes = GROUPS["gpu"]
    idle_seconds: int = 300
    """until a pod that has nothing to do goes"""
    grace_seconds: int = 60
    """that a pod which is taken away goes on for: a region's step, and some more"""
    retries: int = 6
    """new clusters for a job whose cluster or driver is lost; each resumes"""
    keep_seconds: int = 600
    """that a finished job's cluster stays"""
    deadline_seconds: int = 0
    """for the job with all its retries; 0: none"""


_ADAPTER: TypeAdapter[KubeSpec] = TypeAdapter(KubeSpec)


def read_spec(text: str, settings: Sequence[str], *, where: str) -> KubeSpec:
    """A spec of TOML and of ``settings``, KEY=VALUE with a dot between section and key, which go before it.

    Raises ValueError, one line.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ValueError(f"{where}: no TOML: {e}") from e
    for setting in settings:
        _set(table, setting)
    for name, nodes in GROUPS.items():
        if isinstance(asked := table.get(name, {}), dict):
            table[name] = {**asdict(nodes), **asked}
    try:
        spec = _ADAPTER.validate_json(json.dumps(table, default=str))
    except ValidationError as e:
        raise ValueError(f"{where}: {first_fault(e)}; see docs/cluster.md for what it may hold") from None
    check_spec(spec, where)
    return spec


def _set(table: dict[str, Any], setting: str) -> None:
    key, is_set, value = setting.partition("=")
    *sections, name = key.strip().split(".")
    if not is_set or not name:
        raise ValueError(f"--set {setting}: expected KEY=VALUE, such as gpu.most=40")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ValueError(f"--set {setting}: {section} is a value, and holds no {name}")
    try:
        table[name] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[name] = value.strip()


def check_spec(spec: KubeSpec, where: str) -> None:
    """Raise ValueError, one line, for what no cluster can be made of."""
    if not NAME.fullmatch(spec.name) or len(spec.name) > LONGEST_NAME:
        raise ValueError(
            f"{where}: name {spec.name!r}: expected up to {LONGEST_NAME} of a-z, 0-9 and -, a letter first"
        )
    if spec.cloud not in CLOUDS:
        raise ValueError(f"{where}: cloud {spec.cloud!r}: expected one of {', '.join(filter(None, CLOUDS))}, or none")
    if not spec.image.strip():
        raise ValueError(f"{where}: image: expected the name of an image that holds gigatile")
    for name, least in _LEAST.items():
        if getattr(spec, name) < least:
            raise ValueError(f"{where}: {name} {getattr(spec, name)}: expected {least} or more")
    for name in GROUPS:
        _check_nodes(getattr(spec, name), f"{where}: {name}")
    _check_groups(spec, where)


def _check_groups(spec: KubeSpec, where: str) -> None:
    """What each group is for."""
    head = spec.head
    if head.most != 1 or head.spot or head.gpus:
        raise ValueError(f"{where}: head: expected most = 1, spot = false and gpus = 0: it is the one that must stay")
    if spec.gpu.most and not spec.gpu.gpus:
        raise ValueError(f"{where}: gpu.gpus 0: expected GPUs a node, or gpu.most = 0 for no such group")
    if spec.cpu.gpus:
        raise ValueError(f"{where}: cpu.gpus {spec.cpu.gpus}: expected 0; GPUs are the group gpu's")
    if not spec.cpu.most and not spec.gpu.most:
        raise ValueError(f"{where}: cpu.most and gpu.most are 0: nobody would compute")


_LEAST = {"idle_seconds": 1, "grace_seconds": 0, "retries": 0, "keep_seconds": 0, "deadline_seconds": 0}


def _check_nodes(nodes: Nodes, where: str) -> None:
    if nodes.cpus < 1 or nodes.gpus < 0:
        raise ValueError(f"{where}: expected 1 CPU or more and 0 GPUs or more, got {nodes.cpus} and {nodes.gpus}")
    if not MEMORY.fullmatch(nodes.memory):
        raise ValueError(f"{where}: memory {nodes.memory!r}: expected such as 512Mi or 32Gi")
    if not 0 <= nodes.least <= nodes.most:
        raise ValueError(f"{where}: least {nodes.least}, most {nodes.most}: expected 0 <= least <= most")
