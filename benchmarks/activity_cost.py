"""Does time fall with the forwards: ``python -m benchmarks.activity_cost``.

One picture by several recipes, on 1 and 2 Ray workers and on three raylets of one worker each. Timed from the first
worker's arrival to the last region's end, so neither Ray's start nor the export counts. ``idle`` is the share of the
workers' presence that they spent outside the model. Prints a Markdown table and writes results/activity_cost.md and
.json; on two cores the workers of three raylets share them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import ray
from PIL import Image
from ray.cluster_utils import Cluster

from benchmarks.pictures import SETS, centre_crop, describe_code, find_pictures
from cluster.job import Job
from cluster.runs.upscale import upscale

RECIPES = ("multidiffusion", "patchscaler-fast", "yoda")
PLACES = ("1 worker", "2 workers", "3 raylets")
RESULTS = Path(__file__).parent / "results"
STORE = 200 << 20


@contextmanager
def start_ray(place: str) -> Iterator[int]:
    """Ray for one of PLACES; gives the number of workers."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if place == "3 raylets":
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
        for _ in range(3):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        ray.init(address=cluster.address, **quiet)
        try:
            yield 3
        finally:
            ray.shutdown()
            cluster.shutdown()
        return
    count = int(place.split()[0])
    ray.init(address="local", num_cpus=count, include_dashboard=False, object_store_memory=STORE, **quiet)
    try:
        yield count
    finally:
        ray.shutdown()


def run(low: Path, folder: Path, recipe: str, options: argparse.Namespace, workers: int) -> dict[str, Any]:
    """One run in a Ray that is there; seconds from the first worker's arrival."""
    text = f'preset = "{recipe}"\nsampling.steps = {options.steps}\n'
    text += f"tiles.window = {options.window}\ntiles.region = {options.region}\n"
    (folder / f"{recipe}.toml").write_text(text)
    job = Job(
        input=str(low),
        output=str(folder / f"{recipe}-{workers}-{time.monotonic_ns()}.png"),
        recipe=str(folder / f"{recipe}.toml"),
        workers=workers,
        device="cpu",
    )
    tally = upscale(job, should_stop=lambda: False, on_plan=lambda _plan: None).tally
    seconds = tally.worker_seconds / workers
    return {
        "forwards": tally.forwards,
        "seconds": seconds,
        "idle": 1 - tally.backbone_seconds / tally.worker_seconds,
    }


def measure(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    path = find_pictures(options.data, [options.set])[options.picture]
    truth = centre_crop(path, options.side, options.set.startswith("aerial"))
    pixels = truth.unfold(1, 4, 4).unfold(2, 4, 4).mean((3, 4))
    low = folder / "low.png"
    Image.fromarray((pixels * 255).round().byte().permute(1, 2, 0).numpy().astype(np.uint8)).save(low)
    rows = []
    for place in options.places:
        with start_ray(place) as workers:
            for recipe in options.recipes:
                rows.append({"where": place, "recipe": recipe, **run(low, folder, recipe, options, workers)})
                print(rows[-1], flush=True)
    return rows


def to_markdown(rows: list[dict[str, Any]]) -> str:
    """``of all`` is to the first recipe at the same place.

    Preparing and decoding cost every recipe the same: ``fitted`` is what a fixed time and one a forward, fitted to the
    place's rows by least squares, give; ``off`` is how far the measured time is from it.
    """
    lines = ["| where | recipe | forwards | of all | seconds | of all | fitted | off | idle |", "|---" * 9 + "|"]
    for place in dict.fromkeys(row["where"] for row in rows):
        here = [row for row in rows if row["where"] == place]
        rate, fixed = np.polyfit([row["forwards"] for row in here], [row["seconds"] for row in here], 1)
        for row in here:
            fitted = fixed + rate * row["forwards"]
            shares = [f"{row[key] / here[0][key]:.3f}" for key in ("forwards", "seconds")]
            cells = [place, f"`{row['recipe']}`", str(row["forwards"]), shares[0], f"{row['seconds']:.1f}", shares[1]]
            cells += [
                f"{fixed:.1f} + {rate:.3f} a forward",
                f"{row['seconds'] / fitted - 1:+.1%}",
                f"{row['idle']:.1%}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eval"))
    parser.add_argument("--set", default=SETS[0])
    parser.add_argument("--picture", type=int, default=1, help="which of the set's pictures")
    parser.add_argument("--side", type=int, default=1024, help="output pixels a side")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--region", type=int, default=64)
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--places", nargs="+", default=list(PLACES), choices=PLACES)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options, Path(folder))
    text = to_markdown(rows)
    facts = {key: getattr(options, key) for key in ("set", "picture", "side", "steps", "window", "region")}
    record = {"facts": {**facts, "cores": os.cpu_count(), **describe_code()}, "rows": rows}
    (RESULTS / "activity_cost.json").write_text(json.dumps(record, indent=1) + "\n")
    (RESULTS / "activity_cost.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
