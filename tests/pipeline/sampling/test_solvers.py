"""The rows of solvers: each is what its name says, by diffusers' own classes."""

from __future__ import annotations

import diffusers
import pytest

from pipeline.sampling.solvers import ROWS, SOLVERS, SolverRow, find_solver, solver_name

CLASSES = {
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "euler-ancestral": diffusers.EulerAncestralDiscreteScheduler,
    "ddpm": diffusers.DDPMScheduler,
    "dpm++2m": diffusers.DPMSolverMultistepScheduler,
    "sde-dpm++2m": diffusers.DPMSolverMultistepScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
    "lcm": diffusers.LCMScheduler,
    "flow-euler": diffusers.FlowMatchEulerDiscreteScheduler,
}


def test_each_row_is_the_class_that_it_is_called_after() -> None:
    assert {row.name: row.kind for row in ROWS} == CLASSES
    assert all(row.class_name == CLASSES[row.name].__name__ for row in ROWS)


def test_settings_are_ones_that_the_class_has() -> None:
    for row in ROWS:
        assert row.kind(**row.settings) is not None
        assert set(row.settings) <= set(row.kind().config)


def test_which_add_noise_remember_and_flow() -> None:
    assert {row.name for row in ROWS if row.is_stochastic} == {"euler-ancestral", "ddpm", "sde-dpm++2m", "lcm"}
    assert {row.name: row.num_history for row in ROWS if row.num_history} == {
        "dpm++2m": 1,
        "sde-dpm++2m": 1,
        "unipc": 3,
    }
    assert {row.name for row in ROWS if row.is_flow} == {"flow-euler"}


@pytest.mark.parametrize(
    ("scheduler", "name"),
    [
        ("PNDMScheduler", "ddim"),
        ("EulerDiscreteScheduler", "euler"),
        ("UniPCMultistepScheduler", "unipc"),
        ("DPMSolverMultistepScheduler", "dpm++2m"),
        ("LCMScheduler", "lcm"),
        ("FlowMatchEulerDiscreteScheduler", "flow-euler"),
    ],
)
def test_a_models_own_scheduler_by_its_class(scheduler: str, name: str) -> None:
    assert solver_name(scheduler) == name


def test_one_that_there_is_not_names_those_that_there_are() -> None:
    assert find_solver("ddim") is SOLVERS.find("ddim")
    with pytest.raises(ValueError, match=r"a solver is one of ddim, euler, .*, got 'heun'"):
        find_solver("heun")


def test_a_scheduler_may_be_a_class_of_any_package() -> None:
    row = SolverRow(name="mine", scheduler=diffusers.HeunDiscreteScheduler)
    assert (row.kind, row.class_name) == (diffusers.HeunDiscreteScheduler, "HeunDiscreteScheduler")
