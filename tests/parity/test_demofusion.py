"""The oracle of DemoFusion and AccDiffusion against closed forms, and against a program that steps every view."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler

from tests.support import demofusion as df
from tests.support.demofusion import Given, Program, Settings

SMALL = Settings(height=192, width=192, window=8, stride=4, factor=8, steps=5)
"""three phases of 8, 16 and 24 latent pixels a side; J = 1"""


def unit(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(
    latents: torch.Tensor, t: float, name: str, time_ids: tuple[int, ...], control: torch.Tensor | None
) -> torch.Tensor:
    """Neither linear nor pointwise, and moved by everything that it is given."""
    beside = latents.roll((1, 2), (1, 2)) - 0.5 * latents.flip(2)
    told = sum(map(ord, name)) / 700 + sum(n * w for n, w in zip(time_ids, (1, -1, 3, 2, 1, 2), strict=True)) / 5000
    shown = 0.0
    if control is not None:
        assert control.shape[1:] == tuple(8 * side for side in latents.shape[1:])
        shown = torch.nn.functional.avg_pool2d(control.mean(0, keepdim=True), 8)
    return torch.tanh(latents + 0.3 * beside) + 0.2 * torch.sin(torch.as_tensor(t / 100 + told)) + shown


def given(settings: Settings, seed: int = 0, *, per_channel: bool = False, controlled: bool = False) -> Given:
    def jitter(phase: int, step: int, view: int) -> tuple[int, int]:
        generator = random.Random(1000 * seed + 100 * phase + step)
        return df.draw_jitter(generator, settings.shape(phase), settings)[view]

    def permutation(phase: int, step: int, group: int) -> torch.Tensor:
        size = settings.interaction or 0
        members = [*df.groups(phase * phase, size)][group]
        height, width = (-(-side // phase) for side in settings.shape(phase))
        places = (members.stop - members.start, *([4] if per_channel else []), height, width)
        return torch.argsort(unit(*places, seed=100 * phase + 10 * step + group), dim=0)

    def control(phase: int) -> torch.Tensor | None:
        return unit(3, *(8 * side for side in settings.shape(phase)), seed=phase) if controlled else None

    return Given(
        base=unit(4, *settings.shape(1), seed=seed),
        noise=lambda phase: unit(4, *settings.shape(phase), seed=seed + phase),
        jitter=jitter,
        permutation=permutation,
        prompt=lambda phase, view: f"view {view % 3} of {phase}",
        control=control,
    )


def program(given_to_it: Given | None = None, **changes: Any) -> Program:
    settings = dataclasses.replace(SMALL, **changes)
    return Program(settings=settings, given=given_to_it or given(settings), eps=model)


# -- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "c1", "c2", "c3"),
    [
        (981, 0.99733, 0.99911, 0.99912),
        (961, 0.98880, 0.99625, 0.99629),
        (881, 0.89993, 0.96546, 0.96581),
        (781, 0.69611, 0.88626, 0.88739),
        (581, 0.24516, 0.62587, 0.62961),
        (481, 0.10394, 0.47017, 0.47547),
        (381, 0.03198, 0.31740, 0.32423),
        (181, 0.00049, 0.07868, 0.08789),
        (1, 0.00000, 0.00000, 0.01000),
    ],
)
def test_weights_of_the_published_schedule(t: float, c1: float, c2: float, c3: float) -> None:
    """The table of section 1.4."""
    assert df.cosine_weights(t, (3, 1, 1)) == pytest.approx((c1, c2, c3), abs=5.1e-6)


def test_the_published_schedule() -> None:
    found = df.schedule(50)
    assert found.timesteps[:3] == (981, 961, 941)
    assert found.timesteps[-1] == 1
    assert (found.sigmas[0], found.sigmas[1], found.sigmas[49]) == pytest.approx((13.1204, 11.6761, 0.0413), abs=5e-5)
    assert found.sigmas[50] == 0


def test_shapes_of_phases() -> None:
    square = Settings(height=4096, width=4096)
    assert [square.shape(s) for s in (1, 2, 3, 4)] == [(128, 128), (256, 256), (384, 384), (512, 512)]
    wide = Settings(height=2048, width=3072)
    assert [wide.shape(s) for s in (1, 2, 3)] == [(85, 128), (170, 256), (256, 384)]
    assert square.jitter == 16
    assert len(df.starts(512, 128, 64)) == 7


@pytest.mark.parametrize("border", ["padded", "clamped"])
@pytest.mark.parametrize("stride", [4, 6, 8])
@pytest.mark.parametrize("shape", [(16, 16), (24, 17), (8, 31), (9, 8)])
def test_views_cover_every_place(shape: tuple[int, int], stride: int, border: str) -> None:
    settings = dataclasses.replace(SMALL, stride=stride, border=border)
    margin = settings.jitter if border == "padded" else 0
    for seed in range(40):
        drawn = df.draw_jitter(random.Random(seed), shape, settings)
        count = np.zeros([side + 2 * margin for side in shape], int)
        for view in df.views(shape, settings, lambda number, drawn=drawn: drawn[number]):
            assert (view.bottom - view.top, view.right - view.left) == (8, 8)
            count[view.slices] += 1
        inner = count[margin : margin + shape[0], margin : margin + shape[1]]
        assert 1 <= inner.min() <= inner.max() <= 16


def test_jitter_stays_within_its_bounds_and_reaches_them() -> None:
    settings = dataclasses.replace(SMALL, window=16, stride=8)  # J = 2
    drawn = np.array([df.draw_jitter(random.Random(seed), (32, 16), settings) for seed in range(99)])
    assert drawn.shape == (99, 3, 2)
    for view, (least, most) in enumerate([(-2, 0), (-2, 2), (0, 2)]):
        assert (drawn[:, view, 0].min(), drawn[:, view, 0].max()) == (least, most)
        assert not drawn[:, view, 1].any(), "one view on the axis: no draw"


def test_a_window_larger_than_the_latent_sees_all_of_it() -> None:
    clamped = dataclasses.replace(SMALL, border="clamped")
    assert df.views((6, 8), clamped, lambda _: (0, 0)) == [df.View(0, 0, 6, 8)]


@pytest.mark.parametrize("phase", [1, 2, 3, 4])
@pytest.mark.parametrize("deviation", [0.01, 0.4, 1.0])
def test_blur_kernels(phase: int, deviation: float) -> None:
    kernel = df.blur_kernel(phase, deviation)
    assert kernel.shape == (2 * phase - 1, 2 * phase - 1)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-12)
    # an exponential may round otherwise at the end of a row
    torch.testing.assert_close(kernel, kernel.flip(0), rtol=0, atol=1e-15)
    torch.testing.assert_close(kernel, kernel.T, rtol=0, atol=1e-15)
    if phase > 1:
        ratio = float(kernel[phase - 1, phase] / kernel[phase - 1, phase - 1])
        assert ratio == pytest.approx(math.exp(-0.5 / deviation**2), abs=1e-12)
    even = df.blurred(torch.ones(2, 9, 9, dtype=torch.float64), phase, deviation)
    middle = slice(phase - 1, 10 - phase)
    torch.testing.assert_close(even[:, middle, middle], torch.ones_like(even[:, middle, middle]))
    assert float(even[0, 0, 0]) == pytest.approx(float(kernel[phase - 1 :, phase - 1 :].sum())), "zeros beyond it"


def test_restandardising_is_unbiased() -> None:
    x = unit(4, 5, 6, seed=1) * 3 + 2
    found = df.restandardised(x, torch.tensor(0.5), torch.tensor(2.0)).numpy()
    assert found.mean() == pytest.approx(0.5)
    assert found.std(ddof=1) == pytest.approx(2)


@pytest.mark.parametrize("channels", [None, 4])
def test_the_interaction_uses_every_sample_once_and_has_an_inverse(channels: int | None) -> None:
    samples = unit(9, 4, 5, 6, seed=2)
    places = (9, 5, 6) if channels is None else (9, channels, 5, 6)
    permutation = torch.argsort(unit(*places, seed=3), dim=0)
    mixed = df.exchanged(samples, permutation)
    assert not torch.equal(mixed, samples)
    assert torch.equal(mixed.sort(dim=0).values, samples.sort(dim=0).values)
    assert torch.equal(df.restored(mixed, permutation), samples)
    first = permutation[2, ..., 1, 3] if channels is None else permutation[2, 0, 1, 3]
    assert mixed[2, 0, 1, 3] == samples[int(first), 0, 1, 3]


def test_splitting_has_an_inverse() -> None:
    x = unit(4, 12, 15, seed=1)
    samples = df.split(x, 3)
    assert torch.equal(samples[5], x[:, 1::3, 2::3])
    assert torch.equal(df.interleaved(samples, 3), x)


def test_groups_of_published_batches() -> None:
    sizes = [[group.stop - group.start for group in df.groups(s * s, 16)] for s in (3, 4, 5, 8)]
    assert sizes == [[9], [16], [16, 9], [16] * 4]
    assert [*df.groups(25, None)] == [slice(0, 25)]


@pytest.mark.parametrize("skip", [False, True])
def test_a_constant_model_by_hand(skip: bool) -> None:
    """eps = 0.3 everywhere: views, blur and dilation make no difference, and a phase is a recursion of numbers."""
    settings = dataclasses.replace(SMALL, skip=skip, anchor=False)
    one = Program(settings=settings, given=given(settings), eps=lambda latents, *_: torch.full_like(latents, 0.3))
    base, second, _ = df.run(one)
    sigmas, timesteps = df.schedule(5).sigmas, df.schedule(5).timesteps
    expected = one.given.base * math.sqrt(sigmas[0] ** 2 + 1) - 0.3 * sigmas[0]
    torch.testing.assert_close(base, expected, rtol=0, atol=1e-9)
    x0, noise = df.enlarged(base, (16, 16)), one.given.noise(2)
    x = x0 + sigmas[0] * noise
    for i, t in enumerate(timesteps):
        c1 = ((1 + math.cos(math.pi * (1000 - t) / 1000)) / 2) ** 3 if skip else 0
        x = (1 - c1) * x + c1 * (x0 + sigmas[i] * noise) + (sigmas[i + 1] - sigmas[i]) * 0.3
    torch.testing.assert_close(second, x, rtol=0, atol=1e-9)


def test_the_anchor_keeps_the_first_phase_mean_and_deviation() -> None:
    latents = df.run(program())
    assert [tuple(x.shape) for x in latents] == [(4, 8, 8), (4, 16, 16), (4, 24, 24)]
    for x in latents[1:]:
        torch.testing.assert_close(x.mean(), latents[0].mean(), rtol=0, atol=1e-12)
        torch.testing.assert_close(x.std(), latents[0].std(), rtol=0, atol=1e-12)


# -- a program that steps every view ---------------------------------------------------------------------------------


class SteppingEveryView:
    """The published order of calls on one scheduler with memory: a batch is scaled, predicted, stepped, and averaged.

    Whatever index the scheduler happens to hold scales a batch, as it does there (1.6). Samples are permuted within
    batches. Windows of 8 latent pixels, 4 apart.
    """

    def __init__(self, one: Program) -> None:
        self.one, self.settings, self.given = one, one.settings, one.given
        self.scheduler = EulerDiscreteScheduler(**df.SDXL_SCHEDULER)
        self.scheduler.set_timesteps(one.settings.steps)
        self.whole = (one.settings.height, one.settings.width, 0, 0, one.settings.height, one.settings.width)

    def predict(self, batch: torch.Tensor, t: torch.Tensor, told: list[tuple[Any, ...]]) -> torch.Tensor:
        scaled = self.scheduler.scale_model_input(batch, t)
        return torch.stack([self.one.eps(x, float(t), *tell) for x, tell in zip(scaled, told, strict=True)])

    def advance(self, eps: torch.Tensor, t: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        self.scheduler._init_step_index(t)
        return self.scheduler.step(eps, t, start)[0]

    def batches(self, count: int) -> list[slice]:
        return [slice(k, k + self.settings.view_batch) for k in range(0, count, self.settings.view_batch)]

    def local(self, s: int, i: int, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        margin, (height, width) = self.settings.jitter, x.shape[1:]
        rows, cols = (sorted({*range(0, side - 8, 4), side - 8}) for side in (height, width))
        corners = [(y, z) for y in rows for z in cols]
        moves = [self.given.jitter(s, i, number) for number in range(len(corners))]
        boxes = [(y + m[0] + margin, z + m[1] + margin) for (y, z), m in zip(corners, moves, strict=True)]
        frame, control = torch.nn.functional.pad(x, (margin,) * 4), self.given.control(s)
        cut = torch.stack([frame[:, y : y + 8, z : z + 8] for y, z in boxes])
        told: list[tuple[Any, ...]] = []
        for number, (y, z) in enumerate(boxes):
            crop = None
            if control is not None:
                crop = torch.nn.functional.pad(control, (8 * margin,) * 4)[:, 8 * y : 8 * y + 64, 8 * z : 8 * z + 64]
            told.append((self.given.prompt(s, number), (*self.whole[:2], 8 * y, 8 * z, *self.whole[4:]), crop))
        value, count = torch.zeros_like(frame), torch.zeros_like(frame)
        for batch in self.batches(len(boxes)):
            stepped = self.advance(self.predict(cut[batch], t, told[batch]), t, cut[batch])
            for (y, z), one in zip(boxes[batch], stepped, strict=True):
                value[:, y : y + 8, z : z + 8] += one
                count[:, y : y + 8, z : z + 8] += 1
        return (value / count)[:, margin : margin + height, margin : margin + width]

    def dilated(self, s: int, i: int, x: torch.Tensor, t: torch.Tensor, c: float) -> torch.Tensor:
        top, left = -x.shape[1] % s, -x.shape[2] % s
        plain = torch.nn.functional.pad(x, (left, 0, top, 0))
        line = torch.exp(-((torch.arange(2 * s - 1) - s + 1.0) ** 2) / 2 / (0.8 * (0.99 * c + 0.01)) ** 2).double()
        kernel = torch.outer(line, line) / line.sum() ** 2
        soft = torch.nn.functional.conv2d(plain[:, None], kernel[None, None], padding=s - 1)[:, 0]
        soft = (soft - soft.mean()) / soft.std() * plain.std() + plain.mean()
        offsets, found = [(p, q) for p in range(s) for q in range(s)], torch.empty_like(plain)
        for group, batch in enumerate(self.batches(s * s)):
            seen, start = (torch.stack([y[:, p::s, q::s] for p, q in offsets[batch]]) for y in (soft, plain))
            order = torch.arange(len(seen))[:, None, None, None].expand(seen.shape)
            if self.settings.interaction is not None:
                assert self.given.permutation is not None
                order = self.given.permutation(s, i, group)
                order = order if order.ndim == 4 else order[:, None].expand(seen.shape)
            mixed = torch.empty_like(seen)
            for place in np.ndindex(*seen.shape):
                mixed[place] = seen[(int(order[place]), *place[1:])]
            made = self.predict(mixed, t, [(df.GLOBAL, self.whole, None)] * len(seen))
            eps = torch.empty_like(made)
            for place in np.ndindex(*seen.shape):
                eps[(int(order[place]), *place[1:])] = made[place]
            for (p, q), one in zip(offsets[batch], self.advance(eps, t, start), strict=True):
                found[:, p::s, q::s] = one
        return found[:, top:, left:]

    def latents(self) -> list[torch.Tensor]:
        x = self.given.base * self.scheduler.init_noise_sigma
        for t in self.scheduler.timesteps:
            x = self.advance(self.predict(x[None], t, [(df.GLOBAL, self.whole, None)]), t, x[None])[0]
        found, mean, deviation = [x], x.mean(), x.std()
        for s in range(2, self.settings.num_phases + 1):
            shape = self.settings.shape(s)
            x0 = torch.nn.functional.interpolate(found[-1][None], size=shape, mode="bicubic")[0]
            x = x0 + self.scheduler.sigmas[0] * self.given.noise(s)
            for i, t in enumerate(self.scheduler.timesteps):
                c = (1 + math.cos(math.pi * (1000 - float(t)) / 1000)) / 2
                x = (1 - c**3) * x + c**3 * (x0 + self.scheduler.sigmas[i] * self.given.noise(s))
                x = (1 - c) * self.local(s, i, x, t) + c * self.dilated(s, i, x, t, c)
            found.append((x - x.mean()) / x.std() * deviation + mean)
        return found


@pytest.mark.parametrize(
    "changes",
    [
        {"view_batch": 4},
        {"view_batch": 3, "height": 128, "width": 192},
        {"view_batch": 5, "interaction": 5},
        {"view_batch": 16, "interaction": 16, "height": 128, "width": 128},
    ],
    ids=["demofusion", "not square", "accdiffusion in groups", "accdiffusion whole"],
)
def test_equals_a_program_that_steps_every_view(changes: dict[str, Any]) -> None:
    """As published, wrong sigmas and all: prompts of views, per-channel permutations, a picture for the ControlNet."""
    settings = dataclasses.replace(SMALL, sigma_mode="official", steps=3, **changes)
    made = given(settings, per_channel=True, controlled="interaction" in changes)
    one = Program(settings=settings, given=made, eps=model)
    for found, expected in zip(df.run(one), SteppingEveryView(one).latents(), strict=True):
        # diffusers steps in float32
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_right_sigma_differs_from_the_published_one() -> None:
    """From phase 2 on, by several hundredths (section 12)."""
    right, wrong = df.run(program()), df.run(program(sigma_mode="official", view_batch=4))
    torch.testing.assert_close(right[0], wrong[0], rtol=0, atol=1e-12)
    assert float((right[1] - wrong[1]).abs().max() / right[1].abs().max()) > 0.01


@pytest.mark.parametrize("phase", [2, 3])
def test_published_indices_of_sigma(phase: int) -> None:
    """Local batches first: the first of a step is right but at step 0, all others see the next step's (1.6)."""
    official = dataclasses.replace(SMALL, sigma_mode="official")
    assert [df.sigma_index(official, phase, i, 0) for i in range(5)] == [5, 1, 2, 3, 4]
    assert [df.sigma_index(official, phase, i, 2) for i in range(5)] == [1, 2, 3, 4, 5]
    assert [df.sigma_index(SMALL, phase, i, 2) for i in range(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "name", ["skip", "dilated", "local", "blur", "restandardise", "anchor", "border", "interaction"]
)
def test_every_switch_changes_the_latents(name: str) -> None:
    changed: dict[str, Any] = {"blur": None, "border": "clamped", "interaction": 9}
    settings = dataclasses.replace(SMALL, **{name: changed.get(name, False)})
    found = df.run(Program(settings=settings, given=given(settings), eps=model))[1]
    assert not torch.allclose(found, df.run(program())[1], rtol=0, atol=1e-4)


def test_control_is_shown_between_its_steps() -> None:
    settings = dataclasses.replace(SMALL, control_range=(0.2, 0.7))
    one = Program(settings=settings, given=given(settings, controlled=True), eps=model)
    assert [df.framed_control(one, 2, i) is not None for i in range(5)] == [False, True, True, False, False]
    picture = df.framed_control(one, 2, 1)
    assert picture is not None
    assert picture.shape == (3, 8 * 18, 8 * 18)
