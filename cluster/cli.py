"""Command line: ``gigatile COMMAND``, such as upscale, generate, plan, recipes, status, prompts, textures, export."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import sys
import time
from typing import Annotated

import typer
from rich.table import Table

from cluster.console.ending import StopSwitch, one_line_errors, stoppable
from cluster.console.screen import VisibleFormatter, err
from cluster.console.surroundings import check_folder, is_unread, last_output
from cluster.console.whereabouts import check_lasting, place_of
from cluster.terminal.arguments import takes_job
from cluster.terminal.printing import (
    out,
    print_estimates,
    print_plan,
    print_prompts,
    print_result,
    print_series,
    print_stage,
    print_status,
    print_warnings,
)

from .guard import check_packages
from .job import Job, TextJob

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Enlarge and restore images too large for one machine with diffusion models, resumably.",
)

RunArg = Annotated[str, typer.Argument(metavar="RUN", help="folder or URL of a run, of a series or of one stage of it")]
TrustOpt = Annotated[
    bool, typer.Option("--trust-input", help="let images make GDAL read other files than pictures beside them")
]
JsonOpt = Annotated[bool, typer.Option("--json", help="print JSON")]


def _quiet_libraries() -> None:
    """Libraries log what is of no use to a user; our own warnings stay."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("gigatile: %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("diffusers", "transformers", "rasterio", "py.warnings", "PIL"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@app.command()
@takes_job
def upscale(job: Job) -> None:
    """Enlarge INPUT to OUTPUT. The same command resumes what was begun; a finished run says so."""
    from cluster.runs.upscale import upscale as do

    switch = StopSwitch()
    switch.install()
    started = time.monotonic()
    with one_line_errors(), stoppable():
        result = do(job, should_stop=switch, on_plan=lambda prepared: print_plan(prepared, job.run_url))
        print_result(result, job.output, job.run_url, time.monotonic() - started)


@app.command()
@takes_job
def generate(
    job: TextJob,
    only_plan: Annotated[bool, typer.Option("--plan", help="print what it would do and cost, and do nothing")] = False,
) -> None:
    """Make a picture of any size from PROMPT. The same command resumes what was begun; a finished run says so."""
    from cluster.runs.estimating import estimate

    from .runs import generate as series

    switch = StopSwitch()
    switch.install()
    started = time.monotonic()
    with one_line_errors(), stoppable():
        if only_plan:
            stages, *_ = series.check(job)
            print_series(stages, job.run_url)
            print_estimates(estimate(job, stages))
            return
        result = series.generate(
            job,
            should_stop=switch,
            on_plan=lambda stages: print_series(stages, job.run_url),
            on_stage=print_stage,
        )
        print_result(result, job.output, job.run_url, time.monotonic() - started)


@app.command()
@takes_job
def plan(job: Job, as_json: JsonOpt = False) -> None:
    """Print what `upscale` would do and cost, with the same arguments, and do nothing."""
    from cluster.runs.binding import open_source
    from cluster.runs.estimating import estimate
    from cluster.runs.upscale import check

    with one_line_errors():
        with open_source(job) as source:
            prepared, *_ = check(job, source)
        (time_needed,) = estimate(job, [prepared])
        if as_json:
            cost = dataclasses.asdict(prepared.cost)
            record = json.loads(prepared.plan.to_json())
            table = {"hash": prepared.plan.hash, "workers": prepared.workers, "price": cost, "plan": record}
            table["estimate"] = None if time_needed is None else dataclasses.asdict(time_needed)
            print(json.dumps({**table, "warnings": prepared.warnings}))
            return
        print_plan(prepared, job.run_url)
        print_estimates([time_needed])


@app.command()
def recipes(
    settings: Annotated[bool, typer.Option("--settings", help="every setting of a recipe, not the presets")] = False,
    as_json: JsonOpt = False,
) -> None:
    """List the presets with the papers that they implement, or what a recipe can say."""
    from cluster.terminal import recipes as listing

    if as_json and settings:
        raise typer.BadParameter("--json lists presets: leave --settings out")
    if as_json:
        print(json.dumps(listing.presets_json()))
        return
    out.print(listing.settings() if settings else listing.presets())


@app.command()
def status(
    run: RunArg,
    as_json: JsonOpt = False,
    watch: Annotated[bool, typer.Option("--watch", help="print again every 2 s until the run ends")] = False,
) -> None:
    """Print how far a run is: from any machine that can read its store."""
    from cluster.runs.following import follow, look_once

    with one_line_errors():
        for table, place in follow(run) if watch else look_once(run):
            if as_json:
                print(json.dumps(table if place is None else {**table, "stages": place}), flush=True)
            else:
                print_status(table, place)
            if is_unread(sys.stdout):
                return


@app.command()
def prompts(
    run: RunArg,
    as_json: JsonOpt = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="a line a tile, not a line a distinct prompt")] = False,
) -> None:
    """Print the prompts of a run's tiles, as the model read them, the commonest first."""
    from cluster.runs.prompts import by_frequency, count_prompts, open_prompts, tile_prompts

    with one_line_errors():
        store, plan = open_prompts(run)
        found = list(tile_prompts(store, plan))
        if as_json:
            print(json.dumps({**count_prompts(store), "prompts": [one.to_table() for one in found]}))
            return
        rows = [(f"{one.tile.row}, {one.tile.col}", one) for one in found]
        if not tiles:
            rows = [(str(count), one) for count, one in by_frequency(found)]
        print_prompts(plan, rows, head="row, column" if tiles else "tiles", num_tiles=len(found))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="image")],
    second: Annotated[str, typer.Argument(metavar="B", help="image of the same size, the reference")],
    as_json: JsonOpt = False,
    trust_input: TrustOpt = False,
) -> None:
    """Measure how alike two images are: PSNR, SSIM, MS-SSIM and VIF, window by window."""
    from cluster.pictures.comparison import compare_images

    with one_line_errors():
        figures = compare_images(first, second, trust=trust_input)
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
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="model.strict=false, as for `upscale`")
    ] = None,
    scale: Annotated[int, typer.Option(help="the scale of those runs")] = 4,
    side: Annotated[int, typer.Option(help="pixels a side of a patch")] = 256,
    pairs: Annotated[int, typer.Option(help="pairs to keep, at most")] = 2000,
    patches: Annotated[int, typer.Option(help="patches to look at, at most")] = 20000,
    trust_input: TrustOpt = False,
) -> None:
    """Make a memory of reference textures, for `upscale --textures`."""
    from cluster.pictures.textures import Order, build_memory
    from cluster.runs.settings import parse_strict

    def show(done: int, total: int) -> None:
        if done % 50 == 0 or done == total:
            err.print(f"looked at {done} of {total} patches")

    with one_line_errors():
        order = Order(
            folder=folder,
            output=output,
            model=model,
            allow_pickle=allow_pickle,
            strict=parse_strict(settings),
            scale=scale,
            side=side,
            pairs=pairs,
            patches=patches,
            trust_input=trust_input,
        )
        memory = build_memory(order, show)
        out.print(f"wrote {output}: {len(memory.keys)} pairs of width {memory.keys.shape[1]}")


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
    from cluster.pictures.preview import decode_step

    with one_line_errors():
        check_lasting("--output", output)
        shown = decode_step(run, step, output, model=model, allow_pickle=allow_pickle, overwrite=overwrite)
        out.print(f"wrote {place_of(output)}: {shown.decoded} of {shown.total} regions are at step {step}")
        if shown.vanished:
            print_warnings([f"{shown.vanished} regions were deleted by the run meanwhile: they are black"])


