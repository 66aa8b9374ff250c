"""The command line: ``gigatile upscale | generate | plan | status | prompts | compare | textures | decode``."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import logging
import math
import os
import shlex
import signal
import sys
import time
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cluster.guard import check_packages
from cluster.job import Job, TextJob, Work

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Enlarge and restore images too large for one machine with diffusion models, resumably.",
)

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

RunArg = Annotated[str, typer.Argument(metavar="RUN", help="folder or URL of a run")]
JsonOpt = Annotated[bool, typer.Option("--json", help="print JSON")]


def takes_job(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is a job gets the job's fields as its arguments and options."""
    first, *own = inspect.signature(command, eval_str=True).parameters.values()
    job_class: type[Work] = first.annotation

    def parameter(field: dataclasses.Field[Any], kind: Any) -> inspect.Parameter:
        required = field.default is dataclasses.MISSING
        words = [f"--{field.name.replace('_', '-')}"] if kind is bool else []
        said = {key: value for key, value in field.metadata.items() if key != "place"}
        info = typer.Argument(**said) if required else typer.Option(*words, **said)
        default = inspect.Parameter.empty if required else field.default
        return inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
        )

    kinds = typing.get_type_hints(job_class)
    ordered = sorted(dataclasses.fields(job_class), key=lambda field: field.metadata.get("place", len(kinds)))
    fields = [parameter(field, kinds[field.name]) for field in ordered]

    @functools.wraps(command)
    def call(**given: Any) -> None:
        job = job_class(**{field.name: given.pop(field.name) for field in ordered})
        command(job, **given)

    keyword_only = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    call.__signature__ = inspect.Signature([*fields, *keyword_only])  # type: ignore[attr-defined]
    return call


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what a user can cause into one line on stderr and exit code 1; bugs keep their traceback."""
    from actors.coordinator import TaskFailedError
    from actors.drive import WrongWorkerError
    from actors.executor import WorkersExhaustedError
    from storage.errors import CorruptRegionError, FencedError, RegionConflictError, RunBusyError

    known = (
        ValueError,
        OSError,
        ImportError,
        FloatingPointError,
        TaskFailedError,
        WrongWorkerError,
        WorkersExhaustedError,
        CorruptRegionError,
        FencedError,
        RegionConflictError,
        RunBusyError,
    )
    try:
        yield
    except known as e:
        if os.environ.get("GIGATILE_TRACEBACK"):
            raise
        text = " ".join(str(e).split()) or type(e).__name__
        err.print(f"gigatile: error: {text}", markup=False)
        raise typer.Exit(1) from e


def _quiet_libraries() -> None:
    """Libraries log what is of no use to a user; our own warnings stay."""
    logging.basicConfig(level=logging.WARNING, format="gigatile: %(levelname)s: %(message)s", stream=sys.stderr)
    for name in ("diffusers", "transformers", "rasterio", "py.warnings", "PIL"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


class StopSwitch:
    """Set by Ctrl-C or SIGTERM; asked between tasks. A second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.pressed = False

    def install(self) -> None:
        """Must come after ``ray.init``, which puts its own handlers in place; so it is installed again then."""
        signal.signal(signal.SIGINT, self._press)
        signal.signal(signal.SIGTERM, self._press)

    def _press(self, number: int, _frame: FrameType | None) -> None:
        if self.pressed and number == signal.SIGINT:
            os._exit(130)
        self.pressed = True

    def __call__(self) -> bool:
        if signal.getsignal(signal.SIGTERM) != self._press:
            self.install()
        return self.pressed


@app.command()
@takes_job
def upscale(job: Job) -> None:
    """Enlarge INPUT to OUTPUT. The same command resumes what was begun; a finished run says so."""
    from actors.drive import StoppedError
    from cluster.session import upscale as do
    from cluster.sitting import Prepared

    switch = StopSwitch()
    switch.install()
    started = time.monotonic()

    def on_plan(prepared: Prepared) -> None:
        _print_plan(prepared.plan, prepared.cost, prepared.workers, job.run_url)
        _print_warnings(prepared.warnings)

    with one_line_errors():
        try:
            result = do(job, should_stop=switch, on_plan=on_plan)
        except StoppedError:
            command = shlex.join(["gigatile", *sys.argv[1:]])
            err.print(f"stopped; nothing finished is lost. Resume with: {command}", markup=False)
            raise typer.Exit(130) from None
        if result.already_finished:
            out.print(f"already finished: {job.output} (pixels sha256 {result.exported.sha256})", markup=False)
            return
        out.print(f"wrote {job.output} in {time.monotonic() - started:.0f} s", markup=False)
        out.print(f"pixels sha256 {result.exported.sha256}", markup=False)
        if result.prompts.get("cut"):
            err.print(f"{_cut_line(result.prompts)}: see `gigatile prompts {job.run_url}`", markup=False)


