"""WorkerActor: the Ray shell of a Worker, and nothing here but forwarding.

The libraries are imported by ``hello``, not with this module: a process that was given its place says so at once, and
is not taken for one that waits for room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.artifacts.blobs import Sums
    from actors.schedule.task import Hello, Outcome, Task
    from actors.work.building import WorkerSetup, Workshop
    from actors.work.worker import Worker
    from pipeline.tasks.contribution import Contribution


class WorkerActor:
    """A worker in a process of its own; ``hello`` comes before ``take_up`` and ``run``."""

    _worker: Worker
    _workshop: Workshop

    def place(self) -> None:
        """Answers as soon as Ray has given this worker what it asked for, and a process."""

    def hello(self, setup: WorkerSetup) -> Hello:
        """Load the model. Raises what Workshop.build does."""
        from actors.work.building import Workshop

        self._workshop = Workshop()
        return self.take_up(setup)

    def take_up(self, setup: WorkerSetup) -> Hello:
        """Work for another plan from now on, with the model that is there."""
        self._worker = self._workshop.build(setup)
        return self._worker.hello()

    def run(self, task: Task, sums: Sums, *contributions: Contribution) -> Outcome | tuple[Outcome | Contribution, ...]:
        """The outcome; of contributing tasks, then a contribution for each region that they go to."""
        outcome, made = self._worker.run(task, contributions, sums)
        return (outcome, *made) if made else outcome
