"""Manifests for KubeRay: a cluster that grows and shrinks, and a job on one of its own.

A lost head ends a job's cluster, and KubeRay begins another: the command is the same, and resumes. So a job is sent by
KubeRay itself (HTTPMode), whose entrypoint is a shell's: it turns the exit code of `gigatile stop` into success, or the
next attempt would take up what was called off.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from cluster.console.ending import CALLED_OFF
from cluster.job import Work

from .kube_spec import CLOUDS, KubeSpec, Market, Nodes
from .submission import PROGRAM

Manifest = dict[str, Any]

PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}
END_SECONDS = 30
"""for Ray to end, after the grace that a pod is given"""
GPU = "nvidia.com/gpu"


def ray_cluster(spec: KubeSpec) -> Manifest:
    """A cluster that stays, for jobs that `gigatile submit` sends."""
    return _manifest("RayCluster", spec, _cluster(spec))


def ray_job(spec: KubeSpec, words: Sequence[str], job: Work) -> Manifest:
    """A job with a cluster of its own, which goes when it has ended.

    Raises ValueError, one line, where its picture or its run would go with the cluster.
    """
    for what, path in (("OUTPUT", job.output), ("--run", job.run_url)):
        if "://" not in path or path.lower().startswith("file://"):
            raise ValueError(
                f"{what} {path}: is of a pod, which goes when the job has ended: expected a URL such as "
                "s3://bucket/scene.tif"
            )
    body: dict[str, Any] = {
        "entrypoint": entrypoint([*words, *_where(spec, job)]),
        "submissionMode": "HTTPMode",
        "backoffLimit": spec.retries,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": spec.keep_seconds,
    }
    if spec.deadline_seconds:
        body["activeDeadlineSeconds"] = spec.deadline_seconds
    return _manifest("RayJob", spec, {**body, "rayClusterSpec": _cluster(spec)})


def entrypoint(words: Sequence[str]) -> str:
    """A line for a shell that succeeds, too, where the run was called off."""
    line = shlex.join([*PROGRAM, *words])
    return f"{line} || {{ code=$?; [ $code -eq {CALLED_OFF} ] && exit 0; exit $code; }}"


def _where(spec: KubeSpec, job: Work) -> list[str]:
    """What the command does not say of where it computes: at its start the cluster may have no such node yet."""
    words = [] if job.address != "local" else ["--address", "auto"]
    on_gpu = job.device == "cuda" or (job.device == "auto" and spec.gpu.most > 0)
    if job.device == "auto":
        words += ["--device", "cuda" if on_gpu else "cpu"]
    if job.workers is None:
        num = spec.gpu.most * spec.gpu.gpus if on_gpu else spec.cpu.most * (spec.cpu.cpus // job.threads)
        words += ["--workers", str(max(1, num))]
    return words


def _manifest(kind: str, spec: KubeSpec, body: Manifest) -> Manifest:
    metadata = {"name": spec.name, **({"namespace": spec.namespace} if spec.namespace else {})}
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": metadata, "spec": body}


def _cluster(spec: KubeSpec) -> Manifest:
    token = {"secretName": spec.token_secret} if spec.token_secret else {}
    return {
        "rayVersion": version("ray"),
        "authOptions": {"mode": "token", **token},
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"version": "v2", "upscalingMode": "Default", "idleTimeoutSeconds": spec.idle_seconds},
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
            "template": _pod(spec, spec.head, "ray-head"),
        },
        "workerGroupSpecs": [_group(spec, name) for name in ("cpu", "gpu") if getattr(spec, name).most],
    }


def _group(spec: KubeSpec, name: str) -> Manifest:
    nodes: Nodes = getattr(spec, name)
    return {
        "groupName": name,
        "replicas": nodes.least,
        "minReplicas": nodes.least,
        "maxReplicas": nodes.most,
        "rayStartParams": {},
        "template": _pod(spec, nodes, "ray-worker"),
    }


def _pod(spec: KubeSpec, nodes: Nodes, name: str) -> Manifest:
    amounts: dict[str, str] = {"cpu": str(nodes.cpus), "memory": nodes.memory}
    if nodes.gpus:
        amounts[GPU] = str(nodes.gpus)
    container: dict[str, Any] = {"name": name, "image": spec.image}
    container["resources"] = {"requests": dict(amounts), "limits": dict(amounts)}
    if spec.variables:
        container["env"] = [{"name": key, "value": value} for key, value in spec.variables.items()]
    if spec.secret:
        container["envFrom"] = [{"secretRef": {"name": spec.secret}}]
    body: dict[str, Any] = {"containers": [container]}
    if name == "ray-head":
        container["ports"] = [{"name": port, "containerPort": number} for port, number in PORTS.items()]
    else:  # until this has ended, nothing tells Ray that the pod is to go, and its workers go on
        wait = f"sleep {spec.grace_seconds}; ray stop"
        container["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", wait]}}}
        body["terminationGracePeriodSeconds"] = spec.grace_seconds + END_SECONDS
    if spec.service_account:
        body["serviceAccountName"] = spec.service_account
    if spec.pull_secret:
        body["imagePullSecrets"] = [{"name": spec.pull_secret}]
    return {"spec": {**body, **_placing(nodes, CLOUDS[spec.cloud])}}


def _placing(nodes: Nodes, market: Market | None) -> Manifest:
    """On which nodes a pod may be: those of its labels, and those that may be taken back or may not."""
    placing: dict[str, Any] = {"nodeSelector": dict(nodes.selector)} if nodes.selector else {}
    tolerations = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}] if nodes.gpus else []
    if market is not None:
        is_in = "In" if nodes.spot else "NotIn"
        term = {"matchExpressions": [{"key": market.key, "operator": is_in, "values": [market.value]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        placing["affinity"] = {"nodeAffinity": required}
        if nodes.spot and market.is_tainted:
            tolerations.append({"key": market.key, "operator": "Exists", "effect": "NoSchedule"})
    return {**placing, **({"tolerations": tolerations} if tolerations else {})}


def to_yaml(manifest: Manifest) -> str:
    """For `kubectl apply -f -`."""
    import yaml  # Ray needs it, too

    return str(yaml.safe_dump(manifest, sort_keys=False, width=110))
