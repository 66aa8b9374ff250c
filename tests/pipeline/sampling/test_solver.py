"""A solver without memory, given its history, is diffusers' scheduler with memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import FluxImg2ImgPipeline, StableDiffusionImg2ImgPipeline

from pipeline.sampling.levels import FlowLevels, set_levels
from pipeline.sampling.solver import build_solver
from pipeline.sampling.solvers import ROWS, find_solver, solver_name

CONFIG: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
V_ZERO_SNR = {
    **CONFIG,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "set_alpha_to_one": True,
}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
SHIFTING = {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True, "shift": 3.0}
SHAPE = (4, 6, 5)
SOLVERS = [row.name for row in ROWS]
STOCHASTIC = [row.name for row in ROWS if row.is_stochastic]
FLOW_ONLY = [row.name for row in ROWS if row.is_flow]


def config_for(name: str) -> dict[str, Any]:
    return FLOW if name in FLOW_ONLY else CONFIG


def fake_model(z: torch.Tensor, step: int) -> torch.Tensor:
    return torch.sin(z * 0.7 + step) + 0.1 * z


def ours(name: str, config: dict[str, Any], steps: int, noises: list[torch.Tensor]) -> torch.Tensor:
    """Every step with a solver built anew: nothing but z and history may carry over."""
    z, history = build_solver(name, config, steps=steps).start(noises[0], None), ()
    for step in range(steps):
        solver = build_solver(name, config, steps=steps)
        prediction = fake_model(solver.scale_input(z, step), step)
        noise = noises[step + 1] if name in STOCHASTIC else None
        z, history = solver.step(step, z, prediction, history, noise)
        assert len(history) == find_solver(name).num_history
    return z


def theirs(
    name: str, config: dict[str, Any], steps: int, noises: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> torch.Tensor:
    """One scheduler, kept through the loop, as a diffusers pipeline does; its random numbers come from our list."""
    row = find_solver(name)
    scheduler = row.kind.from_config({**config, **row.settings})
    scheduler.set_timesteps(steps)
    drawn = iter(noises[1:])
    module = __import__(type(scheduler).__module__, fromlist=["x"])
    if name in STOCHASTIC:
        monkeypatch.setattr(module, "randn_tensor", lambda *_a, **_k: next(drawn)[None])
    z = (noises[0] * float(getattr(scheduler, "init_noise_sigma", 1.0)))[None]
    for step, t in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(z, t) if hasattr(scheduler, "scale_model_input") else z
        z = scheduler.step(fake_model(scaled, step), t, z, return_dict=False)[0]
    return z[0]


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """But for rounding of single precision; a step's history or noise that is another's is off by a tenth and more."""
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("name", SOLVERS)
def test_equals_the_stateful_scheduler(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noises = list(torch.randn(steps + 1, *SHAPE, generator=torch.Generator().manual_seed(2)))
    config = config_for(name)
    found = ours(name, config, steps, noises)
    assert_same(found, theirs(name, config, steps, noises, monkeypatch))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_two_threads_step_with_noise_of_their_own(name: str) -> None:
    """A worker merges two regions at once; diffusers' schedulers draw by one function of their module."""
    solver = build_solver(name, CONFIG, steps=4)
    z = torch.zeros(SHAPE)
    noises = [torch.full(SHAPE, float(n)) for n in range(8)]
    expected = [solver.step(0, z, z, (), noise)[0] for noise in noises]
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda n: [solver.step(0, z, z, (), noises[n])[0] for _ in range(50)], range(8))]
    assert all(torch.equal(one, alone) for many, alone in zip(found, expected, strict=True) for one in many)


