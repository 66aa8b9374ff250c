"""What float32 costs the autoencoder and the restorer: ``python -m benchmarks.precision --side 128 --threads 1``.

Times encoding, restoring and decoding of one window by the embedded model in float32, in which it always computes them,
and in bfloat16, one after the other, and prints seconds, their ratio, and how far the results lie apart.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch

from pipeline.models.registry import describe_model, load_backbone

PARTS = {"encode": "vae", "restore": "restorer", "decode": "vae"}


def timed(backbone: Any, name: str, dtype: torch.dtype, given: torch.Tensor, times: int) -> tuple[float, torch.Tensor]:
    """The least of some times, after one more, and the result."""
    getattr(backbone._parts, PARTS[name]).to(dtype)
    best, result = float("inf"), None
    for _ in range(times + 1):
        begin = time.perf_counter()
        result = getattr(backbone, name)(given)
        best = min(best, time.perf_counter() - begin)
    found: torch.Tensor = result[0] if isinstance(result, tuple) else result
    return best, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="latent pixels, and input pixels, of the window")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    backbone: Any = load_backbone(describe_model("embedded"), device="cpu", dtype="float32")
    geometry, side, draw = backbone.geometry, options.side, torch.Generator().manual_seed(0)
    pixels = torch.rand(1, 3, side, side, generator=draw)
    large = torch.nn.functional.interpolate(pixels, scale_factor=geometry.factor, mode="bicubic").clamp(0, 1)
    given = {"encode": large, "restore": pixels, "decode": backbone.encode(large)}
    print("| part | float32, s | bfloat16, s | ratio | largest difference |\n|---|---|---|---|---|")
    for name in PARTS:
        (slow, first), (fast, second) = (
            timed(backbone, name, dtype, given[name], options.times) for dtype in (torch.float32, torch.bfloat16)
        )
        apart = float((first - second).abs().max())
        print(f"| {name} | {slow:.3f} | {fast:.3f} | {slow / fast:.2f} | {apart:.4f} |")


if __name__ == "__main__":
    main()
