"""Tasks and items: the pieces of a run and what they make. Small values that cross process borders."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What a task does."""

    EMBED = "embed"
    PREPARE = "prepare"
    ENCODE = "encode"
    DENOISE = "denoise"
    EXCHANGE = "exchange"
    MERGE = "merge"
    DECODE = "decode"
    MEASURE = "measure"
    REDUCE = "reduce"


CONTRIBUTING = frozenset({Kind.DENOISE, Kind.EXCHANGE})
"""tasks whose results merges read from the executor; they are not in the store, and made again where they are lost"""


class Fault(StrEnum):
    """Why an attempt failed, as far as it matters for what is done next."""

    WORKER = "worker"
    """whatever it was, another worker may do better"""
    INPUTS = "inputs"
    """contributions that it was to read are lost: they are made again"""
    TASK = "task"
    """what it computes is at fault, NaN among it: every worker would fail alike"""


class Task(NamedTuple):
    """One piece of work: idempotent, and the same bytes wherever and however often it runs.

    ``step`` of MEASURE and REDUCE is the number of the reduction; ``region`` of EXCHANGE is that of a batch of dilated
    samples.
    """

    kind: Kind
    step: int
    region: int

    def __str__(self) -> str:
        return f"{self.kind}(step {self.step}, region {self.region})"


class Item(NamedTuple):
    """One result that other tasks read.

    ``kind`` is ``prompts``, ``coarse``, ``z``, ``contribution``, ``exchanged``, ``out``, ``moments`` or ``statistics``;
    a contribution is named by the region that made it, what was exchanged by its batch of dilated samples, z by its own
    step, moments and statistics by the number of their reduction.
    """

    kind: str
    step: int
    region: int


class Part(NamedTuple):
    """A contribution by its maker and by the region that it is for."""

    maker: Task
    destination: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished task reports; the pixels stay in the store, contributions in the executor."""

    crc32c: int = 0
    """of the region's bytes as written; 0 for a contribution"""
    extra: dict[str, Any] = field(default_factory=dict)
    """more checksums, by array name"""
    seconds: float = 0.0
    """from the task's start on the worker to its end"""
    backbone_seconds: float = 0.0
    """of these, inside the model"""
    active: tuple[int, ...] = ()
    """of a prepare task: tiles at work in each step, as far as the region's own difficulty tells"""
    forwards: int = 0
    """tiles that went through the model, padding and both branches of guidance included"""
    peak_bytes: int = 0
    """largest resident size of the worker's process so far"""
    bytes_read: int = 0
    """from the run's store, by the worker's process so far"""
    bytes_written: int = 0
    """to it, likewise"""
    ended: float = 0.0
    """seconds since 1970 at the task's end, by the worker's clock; 0 where it is not told"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a worker says of itself before it gets work."""

    device: dict[str, Any]
    """DeviceFacts as a table"""
    versions: dict[str, str]
    golden: int
    """crc32c of the model's prediction for a fixed input: differs for wrong weights, another GPU, bad memory"""
    node: str
    pid: int
    fault: str = ""
    """why its model is of no use: NaN in its weights, or in its prediction"""