@pytest.mark.parametrize("name", ["ddim", "euler", "dpm++2m", "unipc"])
def test_zero_terminal_snr(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noises = list(torch.randn(9, *SHAPE, generator=torch.Generator().manual_seed(2)))
    found = ours(name, V_ZERO_SNR, 8, noises)
    assert torch.isfinite(found).all()
    assert_same(found, theirs(name, V_ZERO_SNR, 8, noises, monkeypatch))


@pytest.mark.parametrize("name", [n for n in SOLVERS if n not in STOCHASTIC and n not in FLOW_ONLY])
def test_an_exact_denoiser_ends_at_the_truth(name: str) -> None:
    """Data that is one known image: eps = (z - a x0) / s, so every solver must end at x0."""
    truth = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(4))
    solver = build_solver(name, {**CONFIG, "set_alpha_to_one": True}, steps=12)
    alphas = diffusers.DDIMScheduler.from_config(CONFIG).alphas_cumprod
    z, history = solver.start(torch.randn(*SHAPE, generator=torch.Generator().manual_seed(5)), None), ()
    for step in range(12):
        t = float(solver.timestep(step))
        alpha = alphas[int(t)] + (t % 1) * (alphas[min(999, int(t) + 1)] - alphas[int(t)])
        seen = solver.scale_input(z, step)
        z, history = solver.step(step, z, (seen - alpha.sqrt() * truth) / (1 - alpha).sqrt(), history)
    assert (z - truth).abs().max() < 0.02


@pytest.mark.parametrize("name", SOLVERS)
def test_strength_starts_from_the_noised_image(name: str) -> None:
    coarse = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(2))
    solver = build_solver(name, config_for(name), steps=10, strength=0.3)
    assert solver.num_steps == 3 == len(solver.timesteps)
    assert solver.timesteps == build_solver(name, config_for(name), steps=10).timesteps[-3:]
    gentle = build_solver(name, config_for(name), steps=10, strength=0.1).start(noise, coarse)
    strong = solver.start(noise, coarse)
    assert (gentle - coarse).abs().mean() < (strong - coarse).abs().mean()


def test_refusals() -> None:
    with pytest.raises(ValueError, match="one of ddim"):
        build_solver("heun", CONFIG, steps=4)
    with pytest.raises(ValueError, match="does not fit"):
        build_solver("ddim", FLOW, steps=4)
    with pytest.raises(ValueError, match="does not fit"):
        build_solver("flow-euler", CONFIG, steps=4)
    with pytest.raises(ValueError, match="the model itself lays the levels of flow-euler: leave out spacing"):
        build_solver("flow-euler", FLOW, steps=4, spacing="trailing")
    with pytest.raises(ValueError, match="nothing says how many a tile has"):
        build_solver("flow-euler", SHIFTING, steps=4)
    with pytest.raises(ValueError, match="leaves none"):
        build_solver("ddim", CONFIG, steps=4, strength=0.05)
    with pytest.raises(ValueError, match="adds noise"):
        build_solver("ddpm", CONFIG, steps=4).step(0, torch.zeros(SHAPE), torch.zeros(SHAPE))


def test_a_model_names_its_solver() -> None:
    assert solver_name("UniPCMultistepScheduler") == "unipc"
    assert solver_name("FlowMatchEulerDiscreteScheduler") == "flow-euler"
    assert solver_name("DPMSolverMultistepScheduler") == "dpm++2m"
    assert solver_name("PNDMScheduler") == "ddim"


KINDS = ("epsilon", "v_prediction", "sample")


@pytest.mark.parametrize(
    ("name", "kind"),
    # diffusers' ancestral Euler knows no models that predict the sample
    [(name, kind) for name in SOLVERS for kind in KINDS if (name, kind) != ("euler-ancestral", "sample")],
)
def test_towards_leads_to_the_clean_latent(name: str, kind: str) -> None:
    """Whatever noise a solver adds on the way, the last step ends at what was predicted all along."""
    config = FLOW if name in FLOW_ONLY else {**CONFIG, "prediction_type": kind, "set_alpha_to_one": True}
    noises = list(torch.randn(9, *SHAPE, generator=torch.Generator().manual_seed(2)))
    clean = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    solver = build_solver(name, config, steps=8)
    z, history = solver.start(noises[0], clean), ()
    for step in range(8):
        noise = noises[step + 1] if name in STOCHASTIC else None
        z, history = solver.step(step, z, solver.towards(step, z, clean), history, noise)
    torch.testing.assert_close(z, clean, rtol=0, atol=2e-3)


