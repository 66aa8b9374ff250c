"""How fast a device computes what denoisers are made of: a short measurement, for estimates and nothing else."""

from __future__ import annotations

import statistics
import time

import torch
from torch.nn import functional

SIDE = 64
"""places a side of what is computed, at most"""
DEEPER = 4
"""matrix products are as wide as the third level of a U-Net, and inside them as much wider again"""
LEAST_RUNS = 3


def measure_speed(kind: str, *, threads: int, dtype: str, width: int, side: int, seconds: float = 0.5) -> float:
    """FLOPs a second of this process's device, the median over so many seconds or some more.

    ``kind``: cpu or cuda. A run is a normalised convolution of ``width`` channels over ``side x side`` places, 64 at
    most, and a pair of matrix products on a sixteenth as many tokens. Only convolutions and products count; what lies
    between takes time as it does in a model.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _measure(torch.device(kind), getattr(torch, dtype), width, min(side, SIDE), seconds)
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def _measure(device: torch.device, dtype: torch.dtype, width: int, side: int, seconds: float) -> float:
    def values(*shape: int) -> torch.Tensor:
        return torch.full(shape, 0.01, device=device, dtype=dtype)

    inner, tokens = DEEPER * width, (side // DEEPER) ** 2
    x = values(1, width, side, side).contiguous(memory_format=torch.channels_last)
    kernel, t = values(width, width, 3, 3), values(tokens, inner)
    up, down = values(DEEPER * inner, inner), values(inner, DEEPER * inner)
    flops = 2 * 9 * width**2 * side**2 + 2 * 2 * DEEPER * inner**2 * tokens

    def once() -> float:
        began = time.perf_counter()
        functional.conv2d(functional.silu(functional.group_norm(x, 1)), kernel, padding=1)
        functional.linear(functional.gelu(functional.linear(functional.layer_norm(t, (inner,)), up)), down)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    once()
    runs: list[float] = []
    while len(runs) < LEAST_RUNS or sum(runs) < seconds:
        runs.append(once())
    return flops / statistics.median(runs)