@app.command()
@takes_job
def generate(
    job: TextJob,
    only_plan: Annotated[bool, typer.Option("--plan", help="print what it would do and cost, and do nothing")] = False,
) -> None:
    """Make a picture of any size from PROMPT. The same command resumes what was begun; a finished run says so."""
    from actors.drive import StoppedError
    from cluster import series
    from cluster.sitting import Prepared

    switch = StopSwitch()
    switch.install()
    started = time.monotonic()

    def on_stage(stage: Prepared) -> None:
        place = stage.plan.stage
        err.print(f"stage {place.index + 1} of {place.count}: {_size(stage.plan)}", markup=False)

    with one_line_errors():
        if only_plan:
            _print_series(series.prepare(job), job.run_url)
            return
        try:
            result = series.generate(
                job, should_stop=switch, on_plan=lambda stages: _print_series(stages, job.run_url), on_stage=on_stage
            )
        except StoppedError:
            command = shlex.join(["gigatile", *sys.argv[1:]])
            err.print(f"stopped; nothing finished is lost. Resume with: {command}", markup=False)
            raise typer.Exit(130) from None
        if result.already_finished:
            out.print(f"already finished: {job.output} (pixels sha256 {result.exported.sha256})", markup=False)
            return
        out.print(f"wrote {job.output} in {time.monotonic() - started:.0f} s", markup=False)
        out.print(f"pixels sha256 {result.exported.sha256}", markup=False)


def _size(plan: Any) -> str:
    return f"{plan.height_out} x {plan.width_out} pixels (height x width)"


def _print_series(stages: Any, run_url: str) -> None:
    """What a series would do and cost: what all stages share, then a row a stage."""
    last = stages[-1].plan
    recipe, canvas = last.recipe, last.regions.canvas.scaled(last.geometry.factor)
    is_cut = canvas.shape != (last.height_out, last.width_out)
    words = {
        "recipe": f"{recipe.name}, {recipe.solver}, guidance {recipe.guidance:g}, blend {recipe.blend}, "
        f"seed {recipe.seed}",
        "output": _size(last) + (f", computed as {canvas.height} x {canvas.width} and cut" if is_cut else ""),
        "device": f"{last.device.kind} ({last.device.name}), {last.device.threads} thread(s), {recipe.dtype}, "
        f"{max(1, stages[0].workers)} worker(s)",
        "run": run_url,
    }
    for key, value in words.items():
        out.print(f"{key:9} {value}", markup=False)
    for one in stages:
        plan, cost, dilation = one.plan, one.cost, one.plan.dilation
        samples = "" if dilation is None else f" and {dilation.num_windows * dilation.num_samples} dilated samples"
        out.print(
            f"stage {plan.stage.index + 1}   {_size(plan)}, {plan.num_steps} steps, {plan.tiles.num_tiles} tiles of "
            f"{plan.tiles.tile_height} x {plan.tiles.tile_width}{samples} a step, {cost.forwards} forwards, "
            f"{cost.memory_worker / 1e6:.0f} MB a worker, {cost.disk_peak / 1e6:.0f} MB of disk",
            markup=False,
        )
    for one in stages:
        _print_warnings(one.warnings)


def _cut_line(counts: dict[str, int]) -> str:
    return f"gigatile: warning: prompts of {counts['cut']} of {counts['tiles']} tiles were longer than the model reads"


def _print_warnings(warnings: tuple[str, ...]) -> None:
    for line in warnings:
        err.print(f"gigatile: warning: {line}", markup=False)


