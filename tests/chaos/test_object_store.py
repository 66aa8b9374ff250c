"""The same run in an S3 store: stopped here, resumed by a worker of its own; the oracle's bytes on a local disk."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from actors.drive import StoppedError
from actors.executors.ray import Pool, RayExecutor
from actors.schedule.task import Kind
from storage.run import RunStore
from tests.support.runs import diffusion_case, digest, sit

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos, pytest.mark.usefixtures("shared_ray")]


def test_same_bytes_on_s3(s3_url: str, tmp_path: Path) -> None:
    case = diffusion_case(tmp_path, height=44, width=60, solver="unipc", steps=3)
    oracle, store = case.begin(str(tmp_path / "oracle")), case.begin(s3_url)
    sit(case, oracle)
    turns = itertools.count()
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: next(turns) >= 18)
    pool = Pool(name="tile", size=1, kinds=frozenset(Kind), num_cpus=1)
    sit(case, RunStore.open(s3_url), lambda setup, graph: RayExecutor([pool], setup, graph))
    assert digest(case, store) == digest(case, oracle)