@pytest.mark.parametrize("config", [{**CONFIG, "prediction_type": kind} for kind in KINDS] + [V_ZERO_SNR])
@pytest.mark.parametrize("name", ["ddim", "euler", "dpm++2m", "unipc"])
def test_towards_follows_the_noised_clean_latent(name: str, config: dict[str, Any]) -> None:
    """Without noise of the solver's own, each state is the clean latent noised to its level by the same noise.

    Eight steps divide 1000: where they do not, diffusers' DDIM steps to times that it does not list.
    """
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    clean = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    solver = build_solver(name, config, steps=8)
    z, history = solver.start(noise, clean), ()
    for step in range(7):
        z, history = solver.step(step, z, solver.towards(step, z, clean), history)
        scheduler = build_solver(name, config, steps=8).scheduler
        expected = scheduler.add_noise(clean[None], noise[None], solver.timestep(step + 1)[None])[0]
        scale = expected.abs().max()
        torch.testing.assert_close(z / scale, expected / scale, rtol=0, atol=2e-4)


UNEVEN = (999, 849, 699, 399, 120)


@pytest.mark.parametrize("config", [{**CONFIG, "prediction_type": kind} for kind in KINDS] + [V_ZERO_SNR])
@pytest.mark.parametrize("name", ["ddim", "euler", "dpm++2m", "unipc"])
def test_uneven_times_are_the_levels_of_the_states(name: str, config: dict[str, Any]) -> None:
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    clean = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    solver = build_solver(name, {**config, "set_alpha_to_one": True}, steps=0, times=UNEVEN)
    assert solver.timesteps == UNEVEN
    z, history = solver.start(noise, clean), ()
    for step in range(len(UNEVEN)):
        expected = solver.scheduler.add_noise(clean[None], noise[None], solver.timestep(step)[None])[0]
        torch.testing.assert_close(z / expected.std(), expected / expected.std(), rtol=0, atol=3e-4)
        z, history = solver.step(step, z, solver.towards(step, z, clean), history)
    torch.testing.assert_close(z, clean, rtol=0, atol=2e-3)


