"""Which workers have a place on the machines, what the others wait for, and how long a run does without any."""

from __future__ import annotations

from dataclasses import dataclass

from .protocol import NoRoomError

GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """The workers of a run, as its executor sees them."""

    asked: int
    """workers that are wanted, of all pools"""
    placed: int
    """those of them that have what they asked for, and a process: they load or work"""
    cpus: float = 0.0
    """logical CPUs that those wait for which have no place yet, together"""
    gpus: float = 0.0
    memory: int = 0
    """bytes, likewise"""

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has a place yet, and somebody waits for one."""
        return not self.placed and bool(self.cpus or self.gpus or self.memory)

    def __str__(self) -> str:
        """
        >>> print(Staffing(asked=4, placed=0, gpus=4, cpus=4, memory=6 << 30))
        waits for 4 GPUs, 4 CPUs and 6.0 GiB of memory; 0 of 4 workers
        >>> print(Staffing(asked=40, placed=3, cpus=37))
        3 of 40 workers
        """
        workers = f"{self.placed} of {self.asked} worker{'' if self.asked == 1 else 's'}"
        return f"waits for {self.needs}; {workers}" if self.is_waiting else workers

    @property
    def needs(self) -> str:
        """What those without a place wait for, in words."""
        words = [_count(self.gpus, "GPU")] if self.gpus else []
        words += [_count(self.cpus, "CPU")] if self.cpus else []
        words += [f"{self.memory / GIB:.1f} GiB of memory"] if self.memory else []
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _count(number: float, name: str) -> str:
    return f"{number:g} {name}{'' if number == 1 else 's'}"


@dataclass(slots=True, kw_only=True)
class Queueing:
    """How long a run may wait with no worker that has a place: at its start, and after all are lost."""

    most_s: float | None = None
    """None: for ever"""
    _since: float | None = None

    def check(self, staffing: Staffing, now: float) -> None:
        """Raise NoRoomError where that is over; ``now``: seconds of any clock."""
        if not staffing.is_waiting:
            self._since = None
            return
        self._since = now if self._since is None else self._since
        if self.most_s is not None and now - self._since >= self.most_s:
            raise NoRoomError(
                f"after {self.most_s:g} s (--wait) the run still {staffing}: what is computed stays, and the same "
                "command goes on; `ray status` tells what else uses the cluster"
            )
