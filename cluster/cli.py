"""Command line: ``gigatile COMMAND``, such as upscale, generate, plan, status, stop, clean, prompts, export."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import sys
import time
from typing import Annotated, TextIO

import typer

from cluster.console.ending import StopSwitch, one_line_errors, stoppable
from cluster.console.once import OncePerPicture
from cluster.console.screen import VisibleFormatter, err
from cluster.console.surroundings import check_folder, is_unread, last_output
from cluster.console.whereabouts import place_of
from cluster.terminal.arguments import takes_job
from cluster.terminal.machines import app as machines
from cluster.terminal.observing import app as observing
from cluster.terminal.options import JsonOpt, RunArg
from cluster.terminal.pictures import app as pictures
from cluster.terminal.printing import (
    byte_text,
    out,
    print_estimates,
    print_plan,
    print_prompts,
    print_result,
    print_sample,
    print_series,
    print_stage,
    print_status,
)

from .collection import Collection
from .guard import check_packages
from .job import Job, TextJob

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Enlarge and restore images too large for one machine with diffusion models, resumably.",
)

app.add_typer(machines)
app.add_typer(pictures)
app.add_typer(observing)


def _to_terminal() -> logging.StreamHandler[TextIO]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("gigatile: %(levelname)s: %(message)s"))
    handler.addFilter(OncePerPicture())
    return handler


def _quiet_libraries() -> None:
    """Libraries log what is of no use to a user; our own warnings stay."""
    logging.basicConfig(level=logging.WARNING, handlers=[_to_terminal()])
    for name in ("diffusers", "transformers", "rasterio", "py.warnings", "PIL"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@app.command()
@takes_job
def upscale(job: Collection) -> None:
    """Enlarge INPUT to OUTPUT, or many pictures into a folder. The same command resumes what was begun."""
    from cluster.machines.waiting import Waiting
    from cluster.runs.collection.inputs import is_many
    from cluster.runs.pages import page_jobs
    from cluster.runs.upscale import upscale as do

    switch = StopSwitch()
    switch.install()
    with one_line_errors(), stoppable():
        if is_many(job):
            from cluster.terminal.collecting import run

            raise typer.Exit(run(job, switch))
        for one in page_jobs(job.alone(), Waiting.of(switch, is_told=True)):
            started, url = time.monotonic(), one.run_url
            result = do(
                one,
                should_stop=switch,
                on_plan=functools.partial(print_plan, run_url=url),
                on_sample=functools.partial(print_sample, num=one.uncertainty),
            )
            print_result(result, one.output, url, time.monotonic() - started)


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
def plan(job: Collection, as_json: JsonOpt = False) -> None:
    """Print what `upscale` would do and cost, with the same arguments, and do nothing."""
    from cluster.runs.collection.inputs import is_many
    from cluster.runs.pages import page_jobs

    with one_line_errors():
        if is_many(job):
            from cluster.terminal.collecting import print_plans

            raise typer.Exit(print_plans(job, functools.partial(_print_one_plan, as_json=as_json)))
        for one in page_jobs(job.alone()):
            _print_one_plan(one, as_json)


def _print_one_plan(job: Job, as_json: bool) -> None:
    from cluster.runs.binding import open_source
    from cluster.runs.estimating import estimate
    from cluster.runs.upscale import check

    with open_source(job) as source:
        prepared = check(job, source).prepared
    times = estimate(job, [prepared, *prepared.samples])
    if as_json:
        cost = dataclasses.asdict(prepared.cost)
        record = json.loads(prepared.plan.to_json())
        table = {"hash": prepared.plan.hash, "workers": prepared.workers, "price": cost, "plan": record}
        table["estimate"] = None if times[0] is None else dataclasses.asdict(times[0])
        table["samples"] = [
            {"hash": one.plan.hash, "price": dataclasses.asdict(one.cost), "seed": one.plan.recipe.run.seed}
            for one in prepared.samples
        ]
        print(json.dumps({**table, "warnings": prepared.warnings}))
        return
    print_plan(prepared, job.run_url)
    print_estimates(times)


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
    from cluster.runs.cleaning import removable_bytes
    from cluster.runs.collection.following import follow_pictures
    from cluster.runs.following import follow, look_once
    from cluster.runs.samples import look_at_samples

    with one_line_errors():
        if (tables := follow_pictures(run, is_watched=watch)) is not None:
            from cluster.terminal.collecting import show

            show(tables, as_json=as_json)
            return
        for table, place in follow(run) if watch else look_once(run):
            if table["state"] == "finished" and not watch and (place is None or place[0] == place[1]):
                table |= {"removable_bytes": removable_bytes(run), **look_at_samples(run)}
            if as_json:
                print(json.dumps(table if place is None else {**table, "stages": place}), flush=True)
            else:
                print_status(table, place)
            if is_unread(sys.stdout):
                return


@app.command()
def stop(run: RunArg) -> None:
    """Stop a run, or many pictures, in good order, from any machine with the store. Its own command resumes it."""
    from cluster.runs.collection.stopping import stop_pictures
    from cluster.runs.stopping import stop as do

    def tell(who: str) -> None:
        err.print(f"asked {who} to stop; Ctrl-C waits no longer for it")

    with one_line_errors():
        if (pictures := stop_pictures(run, on_asked=tell)) is not None:
            from cluster.terminal.collecting import show

            show([pictures], as_json=False)
            return
        print_status(do(run, on_asked=tell), None)


@app.command()
def clean(
    run: RunArg,
    keep_pixels: Annotated[
        bool, typer.Option("--keep-pixels", help="but the decoded pixels, from which `export` writes the picture again")
    ] = False,
) -> None:
    """Remove what a finished run no longer needs: latents, input, pixels. It stays finished; `status` says how much."""
    from cluster.runs.cleaning import clean as do
    from cluster.runs.collection.cleaning import clean_pictures

    with one_line_errors():
        cleaned = clean_pictures(run, keep_pixels=keep_pixels) or do(run, keep_pixels=keep_pixels)
        out.print(f"removed {byte_text(cleaned.size)} ({cleaned.num_keys} files) of {place_of(run)}")


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
        records = list(tile_prompts(store, plan))
        if as_json:
            print(json.dumps({**count_prompts(store), "prompts": [one.to_table() for one in records]}))
            return
        rows = [(f"{one.tile.row}, {one.tile.col}", one) for one in records]
        if not tiles:
            rows = [(str(count), one) for count, one in by_frequency(records)]
        print_prompts(plan, rows, head="row, column" if tiles else "tiles", num_tiles=len(records))


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
