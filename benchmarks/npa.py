"""What neighbourhood attention saves: ``python -m benchmarks.npa``.

One prediction of a whole canvas, s times as large a side as the window that the model sees: by tiles that half overlap
(MultiDiffusion at stride 1/2), by neighbourhood attention with one prompt, and by neighbourhood attention with a prompt
for each window of native size, half over each other. Counts forwards and FLOPs (torch.utils.flop_counter, on the meta
device) and measures seconds on one thread: the clock's, and the process's own, which other processes lengthen less.
Writes results/npa.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.pictures import describe_code
from pipeline.geometry.tiles import plan_tiles
from pipeline.models.attention.kernels import Options
from pipeline.models.attention.neighbourhood import surround
from pipeline.models.protocol import Conditioning, Neighbourhood
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.device import describe_device, make_deterministic
from pipeline.prompts.places import place_prompts
from storage.box import Box

RESULTS = Path(__file__).parent / "results"
SCALES = (2, 4)
METHODS = ("tiles, stride 1/2", "neighbourhood", "neighbourhood, prompts inside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A U-Net and what it reads."""

    name: str
    unet: Any
    side: int
    """latent pixels a side of what it sees at once"""
    channels: int
    text_width: int
    text_tokens: int
    added: dict[str, torch.Tensor] | None = None


