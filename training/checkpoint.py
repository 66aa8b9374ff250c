"""Checkpoints that make a stopped training run go on as if it had not stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch


def save(path: Path, *, step: int, rng: np.random.Generator, **states: Any) -> None:
    """Write the step, both random states and ``states``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"step": step, "numpy": rng.bit_generator.state, "torch": torch.get_rng_state(), **states}
    torch.save(record, path.with_suffix(".tmp"))
    os.replace(path.with_suffix(".tmp"), path)


def restore(path: Path, rng: np.random.Generator) -> dict[str, Any] | None:
    """What ``save`` wrote, with the random states put back; None where there is nothing.

    Weights alone, as unpack.py writes them, have no random states to put back.
    """
    if not path.is_file():
        return None
    record: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if "numpy" in record:
        rng.bit_generator.state = record["numpy"]
        torch.set_rng_state(record["torch"])
    return record