@app.command()
@takes_job
def plan(job: Job, as_json: JsonOpt = False) -> None:
    """Print what `upscale` would do and cost, with the same arguments, and do nothing."""
    from cluster.binding import open_source
    from cluster.session import prepare

    with one_line_errors():
        with open_source(job) as source:
            prepared = prepare(job, source)
        if as_json:
            cost = dataclasses.asdict(prepared.cost)
            record = json.loads(prepared.plan.to_json())
            table = {"hash": prepared.plan.hash, "workers": prepared.workers, "price": cost, "plan": record}
            print(json.dumps({**table, "warnings": prepared.warnings}))
            return
        _print_plan(prepared.plan, prepared.cost, prepared.workers, job.run_url)
        _print_warnings(prepared.warnings)


def _print_plan(plan: Any, cost: Any, workers: int, run_url: str) -> None:
    recipe, regions, tiles = plan.recipe, plan.regions, plan.tiles
    rows = {
        "recipe": f"{recipe.name}, {recipe.solver}, {plan.num_steps} steps, guidance {recipe.guidance:g}, "
        f"start {recipe.start}, coarse {recipe.coarse}, prompts {recipe.prompts}, seed {recipe.seed}",
        "activity": _activity(recipe),
        "image": f"{plan.image.height} x {plan.image.width} -> {plan.height_out} x {plan.width_out} pixels "
        f"(height x width), {plan.image.num_bands} bands of {plan.image.dtype}",
        "regions": f"{regions.rows} x {regions.cols} of {regions.side} latent pixels",
        "tiles": f"{tiles.num_tiles} of {tiles.tile_height} x {tiles.tile_width} latent pixels a step, "
        f"batches of {recipe.batch}",
        "forwards": f"{cost.forwards} tiles through the model{' at most' if plan.has_difficulty else ''}, "
        f"{cost.region_steps} region-steps",
        "codec": f"norms {recipe.codec_norm}, the encoder {cost.encodes:.3g} and the decoder {cost.decodes:.3g} times "
        "over the canvas",
        "disk": f"{cost.disk_peak / 1e6:.0f} MB at most in {run_url}",
        "memory": f"{cost.memory_worker / 1e6:.0f} MB a worker at most, {max(1, workers)} "
        f"{'in this process' if workers == 0 else 'worker' + ('s' if workers > 1 else '')}",
        "device": f"{plan.device.kind} ({plan.device.name}), {plan.device.threads} thread(s), {recipe.dtype}",
        "plan": plan.hash,
    }
    if recipe.attend != "tiles":
        prompts = f", prompts of {plan.prompt_tiles.num_tiles} windows inside" if plan.has_places else ""
        rows["attention"] = f"over neighbourhoods of {recipe.attention_window} latent pixels a side{prompts}"
    if plan.tagger is not None:
        words = f"{len(plan.tagger.phrases)} phrases and {len(plan.tagger.degradations)} of damage"
        rows["tagger"] = plan.tagger.kind + (f", {words}" if plan.tagger.phrases else "")
    for key, value in rows.items():
        out.print(f"{key:9} {value}", markup=False)


def _activity(recipe: Any) -> str:
    """Which tiles work when, in words."""
    if recipe.activity == "all":
        return "all"
    words = f"{recipe.activity}, by {recipe.difficulty}"
    if recipe.group_steps is not None:
        groups = zip(recipe.group_steps, recipe.group_times, strict=True)
        words += "; steps of simple, medium and hard tiles: " + ", ".join(f"{n} from {t:g} on" for n, t in groups)
    return words


@app.command()
def status(
    run: RunArg,
    as_json: JsonOpt = False,
    watch: Annotated[bool, typer.Option("--watch", help="print again every 2 s until the run ends")] = False,
) -> None:
    """Print how far a run is: from any machine that can read its store."""
    from cluster.series import last_stage
    from storage.run import RunStore

    with one_line_errors():
        store = RunStore.open(last_stage(run) or run, create=False)
        if store.read_plan() is None:
            raise FileNotFoundError(f"{run} holds no run: expected plan.json in it")
        while True:
            table = store.read_status() or {"state": "starting"}
            if as_json:
                print(json.dumps(table))
            else:
                _print_status(table)
            if not watch or table.get("state") != "running":
                return
            time.sleep(2.0)


def _print_status(table: dict[str, Any]) -> None:
    from cluster.progress import status_text

    line = str(table["state"])
    if "total" in table:
        line = f"{table['state']}, {table['stage']}: {status_text(table)}"
    if table.get("state") == "running":
        line += f" (written {max(0.0, time.time() - table['time']):.0f} s ago)"
    out.print(line, markup=False)


