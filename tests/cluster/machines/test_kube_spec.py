"""What a cluster on Kubernetes may be, and the one line for what it may not."""

from __future__ import annotations

import re

import pytest

from cluster.machines.kube_spec import CLOUDS, GROUPS, LONGEST_NAME, KubeSpec, read_spec

IMAGE = 'image = "registry/gigatile:1"\n'


def read(text: str, *settings: str) -> KubeSpec:
    return read_spec(IMAGE + text, settings, where="s.toml")


def test_what_is_not_said_is_as_it_is_documented() -> None:
    spec = read("")
    assert spec == KubeSpec(image="registry/gigatile:1")
    assert (spec.head, spec.cpu, spec.gpu) == (GROUPS["head"], GROUPS["cpu"], GROUPS["gpu"])


def test_a_section_changes_what_it_says_and_nothing_else() -> None:
    spec = read('[gpu]\nmost = 40\nselector = {"a/b" = "l4"}\n')
    assert (spec.gpu.most, spec.gpu.selector) == (40, {"a/b": "l4"})
    assert (spec.gpu.gpus, spec.gpu.spot, spec.gpu.memory) == (1, True, "32Gi")
    assert spec.cpu == GROUPS["cpu"]


def test_a_setting_goes_before_the_file() -> None:
    """A value is TOML's, or a word; a section that the file lacks begins with it."""
    spec = read(
        "[gpu]\nmost = 40\n", "gpu.most=2", "name=scene", "cpu.memory = 64Gi", 'secret="store"', "gpu.spot=false"
    )
    assert (spec.gpu.most, spec.name, spec.cpu.memory, spec.secret, spec.gpu.spot) == (
        2,
        "scene",
        "64Gi",
        "store",
        False,
    )
    assert read("", "variables.AWS_REGION=eu-1").variables == {"AWS_REGION": "eu-1"}
    assert read_spec("", ["image=x"], where="kube").image == "x"


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("[gpu\n", (), "s.toml: no TOML: "),
        ("mots = 3\n", (), "s.toml: mots: "),
        ("[gpu]\nmots = 3\n", (), "s.toml: gpu.mots: "),
        ("[gpu]\nmost = '3'\n", (), "s.toml: gpu.most: "),
        ("gpu = 3\n", (), "s.toml: gpu: "),
        ("", ("gpu.most",), "--set gpu.most: expected KEY=VALUE"),
        ("", ("=3",), "--set =3: expected KEY=VALUE"),
        ("", ("image.tag=3",), "--set image.tag=3: image is a value, and holds no tag"),
        ("", ("name=Scene",), "s.toml: name 'Scene': expected up to 47 of a-z"),
        ("", (f"name={'x' * (LONGEST_NAME + 1)}",), "expected up to 47"),
        ("", ("cloud=moon",), "s.toml: cloud 'moon': expected one of gke, eks, karpenter, aks, or none"),
        ("", ("image=' '",), "s.toml: image: expected the name of an image"),
        ("", ("retries=-1",), "s.toml: retries -1: expected 0 or more"),
        ("", ("idle_seconds=0",), "s.toml: idle_seconds 0: expected 1 or more"),
        ("", ("head.most=2",), "s.toml: head: expected most = 1, spot = false and gpus = 0"),
        ("", ("head.spot=true",), "s.toml: head: expected most = 1, spot = false"),
        ("", ("head.gpus=1",), "s.toml: head: expected most = 1"),
        ("", ("gpu.gpus=0",), "s.toml: gpu.gpus 0: expected GPUs a node, or gpu.most = 0"),
        ("", ("cpu.gpus=1",), "s.toml: cpu.gpus 1: expected 0"),
        ("", ("cpu.most=0", "gpu.most=0"), "s.toml: cpu.most and gpu.most are 0: nobody would compute"),
        ("", ("gpu.least=9",), "s.toml: gpu: least 9, most 8: expected 0 <= least <= most"),
        ("", ("cpu.least=-1",), "s.toml: cpu: least -1, most 4"),
        ("", ("gpu.memory=32GB",), "s.toml: gpu: memory '32GB': expected such as 512Mi or 32Gi"),
        ("", ("cpu.cpus=0",), "s.toml: cpu: expected 1 CPU or more"),
    ],
)
def test_what_cannot_be_is_one_line(text: str, settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as told:
        read(text, *settings)
    assert "\n" not in str(told.value)


def test_an_image_must_be_named() -> None:
    with pytest.raises(ValueError, match=r"kube: image: "):
        read_spec("", [], where="kube")


@pytest.mark.parametrize("name", ["a", "scene-4", "x" * LONGEST_NAME])
def test_names_that_kubernetes_takes(name: str) -> None:
    assert read("", f"name={name}").name == name


@pytest.mark.parametrize("cloud", CLOUDS)
def test_each_cloud_is_known(cloud: str) -> None:
    assert read("", f"cloud='{cloud}'").cloud == cloud
