"""LocalExecutor: tasks run one after another in this process. The oracle that every other executor must match."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from actors.schedule.attempt import Attempt
from actors.schedule.task import CONTRIBUTING, Kind, Part, Task
from actors.work.worker import Worker
from pipeline.tasks.contribution import Contribution

from .protocol import Event, TaskDone, WorkerJoined
from .staffing import Staffing

NAME = "local"


class LocalExecutor:
    """One worker, no processes, no concurrency; see Executor."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._waiting: deque[tuple[Attempt, Sequence[Part]]] = deque()
        self._made: dict[int, dict[int, Contribution]] = {}
        self._contributions: dict[Task, dict[int, Contribution]] = {}
        self._greeted = False

    def submit(self, attempt: Attempt, inputs: Sequence[Part]) -> None:
        self._waiting.append((attempt, inputs))

    def accept(self, attempt: Attempt) -> None:
        self._contributions[attempt.task] = self._made.pop(attempt.number)

    def discard(self, attempt: Attempt) -> None:
        self._made.pop(attempt.number, None)

    def release(self, task: Task) -> None:
        self._contributions.pop(task, None)

    def wait(self, timeout: float) -> list[Event]:
        if not self._greeted:
            self._greeted = True
            return [WorkerJoined(worker=NAME, kinds=frozenset(Kind), hello=self._worker.hello())]
        if not self._waiting:
            return []
        attempt, inputs = self._waiting.popleft()
        contributions = [self._contributions[part.maker][part.destination] for part in inputs]
        outcome, made = self._worker.run(attempt.task, contributions, attempt.sums)
        if attempt.task.kind in CONTRIBUTING:
            owners = [self._worker.plan.regions.owner(c.box.top, c.box.left) for c in made]
            self._made[attempt.number] = dict(zip(owners, made, strict=True))
        return [TaskDone(worker=NAME, attempt=attempt, outcome=outcome)]

    def kill(self, worker: str, reason: str) -> None:
        raise RuntimeError(f"the worker in this process cannot go on: {reason}")

    def refuse(self, worker: str, reason: str) -> bool:
        return False

    def renew(self, worker: str, reason: str) -> bool:
        return False

    def retire(self, kind: Kind) -> None:
        pass

    def staffing(self) -> Staffing:
        return Staffing(asked=1, placed=1)

    def close(self) -> None:
        pass
