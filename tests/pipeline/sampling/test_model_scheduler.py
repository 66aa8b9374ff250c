"""A model's scheduler is one whose noise levels are honoured, or the model is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from pipeline.models.files.configs import read_config
from pipeline.sampling.model_scheduler import STAND_INS, check_scheduler, finite_settings, scheduler_notes, solver_of
from pipeline.sampling.solvers import ROWS, find_solver
from tests.pipeline.sampling.test_solver import CONFIG, FLOW, SHIFTING, V_ZERO_SNR

SDXL = {
    **CONFIG,
    "_class_name": "EulerDiscreteScheduler",
    "interpolation_type": "linear",
    "sample_max_value": 1.0,
    "skip_prk_steps": True,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}


@pytest.mark.parametrize("config", [CONFIG, V_ZERO_SNR, FLOW, SHIFTING, SDXL])
def test_what_published_models_come_with(config: dict[str, Any]) -> None:
    check_scheduler(config, "m")
    assert scheduler_notes(config, solver_of(config)) == ()


@pytest.mark.parametrize("name", sorted({row.class_name for row in ROWS}))
def test_every_offered_scheduler_with_its_own_defaults(name: str) -> None:
    check_scheduler({"_class_name": name, **getattr(diffusers, name)().config}, "m")


# of diffusers' own
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("name", sorted({row.class_name for row in ROWS} | STAND_INS.keys()))
def test_every_scheduler_as_diffusers_writes_it(tmp_path: Path, name: str) -> None:
    """DPM-Solvers are written with ``-Infinity``, which is no JSON; a plan holds none of it."""
    if name == "DPMSolverSDEScheduler":
        pytest.importorskip("torchsde")
    base = FLOW if "Flow" in name else CONFIG
    written = getattr(diffusers, name).from_config(base)
    written.save_pretrained(tmp_path)
    config = finite_settings(read_config(tmp_path / "scheduler_config.json", "m"), "m")
    check_scheduler(config, "m")
    json.dumps(config, allow_nan=False)
    back = getattr(diffusers, name).from_config(config).config
    assert all(back[key] == value for key, value in written.config.items() if not key.startswith("_"))


def test_an_infinite_level_is_refused() -> None:
    for key, value in (("lambda_min_clipped", math.inf), ("sigma_max", math.inf), ("beta_end", -math.inf)):
        with pytest.raises(ValueError, match=f"model m: scheduler/scheduler_config.json says {key} = -?inf"):
            finite_settings({**CONFIG, key: value}, "m")


# of diffusers' own
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize("name", STAND_INS)
def test_stand_ins_have_the_same_noise_levels_and_are_said(name: str) -> None:
    if name == "DPMSolverSDEScheduler":
        pytest.importorskip("torchsde")
    base = FLOW if STAND_INS[name] == "flow-euler" else CONFIG
    config = {**base, "_class_name": name}
    check_scheduler(config, "m")
    solver = solver_of(config)
    assert solver == STAND_INS[name]
    assert name in scheduler_notes(config, solver)[0]
    theirs = getattr(diffusers, name).from_config(config)
    ours = find_solver(solver).kind.from_config(config)
    if hasattr(ours, "alphas_cumprod"):
        torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod)
    else:
        assert ours.config.shift == theirs.config.shift


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"_class_name": "EDMDPMSolverMultistepScheduler"},
            "EDMDPMSolverMultistepScheduler .*EDM.* is not offered.*one of",
        ),
        ({"_class_name": "EDMEulerScheduler"}, "not offered.*DDIMScheduler"),
        ({"_class_name": "MyScheduler"}, "asks for MyScheduler, which is not offered"),
        ({"prediction_type": "flow_prediction"}, "prediction_type = 'flow_prediction', .*expected 'epsilon'"),
        ({"timestep_spacing": "odd"}, "timestep_spacing = 'odd'"),
        ({"beta_schedule": "cubic"}, "beta_schedule = 'cubic'"),
        ({"sigma_data": 0.5}, "sigma_data = 0.5, which no scheduler here knows"),
        ({"thresholding": True}, "thresholding = True"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True}, "use_flow_sigmas = True"),
        ({"_class_name": "DPMSolverMultistepScheduler", "final_sigmas_type": "odd"}, "final_sigmas_type = 'odd'"),
        ({"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}, "timestep_type = 'continuous'"),
        ({**FLOW, "invert_sigmas": True}, "invert_sigmas = True"),
        ({**FLOW, "stochastic_sampling": True}, "stochastic_sampling = True"),
    ],
)
def test_what_is_not_honoured_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"model m: scheduler/scheduler_config.json .*{message}"):
        check_scheduler({**CONFIG, **more}, "m")


def test_levels_that_another_solver_does_not_lay_are_said() -> None:
    config = {**CONFIG, "_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True}
    assert scheduler_notes(config, "euler") == ()
    assert "use_karras_sigmas = True" in scheduler_notes(config, "ddim")[0]
    config = {**CONFIG, "_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}
    assert "solver_order = 3" in scheduler_notes(config, "dpm++2m")[0]
    assert solver_of({**config, "algorithm_type": "sde-dpmsolver++"}) == "sde-dpm++2m"


@pytest.mark.parametrize("key", ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"])
def test_ways_to_lay_sigmas_are_honoured(key: str) -> None:
    from pipeline.sampling.solver import build_solver

    if key == "use_beta_sigmas":
        pytest.importorskip("scipy")
    config = {**CONFIG, "_class_name": "EulerDiscreteScheduler", key: True}
    check_scheduler(config, "m")
    theirs = diffusers.EulerDiscreteScheduler.from_config(config)
    theirs.set_timesteps(5)
    torch.testing.assert_close(build_solver("euler", config, steps=5).scheduler.sigmas, theirs.sigmas)


def test_the_algorithm_of_another_solver_is_no_news() -> None:
    """A model of sde-dpm++2m that is asked for dpm++2m: the solver was chosen, and its algorithm with it."""
    config = {**CONFIG, "_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}
    assert scheduler_notes(config, "dpm++2m") == scheduler_notes(config, "sde-dpm++2m") == ()
    (line,) = scheduler_notes({**config, "algorithm_type": "dpmsolver"}, "dpm++2m")
    assert line == "the model's scheduler says algorithm_type = 'dpmsolver': the solver dpm++2m takes 'dpmsolver++'"
    assert scheduler_notes({**config, "algorithm_type": "dpmsolver"}, "ddim") == ()
