"""How good are the pictures: ``python -m benchmarks.quality --data ../shared/data/eval --out runs/quality``.

Takes crops of a folder's images, degrades them by 4, enlarges them again by bicubic, by Lanczos and by each recipe
through the whole engine, and measures the results against the truth and against the input. Writes quality.md,
quality.json and a contact sheet for each degradation into --out.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.learned import Learned, add_learned_options, load_learned
from benchmarks.likeness import consistency, gmsd, haarpsi, psnr, seam_sums, spectrum_distance
from benchmarks.methods import Method, Restored, recipe_method, resampling
from benchmarks.pictures import Example, add_picture_options, describe_code, load_examples
from benchmarks.sheet import write_sheet
from pipeline.imaging.metrics import ms_ssim, ssim, vif
from pipeline.plan.plan import Plan
from training.degradations import SCALE

RECIPES = ["steps=1", "steps=2", "steps=4", "steps=8"]
PERIOD = 8 * SCALE
"""output pixels of a JPEG block of the input: blocks often begin where tiles do, and must not pass for seams"""
BETTER = {"PSNR": 1, "SSIM": 1, "MS-SSIM": 1, "GMSD": -1, "HaarPSI": 1, "VIF": 1, "spectrum": -1, "consistency": 1}
"""column -> 1 where more is better, -1 where less is"""


def measure(example: Example, restored: Restored, learned: Learned) -> dict[str, float]:
    """All figures of one result. ``spectrum`` and ``consistency`` are in dB."""
    found, true = restored.pixels, example.truth
    first, second = (image.numpy() * 255 for image in (found, true))
    return {
        "PSNR": psnr(found, true),
        "SSIM": ssim(first, second, 255.0),
        "MS-SSIM": ms_ssim(first, second, 255.0),
        "GMSD": gmsd(found, true),
        "HaarPSI": haarpsi(found, true),
        "VIF": vif(first, second, 255.0),
        "spectrum": spectrum_distance(found, true),
        "consistency": consistency(found, example.low),
        **learned.measure(found, true),
    }


def borders(plan: Plan) -> tuple[list[int], list[int]]:
    """Rows and columns of the output at which a tile begins or ends, the picture's own edges left out."""
    tiles, factor = plan.tiles, plan.geometry.factor
    ys = {y * factor for top in tiles.tops for y in (top, top + tiles.tile_height)}
    xs = {x * factor for left in tiles.lefts for x in (left, left + tiles.tile_width)}
    return sorted(ys), sorted(xs)


def run(examples: list[Example], methods: dict[str, Method], learned: Learned, out: Path) -> list[dict[str, Any]]:
    """A row for every example and method; results are drawn on the contact sheets."""
    rows: list[dict[str, Any]] = []
    sheets: dict[str, list[list[torch.Tensor]]] = {}
    for example in examples:
        results = {"truth": Restored(pixels=example.truth), **{name: go(example.low) for name, go in methods.items()}}
        plans = [restored.plan for restored in results.values() if restored.plan is not None]
        for name, restored in results.items():
            row = {"method": name, "degradation": example.degradation, "set": example.group, "image": example.name}
            if name != "truth":
                row |= measure(example, restored, learned)
                learned.collect(f"{example.degradation}, {name}", restored.pixels)
                row |= {"seconds": restored.seconds, "forwards": restored.forwards}
            plan = restored.plan or (plans[0] if plans else None)
            if plan is not None:
                period = PERIOD if example.strength.jpeg else plan.geometry.factor
                row["across"], row["beside"] = seam_sums(restored.pixels, *borders(plan), period)
            rows.append(row)
        learned.collect(f"{example.degradation}, truth", example.truth)
        drawn = [restored.pixels for restored in results.values()]
        sheets.setdefault(example.degradation, []).append(drawn)
        shown = ", ".join(f"{row['method']} {row['PSNR']:.2f} dB" for row in rows[1 - len(results) :])
        print(f"{example.degradation} {example.group}/{example.name}: {shown}", flush=True)
    for degradation, drawn_rows in sheets.items():
        print(write_sheet(out / f"sheet-{degradation}.png", ["truth", *methods], drawn_rows))
    return rows


def summarize(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Means by ``keys``; the seam score is the ratio of sums, over every border of every picture."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    table = []
    for key, members in groups.items():
        line: dict[str, Any] = dict(zip(keys, key, strict=True))
        numbers = [name for name, value in members[-1].items() if isinstance(value, int | float)]
        line |= {name: float(np.mean([row[name] for row in members])) for name in numbers}
        across, beside = line.pop("across", 0.0), line.pop("beside", 0.0)
        if beside:
            line["seam"] = across / beside
        table.append(line)
    return table


def to_markdown(rows: list[dict[str, Any]]) -> str:
    """A table for each degradation: the means of all pictures, then those of each set. The best of a column is bold."""
    parts = []
    for degradation in dict.fromkeys(row["degradation"] for row in rows):
        here = [row for row in rows if row["degradation"] == degradation]
        parts.append(f"## {degradation}\n\n{_table(summarize(here, ('method',)))}")
        for group in dict.fromkeys(row["set"] for row in here):
            members = [row for row in here if row["set"] == group]
            parts.append(f"### {degradation}, {group}\n\n{_table(summarize(members, ('method',)))}")
    return "\n\n".join(parts) + "\n"


def _table(lines: list[dict[str, Any]]) -> str:
    columns = [name for line in lines for name in line if name != "method"]
    columns = list(dict.fromkeys(columns))
    best = {}
    for name, sign in BETTER.items():
        values = [line[name] for line in lines if name in line]
        best[name] = max(values, key=lambda value: sign * value) if values else None
    text = ["| method | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for line in lines:
        cells = []
        for name in columns:
            cell = _cell(name, line.get(name))
            cells.append(f"**{cell}**" if cell and best.get(name) == line.get(name) else cell)
        text.append(f"| {line['method']} | " + " | ".join(cells) + " |")
    return "\n".join(text)


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    digits = {"PSNR": 2, "spectrum": 2, "consistency": 1, "seconds": 1, "forwards": 0}.get(name, 4)
    return f"{value:.{digits}f}"


def _facts(options: argparse.Namespace) -> dict[str, Any]:
    keys = ("sets", "recipes", "degradations", "side", "halved", "seed", "model", "threads")
    return {**{key: getattr(options, key) for key in keys}, **describe_code()}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_picture_options(parser, side=1024)
    parser.add_argument("--recipes", nargs="*", default=RECIPES, help="such as 'steps=4 prompts=global'")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"))
    add_learned_options(parser)
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    learned, examples = load_learned(options), load_examples(options)
    methods = {"bicubic": resampling("bicubic"), "Lanczos": resampling("lanczos")}
    for words in options.recipes:
        methods[words] = recipe_method(words, model=options.model, threads=options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = run(examples, methods, learned, options.out)
    record = {"facts": _facts(options), "rows": rows, "degraded": [_degraded(example) for example in examples]}
    record["fid"] = {
        f"{degradation}, {name}": learned.fid(f"{degradation}, {name}", f"{degradation}, truth")
        for degradation in options.degradations
        for name in methods
        if learned.inception is not None
    }
    (options.out / "quality.json").write_text(json.dumps(record, indent=1) + "\n")
    text = to_markdown(rows) + "".join(f"\nFID, {name}: {value:.3f}\n" for name, value in record["fid"].items())
    (options.out / "quality.md").write_text(text)
    print(text)


def _degraded(example: Example) -> dict[str, Any]:
    return {"image": f"{example.group}/{example.name}", "degradation": example.degradation, **asdict(example.strength)}


if __name__ == "__main__":
    main()
