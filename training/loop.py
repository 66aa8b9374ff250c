"""What every training script shares: options, the rate's schedule, averaging, logs and checkpoints."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoint
import numpy as np
import torch

SAVE_EVERY = 250
REPORT_EVERY = 50
WARM_UP = 100


def parse_options(
    text: str | None,
    *,
    steps: int,
    batch: int,
    rate: float,
    paths: dict[str, str] | None = None,
    **extra: tuple[int, str],
) -> dict[str, Any]:
    """What a script's ``train`` is called with; ``paths`` are further folders that must be given, ``extra`` further
    whole numbers, each with its help."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="end after so long, with the rate brought down by then")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="a GPU where there is one, where nothing is said")
    parser.add_argument(
        "--start", type=Path, help="another checkpoint of this part, whose weights are taken to begin with"
    )
    for name, words in (paths or {}).items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=words)
    for name, (default, words) in extra.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=words)
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    return options | {"device": options["device"] or ("cuda" if torch.cuda.is_available() else "cpu")}


def fast_numbers(device: str) -> torch.autocast:
    """Autocast to bfloat16 where that is faster: on GPUs, and on CPUs with AMX (others take 1.5 times as long)."""
    return torch.autocast(device, torch.bfloat16, enabled=is_fast_in_bfloat16(device))


def is_fast_in_bfloat16(device: str) -> bool:
    return device != "cpu" or bool(torch.cpu.get_capabilities().get("amx_bf16"))


class Loop:
    """Iterates over the steps still to do; resumes from its checkpoint and writes one every SAVE_EVERY steps.

    The rate warms up and then falls by a cosine to zero at the last step. ``minutes`` ends a run by the clock instead:
    the cosine follows the larger share of steps and time, so the rate is down when the time is (and such a run is only
    as repeatable as the clock).
    """

    def __init__(
        self,
        path: Path,
        rng: np.random.Generator,
        *,
        steps: int,
        rate: float,
        parameters: list[torch.nn.Parameter],
        states: dict[str, torch.nn.Module],
        extra: dict[str, Any] | None = None,
        decay: float = 1e-4,
        stop_after: int | None = None,
        minutes: float | None = None,
        start: Path | None = None,
    ) -> None:
        self.path, self.rng, self.steps, self.rate = path, rng, steps, rate
        self.states, self.extra = states, extra or {}
        self.stop_after, self.minutes = stop_after, minutes
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(parameters, rate, betas=(0.9, 0.999), weight_decay=decay)
        self.step = 0
        self.recent: dict[str, float] = {}
        record = checkpoint.restore(path, rng)
        if record is not None and "optimizer" in record:
            self.optimizer.load_state_dict(record["optimizer"])
            self.extra, self.step = record["extra"], record["step"]
        elif start is not None:
            record = torch.load(start, map_location="cpu", weights_only=True)
        for name, module in states.items() if record else ():
            if name not in record and "optimizer" not in record:
                print(f"{start}: has no {name}, which begins anew", flush=True)
                continue
            # what a checkpoint to start from does not have begins as it is
            found = module.load_state_dict(record[name], strict="optimizer" in record)
            if found.unexpected_keys:
                raise ValueError(
                    f"{start}: expected weights of {type(module).__name__}, got {found.unexpected_keys[0]}"
                )
        self.ended = self.step >= steps
        """by the last step or by the clock, not by ``stop_after``"""
        self.started = time.monotonic()

    def __iter__(self) -> Iterator[int]:
        while self.step < self.steps:
            share = self._share()
            for group in self.optimizer.param_groups:
                warm = min(1.0, (self.step + 1) / WARM_UP)
                group["lr"] = self.rate * warm * 0.5 * (1 + math.cos(math.pi * share)) + 1e-6
            yield self.step
            self.step += 1
            ended = self.step in (self.steps, self.stop_after) or self._share() >= 1
            if self.step % SAVE_EVERY == 0 or ended:
                self.save()
            if ended:
                self.ended = self._share() >= 1
                return

    def _share(self) -> float:
        clock = 0.0 if self.minutes is None else (time.monotonic() - self.started) / (60 * self.minutes)
        return min(1.0, max(self.step / self.steps, clock))

    def descend(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()

    def average(self, slow: torch.nn.Module, fast: torch.nn.Module, keep: float) -> None:
        """Exponential moving average of the weights, quicker in the beginning."""
        keep = min(keep, (self.step + 1) / (self.step + 10))
        for one, other in zip(slow.parameters(), fast.parameters(), strict=True):
            one.lerp_(other, 1 - keep)

    def report(self, **figures: float) -> None:
        """Running means, a line of JSON every REPORT_EVERY steps, on the screen and beside the checkpoint."""
        for name, value in figures.items():
            self.recent[name] = 0.98 * self.recent.get(name, value) + 0.02 * value
        if self.step % REPORT_EVERY == 0:
            seconds = round(time.monotonic() - self.started, 1)
            line = json.dumps(
                {"step": self.step, "seconds": seconds, **{k: round(v, 5) for k, v in self.recent.items()}}
            )
            print(line, flush=True)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".log").open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def save(self) -> None:
        modules = {name: module.state_dict() for name, module in self.states.items()}
        checkpoint.save(
            self.path, step=self.step, rng=self.rng, optimizer=self.optimizer.state_dict(), extra=self.extra, **modules
        )
