"""How long and how often a run tries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often to try."""

    in_flight: int = 2
    """tasks handed to a worker at once: it reads the next one's input while it computes"""
    most_in_flight: int = 8
    """tasks handed to a worker at once while they hold less work together than a full one"""
    lease_floor: float = 60.0
    """seconds before a task can be called late"""
    lease_first: float = 1800.0
    """seconds before a task of a sort that has not finished once can be called late; less as soon as one has"""
    lease_warmup: float = 120.0
    """seconds more for what a worker does for the first time: it may load or compile"""
    lease_idle: float = 120.0
    """seconds after which a task of a sort that has not finished once is given to an idle worker as well"""
    lease_factor: float = 5.0
    """times the median that a task may take"""
    tries: int = 3
    """failures of one task, on as many workers where there are so many, before the run gives up"""
    kept_steps: int = 0
    """keep the latents of every k-th step; 0 keeps none"""
