"""Manifests against a table of the fields that KubeRay's own definition has, as far as they are used here.

Each of its types is written here by hand; a name that KubeRay does not know would be dropped without a word.
"""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

from cluster.job import Job
from cluster.machines.kube_spec import CLOUDS, KubeSpec, read_spec
from cluster.machines.manifests import END_SECONDS, entrypoint, ray_cluster, ray_job, to_yaml

WORDS = ("upscale", "s3://bucket/in.tif", "s3://bucket/out.tif")
TEXT = 'image = "registry/gigatile:1"\n'
FULL = """
name = "scene"
namespace = "imagery"
cloud = "gke"
secret = "store"
service_account = "runner"
pull_secret = "pull"
token_secret = "token"
variables = {FLAG = "1", WORDS = "a: b # c"}
deadline_seconds = 3600
[gpu]
most = 40
least = 2
gpus = 2
selector = {accelerator = "l4"}
"""


class Quantity:
    """Stands for an amount, such as 500m or 32Gi."""


class Strings:
    """Stands for a table of strings."""


REQUIREMENT = [{"key": str, "operator": "Exists|In|NotIn", "effect?": "NoSchedule", "values?": [str]}]
CONTAINER = {
    "name": str,
    "image": str,
    "resources": {"requests": Quantity, "limits": Quantity},
    "env?": [{"name": str, "value": str}],
    "envFrom?": [{"secretRef": {"name": str}}],
    "ports?": [{"name": str, "containerPort": int}],
    "lifecycle?": {"preStop": {"exec": {"command": [str]}}},
}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": REQUIREMENT}]}
    }
}
POD = {
    "spec": {
        "containers": [CONTAINER],
        "terminationGracePeriodSeconds?": int,
        "serviceAccountName?": str,
        "imagePullSecrets?": [{"name": str}],
        "nodeSelector?": Strings,
        "affinity?": AFFINITY,
        "tolerations?": REQUIREMENT,
    }
}
GROUP = {
    "groupName": str,
    "replicas": int,
    "minReplicas": int,
    "maxReplicas": int,
    "rayStartParams": Strings,
    "template": POD,
}
CLUSTER = {
    "rayVersion": str,
    "authOptions": {"mode": "disabled|token", "secretName?": str},
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": {
        "version": "v1|v2",
        "upscalingMode": "Default|Aggressive|Conservative",
        "idleTimeoutSeconds": int,
    },
    "headGroupSpec": {"rayStartParams": Strings, "template": POD},
    "workerGroupSpecs": [GROUP],
}
HEAD = {"apiVersion": "ray.io/v1", "metadata": {"name": str, "namespace?": str}}
RAY_CLUSTER = {**HEAD, "kind": "RayCluster", "spec": CLUSTER}
RAY_JOB = {
    **HEAD,
    "kind": "RayJob",
    "spec": {
        "entrypoint": str,
        "submissionMode": "K8sJobMode|HTTPMode|InteractiveMode|SidecarMode",
        "backoffLimit": int,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "activeDeadlineSeconds?": int,
        "rayClusterSpec": CLUSTER,
    },
}


def faults(value: Any, kind: Any, where: str = "") -> list[str]:
    """What of a manifest is not as its table says."""
    if isinstance(kind, dict):
        names = {name.rstrip("?"): name for name in kind}
        lost = [f"{where}.{name} is missing" for name in kind if not name.endswith("?") and name not in value]
        unknown = [f"{where}.{name} is unknown" for name in value if name not in names]
        inner = [faults(value[name], kind[names[name]], f"{where}.{name}") for name in value if name in names]
        return [*lost, *unknown, *itertools.chain.from_iterable(inner)]
    if isinstance(kind, list):
        inner = [faults(one, kind[0], f"{where}[{number}]") for number, one in enumerate(value)]
        return [*itertools.chain.from_iterable(inner)]
    if isinstance(kind, str):
        return [] if value in kind.split("|") else [f"{where} is {value!r}"]
    if kind is Strings:
        return [f"{where} is {value!r}"] if not all(type(one) is str for one in [*value, *value.values()]) else []
    if kind is Quantity:
        shape = re.compile(r"[1-9][0-9]*(Mi|Gi|Ti)?")
        return [f"{where}.{name} is {one!r}" for name, one in value.items() if not shape.fullmatch(one)]
    return [] if type(value) is kind else [f"{where} is {value!r}"]


def spec(text: str = "", *settings: str) -> KubeSpec:
    return read_spec(TEXT + text, settings, where="spec")


def job(*words: str, **given: Any) -> Any:
    """The manifest of a job, as a cluster reads it."""
    return yaml.safe_load(to_yaml(ray_job(spec(*words), WORDS, Job(input=WORDS[1], output=WORDS[2], **given))))


