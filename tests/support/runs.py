"""Runs for tests: a store with pixels in it, a run with any executor, and the plain loop they must all equal."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL

from actors.artifacts.layout import OUT, PIXELS, latent_name
from actors.artifacts.resume import find_available
from actors.artifacts.table import create_arrays
from actors.drive import DrivenRun, drive
from actors.executors.local import LocalExecutor
from actors.executors.protocol import Executor
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.tally import Tally
from actors.work.building import WorkerSetup, build_worker
from pipeline.geometry.blend import tile_weight
from pipeline.geometry.noise import keyed_noise
from pipeline.imaging.canny import canny_edges
from pipeline.imaging.pixels import enlarge, restore_window
from pipeline.models.protocol import Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.device import describe_device, make_deterministic, package_versions
from pipeline.plan.plan import Plan
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import make_tagging
from pipeline.prompts.vocabulary import Vocabulary
from pipeline.sampling.difficulty import from_gradient
from pipeline.taggers.loading import describe_tagger
from storage.box import Box, RegionGrid
from storage.journal import Record
from storage.run import RunStore
from tests.support.inside import placed
from tests.support.tags import Tags
from tests.support.tiny import small_plan, write_stable_diffusion

PIXEL_SIDE = 32
STAGED: dict[str, Any] = {
    "dilated": 1.0,
    "interaction": True,
    "skip": 3.0,
    "jitter": "step",
    "guide": "structure",
    "low_band": 0.125,
    "start": "image",
    "overlap": 8,
    "steps": 2,
}
"""ingredients of progressive stages, for a diffusion_case"""
MASKED: dict[str, Any] = {
    "activity": "mask",
    "lower_bound": 0.1,
    "difficulty_power": 16.0,
    "difficulty_cell": 1,
    "steps": 3,
}
"""and a mask under which some tiles rest"""


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """[3, y, x] uint8: smooth waves and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16
    waves = np.stack([np.sin(x + y), np.cos(x - 2 * y), np.sin(3 * x * y / 8)])
    return np.clip(128 + 80 * waves + rng.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One image, one model and one plan."""

    image: np.ndarray
    model: str
    plan: Plan
    tagger: str | None = None
    before: RunStore | None = None
    """the run of the stage before"""

    def begin(self, url: str) -> RunStore:
        """A new run with the pixels ingested."""
        store = RunStore.open(url)
        store.write_plan(self.plan.to_json())
        height, width = self.image.shape[1:]
        grid = RegionGrid(height=height, width=width, side=PIXEL_SIDE)
        array = store.array(PIXELS, channels=3, grid=grid, dtype="uint8", compress=True)
        for region in range(grid.num_regions):
            array.write(region, np.ascontiguousarray(self.image[:, *grid.box(region).slices]))
        return store

    def setup(self, store: RunStore) -> WorkerSetup:
        return WorkerSetup(
            store=store, plan=self.plan.to_json(), model=self.model, tagger=self.tagger, before=self.before
        )


def make_case(
    model: str,
    *,
    height: int,
    width: int,
    tags: TagFile | None = None,
    tagger: str | None = None,
    vocabulary: Vocabulary | None = None,
    **recipe: Any,
) -> Case:
    """A case for a model's name or folder, on this machine's CPU with one thread."""
    image = picture(height, width)
    plan = small_plan(
        height=height,
        width=width,
        model=describe_model(model),
        device=describe_device("cpu", 1),
        versions=package_versions(),
        tags=tags,
        tagger=None if tagger is None else make_tagging(describe_tagger(tagger), vocabulary),
        **recipe,
    )
    return Case(image=image, model=model, plan=plan, tagger=tagger)


def diffusion_case(
    folder: Path, *, height: int = 44, width: int = 60, vae: AutoencoderKL | None = None, **recipe: Any
) -> Case:
    """A tiny Stable Diffusion with attention and guidance: sensitive to batch shapes, as the real ones are.

    ``vae``: another autoencoder than ``tiny_vae``, the same for one folder.
    """
    model = folder / "tiny-sd"
    if not model.is_dir():
        write_stable_diffusion(model, vae=vae)
    settings: dict[str, Any] = {"region": 16, "window": 16, "overlap": 6, "steps": 3, "guidance": 2.0, "batch": 2}
    settings |= {"prompt": "abc", "negative_prompt": "x", **recipe}
    return make_case(str(model), height=height, width=width, **settings)


def sit(
    case: Case,
    store: RunStore,
    start: Callable[[WorkerSetup, Graph], Executor] | None = None,
    *,
    patience: Patience | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_recorded: Callable[[list[Record]], None] = lambda _records: None,
) -> Tally:
    """One sitting, by default in this process; resumes what the store holds."""
    graph = Graph(case.plan)
    create_arrays(store, case.plan)
    found = find_available(store, case.plan, graph, store.journal.replay())
    patience = dataclasses.replace(patience or Patience(), kept_steps=case.plan.recipe.run.keep_steps)
    coordinator = Coordinator(graph, found.available, patience, found.active)
    setup = case.setup(store)
    lease = store.acquire_lease("test", heartbeat_s=0.05, patience=2)
    try:
        # as it would travel to another machine
        executor = start(setup, graph) if start else LocalExecutor(build_worker(pickle.loads(pickle.dumps(setup))))
        run = DrivenRun(
            store=store,
            plan=case.plan,
            coordinator=coordinator,
            executor=executor,
            lease=lease,
            on_recorded=on_recorded,
            should_stop=should_stop,
        )
        return drive(run)
    finally:
        lease.release()


def digest(case: Case, store: RunStore) -> str:
    """sha256 of the decoded pixels."""
    pixels = store.open_array(OUT).read(case.plan.out_regions.canvas)
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def most_alive(case: Case, store: RunStore) -> int:
    """Sits through a run; the most regions of latents, of all steps together, that were in its store at a time."""
    most = 0

    def watch() -> bool:
        nonlocal most
        names = [latent_name(step) for step in range(case.plan.num_steps + 1)]
        most = max(most, sum(len(store.open_array(name).regions()) for name in names))
        return False

    sit(case, store, should_stop=watch)
    return most


def serial(case: Case) -> np.ndarray:
    """The whole canvas in one array, one loop over steps and one over tiles: what the program means.

    Shares the model, the noise and diffusers' scheduler with the program, and no tiling, summing, storing or scheduling
    of tasks. Returns the latents after the last step, [c, y, x] float32, computed with its own sums.
    """
    plan = case.plan
    make_deterministic(1)
    card = describe_model(case.model)
    backbone = load_backbone(card, device="cpu", dtype=plan.recipe.model.dtype or "float32")
    solver, canvas = plan.solver(), plan.regions.canvas
    channels = plan.geometry.channels

    def noise(draw: int) -> torch.Tensor:
        return torch.from_numpy(keyed_noise(canvas, channels=channels, seed=plan.recipe.run.seed, stage=0, draw=draw))

    low = torch.from_numpy(case.image / np.float32(255))
    weight = torch.from_numpy(tile_weight(plan.recipe.tiles.blend, plan.tiles.tile_height, plan.tiles.tile_width))

    coarse = backbone.encode(_enlarged(case, backbone, low).clamp(0, 1)[None])
    difficulty = _difficulty(case, backbone, low)
    z = solver.start(noise(0), coarse[0] if plan.recipe.sampling.start == "image" else None)
    rows, cols = range(len(plan.prompt_tiles.tops)), range(len(plan.prompt_tiles.lefts))
    tags = Tags(case, backbone, low)
    texts = {(row, col): _embedded(backbone, *tags.both_prompts(row, col)) for row in rows for col in cols}

    def embedded(top: int, left: int) -> dict[str, torch.Tensor]:
        """Both rows of prompts of one tile."""
        if plan.has_places:
            return placed(plan, texts, top, left)
        return texts[plan.tiles.tops.index(top), plan.tiles.lefts.index(left)]

    history: tuple[torch.Tensor, ...] = ()
    for step in range(plan.num_steps):
        total, weights = torch.zeros_like(z), torch.zeros(canvas.shape)
        for top in plan.tiles.tops:
            for left in plan.tiles.lefts:
                ys, xs = slice(top, top + plan.tiles.tile_height), slice(left, left + plan.tiles.tile_width)
                if _runs(plan, difficulty, ys, xs, step):
                    total[:, ys, xs] += weight * _guided(
                        case,
                        backbone,
                        solver,
                        step,
                        z[:, ys, xs],
                        coarse[..., ys, xs],
                        embedded(top, left),
                        Conditioning(
                            structure=_structure(case, low, ys, xs),
                            crops=_crops(plan, ys, xs),
                            image=_image(case, backbone, low, ys, xs),
                            neighbourhood=plan.neighbourhood(step),
                        ),
                    )
                else:
                    total[:, ys, xs] += weight * _still(case, backbone, step, z[:, ys, xs], coarse[0, :, ys, xs])
                weights[ys, xs] += weight
        prediction = total / weights
        if plan.recipe.guidance.guide == "structure":
            prediction = _structured(case, step, z, prediction, coarse[0])
        if plan.recipe.difficulty.activity == "mask":
            prediction = _masked(case, backbone, step, z, prediction, coarse[0], difficulty)
        z, history = solver.step(step, z, prediction, history, noise(step + 1) if solver.is_stochastic else None)
    return z.numpy()


def _masked(
    case: Case,
    backbone: Any,
    step: int,
    z: torch.Tensor,
    prediction: torch.Tensor,
    coarse: torch.Tensor,
    difficulty: torch.Tensor,
) -> torch.Tensor:
    """YODA's mask over the whole canvas: places that rest are predicted to be what they are, region by region."""
    plan, still = case.plan, torch.empty_like(z)
    for region in range(plan.regions.num_regions):
        ys, xs = plan.regions.box(region).slices
        still[:, ys, xs] = _still(case, backbone, step, z[:, ys, xs], coarse[:, ys, xs])
    active = (1000 * (difficulty + plan.recipe.difficulty.lower_bound) >= plan.timesteps[step]) | _is_late(plan, step)
    return torch.where(active, prediction, still)


def _is_late(plan: Plan, step: int) -> bool:
    """Whether a step is among the last, in which a mask spares no place: a share of them, rounded up."""
    return plan.num_steps - step <= max(1, math.ceil(round(plan.recipe.difficulty.lower_bound * plan.num_steps, 6)))


def _structured(case: Case, step: int, z: torch.Tensor, prediction: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """ScaleDiff's structure guidance of the whole canvas: x_0, its low band drawn to the coarse latent's, and back."""
    solver, cell = case.plan.solver(), round(1 / case.plan.recipe.guidance.low_band)
    (a, s), kind = solver.level(step), solver.prediction_type
    gain = s if kind == "flow" else s**2 / solver.level(0)[1] ** 2
    if "euler" in solver.name and kind != "flow":
        z = a * z
    clean = {
        "epsilon": (z - s * prediction) / a,
        "v_prediction": a * z - s * prediction,
        "sample": prediction,
        "flow": z - s * prediction,
    }[kind]
    clean = clean + gain * (_low(coarse, cell) - _low(clean, cell))
    noise = (z - a * clean) / s
    return {"epsilon": noise, "v_prediction": a * noise - s * clean, "sample": clean, "flow": noise - clean}[kind]


def _low(x: torch.Tensor, cell: int) -> torch.Tensor:
    """Antialiased bilinear down by ``cell``, bilinear up; [c, y, x] goes on to a multiple of the cell as it ends."""
    height, width = x.shape[1:]
    x = torch.nn.functional.pad(x[None], (0, -width % cell, 0, -height % cell), mode="replicate")
    small = [side // cell for side in x.shape[2:]]
    down = torch.nn.functional.interpolate(x, size=small, mode="bilinear", antialias=True, align_corners=False)
    up = torch.nn.functional.interpolate(down, size=x.shape[2:], mode="bilinear", align_corners=False)
    return up[0, :, :height, :width]


def _still(case: Case, backbone: Any, step: int, z: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """The velocity (or noise) that keeps z on its way to the coarse latent, with a share of a picture's energy.

    Written for first-order solvers of these two kinds where there is a spread: x_0 = c + k n, with k so that the next
    state is alpha c + m n.
    """
    solver, recipe = case.plan.solver(), case.plan.recipe
    if not hasattr(backbone, "spread"):
        return solver.towards(step, z, coarse)
    (a, s), spread = solver.level(step), recipe.difficulty.idle_spread * backbone.spread(coarse[None])[0]
    if "euler" in solver.name:
        z = a * z
    n, clean = (z - a * coarse) / (a**2 * spread**2 + s**2).sqrt(), coarse
    if step + 1 < case.plan.num_steps:
        b, t = solver.level(step + 1)
        here, there = ((x**2 * spread**2 + y**2).sqrt() for x, y in ((a, s), (b, t)))
        clean = coarse + (there - t * here / s) / (b - t * a / s) * n
    return a * (z - a * clean) / s - s * clean


def _embedded(backbone: Any, negative: str, prompt: str) -> dict[str, torch.Tensor]:
    """Both rows of a tile's prompts; no negative one is zeros for SDXL."""
    keep = 1.0 if negative or not backbone.geometry.inputs.zero_negative else 0.0
    table = backbone.embed([negative, prompt])
    return {name: torch.stack([rows[0] * keep, rows[1]]) for name, rows in table.items()}


def _enlarged(case: Case, backbone: Any, low: torch.Tensor) -> torch.Tensor:
    """[3, H, W] over the whole canvas."""
    plan = case.plan
    whole = Box(top=0, left=0, height=plan.image.height, width=plan.image.width)
    canvas = plan.regions.canvas.scaled(plan.geometry.factor)
    if plan.recipe.sampling.coarse == "bicubic":
        return enlarge(low, whole, canvas, plan.scale)
    words, detail = _steering(case, backbone, low), plan.recipe.sampling.detail or 0.0
    return restore_window(lambda x: backbone.restore(x, words, detail=detail)[0], low, whole, canvas, plan.scale)


def _difficulty(case: Case, backbone: Any, low: torch.Tensor) -> torch.Tensor:
    """[h, w] over the whole canvas; zeros where the recipe asks for none."""
    plan = case.plan
    if plan.recipe.difficulty.source == "none":
        return torch.zeros(plan.regions.canvas.shape)
    if plan.recipe.difficulty.source == "gradient":
        found = torch.from_numpy(from_gradient(low))
    else:
        found = 1 - backbone.restore(low[None], _steering(case, backbone, low))[1][0, 0]
    places = (torch.arange(side) + 0.5 for side in plan.regions.canvas.shape)
    ys, xs = (
        (place * plan.geometry.factor / plan.scale).long().clamp(max=side - 1)
        for place, side in zip(places, low.shape[1:], strict=True)
    )
    found = found[ys][:, xs]
    if plan.recipe.difficulty.activity != "mask":
        return found
    assert plan.recipe.difficulty.cell == 1
    return (found / found.max()) ** plan.recipe.difficulty.power


def _structure(case: Case, low: torch.Tensor, ys: slice, xs: slice) -> dict[str, torch.Tensor] | None:
    """The enlarged input under a tile, and edges found with 16 latent pixels more on every side, [1, c, H, W] each."""
    plan, factor = case.plan, case.plan.geometry.factor
    if plan.recipe.structure.controls == "none":
        return None
    whole = Box(top=0, left=0, height=plan.image.height, width=plan.image.width)
    pixels = enlarge(low, whole, plan.regions.canvas.scaled(factor), plan.scale).clamp(0, 1)
    edges = torch.zeros(1, *pixels.shape[1:])
    rows, cols = (slice(max(0, s.start - 16) * factor, (s.stop + 16) * factor) for s in (ys, xs))
    edges[:, rows, cols] = canny_edges(pixels[:, rows, cols])
    ys, xs = (slice(s.start * factor, s.stop * factor) for s in (ys, xs))
    found = {"image": pixels[None, :, ys, xs], "edges": edges[None, :, ys, xs]}
    return (
        found
        if plan.recipe.structure.controls == "both"
        else {str(plan.recipe.structure.controls): found[plan.recipe.structure.controls]}
    )


def _image(case: Case, backbone: Any, low: torch.Tensor, ys: slice, xs: slice) -> torch.Tensor | None:
    """[1, 1, D]: what the model's eyes see of the enlarged input under a tile."""
    plan, factor = case.plan, case.plan.geometry.factor
    if plan.recipe.image_prompts.source == "none":
        return None
    whole = Box(top=0, left=0, height=plan.image.height, width=plan.image.width)
    pixels = enlarge(low, whole, plan.regions.canvas.scaled(factor), plan.scale).clamp(0, 1)
    ys, xs = (slice(s.start * factor, s.stop * factor) for s in (ys, xs))
    return backbone.look(pixels[None, :, ys, xs])[:, None]


def _crops(plan: Plan, ys: slice, xs: slice) -> torch.Tensor | None:
    """[1, 6]: the tile's place in the whole output, where the recipe tells it."""
    if plan.recipe.prompts.crops == "none":
        return None
    height, width = (plan.scale * side for side in (plan.image.height, plan.image.width))
    top, left = (s.start * plan.geometry.factor for s in (ys, xs))
    return torch.tensor([[height, width, top, left, height, width]], dtype=torch.float32)


def _runs(plan: Plan, difficulty: torch.Tensor, ys: slice, xs: slice, step: int) -> bool:
    """Whether the model sees a tile, by the papers' rules."""
    recipe, part, timestep = plan.recipe, difficulty[ys, xs], plan.timesteps[step]
    if recipe.difficulty.activity == "groups":
        sure = 1 - float(part.mean())
        simple, medium, hard = recipe.difficulty.group_times
        start = (
            simple
            if sure > recipe.difficulty.group_bounds[0]
            else medium
            if sure > recipe.difficulty.group_bounds[1]
            else hard
        )
        return start >= timestep
    if recipe.difficulty.activity == "all" or _is_late(plan, step):
        return True
    return bool((1000 * (part + recipe.difficulty.lower_bound) >= timestep).any())


def _steering(case: Case, backbone: Any, low: torch.Tensor) -> torch.Tensor:
    """[1, phrases, y, x]: the tiles' words, averaged on the canvas and looked up under each input pixel."""
    plan, tiles = case.plan, case.plan.prompt_tiles
    weight = torch.from_numpy(tile_weight(plan.recipe.tiles.blend, tiles.tile_height, tiles.tile_width))
    tags = Tags(case, backbone, low)
    total: Any = 0
    for row, top in enumerate(tiles.tops):
        for col, left in enumerate(tiles.lefts):
            part = torch.zeros(plan.regions.canvas.shape)
            part[top : top + tiles.tile_height, left : left + tiles.tile_width] = weight
            said = backbone.steering([tags.said(row, col)])[0]
            total = total + torch.stack([part, *(word * part for word in said)])
    field = total[1:] / total[0]
    ys, xs = (((torch.arange(side) + 0.5) * plan.scale / plan.geometry.factor).long() for side in low.shape[1:])
    return field[None, :, ys][..., xs]


def _guided(
    case: Case,
    backbone: Any,
    solver: Any,
    step: int,
    tile: torch.Tensor,
    coarse: torch.Tensor,
    text: dict[str, Any],
    given: Conditioning,
) -> torch.Tensor:
    geometry, guidance = case.plan.geometry, case.plan.recipe.guidance.weight
    seen = solver.scale_input(tile, step)[None]
    branches = []
    for row in (0, 1):
        under = coarse if geometry.inputs.coarse else None
        rows = {name: table[row : row + 1] for name, table in text.items()}
        image = None if given.image is None else given.image * row
        full = dataclasses.replace(given, coarse=under, image=image, **rows)
        branches.append(backbone.predict(seen, solver.timestep(step), full)[0])
    return branches[0] + guidance * (branches[1] - branches[0])
