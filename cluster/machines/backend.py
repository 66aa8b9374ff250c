"""The protocol of executor backends: one object an address scheme, which alone knows its engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from actors.executors.protocol import Executor
from actors.schedule.graph import Graph
from actors.work.building import WorkerSetup
from cluster.job import Work
from pipeline.plan.device import DeviceFacts
from pipeline.plan.plan import Plan

from .vigil import Vigil
from .waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a run has to compute on."""

    device: DeviceFacts
    workers: int
    """0: in this process"""
    memory: int
    """bytes that are free for all workers together; of an elastic place for one of them"""
    where: str
    """whose memory that is, in words"""
    is_elastic: bool = False
    """whether machines may come and go: workers for which there is no room now wait for it"""

    @property
    def workers_at_once(self) -> int:
        """Workers that ``memory`` must hold."""
        return 1 if self.is_elastic else self.workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What an executor is started for."""

    job: Work
    workers: int
    plan: Plan
    setup: WorkerSetup
    graph: Graph
    memory: int = 0
    """bytes that a worker needs at most"""
    room: int = 0
    """bytes of shared memory that later plans will need of an engine started now"""


class Backend(ABC):
    """Where runs compute."""

    schemes: tuple[str, ...]
    """of the addresses that it answers to: ``ray`` of ray://host:port, ``local`` of the word itself, and the empty word
    of a plain host:port"""

    @abstractmethod
    def place(self, job: Work, waiting: Waiting) -> Placement:
        """Connect where the job says so, and look what is there. Raises ValueError or OSError, one line.

        What takes its time is left to ``waiting``, which tells it and ends it where it is asked to.
        """

    @abstractmethod
    def start(self, asked: Start) -> tuple[Executor, Vigil]:
        """An executor for a plan, and the vigil over the engine's processes on this machine, of which there may be
        none."""

    @abstractmethod
    def measure(self, plan: Plan) -> float:
        """FLOPs a second of one worker."""


def speed_shape(plan: Plan) -> dict[str, Any]:
    """What measure_speed is asked of a plan beside the device."""
    return {
        "dtype": plan.recipe.model.dtype or "float32",
        "width": plan.geometry.cost.width,
        "side": plan.geometry.window,
    }