def sdxl(share: int, device: str) -> Subject:
    """SDXL with random weights: its blocks at 1 / share of their width, tokens and text.

    With all of them, attention's and text's shares of the work stay what they are: a window has 1 / share of SDXL's
    places (half the side at a quarter).
    """
    torch.manual_seed(0)
    side = {1: 128, 4: 64}[share]
    with torch.device(device):
        unet = UNet2DConditionModel(
            sample_size=side,
            in_channels=4,
            out_channels=4,
            block_out_channels=(320 // share, 640 // share, 1280 // share),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20) if share == 1 else (2, 4, 8),
            cross_attention_dim=2048 // share,
            norm_num_groups=16,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=1280 // share + 6 * 256,
        )
    added = {"text_embeds": torch.randn(1, 1280 // share), "time_ids": torch.full((1, 6), float(side * 8))}
    return Subject(
        name="SDXL" if share == 1 else "SDXL's shape at a quarter, random",
        unet=unet.eval(),
        side=side,
        channels=4,
        text_width=2048 // share,
        text_tokens=-(-77 // share),
        added=added,
    )


def embedded() -> Subject:
    """The embedded model's U-Net, without its autoencoder."""
    card = describe_model("embedded")
    backbone: Any = load_backbone(card, device="cpu", dtype="float32")
    unet = backbone._parts.unet
    return Subject(
        name="embedded",
        unet=unet,
        side=64,
        channels=unet.config.in_channels,
        text_width=unet.config.cross_attention_dim,
        text_tokens=int(card.geometry.inputs.text_tokens or 0),
    )


def predict(subject: Subject, latents: torch.Tensor, text: torch.Tensor, given: Conditioning) -> torch.Tensor:
    """One forward pass over ``latents [1, C, h, w]`` with text [1, T, D]."""
    device = latents.device
    added = None if subject.added is None else {key: one.to(device) for key, one in subject.added.items()}
    with surround([subject.unet], given, latents):
        time_at = torch.tensor(500, device=device)
        found: torch.Tensor = subject.unet(latents, time_at, encoder_hidden_states=text, added_cond_kwargs=added).sample
    return found


def make_passes(subject: Subject, scale: int, method: str, device: str) -> tuple[int, Callable[[], object]]:
    """How many forward passes a method takes for a canvas, and a function that runs them."""
    side = scale * subject.side
    canvas = Box(top=0, left=0, height=side, width=side)
    latents = torch.randn(1, subject.channels, side, side).to(device)
    text = torch.randn(1, subject.text_tokens, subject.text_width)
    grid = plan_tiles(side, side, window=subject.side, stride=subject.side // 2)
    tiles = [grid.tile(row, col) for row in range(len(grid.tops)) for col in range(len(grid.lefts))]
    if method == METHODS[0]:

        def run_tiles() -> None:
            for tile in tiles:
                ys, xs = tile.box.slices
                predict(subject, latents[..., ys, xs], text.to(device), Conditioning())

        return len(tiles), run_tiles
    given = Conditioning(neighbourhood=Neighbourhood(window=subject.side))
    if method == METHODS[2]:
        rows = {"text": torch.randn(len(tiles), subject.text_tokens, subject.text_width)}
        places = place_prompts(grid, canvas, "cosine", canvas, tiles.index, rows)
        given = Conditioning(neighbourhood=given.neighbourhood, places=(places,))
    return 1, lambda: predict(subject, latents, text.to(device), given)


def count_flops(subject: Subject, scale: int, method: str) -> float:
    """FLOPs of a prediction of the whole canvas; torch's plain attention, whose products are counted."""
    subject.unet.to("meta")
    # tiles are alike: one of them is counted
    forwards, _ = make_passes(subject, scale, method, "meta")
    _, run = make_passes(subject, scale if forwards == 1 else 1, method, "meta")
    with FlopCounterMode(display=False) as counter, Options(attention="math").attending():
        run()
    return float(forwards * counter.get_total_flops())


def count(subject: Subject) -> list[dict[str, Any]]:
    """A row for every scale and method, without its seconds."""
    rows = []
    for scale in SCALES:
        for method in METHODS:
            forwards, _ = make_passes(subject, scale, method, "meta")
            flops = count_flops(subject, scale, method)
            rows.append({"model": subject.name, "scale": scale, "method": method, "forwards": forwards, "flops": flops})
    return rows


def measure(subject: Subject, rows: list[dict[str, Any]], repeats: int) -> None:
    """Add seconds to the rows: those of the fastest repeat. Repeats take turns."""
    for scale in SCALES:
        here = [row for row in rows if row["scale"] == scale]
        for _ in range(repeats):
            for row in here:
                _, run = make_passes(subject, scale, row["method"], "cpu")
                clock, own = time.perf_counter(), time.process_time()
                run()
                clock, own = time.perf_counter() - clock, time.process_time() - own
                row["clock"], row["seconds"] = min(row.get("clock", clock), clock), min(row.get("seconds", own), own)
                print(row, flush=True)


def to_markdown(rows: list[dict[str, Any]], facts: dict[str, Any]) -> str:
    lines = [
        "| model | s | method | forwards | TFLOP | of neighbourhood's | seconds | by the clock | of neighbourhood's |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        base = next(
            one
            for one in rows
            if (one["model"], one["scale"], one["method"]) == (row["model"], row["scale"], METHODS[1])
        )
        ratio, timed = f"{row['flops'] / base['flops']:.3f}", " | | |"
        if "seconds" in row:
            timed = f" {row['seconds']:.2f} | {row['clock']:.2f} | {row['seconds'] / base['seconds']:.3f} |"
        start = f"| {row['model']} | {row['scale']} | {row['method']} | {row['forwards']} |"
        lines.append(f"{start} {row['flops'] / 1e12:.3f} | {ratio} |{timed}")
    return "\n".join(lines) + f"\n\n{json.dumps(facts)}\n"


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--shared", default="nothing else ran", help="what else used the machine")
    options = parser.parse_args()
    make_deterministic(1)
    load = os.getloadavg()[1]
    rows = []
    for make in (embedded, lambda: sdxl(4, "cpu")):
        found = count(make())
        measure(make(), found, options.repeats)
        rows += found
    rows += count(sdxl(1, "meta"))
    facts = {
        **describe_code(),
        "device": describe_device("cpu", 1).name,
        "threads": 1,
        "repeats": options.repeats,
        "load before and after": [round(load, 1), round(os.getloadavg()[1], 1)],
        "shared": options.shared,
    }
    text = to_markdown(rows, facts)
    (RESULTS / "npa.md").write_text(text)
    (RESULTS / "npa.json").write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