@pytest.mark.parametrize("name", ["euler", "ddpm", "dpm++2m", "sde-dpm++2m"])
def test_uneven_times_equal_diffusers_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of its schedulers that can be given timesteps."""
    row = find_solver(name)
    scheduler = row.kind.from_config({**CONFIG, **row.settings})
    scheduler.set_timesteps(timesteps=list(UNEVEN))
    noises = list(torch.randn(9, *SHAPE, generator=torch.Generator().manual_seed(2)))
    drawn = iter(noises[1:])
    if name in STOCHASTIC:
        module = __import__(type(scheduler).__module__, fromlist=["x"])
        monkeypatch.setattr(module, "randn_tensor", lambda *_a, **_k: next(drawn)[None])
    solver = build_solver(name, CONFIG, steps=0, times=UNEVEN)
    z, history, expected = solver.start(noises[0], None), (), noises[0][None] * float(scheduler.init_noise_sigma)
    torch.testing.assert_close(z, expected[0], rtol=1e-6, atol=0)
    for step, t in enumerate(scheduler.timesteps):
        expected = scheduler.step(
            fake_model(scheduler.scale_model_input(expected, t), step), t, expected, return_dict=False
        )[0]
    monkeypatch.undo()
    for step in range(len(UNEVEN)):
        noise = noises[step + 1] if name in STOCHASTIC else None
        z, history = solver.step(step, z, fake_model(solver.scale_input(z, step), step), history, noise)
    torch.testing.assert_close(z, expected[0], rtol=1e-5, atol=1e-5)


def test_even_times_one_by_one_are_the_even_spacing() -> None:
    times = (999, 749, 499, 249)
    given = build_solver("ddim", V_ZERO_SNR, steps=0, times=times)
    spaced = build_solver("ddim", V_ZERO_SNR, steps=4)
    assert given.timesteps == spaced.timesteps
    z = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    for step in range(4):
        torch.testing.assert_close(given.step(step, z, z.sin())[0], spaced.step(step, z, z.sin())[0], rtol=0, atol=1e-5)


def test_spacing_of_distilled_models() -> None:
    """Turbo and Lightning begin at the last timestep; LCM has a schedule of its own."""
    assert build_solver("euler-ancestral", CONFIG, steps=4, spacing="trailing").timesteps == (999, 749, 499, 249)
    assert build_solver("euler", CONFIG, steps=2, spacing="leading").timesteps == (501, 1)
    assert build_solver("lcm", CONFIG, steps=4).timesteps == (999, 759, 499, 259)


@pytest.mark.parametrize("config", [{**CONFIG, "prediction_type": kind} for kind in KINDS] + [V_ZERO_SNR])
@pytest.mark.parametrize("name", ["ddim", "euler"])
def test_towards_with_a_spread_keeps_the_energy_of_pictures(name: str, config: dict[str, Any]) -> None:
    """Each state is alpha clean + m noise, m^2 = alpha^2 s^2 + sigma^2, by the same noise; the last step is clean."""
    shape = (4, 40, 40)
    noise, clean = (torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3))
    spread = torch.linspace(0.1, 2, 40).expand(shape)
    solver = build_solver(name, {**config, "set_alpha_to_one": True}, steps=0, times=UNEVEN)
    z, history, noises = solver.start(noise, None), (), []
    for step in range(len(UNEVEN)):
        alpha, sigma = solver.level(step)
        plain = alpha * z if name == "euler" else z
        noises.append((plain - alpha * clean) / (alpha**2 * spread**2 + sigma**2).sqrt())
        z, history = solver.step(step, z, solver.towards(step, z, clean, spread), history)
    torch.testing.assert_close(z, clean, rtol=0, atol=2e-3)
    for found in noises[1:]:
        torch.testing.assert_close(found, noises[1], rtol=0, atol=5e-2)
        assert found.std(dim=(0, 1)).sub(1).abs().max() < 0.3, "of 160 numbers a column"


PREDICTING = [(name, kind) for name in SOLVERS for kind in KINDS if name not in FLOW_ONLY] + [("flow-euler", "flow")]


def predicting(name: str, kind: str) -> dict[str, Any]:
    return FLOW if kind == "flow" else {**CONFIG, "prediction_type": kind}


@pytest.mark.parametrize(("name", "kind"), PREDICTING)
def test_clean_is_the_inverse_of_towards(name: str, kind: str) -> None:
    z, clean = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    solver = build_solver(name, predicting(name, kind), steps=8)
    assert solver.prediction_type == kind
    for step in range(8):
        # of noise, x_0 is (z - sigma e) / alpha, and an eighth of a rounding error of z is alpha's first
        alpha = float(solver.level(step)[0]) if kind == "epsilon" else 1.0
        there = solver.towards(step, z, clean)
        torch.testing.assert_close(alpha * solver.clean(step, z, there), alpha * clean, rtol=0, atol=1e-5)
        again = solver.towards(step, z, solver.clean(step, z, there))
        torch.testing.assert_close(again / there.std(), there / there.std(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), PREDICTING)
def test_clean_of_a_noised_picture_is_the_picture(name: str, kind: str) -> None:
    """Closed forms of each kind of prediction, with the states that a solver itself starts from."""
    noise, picture = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (3, 4))
    solver = build_solver(name, predicting(name, kind), steps=8, strength=0.5)
    alpha, sigma = solver.level(0)
    told = {
        "epsilon": noise,
        "v_prediction": alpha * noise - sigma * picture,
        "sample": picture,
        "flow": noise - picture,
    }[kind]
    found = solver.clean(0, solver.start(noise, picture), told)
    torch.testing.assert_close(found, picture, rtol=0, atol=1e-5)


def diffusers_scheduler(name: str, steps: int, spacing: str = "model") -> Any:
    """One of diffusers' own, set up as a pipeline does it."""
    row = find_solver(name)
    more = {} if spacing == "model" else {"timestep_spacing": spacing}
    scheduler = row.kind.from_config({**config_for(name), **row.settings, **more})
    scheduler.set_timesteps(steps)
    return scheduler