@app.command()
def export(
    run: RunArg,
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="image to write: .png, .jpg or .tif")],
    image: Annotated[
        str | None, typer.Option("--input", help="the run's input: OUTPUT gets its georeference, alpha and profile")
    ] = None,
    bands: Annotated[str | None, typer.Option(help="as `upscale` was given it")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUTPUT if it is there")] = False,
    trust_input: TrustOpt = False,
) -> None:
    """Write the picture of a run whose regions are all decoded: from any machine that can read its store."""
    from cluster.pictures.exporting import export_run

    with one_line_errors():
        check_lasting("OUTPUT", output)
        exported = export_run(run, output, image=image, bands=bands, overwrite=overwrite, trust_input=trust_input)
        out.print(f"wrote {place_of(output)}")
        out.print(f"pixels sha256 {exported.sha256}")


def main() -> None:
    """Entry point of the console script."""
    last_output()
    try:
        check_folder()
        check_packages()
    except (ImportError, FileNotFoundError) as e:
        err.print(f"gigatile: error: {e}")
        sys.exit(1)
    _quiet_libraries()
    try:
        app()
    except SystemExit as e:
        if "ray" in sys.modules:
            from cluster.machines.vigil import leave_dead_ray

            leave_dead_ray(e.code if isinstance(e.code, int) else 1)
        raise


if __name__ == "__main__":
    main()
