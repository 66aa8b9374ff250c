"""What the command line says: plans, series, progress, prompts."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cluster.console.screen import Terminal, err, visible
from cluster.console.whereabouts import place_of
from storage.occupancy import CELL

if TYPE_CHECKING:  # the command line starts without the libraries
    from cluster.runs.prompts import TilePrompts
    from cluster.runs.sitting import Prepared, Result
    from pipeline.plan.cost import Price
    from pipeline.plan.estimate import Estimate
    from pipeline.plan.plan import Plan
    from pipeline.plan.recipe import Recipe

out, aside = Terminal(), Terminal(stderr=True)

SPARED = (
    "the recipe spared nearly all of the work that it could: the picture is hardly more than its first enlargement; "
    "lower difficulty.power, raise difficulty.lower_bound or difficulty.group_bounds, or use "
    "difficulty.activity = 'all'"
)
"""what is said after a run whose difficulty was low all over"""


def print_rows(rows: Mapping[str, str]) -> None:
    for key, value in rows.items():
        out.print(f"{key:9} {value}")


def print_warnings(warnings: Sequence[str]) -> None:
    for line in warnings:
        err.print(f"gigatile: warning: {line}")


def print_estimates(estimates: Sequence[Estimate | None]) -> None:
    """How long all plans will take together."""
    known = [one for one in estimates if one is not None]
    if len(known) < len(estimates):
        print_rows({"time": "not estimated: the work of this model is not counted"})
        return
    flops, seconds, busiest = sum(one.flops for one in known), sum(one.seconds for one in known), known[-1]
    text = (
        f"about {_duration(seconds)} on {busiest.workers} worker{'s' if busiest.workers > 1 else ''} "
        f"(FLOPs {flops:.1e}; this device {busiest.speed:.1e} a second)"
    )
    if len(known) > 1:
        text += "; by stages " + ", ".join(_duration(one.seconds) for one in known)
    print_rows({"time": text})


def _duration(seconds: float) -> str:
    """
    >>> _duration(0.4), _duration(75), _duration(700), _duration(9000)
    ('1 s', '75 s', '12 min', '2.5 h')
    """
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def print_plan(prepared: Prepared, run_url: str) -> None:
    """What a run of one plan would do and cost."""
    plan = prepared.plan
    rows = {
        **_work_rows(plan, prepared.cost),
        "disk": f"{prepared.cost.disk_peak / 1e6:.0f} MB at most in {run_url}",
        "memory": f"{prepared.cost.memory_worker / 1e6:.0f} MB a worker at most, {_workers(prepared.workers)}",
        "device": _device(plan),
        "plan": plan.hash,
    }
    recipe = plan.recipe
    if recipe.tiles.attend != "tiles":
        prompts = f", prompts of {plan.prompt_tiles.num_tiles} windows inside" if plan.has_places else ""
        rows["attention"] = f"over neighbourhoods of {recipe.tiles.attention_window} latent pixels a side{prompts}"
    if plan.tagger is not None:
        words = f"{len(plan.tagger.phrases)} phrases and {len(plan.tagger.degradations)} of damage"
        rows["tagger"] = plan.tagger.kind + (f", {words}" if plan.tagger.phrases else "")
    if prepared.samples:
        rows["others"] = _others(prepared)
    print_rows(rows)
    print_warnings(prepared.warnings)


def _others(prepared: Prepared) -> str:
    """What the samples cost beside the picture itself."""
    sample, num = prepared.samples[0], len(prepared.samples)
    disk = sample.cost.disk_peak / 1e6
    words = f"{num} more seed{'s' if num > 1 else ''}, each {sample.cost.forwards} tiles through the model"
    return f"{words} and {disk:.0f} MB of disk at most, beside the run"


def print_sample(number: int, sample: Prepared, num: int) -> None:
    """That a run with another seed begins; ``num``: of all of them, the picture itself among them."""
    aside.print(f"seed {number + 1} of {num}: {sample.plan.recipe.run.seed}")


def _work_rows(plan: Plan, cost: Price) -> dict[str, str]:
    recipe, regions, tiles = plan.recipe, plan.regions, plan.tiles
    return {
        "recipe": f"{recipe.name}, {recipe.sampling.solver}, {plan.num_steps} steps, "
        f"guidance {recipe.guidance.weight:g}, start {recipe.sampling.start}, coarse {recipe.sampling.coarse}, "
        f"prompts {recipe.prompts.source}, seed {recipe.run.seed}",
        "activity": _activity(recipe),
        "image": f"{plan.image.height} x {plan.image.width} -> {_size(plan)}, {plan.image.num_bands} bands of "
        f"{plan.image.dtype}{_shown(plan)}",
        "values": _values(plan),
        "regions": f"{regions.rows} x {regions.cols} of {regions.side} latent pixels",
        "tiles": f"{tiles.num_tiles} of {tiles.tile_height} x {tiles.tile_width} latent pixels a step, "
        f"batches of {recipe.model.batch}",
        "forwards": f"{cost.forwards} tiles through the model{_least(plan, cost)}, {cost.region_steps} region-steps",
        "codec": f"norms {recipe.codec.norm}, the encoder {cost.encodes:.3g} and the decoder {cost.decodes:.3g} times "
        "over the canvas",
    }


def _shown(plan: Plan) -> str:
    """Which bands the model sees, where it does not see all."""
    shown = plan.image.shown_bands
    if len(shown) == plan.image.num_bands:
        return ""
    return f", of which the model sees {', '.join(str(band + 1) for band in shown)}"


def _values(plan: Plan) -> str:
    """What becomes of the values, in words."""
    low, high = plan.levels
    said = [f"{low:g} to {high:g} are black and white to the model"]
    if plan.agrees:
        said.append("the result, shrunk again, is the input")
    if plan.image.holes != "none":
        hole = "a mask" if plan.image.hole is None else plan.image.hole
        said.append(f"no data ({hole}) stays no data")
    if plan.image.occupancy is not None:
        said.append(f"{plan.image.occupancy.share:.0%} of the squares of {CELL} hold data: the others cost nothing")
    return "; ".join(said)


def _least(plan: Plan, cost: Price) -> str:
    """How few forwards there may be, where that depends on the picture."""
    return f" at most, {cost.forwards_least} at least" if plan.has_difficulty else ""


def _activity(recipe: Recipe) -> str:
    """Which tiles work when, in words."""
    if recipe.difficulty.activity == "all":
        return "all"
    words = f"{recipe.difficulty.activity}, by {recipe.difficulty.source}"
    if recipe.difficulty.group_steps is not None:
        groups = zip(recipe.difficulty.group_steps, recipe.difficulty.group_times, strict=True)
        words += "; steps of simple, medium and hard tiles: " + ", ".join(f"{n} from {t:g} on" for n, t in groups)
    return words


def _size(plan: Plan) -> str:
    return f"{plan.height_out} x {plan.width_out} pixels (height x width)"


def _workers(count: int) -> str:
    return "1 in this process" if count == 0 else f"{count} worker{'s' if count > 1 else ''}"


def _device(plan: Plan) -> str:
    return f"{plan.device.kind} ({plan.device.name}), {plan.device.threads} thread(s), {plan.recipe.model.dtype}"


def print_series(stages: Sequence[Prepared], run_url: str) -> None:
    """What a series would do and cost: what all stages share, then a row a stage."""
    last = stages[-1].plan
    recipe, canvas = last.recipe, last.regions.canvas.scaled(last.geometry.factor)
    is_cut = canvas.shape != (last.height_out, last.width_out)
    official = ", as the published code has it" if recipe.run.compat == "official" else ""
    rows = {
        "recipe": f"{recipe.name}, {recipe.sampling.solver}, guidance {recipe.guidance.weight:g}, "
        f"blend {recipe.tiles.blend}, seed {recipe.run.seed}{official}",
        "output": _size(last) + (f", computed as {canvas.height} x {canvas.width} and cut" if is_cut else ""),
        "device": f"{_device(last)}, {_workers(stages[0].workers)}",
        "run": run_url,
    }
    rows |= {f"stage {stage.plan.stage.index + 1}": _stage_row(stage) for stage in stages}
    print_rows(rows)
    for stage in stages:
        print_warnings(stage.warnings)


def _stage_row(stage: Prepared) -> str:
    plan, cost, dilation = stage.plan, stage.cost, stage.plan.dilation
    samples = "" if dilation is None else f" and {dilation.num_windows * dilation.num_samples} dilated samples"
    return (
        f"{_size(plan)}, {plan.num_steps} steps, {plan.tiles.num_tiles} tiles of {plan.tiles.tile_height} x "
        f"{plan.tiles.tile_width}{samples} a step, {cost.forwards} forwards, {cost.memory_worker / 1e6:.0f} MB a "
        f"worker, {cost.disk_peak / 1e6:.0f} MB of disk"
    )


def print_stage(stage: Prepared) -> None:
    """That a stage of a series begins."""
    place = stage.plan.stage
    aside.print(f"stage {place.index + 1} of {place.count}: {_size(stage.plan)}")


def print_result(result: Result, output: str, run_url: str, seconds: float) -> None:
    """How a command that makes a picture ended."""
    if result.already_finished:
        out.print(f"already finished: {place_of(output)} (pixels sha256 {result.exported.sha256})")
        _print_uncertainty(result)
        return
    out.print(f"wrote {place_of(output)} in {seconds:.0f} s")
    out.print(f"pixels sha256 {result.exported.sha256}")
    _print_uncertainty(result)
    if result.tiles_seen is not None:
        out.print(str(result.tiles_seen))
        if result.tiles_seen.is_little:
            print_warnings([SPARED])
    counts = result.prompts
    if counts.get("cut"):
        line = f"prompts of {counts['cut']} of {counts['tiles']} tiles were longer than the model reads"
        print_warnings([f"{line}: see `gigatile prompts {shlex.quote(run_url)}`"])


def _print_uncertainty(result: Result) -> None:
    if result.uncertainty is not None:
        out.print(f"uncertainty: {place_of(result.uncertainty.path)}")


def print_status(table: dict[str, Any], place: tuple[int, int] | None) -> None:
    """A line on how far a run is, and on each of its samples; ``place``: which stage of a series it is, of how many."""
    line = _status_line(table)
    out.print(line if place is None else f"stage {place[0]} of {place[1]}: {line}")
    for number, sample in enumerate(table.get("samples", ()), 1):
        out.print(f"sample {number}: {_status_line(sample)}")
    if table.get("samples"):
        out.print(_compared_line(table))
    if table.get("removable_bytes"):
        out.print(f"{byte_text(table['removable_bytes'])} of it are needed no more: see `gigatile clean`")


def _compared_line(table: dict[str, Any]) -> str:
    """What is left to do of samples."""
    samples = table["samples"]
    if table["compared"]:
        return "uncertainty: written, all samples are compared"
    finished = sum(sample["state"] == "finished" for sample in samples)
    return (
        f"uncertainty: not written, {finished} of {len(samples)} samples finished; the command that began the run does "
        "what is left"
    )


def _status_line(table: dict[str, Any]) -> str:
    from cluster.runs.reporting import status_text

    line = str(table["state"])
    is_silent = "not_reporting_since" in table
    if is_silent:
        line = f"{line}, {table['reason']}"
    if table.get("stage", table["state"]) != table["state"]:
        line = f"{line}{'; ' if is_silent else ', '}{table['stage']}"
    if "total" in table:
        line = f"{line}: {status_text(table)}"
    if "reason" in table and not is_silent:
        line = f"{line}; {table['reason']}"
    if "time" in table and (is_silent or table["state"] in ("waiting", "running")):
        line += f" (written {max(0.0, time.time() - table['time']):.0f} s ago)"
    return line


def byte_text(count: int) -> str:
    """
    >>> byte_text(0), byte_text(999), byte_text(48_200_000), byte_text(3_100_000_000)
    ('0 kB', '1 kB', '48.2 MB', '3.1 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count / 1000:.0f} kB"


def print_prompts(plan: Plan, rows: Sequence[tuple[str, TilePrompts]], *, head: str, num_tiles: int) -> None:
    """A table of prompts, each with what stands in its first column under ``head``."""
    table = Table(head, "prompt", "negative prompt", "fell off")
    for first, prompts in rows:
        negative = plan.recipe.prompts.negative if prompts.negative is None else prompts.negative.kept
        cells = (first, prompts.prompt.kept, negative, ", ".join(prompts.dropped))
        table.add_row(*(visible(cell) for cell in cells))
    out.print(table)
    out.print(f"{num_tiles} of {plan.prompt_tiles.num_tiles} tiles have a prompt by now")