@pytest.mark.parametrize("strength", [1.0, 0.75, 0.5, 0.25])
@pytest.mark.parametrize("name", [*SOLVERS])
def test_strength_keeps_the_steps_that_img2img_keeps(name: str, strength: float) -> None:
    """diffusers' own get_timesteps: little strength is a few steps, the last ones."""
    pipeline: Any = FluxImg2ImgPipeline if name in FLOW_ONLY else StableDiffusionImg2ImgPipeline
    scheduler = diffusers_scheduler(name, 8)
    expected, count = pipeline.get_timesteps(SimpleNamespace(scheduler=scheduler), 8, strength, "cpu")
    solver = build_solver(name, config_for(name), steps=8, strength=strength)
    assert solver.timesteps == tuple(expected.tolist())
    assert solver.num_steps == count == int(8 * strength) == len(solver.timesteps)
    assert [float(solver.timestep(step)) for step in range(count)] == expected.tolist()


@pytest.mark.parametrize(
    ("name", "spacing", "times"),
    [
        ("ddim", "model", (751, 501, 251, 1)),
        ("ddpm", "trailing", (999, 749, 499, 249)),
        ("euler", "linspace", (999, 666, 333, 0)),
        ("euler-ancestral", "leading", (751, 501, 251, 1)),
        ("dpm++2m", "trailing", (999, 749, 499, 249)),
        ("sde-dpm++2m", "leading", (801, 601, 401, 201)),
        ("unipc", "linspace", (999, 749, 500, 250)),
        ("lcm", "model", (999, 759, 499, 259)),
        ("flow-euler", "model", (1000.0, 857.6923, 602.1506, 8.92857)),
    ],
)
def test_timesteps_are_the_same_in_every_version(name: str, spacing: str, times: tuple[float, ...]) -> None:
    """Written down: another release of diffusers that lays them otherwise makes other pictures."""
    found = build_solver(name, config_for(name), steps=4, spacing=spacing)
    assert found.timesteps == pytest.approx(times, rel=1e-4)
    assert found.timesteps == tuple(diffusers_scheduler(name, 4, spacing).timesteps.tolist())


@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("name", [*SOLVERS])
def test_noised_and_started_as_diffusers_noises(name: str, strength: float) -> None:
    """At every step, and at the step that a strength begins with: its schedulers' add_noise, of the Euler kind too."""
    clean, noise = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (6, 7))
    solver = build_solver(name, config_for(name), steps=5, strength=strength)
    first = 5 - solver.num_steps
    for step in range(solver.num_steps):
        scheduler = diffusers_scheduler(name, 5)
        time = scheduler.timesteps[first + step][None]
        if name in FLOW_ONLY:
            expected = scheduler.scale_noise(clean[None], time, noise[None])[0]
        else:
            expected = scheduler.add_noise(clean[None], noise[None], time)[0]
        torch.testing.assert_close(solver.noised(step, clean, noise), expected, rtol=1e-4, atol=1e-4)
        if step == 0:
            torch.testing.assert_close(solver.start(noise, clean), expected, rtol=1e-5, atol=1e-5)


