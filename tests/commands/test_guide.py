"""The lines of docs/cluster.md, in a shell where other programs do nothing, and gigatile's own read by gigatile."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.machines.kube_spec import KubeSpec, Nodes, read_spec
from cluster.machines.manifests import ray_job, to_yaml
from cluster.machines.submission import pick_variables
from cluster.terminal.machines import check_places, read_job

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "cluster.md").read_text()
OTHERS = ("aws", "podman", "kubectl", "ray", "sbatch", "gigatile")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Each command of the page, as a shell would call it, after the files that it writes."""
    folder = tmp_path_factory.mktemp("guide")
    stub = 'echo "$(printf "%q " NAME "$@")" >> "$LOG"\n'
    for name in OTHERS:
        (folder / name).write_text("#!/bin/bash\n" + stub.replace("NAME", name))
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(folder / "log")}
    environment |= {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) > 4
    for block in blocks:
        subprocess.run(["bash", "-euc", block], cwd=folder, env=environment, check=True)
    (folder / "cluster.toml").rename(folder / "kept.toml")
    found = [shlex.split(line) for line in (folder / "log").read_text().splitlines()]
    return [*found, ["spec", (folder / "kept.toml").read_text()]]


def of(lines: list[list[str]], *begin: str) -> list[str]:
    (found,) = [line for line in lines if line[: len(begin)] == list(begin)]
    return found


def behind_dashes(line: list[str]) -> list[str]:
    return line[line.index("--") + 1 :]


def test_the_job_for_kubernetes(lines: list[list[str]]) -> None:
    words = behind_dashes(of(lines, "gigatile", "kube"))
    job: Any = read_job(words)
    spec = read_spec(of(lines, "spec")[1], [], where="docs/cluster.md")
    manifest = yaml.safe_load(to_yaml(ray_job(spec, words, job)))
    assert manifest["spec"]["entrypoint"].partition(" || ")[0].endswith("--device cuda --workers 40")
    assert of(lines, "gigatile", "status") == ["gigatile", "status", job.run_url, "--watch"]
    assert of(lines, "kubectl", "create", "secret")[4] == spec.secret


def test_the_job_for_any_cluster(lines: list[list[str]]) -> None:
    line = of(lines, "gigatile", "submit")
    check_places(read_job(behind_dashes(line)))
    assert pick_variables([line[line.index("--env") + 1]], {"AWS_REGION": "eu-1"})


def test_the_job_for_slurm(lines: list[list[str]]) -> None:
    _, script, *words = of(lines, "sbatch")
    assert (ROOT / script).is_file()
    assert read_job(words).run == "/shared/runs/scene"


def test_all_that_may_be_said_of_a_cluster_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", "\n".join(line for line in TEXT.splitlines() if line.startswith("|"))))
    assert told - {"AWS_ENDPOINT_URL", "auth_token"} == set(KubeSpec.__dataclass_fields__) | set(
        Nodes.__dataclass_fields__
    )


@pytest.mark.parametrize(("name", "value"), [("idle_seconds", 300), ("grace_seconds", 60)])
def test_what_is_told_to_be_there_if_not_given(name: str, value: int) -> None:
    assert getattr(KubeSpec(image="x"), name) == value
    assert f"| `{name}` | {value} |" in TEXT