def test_the_table_sees_what_is_wrong() -> None:
    """A name with a letter too few, one that is missing, a number in place of a word, a word that is none of its."""
    manifest = job()
    manifest["spec"]["backofLimit"] = manifest["spec"].pop("backoffLimit")
    manifest["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    manifest["spec"]["rayClusterSpec"]["authOptions"]["mode"] = "tokens"
    assert len(faults(manifest, RAY_JOB)) == 4


@pytest.mark.parametrize("text", ["", FULL, "[gpu]\nmost = 0\n", "[cpu]\nmost = 0\n"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_only_what_kuberay_knows_is_printed(text: str, cloud: str) -> None:
    asked = spec(text, f"cloud='{cloud}'")
    assert faults(yaml.safe_load(to_yaml(ray_cluster(asked))), RAY_CLUSTER) == []
    assert faults(job(text, f"cloud='{cloud}'"), RAY_JOB) == []


def test_nothing_is_read_otherwise_than_it_was_meant() -> None:
    """Such as "true" for true, or what follows a # for nothing."""
    manifest = ray_job(spec(FULL), WORDS, Job(input=WORDS[1], output=WORDS[2]))
    assert yaml.safe_load(to_yaml(manifest)) == manifest


def test_a_head_without_work_that_is_not_taken_back() -> None:
    head = job(FULL)["spec"]["rayClusterSpec"]["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    (term,) = head["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [{"key": "cloud.google.com/gke-spot", "operator": "NotIn", "values": ["true"]}]
    assert "tolerations" not in head["template"]["spec"]
    assert "terminationGracePeriodSeconds" not in head["template"]["spec"]


def test_gpus_on_nodes_that_may_be_taken_back() -> None:
    cpu, gpu = job(FULL)["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert (gpu["minReplicas"], gpu["replicas"], gpu["maxReplicas"]) == (2, 2, 40)
    pod = gpu["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}
    assert pod["nodeSelector"] == {"accelerator": "l4"}
    assert {one["key"] for one in pod["tolerations"]} == {"nvidia.com/gpu", "cloud.google.com/gke-spot"}
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["operator"] == "In"
    assert "tolerations" not in cpu["template"]["spec"]
    assert "nvidia.com/gpu" not in cpu["template"]["spec"]["containers"][0]["resources"]["limits"]


def test_a_pod_that_is_taken_away_goes_on_for_its_grace() -> None:
    """Kubernetes ends it after the period, the hook's time included."""
    gpu = job("grace_seconds = 45\n")["spec"]["rayClusterSpec"]["workerGroupSpecs"][-1]["template"]["spec"]
    command = gpu["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert command == ["/bin/sh", "-c", "sleep 45; ray stop"]
    assert gpu["terminationGracePeriodSeconds"] == 45 + END_SECONDS > 45


def test_a_cluster_of_this_ray_with_a_token() -> None:
    """Without a version KubeRay refuses tokens."""
    for text, token in (("", {"mode": "token"}), (FULL, {"mode": "token", "secretName": "token"})):
        cluster = yaml.safe_load(to_yaml(ray_cluster(spec(text))))["spec"]
        assert (cluster["rayVersion"], cluster["authOptions"]) == (ray.__version__, token)


def test_no_secret_stands_in_a_manifest() -> None:
    """All pods have the store's by the name of a Secret."""
    cluster = job(FULL)["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in pods:
        (container,) = pod["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "store"}}]
        assert {one["name"] for one in container["env"]} == {"FLAG", "WORDS"}
        assert pod["template"]["spec"]["serviceAccountName"] == "runner"


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("", {}, "--address auto --device cuda --workers 8"),
        (FULL, {}, "--address auto --device cuda --workers 80"),
        ("[gpu]\nmost = 0\n", {}, "--address auto --device cpu --workers 32"),
        ("", {"device": "cpu", "threads": 3}, "--address auto --workers 8"),
        ("", {"device": "cpu", "threads": 16}, "--address auto --workers 1"),
        ("", {"workers": 3, "device": "cuda", "address": "auto"}, ""),
    ],
)
def test_where_it_computes_is_said_for_there_is_no_node_yet(text: str, given: dict[str, Any], expected: str) -> None:
    line = job(text, **given)["spec"]["entrypoint"].partition(" || ")[0]
    assert shlex.split(line) == ["python", "-m", "cluster.cli", *WORDS, *expected.split()]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"output": "/data/out.tif"}, "OUTPUT /data/out.tif: is of a pod, which goes"),
        ({"output": "file:///data/out.tif"}, "OUTPUT /data/out.tif: is of a pod"),
        ({"output": "s3://bucket/out.tif", "run": "/data/run"}, "--run /data/run: is of a pod"),
    ],
)
def test_what_would_go_with_the_cluster_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ray_job(spec(), WORDS, Job(input="s3://bucket/in.tif", **given))


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 0), (1, 1), (130, 130), (137, 137)])
def test_what_was_called_off_is_not_tried_again(tmp_path: Path, code: int, expected: int) -> None:
    """By any shell; and each word arrives as it was."""
    (tmp_path / "python").write_text(f'#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\nexit {code}\n')
    (tmp_path / "python").chmod(0o755)
    line = entrypoint(["upscale", "a 'b' $c;d", "--x"])
    done = subprocess.run(
        ["/bin/sh", "-c", line], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == expected
    assert done.stdout.splitlines() == ["<-m>", "<cluster.cli>", "<upscale>", "<a 'b' $c;d>", "<--x>"]


def test_how_a_job_is_tried_again_and_ends() -> None:
    body = job("retries = 4\nkeep_seconds = 5\ndeadline_seconds = 9\n")["spec"]
    assert (body["backoffLimit"], body["ttlSecondsAfterFinished"], body["activeDeadlineSeconds"]) == (4, 5, 9)
    assert (body["submissionMode"], body["shutdownAfterJobFinishes"]) == ("HTTPMode", True)
    assert "activeDeadlineSeconds" not in job()["spec"]
