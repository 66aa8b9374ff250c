"""DemoFusion and AccDiffusion v2 as plain loops over a given model and given random numbers: an oracle for tests.

Written from the methods' formulas (arXiv 2311.16973, 2407.10738, 2412.02099, and what their published programs do), on
torch and diffusers' Euler scheduler alone: nothing of the package is imported, so that the package can be compared with
it. Section numbers are those of the description that the formulas were read from:

    1 the skeleton of phases and steps, 2 local views, 3 dilated samples, 4 prompts of views, 5 edges

Latents are [C, h, w]; a phase s = 1..S is s windows wide. Every random number comes in through ``Given``.

One step of phase s at index i, t = t_i, of the latent x (1.4, 1.5; the update is affine in eps, so predictions are
averaged and stepped once, which equals stepping every view and averaging):

    x  <- (1 - c1) x + c1 (x0 + sigma_i n)                                               skip residual
    eL <- mean over views of eps(x of the view / sqrt(sigma_k^2 + 1))                     local
    eG <- interleaved eps(samples of the blurred x / sqrt(sigma_k^2 + 1))                 dilated
    x  <- x + (sigma_{i+1} - sigma_i) ((1 - c2) eL + c2 eG)

k is i where ``sigma_mode`` is corrected; the published programs scale most inputs by another step's sigma (1.6).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from diffusers import EulerDiscreteScheduler

SDXL_SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "interpolation_type": "linear",
}
GLOBAL = "global"
"""name of the whole prompt: phase 1, the dilated branch, and views without prompts of their own"""

TimeIds = tuple[int, int, int, int, int, int]


class Eps(Protocol):
    """The model, classifier-free guidance inside (its weight may depend on the name)."""

    def __call__(
        self, latents: torch.Tensor, t: float, name: str, time_ids: TimeIds, control: torch.Tensor | None
    ) -> torch.Tensor:
        """eps ``[C, h, w]`` of scaled latents of that shape; ``name`` of the prompt; ``control`` [3, f h, f w]."""
        ...


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes and switches; the defaults are DemoFusion's on SDXL, with the right sigma."""

    height: int
    """pixels of the target, H*"""
    width: int
    window: int = 128
    """latent pixels a side, W"""
    stride: int = 64
    """d"""
    factor: int = 8
    """pixels a latent pixel, f"""
    steps: int = 50
    """N"""
    cosine: tuple[float, float, float] = (3.0, 1.0, 1.0)
    blur: float | None = 0.8
    """rho; None leaves the dilated samples as they are"""
    restandardise: bool = True
    skip: bool = True
    local: bool = True
    dilated: bool = True
    anchor: bool = True
    view_batch: int = 16
    """B_v: read by ``sigma_mode`` official alone"""
    interaction: int | None = None
    """samples of one group of the window interaction: s * s for the whole window, 16 as published; None: none"""
    sigma_mode: str = "corrected"
    """``corrected`` or ``official``"""
    border: str = "padded"
    """``padded``: the latent lies in zeros J wide that jittered views see, as published; ``clamped``: views stay in"""
    blur_border: str = "zeros"
    """what the blur sees beyond the border: ``zeros``, as published, or the ``edge`` again"""
    control_range: tuple[float, float] = (0.0, 1.0)
    """shares of the steps between which views are shown the control picture"""

    @property
    def num_phases(self) -> int:
        """S (section 0)."""
        return max(self.height, self.width) // (self.window * self.factor)

    @property
    def jitter(self) -> int:
        """J (section 0)."""
        return (self.window - self.stride) // 4

    def shape(self, phase: int) -> tuple[int, int]:
        """Latent height and width of a phase (1.1, 1.2)."""
        if phase == 1:
            return tuple(side // self.num_phases // self.factor for side in (self.height, self.width))  # type: ignore[return-value]
        longer, ratio = max(self.height, self.width), min(self.height, self.width) / max(self.height, self.width)
        whole = self.window * self.factor * phase
        sides = (whole if side == longer else int(whole * ratio) for side in (self.height, self.width))
        return tuple(side // self.factor for side in sides)  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class Given:
    """All that is random, and what depends on the picture: by phase, step and place."""

    base: torch.Tensor
    """[C, h, w] unit noise that phase 1 starts from, h and w its shape"""
    noise: Callable[[int], torch.Tensor]
    """phase -> n, [C, h, w] unit noise, phases 2 and up"""
    jitter: Callable[[int, int, int], tuple[int, int]] = lambda phase, step, view: (0, 0)
    """phase, step, number of the view in raster order -> latent pixels down and right, by the rules of 2.2"""
    permutation: Callable[[int, int, int], torch.Tensor] | None = None
    """phase, step, group -> [K, h, w], or [K, C, h, w] for one a channel: which of the group's K samples comes k-th"""
    prompt: Callable[[int, int], str] = lambda phase, view: GLOBAL
    """phase, view -> name of its prompt"""
    control: Callable[[int], torch.Tensor | None] = lambda phase: None
    """phase -> [3, f h, f w] edges of the picture of the phase before, enlarged"""


class View(NamedTuple):
    """A window in the frame that views read from: the latent itself, or the latent in its padding."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Schedule(NamedTuple):
    """t_i and sigma_i, i = 0..N - 1, and sigma_N = 0."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]


def schedule(steps: int) -> Schedule:
    """diffusers' Euler scheduler with SDXL's config (section 0)."""
    scheduler = EulerDiscreteScheduler(**SDXL_SCHEDULER)
    scheduler.set_timesteps(steps)
    return Schedule(tuple(map(float, scheduler.timesteps)), tuple(map(float, scheduler.sigmas)))


def cosine_weights(t: float, powers: tuple[float, float, float]) -> tuple[float, float, float]:
    """c1 of the skip residual, c2 of the dilated branch, c3 of the blur (1.4)."""
    c = (1 + math.cos(math.pi * (1000 - t) / 1000)) / 2
    return c ** powers[0], c ** powers[1], 0.99 * c ** powers[2] + 0.01


# -- local views (section 2) -----------------------------------------------------------------------------------------


def starts(length: int, window: int, stride: int) -> list[int]:
    """Offsets of windows along one axis (2.1)."""
    if length <= window:
        return [0]
    count = math.floor((length - window) / stride - 1e-6) + 2
    return [min(k * stride, length - window) for k in range(count)]


def jitter_bounds(k: int, count: int, most: int) -> tuple[int, int]:
    """Least and most jitter of the k-th of ``count`` windows of an axis (2.2)."""
    if count == 1:
        return 0, 0
    return (0 if k == count - 1 else -most), (0 if k == 0 else most)


def draw_jitter(generator: random.Random, shape: tuple[int, int], settings: Settings) -> list[tuple[int, int]]:
    """Jitter of every view, (down, right), drawn in the published order: raster, width before height (2.2)."""
    rows, cols = (len(starts(length, settings.window, settings.stride)) for length in shape)
    drawn = []
    for row in range(rows):
        for col in range(cols):
            bounds = [jitter_bounds(k, count, settings.jitter) for k, count in ((col, cols), (row, rows))]
            right, down = (generator.randint(*one) if one != (0, 0) else 0 for one in bounds)
            drawn.append((down, right))
    return drawn


def views(shape: tuple[int, int], settings: Settings, jitter: Callable[[int], tuple[int, int]]) -> list[View]:
    """Windows in raster order, in the frame that ``framed`` makes."""
    margin = settings.jitter if settings.border == "padded" else 0
    frame = [length + 2 * margin for length in shape]
    rows, cols = (starts(length, settings.window, settings.stride) for length in shape)
    found = []
    for number, (top, left) in enumerate((top, left) for top in rows for left in cols):
        down, right = jitter(number)
        y, x = top + down + margin, left + right + margin
        if settings.border == "clamped":
            y = min(max(y, 0), max(0, shape[0] - settings.window))
            x = min(max(x, 0), max(0, shape[1] - settings.window))
        found.append(View(y, x, min(y + settings.window, frame[0]), min(x + settings.window, frame[1])))
    return found


def framed(x: torch.Tensor, settings: Settings, scale: int = 1) -> torch.Tensor:
    """[c, y, x] in its padding of zeros, J latent pixels wide; as it is where views are clamped (2.2)."""
    margin = scale * settings.jitter if settings.border == "padded" else 0
    return torch.nn.functional.pad(x, (margin,) * 4)


def local_eps(program: Program, phase: int, i: int, x: torch.Tensor) -> torch.Tensor:
    """The mean of the views' predictions, [C, h, w] (2.3, 2.4)."""
    settings, given, shape = program.settings, program.given, tuple(x.shape[1:])
    frame = framed(x, settings)
    total, count = torch.zeros_like(frame), torch.zeros_like(frame[0])
    control = framed_control(program, phase, i)
    for number, view in enumerate(views(shape, settings, lambda view: given.jitter(phase, i, view))):  # type: ignore[arg-type]
        sigma = program.schedule.sigmas[sigma_index(settings, phase, i, number // settings.view_batch)]
        ids = (settings.height, settings.width, *(settings.factor * at for at in (view.top, view.left)))
        shown = None
        if control is not None:
            ys, xs = (slice(settings.factor * s.start, settings.factor * s.stop) for s in view.slices)
            shown = control[:, ys, xs]
        seen = frame[:, *view.slices] / (sigma**2 + 1) ** 0.5
        name, time_ids = given.prompt(phase, number), (*ids, settings.height, settings.width)
        total[:, *view.slices] += program.eps(seen, program.schedule.timesteps[i], name, time_ids, shown)  # type: ignore[arg-type]
        count[view.slices] += 1
    margin = settings.jitter if settings.border == "padded" else 0
    ys, xs = (slice(margin, margin + length) for length in shape)
    assert count[ys, xs].min() > 0, "2.2: coverage is always complete"
    return total[:, ys, xs] / count[ys, xs]


def framed_control(program: Program, phase: int, i: int) -> torch.Tensor | None:
    """The control picture in its padding at steps that it is shown at (section 5); None at others."""
    picture, settings = program.given.control(phase), program.settings
    first, last = settings.control_range
    if picture is None or i / settings.steps < first or (i + 1) / settings.steps > last:
        return None
    return framed(picture, settings, settings.factor)


def sigma_index(settings: Settings, phase: int, i: int, batch: int) -> int:
    """k, the step whose sigma scales the input of the step's ``batch``-th batch, local ones first (1.6)."""
    if settings.sigma_mode == "corrected" or phase == 1:
        return i
    if batch > 0:
        return i + 1
    return settings.steps if i == 0 else i


# -- dilated samples (section 3) -------------------------------------------------------------------------------------


def blur_kernel(phase: int, deviation: float) -> torch.Tensor:
    """[2 s - 1, 2 s - 1] float64, a Gaussian whose sum is 1 (3, item 2)."""
    places = torch.arange(2 * phase - 1, dtype=torch.float64) - (phase - 1)
    line = torch.exp(-0.5 * (places / deviation) ** 2)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum()


def blurred(x: torch.Tensor, phase: int, deviation: float, border: str = "zeros") -> torch.Tensor:
    """Each channel blurred, with zeros, or the outermost pixels again, beyond the border (3, item 2)."""
    kernel = blur_kernel(phase, deviation).to(x.dtype).expand(len(x), 1, -1, -1)
    mode = "constant" if border == "zeros" else "replicate"
    padded = torch.nn.functional.pad(x[None], (phase - 1,) * 4, mode=mode)
    return torch.nn.functional.conv2d(padded, kernel, groups=len(x))[0]


def restandardised(x: torch.Tensor, mean: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """x with this mean and this unbiased standard deviation over all channels and pixels (1.4 end, 3 item 3)."""
    return (x - x.mean()) / x.std(unbiased=True) * deviation + mean


def split(x: torch.Tensor, phase: int) -> torch.Tensor:
    """[s * s, C, h / s, w / s]: every s-th pixel, by offsets in row-major order (3, item 4)."""
    return torch.stack([x[:, p::phase, q::phase] for p in range(phase) for q in range(phase)])


def interleaved(samples: torch.Tensor, phase: int) -> torch.Tensor:
    """The inverse of ``split``."""
    _, channels, height, width = samples.shape
    x = samples.new_empty(channels, height * phase, width * phase)
    for number, sample in enumerate(samples):
        x[:, number // phase :: phase, number % phase :: phase] = sample
    return x


def exchanged(samples: torch.Tensor, permutation: torch.Tensor) -> torch.Tensor:
    """new_k = sample_{permutation[k]} at every place, [K, C, h, w]; the permutation as in ``Given`` (3.1)."""
    if permutation.ndim == 3:
        permutation = permutation[:, None].expand_as(samples)
    return samples.gather(0, permutation)


def restored(samples: torch.Tensor, permutation: torch.Tensor) -> torch.Tensor:
    """The inverse of ``exchanged`` (3.1)."""
    return exchanged(samples, permutation.argsort(dim=0))


def groups(count: int, size: int | None) -> Iterator[slice]:
    """Consecutive samples among which the window interaction permutes (3.1); all at once where there is none."""
    size = count if size is None else size
    yield from (slice(first, min(first + size, count)) for first in range(0, count, size))


def dilated_samples(settings: Settings, phase: int, t: float, x: torch.Tensor) -> torch.Tensor:
    """What the model sees of x before scaling and interaction, [s * s, C, h', w'] (3, items 1 to 4)."""
    padded = torch.nn.functional.pad(x, (-x.shape[2] % phase, 0, -x.shape[1] % phase, 0))
    seen = padded
    if settings.blur is not None:
        deviation = settings.blur * cosine_weights(t, settings.cosine)[2]
        seen = blurred(padded, phase, deviation, settings.blur_border)
        if settings.restandardise:
            seen = restandardised(seen, padded.mean(), padded.std(unbiased=True))
    return split(seen, phase)


def dilated_eps(program: Program, phase: int, i: int, x: torch.Tensor) -> torch.Tensor:
    """The predictions of the dilated samples at their places, [C, h, w] (section 3)."""
    settings, t = program.settings, program.schedule.timesteps[i]
    samples = dilated_samples(settings, phase, t, x)
    local_batches = 0
    if settings.local:
        rows, cols = (len(starts(length, settings.window, settings.stride)) for length in x.shape[1:])
        local_batches = -(-rows * cols // settings.view_batch)
    found = torch.empty_like(samples)
    for group, members in enumerate(groups(len(samples), settings.interaction)):
        batch, permutation = samples[members], None
        if settings.interaction is not None:
            assert program.given.permutation is not None
            permutation = program.given.permutation(phase, i, group)
            batch = exchanged(batch, permutation)
        predicted = []
        for number, sample in enumerate(batch, start=members.start):
            k = sigma_index(settings, phase, i, local_batches + number // settings.view_batch)
            seen = sample / (program.schedule.sigmas[k] ** 2 + 1) ** 0.5
            predicted.append(program.eps(seen, t, GLOBAL, program.whole_ids, None))
        made = torch.stack(predicted)
        found[members] = made if permutation is None else restored(made, permutation)
    whole = interleaved(found, phase)
    return whole[:, -x.shape[1] % phase :, -x.shape[2] % phase :]


# -- steps, phases and runs (section 1) ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Program:
    """A model, settings and given numbers."""

    settings: Settings
    given: Given
    eps: Eps

    @property
    def schedule(self) -> Schedule:
        return schedule(self.settings.steps)

    @property
    def whole_ids(self) -> TimeIds:
        """Time ids of what is no view (1.1, 3 item 5)."""
        height, width = self.settings.height, self.settings.width
        return height, width, 0, 0, height, width


def mixed(program: Program, phase: int, i: int, x: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
    """x after the skip residual of step i (1.3 item 3, 1.4 a): both branches read it, and the step starts from it."""
    if not program.settings.skip:
        return x
    c1 = cosine_weights(program.schedule.timesteps[i], program.settings.cosine)[0]
    return (1 - c1) * x + c1 * noised(program, phase, i, x0)


def noised(program: Program, phase: int, i: int, x0: torch.Tensor) -> torch.Tensor:
    """z_i = x0 + sigma_i n (1.3 item 3)."""
    return x0 + program.schedule.sigmas[i] * program.given.noise(phase)


def step(program: Program, phase: int, i: int, x: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
    """x at index i + 1 of a phase 2 or up (1.4, 1.5), float dtype and shape of x, [C, h, w].

    Fed: ``x`` at index i, at Euler's scale (x = x_clean + sigma_i noise), before the skip residual; ``x0``, the latent
    of the phase before, anchored and enlarged (``enlarged``), the same at every step; of ``program.given`` the noise of
    the phase, the jitter of every view of this step, and its permutations. The model is called once for every view in
    raster order, with x of the view / sqrt(sigma_k^2 + 1), the view's prompt and time ids; then once for every dilated
    sample, in row-major order of the offsets.
    """
    settings, sigmas = program.settings, program.schedule.sigmas
    x = mixed(program, phase, i, x, x0)
    if settings.local and settings.dilated:
        c2 = cosine_weights(program.schedule.timesteps[i], settings.cosine)[1]
        eps = (1 - c2) * local_eps(program, phase, i, x) + c2 * dilated_eps(program, phase, i, x)
    else:
        eps = (local_eps if settings.local else dilated_eps)(program, phase, i, x)
    return x + (sigmas[i + 1] - sigmas[i]) * eps


def enlarged(x: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """x0 of a phase: bicubic, no antialiasing, [C, h, w] (1.3 item 1)."""
    return torch.nn.functional.interpolate(x[None], size=shape, mode="bicubic", align_corners=False)[0]


def first_phase(program: Program) -> torch.Tensor:
    """Phase 1: plain sampling of one window, [C, h, w] (1.1); the base is scaled to the first sigma here."""
    sigmas = program.schedule.sigmas
    x = program.given.base * (max(sigmas) ** 2 + 1) ** 0.5
    for i, t in enumerate(program.schedule.timesteps):
        eps = program.eps(x / (sigmas[i] ** 2 + 1) ** 0.5, t, GLOBAL, program.whole_ids, None)
        x = x + (sigmas[i + 1] - sigmas[i]) * eps
    return x


def phase(program: Program, number: int, before: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The latent of phase ``number``, 2 or up, [C, h, w] at its shape, anchored (1.3, 1.4).

    Fed: ``before``, the result of the phase before; ``base``, that of phase 1, whose mean and deviation are the anchor.
    """
    x0 = enlarged(before, program.settings.shape(number))
    x = noised(program, number, 0, x0)
    for i in range(program.settings.steps):
        x = step(program, number, i, x, x0)
    return restandardised(x, base.mean(), base.std(unbiased=True)) if program.settings.anchor else x


def run(program: Program) -> list[torch.Tensor]:
    """The latents of all phases, 1 to S."""
    found = [first_phase(program)]
    for number in range(2, program.settings.num_phases + 1):
        found.append(phase(program, number, found[-1], found[0]))
    return found
