"""What a recipe can say of stages and of a run."""

from __future__ import annotations

import pytest

from pipeline.plan.settings import Run, Stages
from tests.support.settings import told


def test_bounds() -> None:
    assert (Run(seed=2**63 - 1).seed, Stages(growth="linear").growth) == (2**63 - 1, "linear")
    with pytest.raises(ValueError, match=r"run.compat_batch must be at least 1"):
        Run(compat_batch=0)


def test_what_is_said_of_stages() -> None:
    assert told(Stages) == {"growth": "'one'", "lift": "'latent'", "anchor": "False"}


def test_what_is_said_of_run() -> None:
    assert told(Run) == {
        "seed": "0; between 0 and 2^63 - 1",
        "keep_steps": "0; at least 0",
        "compat": "'none'; needs sampling.solver = 'euler'",
        "compat_batch": "16; at least 1; read_with run.compat = 'official'",
    }
