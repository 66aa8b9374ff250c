"""What the command line says, of plans, prices and results that are made up: every number under its own name."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.console.whereabouts import place_of
from cluster.terminal import printing
from cluster.terminal.printing import (
    print_estimates,
    print_plan,
    print_prompts,
    print_result,
    print_rows,
    print_sample,
    print_series,
    print_stage,
    print_status,
    print_warnings,
)
from pipeline.plan.cost import price
from pipeline.plan.estimate import Estimate
from pipeline.plan.recipe import Recipe
from tests.support.tiny import small_plan

Capture = pytest.CaptureFixture[str]


def told(capsys: Capture) -> tuple[list[str], list[str]]:
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def rows(lines: list[str]) -> dict[str, str]:
    return {line[:9].rstrip(): line[10:] for line in lines}


def test_rows_and_warnings(capsys: Capture) -> None:
    """Keys in a column of nine; warnings on the other stream; markup and escape codes are shown, not obeyed."""
    print_rows({"a": "[bold]1", "much longer": "\x1b[2J"})
    print_warnings(["one", "two"])
    assert told(capsys) == (
        ["a         [bold]1", "much longer \\x1b[2J"],
        ["gigatile: warning: one", "gigatile: warning: two"],
    )


def estimate(flops: float, workers: int = 2) -> Estimate:
    return Estimate(flops=flops, speed=2e9, workers=workers)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1 s"),
        (1.4, "1 s"),
        (119.4, "119 s"),
        (120.0, "2 min"),
        (7199.0, "120 min"),
        (7200.0, "2.0 h"),
        (9000.0, "2.5 h"),
    ],
)
def test_durations(capsys: Capture, seconds: float, text: str) -> None:
    print_estimates([estimate(seconds * 2e9, workers=1)])
    (line,) = told(capsys)[0]
    assert line == f"time      about {text} on 1 worker (FLOPs {seconds * 2e9:.1e}; this device 2.0e+09 a second)"


def test_stages_are_added_up(capsys: Capture) -> None:
    """With the workers of the last, which is the largest."""
    print_estimates([estimate(4e10, 1), estimate(8e11, 4)])
    (line,) = told(capsys)[0]
    assert line == (
        "time      about 120 s on 4 workers (FLOPs 8.4e+11; this device 2.0e+09 a second); by stages 20 s, 100 s"
        if "120 s" in line
        else "time      about 2 min on 4 workers (FLOPs 8.4e+11; this device 2.0e+09 a second); by stages 20 s, 100 s"
    )


@pytest.mark.parametrize("estimates", [[None], [None, None], [estimate(1.0), None]])
def test_work_that_is_not_counted(capsys: Capture, estimates: list[Estimate | None]) -> None:
    print_estimates(estimates)
    assert told(capsys)[0] == ["time      not estimated: the work of this model is not counted"]


def prepared(workers: int = 3, warnings: tuple[str, ...] = (), **recipe: Any) -> Any:
    plan = small_plan(height=75, width=125, steps=3, **recipe)
    return SimpleNamespace(plan=plan, cost=price(plan), workers=workers, warnings=warnings, samples=())


def test_a_plan(capsys: Capture) -> None:
    """Heights before widths, rows before columns."""
    given = prepared(warnings=("mind this",), seed=77, batch=2)
    print_plan(given, "runs/a")
    lines, errors = told(capsys)
    found, plan, cost = rows(lines), given.plan, given.cost
    assert errors == ["gigatile: warning: mind this"]
    assert list(found) == [
        *("recipe", "activity", "image", "values", "regions", "tiles", "forwards", "codec"),
        *("disk", "memory", "device", "plan"),
    ]
    assert found["image"] == "75 x 125 -> 300 x 500 pixels (height x width), 3 bands of uint8"
    assert found["values"] == "0 to 255 are black and white to the model"
    assert found["regions"].startswith(f"{-(-plan.regions.height // 64)} x {-(-plan.regions.width // 64)} of 64 ")
    assert found["tiles"] == f"{plan.tiles.num_tiles} of 48 x 48 latent pixels a step, batches of 2"
    assert found["recipe"].startswith(f"multidiffusion, {plan.recipe.sampling.solver}, 3 steps, guidance ")
    assert found["recipe"].endswith(", seed 77")
    assert found["forwards"].startswith(f"{cost.forwards} tiles through the model, {cost.region_steps} region-steps")
    assert f"the encoder {cost.encodes:.3g} and the decoder {cost.decodes:.3g} times" in found["codec"]
    assert found["disk"] == f"{cost.disk_peak / 1e6:.0f} MB at most in runs/a"
    assert found["memory"] == f"{cost.memory_worker / 1e6:.0f} MB a worker at most, 3 workers"
    assert found["device"] == f"cpu (test), 1 thread(s), {plan.recipe.model.dtype}"
    assert found["plan"] == plan.hash
    assert found["activity"] == "all"


@pytest.mark.parametrize(("workers", "text"), [(0, "1 in this process"), (1, "1 worker"), (2, "2 workers")])
def test_workers(capsys: Capture, workers: int, text: str) -> None:
    print_plan(prepared(workers), "r")
    assert rows(told(capsys)[0])["memory"].endswith(f"at most, {text}")


def test_a_recipe_that_spares(capsys: Capture) -> None:
    given = prepared(activity="mask", lower_bound=0.2)
    print_plan(given, "r")
    found = rows(told(capsys)[0])
    assert found["activity"] == f"mask, by {given.plan.recipe.difficulty.source}"
    assert f"through the model at most, {given.cost.forwards_least} at least, " in found["forwards"]


def test_groups_in_words(capsys: Capture) -> None:
    recipe = Recipe.from_flat(
        activity="groups", difficulty="file", group_steps=(4, 9, 12), group_times=(250.0, 500.0, 1000.0)
    )
    assert printing._activity(recipe) == (
        "groups, by file; steps of simple, medium and hard tiles: 4 from 250 on, 9 from 500 on, 12 from 1000 on"
    )


def test_what_other_seeds_cost(capsys: Capture) -> None:
    given, other = prepared(), prepared(seed=78)
    given.samples = (other, other)
    print_plan(given, "runs/a")
    lines, _ = told(capsys)
    assert rows(lines)["others"].startswith(f"2 more seeds, each {other.cost.forwards} tiles through the model")
    print_sample(1, other, 3)
    assert told(capsys) == ([], ["seed 2 of 3: 78"])
    print_result(result(uncertainty=SimpleNamespace(path="/x/o.uncertainty.tif")), "/x/o.png", "run", 1.0)
    assert any(line.startswith("uncertainty: /x/o.uncertainty.tif") for line in told(capsys)[0])


def stage(index: int, *, cut: bool = False, compat: str = "none", dilated: Any = None, **more: Any) -> Any:
    size = (40, 60)
    canvas = SimpleNamespace(
        scaled=lambda factor: SimpleNamespace(shape=(48, 64) if cut else size, height=48, width=64)
    )
    plan = SimpleNamespace(
        stage=SimpleNamespace(index=index, count=2),
        recipe=Recipe.from_flat(
            name="mine",
            solver="ddim" if compat == "none" else "euler",
            guidance=7.5,
            blend="cosine",
            seed=3,
            compat=compat,
            dtype="float32",
        ),
        regions=SimpleNamespace(canvas=canvas),
        geometry=SimpleNamespace(factor=8),
        height_out=size[0],
        width_out=size[1],
        device=SimpleNamespace(kind="cpu", name="test", threads=2),
        num_steps=5,
        tiles=SimpleNamespace(num_tiles=6, tile_height=7, tile_width=8),
        dilation=dilated,
    )
    cost = SimpleNamespace(forwards=99, memory_worker=12e6, disk_peak=34e6)
    return SimpleNamespace(plan=plan, cost=cost, workers=4, warnings=more.get("warnings", ()))


def test_a_series(capsys: Capture) -> None:
    dilation = SimpleNamespace(num_windows=4, num_samples=3)
    stages = [stage(0, warnings=("a",)), stage(1, dilated=dilation, warnings=("b",))]
    print_series(stages, "runs/a")
    lines, errors = told(capsys)
    one = "40 x 60 pixels (height x width), 5 steps, 6 tiles of 7 x 8"
    rest = " a step, 99 forwards, 12 MB a worker, 34 MB of disk"
    assert rows(lines) == {
        "recipe": "mine, ddim, guidance 7.5, blend cosine, seed 3",
        "output": "40 x 60 pixels (height x width)",
        "device": "cpu (test), 2 thread(s), float32, 4 workers",
        "run": "runs/a",
        "stage 1": f"{one}{rest}",
        "stage 2": f"{one} and 12 dilated samples{rest}",
    }
    assert errors == ["gigatile: warning: a", "gigatile: warning: b"]


def test_a_series_as_published_and_cut(capsys: Capture) -> None:
    print_series([stage(0, cut=True, compat="official")], "r")
    found = rows(told(capsys)[0])
    assert found["output"] == "40 x 60 pixels (height x width), computed as 48 x 64 and cut"
    assert found["recipe"].endswith("seed 3, as the published code has it")


def test_a_stage_begins(capsys: Capture) -> None:
    print_stage(stage(1))
    assert told(capsys) == ([], ["stage 2 of 2: 40 x 60 pixels (height x width)"])


def result(**facts: Any) -> Any:
    whole = {"already_finished": False, "exported": SimpleNamespace(sha256="ab"), "tiles_seen": None, "prompts": {}}
    return SimpleNamespace(**(whole | {"uncertainty": None} | facts))


def test_how_a_command_ended(capsys: Capture) -> None:
    print_result(result(already_finished=True), "out.png", "run", 1.0)
    assert told(capsys) == ([f"already finished: {place_of('out.png')} (pixels sha256 ab)"], [])
    print_result(result(), "/x/out.png", "run", 12.6)
    assert told(capsys) == ([f"wrote /x/out.png on {socket.gethostname()} in 13 s", "pixels sha256 ab"], [])
    print_result(result(prompts={"cut": 0, "tiles": 9}), str(Path("/x/o")), "run", 1.0)
    assert told(capsys)[1] == []


class Seen:
    def __init__(self, is_little: bool) -> None:
        self.is_little = is_little

    def __str__(self) -> str:
        return "7 of 9 tiles"


@pytest.mark.parametrize("is_little", [True, False])
def test_what_was_spared(capsys: Capture, is_little: bool) -> None:
    print_result(result(tiles_seen=Seen(is_little)), "o", "run", 1.0)
    lines, errors = told(capsys)
    assert lines[2:] == ["7 of 9 tiles"]
    assert errors == ([f"gigatile: warning: {printing.SPARED}"] if is_little else [])


def test_prompts_that_were_cut(capsys: Capture) -> None:
    """The command that shows them can be given to a shell."""
    print_result(result(prompts={"cut": 2, "tiles": 9}), "o", "my run", 1.0)
    assert told(capsys)[1] == [
        "gigatile: warning: prompts of 2 of 9 tiles were longer than the model reads: see `gigatile prompts 'my run'`"
    ]


COUNTS: dict[str, Any] = {
    "total": {"merge": 8, "decode": 4},
    "done": {"merge": 2, "decode": 1},
    "fraction": 0.25,
    "region_steps_per_second": 1.5,
    "workers": 2,
    "eta_seconds": 65.0,
}
PROGRESS = " 25%, region-steps 2/8, decoded 1/4, 1.50 region-steps/s, 2 workers, ETA 1:05"


@pytest.mark.parametrize(
    ("table", "place", "text"),
    [
        ({"state": "running", "stage": "denoise", **COUNTS}, None, f"running, denoise: {PROGRESS}"),
        (
            {"state": "waiting", "stage": "waiting", "waits_for": "4 GPUs", "workers_asked": 4, **COUNTS, "time": 40.0},
            None,
            "waiting: waits for 4 GPUs; 0 of 4 workers (written 60 s ago)",
        ),
        ({"state": "running", "stage": "running"}, (2, 3), "stage 2 of 3: running"),
        ({"state": "stopped", "reason": "Ctrl-C", "time": 40.0}, None, "stopped; Ctrl-C"),
        ({"state": "running", "stage": "export", "time": 40.0}, None, "running, export (written 60 s ago)"),
        ({"state": "running", "time": 140.0}, None, "running (written 0 s ago)"),
        (
            {"state": "stopped", "stage": "merge", "reason": "not reporting", "not_reporting_since": 1.0, "time": 90.0},
            (1, 2),
            "stage 1 of 2: stopped, not reporting; merge (written 10 s ago)",
        ),
    ],
)
def test_status(capsys: Capture, monkeypatch: pytest.MonkeyPatch, table: dict[str, Any], place: Any, text: str) -> None:
    """By a clock that stands at 100."""
    monkeypatch.setattr(printing.time, "time", lambda: 100.0)
    print_status(table, place)
    assert told(capsys) == ([text], [])


def test_a_table_of_prompts(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "out", printing.Terminal(width=100))
    plan: Any = SimpleNamespace(
        recipe=Recipe.from_flat(negative_prompt="the plan's own"), prompt_tiles=SimpleNamespace(num_tiles=9)
    )
    first = SimpleNamespace(prompt=SimpleNamespace(kept="sea"), negative=None, dropped=("roof", "ice"))
    other = SimpleNamespace(prompt=SimpleNamespace(kept="b\x1b"), negative=SimpleNamespace(kept="noise"), dropped=())
    print_prompts(plan, [("0, 1", first), ("0, 2", other)], head="tile", num_tiles=2)  # type: ignore[list-item]
    said = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in said.splitlines()]
    assert ["tile", "prompt", "negative prompt", "fell off"] in cells
    assert ["0, 1", "sea", "the plan's own", "roof, ice"] in cells
    assert ["0, 2", "b\\x1b", "noise", ""] in cells
    assert said.splitlines()[-1] == "2 of 9 tiles have a prompt by now"
