"""What executors are, each of them: the same questions answered."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from actors.executors.local import LocalExecutor
from actors.executors.protocol import Executor, RayDiedError, TaskFailed, WorkersExhaustedError
from actors.executors.ray import RayExecutor
from actors.schedule.task import Fault
from tests.support.crew import Crew
from tests.support.killing import KillingExecutor

ASKED = [name for name, _ in inspect.getmembers(Executor, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("kind", [LocalExecutor, RayExecutor, Crew, KillingExecutor])
def test_every_question_is_answered_with_the_same_words(kind: Any) -> None:
    for name in ASKED:
        asked = inspect.signature(getattr(Executor, name)).parameters
        answered = inspect.signature(getattr(kind, name)).parameters
        assert list(answered) == list(asked), name


def test_a_failure_is_the_workers_unless_it_is_said_whose() -> None:
    attempt: Any = object()
    assert TaskFailed(worker="w", attempt=attempt, reason="x").fault is Fault.WORKER


def test_ends_of_a_run_are_no_faults_of_a_task() -> None:
    """Whoever catches a task's failure must not take the end of all workers for one."""
    for error in (WorkersExhaustedError, RayDiedError):
        assert issubclass(error, RuntimeError)
        assert not issubclass(error, OSError | ValueError)