@app.command()
def prompts(
    run: RunArg,
    as_json: JsonOpt = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="a line a tile, not a line a distinct prompt")] = False,
) -> None:
    """Print the prompts of a run's tiles, as the model read them, the commonest first."""
    from cluster.prompts import by_frequency, count_prompts, open_prompts, tile_prompts

    with one_line_errors():
        store, plan = open_prompts(run)
        found = list(tile_prompts(store, plan))
        if as_json:
            print(json.dumps({**count_prompts(store), "prompts": [one.to_table() for one in found]}))
            return
        heads = ("row, column",) if tiles else ("tiles",)
        table = Table(*heads, "prompt", "negative prompt", "fell off")
        rows = [(f"{one.tile.row}, {one.tile.col}", one) for one in found]
        if not tiles:
            rows = [(str(count), one) for count, one in by_frequency(found)]
        for head, one in rows:
            negative = plan.recipe.negative_prompt if one.negative is None else one.negative.kept
            table.add_row(head, one.prompt.kept, negative, ", ".join(one.dropped))
        out.print(table)
        out.print(f"{len(found)} of {plan.prompt_tiles.num_tiles} tiles have a prompt by now", markup=False)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="image")],
    second: Annotated[str, typer.Argument(metavar="B", help="image of the same size, the reference")],
    as_json: JsonOpt = False,
) -> None:
    """Measure how alike two images are: PSNR, SSIM, MS-SSIM and VIF, window by window."""
    from cluster.comparison import compare_images

    with one_line_errors():
        figures = compare_images(first, second)
        if as_json:
            # JSON has no infinity: equal images have no PSNR
            print(json.dumps({name: value if value != math.inf else None for name, value in figures.items()}))
            return
        table = Table("measure", "value")
        for name, value in figures.items():
            table.add_row(name, "-" if value is None else f"{value:.4f}")
        out.print(table)


@app.command()
def textures(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="folder of sharp pictures")],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="folder or URL of the memory to make")],
    model: Annotated[str, typer.Option(help="the model of the runs that will read it")] = "embedded",
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="let its weights be pickles")] = False,
    scale: Annotated[int, typer.Option(help="the scale of those runs")] = 4,
    side: Annotated[int, typer.Option(help="pixels a side of a patch")] = 256,
    pairs: Annotated[int, typer.Option(help="pairs to keep, at most")] = 2000,
    patches: Annotated[int, typer.Option(help="patches to look at, at most")] = 20000,
) -> None:
    """Make a memory of reference textures, for `upscale --textures`."""
    from cluster.textures import Order, build_memory

    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            err.print(f"looked at {done} of {total} patches", markup=False)

    with one_line_errors():
        order = Order(
            folder=folder,
            output=output,
            model=model,
            allow_pickle=allow_pickle,
            scale=scale,
            side=side,
            pairs=pairs,
            patches=patches,
        )
        memory = build_memory(order, show)
        out.print(f"wrote {output}: {len(memory.keys)} pairs of width {memory.keys.shape[1]}", markup=False)


@app.command()
def decode(
    run: RunArg,
    step: Annotated[int, typer.Option(help="step whose latents to decode; the last one is the result")],
    output: Annotated[str, typer.Option(help="image to write")] = "step.png",
    model: Annotated[str, typer.Option(help="the model of the run, as `upscale` was given it")] = "embedded",
    allow_pickle: Annotated[bool, typer.Option("--allow-pickle", help="as `upscale` was given it")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the image if it is there")] = False,
) -> None:
    """Decode the latents of one step of a run in progress, as far as they are there; missing regions are black."""
    from cluster.preview import decode_step

    with one_line_errors():
        done, total = decode_step(run, step, output, model=model, allow_pickle=allow_pickle, overwrite=overwrite)
        out.print(f"wrote {output}: {done} of {total} regions are at step {step}", markup=False)


def main() -> None:
    """Entry point of the console script."""
    try:
        check_packages()
    except ImportError as e:
        err.print(f"gigatile: error: {e}", markup=False)
        sys.exit(1)
    _quiet_libraries()
    app()


if __name__ == "__main__":
    main()
