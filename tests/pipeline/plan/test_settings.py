"""What a recipe can say of stages and of a run."""

from __future__ import annotations

import pytest

from pipeline.plan.settings import Run, Stages


def test_bounds() -> None:
    assert (Run(seed=2**63 - 1).seed, Stages(growth="linear").growth) == (2**63 - 1, "linear")
    with pytest.raises(ValueError, match=r"run.compat_batch must be at least 1"):
        Run(compat_batch=0)
