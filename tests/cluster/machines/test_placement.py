"""Which backend an address is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cluster.job import Job
from cluster.machines.connect import UnreachableError
from cluster.machines.placement import BACKENDS, RAY, backend_of, place
from tests.support.outside import install

BACKEND = """
from cluster.machines.backend import Backend

class Elsewhere(Backend):
    schemes = ("elsewhere",)

    def place(self, job, waiting):
        raise ValueError(f"nothing at {job.address}")

    def start(self, asked):
        raise AssertionError

    def measure(self, plan):
        return 1.0

ELSEWHERE = Elsewhere()
"""


@pytest.mark.parametrize("address", ["auto", "ray://head:10001", "head:6379", "http://head:8265", "nowhere://x"])
def test_ray_answers_what_nobody_else_does(address: str) -> None:
    """It says what it expected."""
    assert backend_of(address) is RAY


def test_local_is_this_machine() -> None:
    assert backend_of("local") is BACKENDS.built_in[0] is not RAY


def test_a_scheme_of_another_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = {"outside_backend.py": BACKEND}
    install(monkeypatch, tmp_path, {"gigatile.executors": {"elsewhere": "outside_backend:ELSEWHERE"}}, files=text)
    with pytest.raises(ValueError, match="nothing at elsewhere://there"):
        place(Job(input="in.png", output="out.png", address="elsewhere://there"))
    assert backend_of("local") is BACKENDS.built_in[0]


@pytest.mark.parametrize("wait", [-1.0, float("inf"), float("nan")])
def test_how_long_to_wait_is_seconds(wait: float) -> None:
    with pytest.raises(ValueError, match=r"--wait \S+: expected seconds, 0 or more; leave it out to wait for ever"):
        place(Job(input="in.png", output="out.png", wait=wait))


@pytest.mark.parametrize("address", ["nowhere://x", "head"])
def test_an_unknown_scheme_is_one_line(address: str) -> None:
    with pytest.raises(UnreachableError, match=re.escape("expected local, auto, host:port or ray://host:port")):
        place(Job(input="in.png", output="out.png", address=address))
