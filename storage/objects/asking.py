"""Asking one store: again where its trouble passes, and one clear line where it does not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from obstore.exceptions import BaseError

from storage.errors import FULL, NoBucketError, StorageFullError

from .address import Address
from .integrity import DamagedOnTheWayError
from .refusals import Refusal, without_secrets
from .retrying import Attempts, Retries

T = TypeVar("T")
_ABSENT_ASKS = 3
"""an object store's "not found" is asked for so often: one that is wrong would lose work"""
_OF_THE_STORE = (FileNotFoundError, DamagedOnTheWayError)
"""the system's errors that stand for an object store's answer; any other one was made here"""


class Asking:
    """Questions to the store at one address; threads may share one."""

    def __init__(self, address: Address, options: Mapping[str, str]) -> None:
        self.retries = Retries()
        """how long an object store is asked again; a local folder is not"""
        self._address = address
        self._options = options
        self._is_local = address.folder is not None

    @contextmanager
    def translating(self, doing: str, key: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Turn what obstore and the system raise into one clear error naming the key; ``passing`` stay as they are."""
        try:
            yield
        except passing:
            raise
        except (BaseError, OSError) as error:
            raise self.translated(error, doing, key) from error

    def translated(self, error: Exception, doing: str, key: str, waited: float = 0.0) -> Exception:
        where = f"{self._address.url}/{key}" if key else self._address.url
        number = _system_error(error)
        if number in FULL:
            mend = "free some space or choose another place, then start the same command again: it resumes"
            return StorageFullError(number, f"no room to {doing} ({os.strerror(number)}); {mend}", where)
        if self._is_local:
            reason = str(error).strip().split("\n", 1)[0]
            if number in (errno.EACCES, errno.EPERM):
                return PermissionError(f"not allowed to {doing} {where}: {reason}; check the folder's owner")
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else OSError
            return kind(f"cannot {doing} {where}: {reason}")
        refusal = Refusal.of(error)
        mend = refusal.mend(self._address.kind)
        if refusal.lacks_bucket:
            return NoBucketError(f"{self._address.url}: there is no bucket {self._address.bucket!r}: {mend}")
        mend = f"; {mend}" if mend else ""
        asked = f" (asked again for {waited:.0f} s)" if waited >= 1.0 else ""
        explanation = without_secrets(f"{refusal.reason()}{asked}{mend}", self._options)
        if refusal.forbids:
            return PermissionError(f"not allowed to {doing} {where}: {explanation}")
        return OSError(f"cannot {doing} {where}: {explanation}")

    def asked(self, doing: str, key: str, ask: Callable[[], T], *, passing: tuple[type[Exception], ...] = ()) -> T:
        """What ``ask`` returns, asked again while an object store has troubles that pass.

        Where it is given up, the first error is raised, translated; errors of the classes ``passing`` stay as they are.
        """
        attempts = self.retries.begin()
        while True:
            try:
                answer = ask()
            except passing:
                self.retries.note_answer()
                raise
            except (BaseError, OSError) as error:
                self._wait_or_raise(attempts, error, doing, key)
            else:
                self.retries.note_answer()
                return answer

    def _wait_or_raise(self, attempts: Attempts, error: Exception, doing: str, key: str) -> None:
        if not self._is_local and isinstance(error, OSError) and type(error) not in _OF_THE_STORE:
            raise error  # said in full already, by a question within this one
        passes = not self._is_local and (isinstance(error, DamagedOnTheWayError) or Refusal.of(error).passes)
        if passes and attempts.wait(error):
            return
        told = attempts.first if passes and attempts.first is not None else error
        raise self.translated(told, doing, key, attempts.elapsed if passes else 0.0) from told

    def found(self, doing: str, key: str, ask: Callable[[], T]) -> T:
        """What ``ask`` returns; KeyError where the key is absent, which an object store is asked more than once."""
        for _ in range(1 if self._is_local else _ABSENT_ASKS):
            try:
                return self.asked(doing, key, ask, passing=(FileNotFoundError,))
            except NoBucketError:
                raise
            except FileNotFoundError as error:
                absent = error
        if Refusal.of(absent).lacks_bucket:
            raise self.translated(absent, doing, key) from absent
        raise KeyError(key) from absent


def _system_error(error: Exception) -> int | None:
    """The errno behind an error; obstore only spells it in its message."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    _, marker, tail = str(error).partition("(os error ")
    return int(tail.split(")", 1)[0]) if marker else None