def test_noised_by_hand() -> None:
    """Stable Diffusion's betas: abar_t is the product of 1 - beta; the Euler kind keeps x_0 + (sigma / alpha) e."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    squared = np.cumprod(1 - betas)[501]
    clean, noise = torch.full(SHAPE, 2.0), torch.full(SHAPE, -3.0)
    ddim = build_solver("ddim", CONFIG, steps=4)
    assert float(ddim.noised(1, clean, noise)[0, 0, 0]) == pytest.approx(
        2 * squared**0.5 - 3 * (1 - squared) ** 0.5, rel=1e-4
    )
    euler = build_solver("euler", CONFIG, steps=4, spacing="leading")
    assert euler.timesteps[1] == 501
    assert float(euler.noised(1, clean, noise)[0, 0, 0]) == pytest.approx(
        2 - 3 * ((1 - squared) / squared) ** 0.5, rel=1e-4
    )
    flow = build_solver("flow-euler", FLOW, steps=4)
    assert float(flow.noised(1, clean, noise)[0, 0, 0]) == pytest.approx(2 * (1 - 0.8576923) - 3 * 0.8576923, rel=1e-3)


@pytest.mark.parametrize("name", [name for name in SOLVERS if name not in FLOW_ONLY])
def test_pure_noise_has_the_scale_of_diffusers(name: str) -> None:
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(6))
    expected = noise * float(diffusers_scheduler(name, 5).init_noise_sigma)
    torch.testing.assert_close(build_solver(name, CONFIG, steps=5).start(noise, None), expected)


@pytest.mark.parametrize("name", [*SOLVERS])
def test_a_run_from_a_picture_is_diffusers_img2img(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop with its scheduler, which begins in the middle of its timesteps."""
    clean = torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))
    noises = [*torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(9))]
    scheduler = diffusers_scheduler(name, 8)
    pipeline: Any = FluxImg2ImgPipeline if name in FLOW_ONLY else StableDiffusionImg2ImgPipeline
    times, count = pipeline.get_timesteps(SimpleNamespace(scheduler=scheduler), 8, 0.5, "cpu")
    if name in FLOW_ONLY:
        expected = scheduler.scale_noise(clean[None], times[:1], noises[0][None])
    else:
        expected = scheduler.add_noise(clean[None], noises[0][None], times[:1])
    drawn = iter(noises[1:])
    solver = build_solver(name, config_for(name), steps=8, strength=0.5)
    z, history = solver.start(noises[0], clean), ()
    for step in range(count):
        noise = noises[step + 1] if name in STOCHASTIC else None
        z, history = solver.step(step, z, fake_model(solver.scale_input(z, step), step), history, noise)
    if name in STOCHASTIC:
        module = __import__(type(scheduler).__module__, fromlist=["x"])
        monkeypatch.setattr(module, "randn_tensor", lambda *_a, **_k: next(drawn)[None])
    for step, t in enumerate(times):
        scaled = scheduler.scale_model_input(expected, t) if hasattr(scheduler, "scale_model_input") else expected
        expected = scheduler.step(fake_model(scaled, step), t, expected, return_dict=False)[0]
    assert_same(z, expected[0])


def test_levels_of_a_model_that_shifts_them() -> None:
    """mu by a line through (256, 0.5) and (4096, 1.15): written out, and as FLUX's own pipeline sets them."""
    config = {**SHIFTING, "base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler.from_config(config)
    set_levels(scheduler, 4, FlowLevels(tokens=1216, even=True))
    factor = np.exp(0.5 + 0.65 * (1216 - 256) / 3840)
    expected = [factor / (factor + 1 / level - 1) for level in (1.0, 0.75, 0.5, 0.25)]
    np.testing.assert_allclose(scheduler.sigmas[:4].numpy(), expected, rtol=1e-5)
