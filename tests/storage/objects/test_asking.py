"""One question to a store: again where the trouble passes, one clear line where it does not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from storage.errors import NoBucketError, StorageFullError
from storage.objects.address import Address
from storage.objects.asking import Asking
from storage.objects.integrity import DamagedOnTheWayError
from storage.objects.retrying import Retries

BUSY = "Error performing PUT http://store:9000/b/k in 1ms - Server returned non-2xx status code: 503 Busy"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def made(**given: Any) -> Retries:
        return Retries(clock=lambda: now[0], sleep=sleep, jitter=lambda: 1.0, **given)

    monkeypatch.setattr("storage.objects.asking.Retries", made)
    return now


@pytest.fixture
def far(clock: list[float]) -> Asking:
    return Asking(Address.parse("s3://bucket/run"), {"aws_secret_access_key": "geheim"})


@pytest.fixture
def near(clock: list[float], tmp_path: Any) -> Asking:
    return Asking(Address.parse(str(tmp_path)), {})


def failing(*errors: Exception) -> tuple[Callable[[], str], list[int]]:
    """What raises these, one after another, and then answers."""
    calls: list[int] = []

    def ask() -> str:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return "found"

    return ask, calls


@pytest.mark.parametrize("error", [GenericError(BUSY), DamagedOnTheWayError("3 of 5 bytes arrived")])
def test_what_passes_is_asked_again(far: Asking, error: Exception) -> None:
    ask, calls = failing(error, error, error)
    assert far.asked("read", "key", ask) == "found"
    assert len(calls) == 4


def test_what_does_not_pass_is_told_at_once(far: Asking, clock: list[float]) -> None:
    refused = PermissionDeniedError("status code: 403 <Code>AccessDenied</Code> with geheim")
    ask, calls = failing(*[refused] * 9)
    with pytest.raises(PermissionError, match=r"not allowed to read s3://bucket/run/key: .*policy") as caught:
        far.asked("read", "key", ask)
    assert "geheim" not in str(caught.value)
    assert (len(calls), clock[0]) == (1, 0.0)


def test_after_the_patience_the_first_error_is_told_with_the_time(far: Asking, clock: list[float]) -> None:
    ask, calls = failing(GenericError(BUSY), *[GenericError("error sending request")] * 999)
    with pytest.raises(
        OSError, match=r"cannot write s3://bucket/run/key: the store answered 503 .asked again for 1\d s."
    ):
        far.asked("write", "key", ask)
    assert len(calls) > 5
    assert 10 < clock[0] <= 15
    # and the next operation ends at its first error
    ask, calls = failing(*[GenericError(BUSY)] * 99)
    with pytest.raises(OSError, match=r"the store answered 503$"):
        far.asked("write", "key", ask)
    assert len(calls) == 1


def test_a_folder_is_asked_once(near: Asking) -> None:
    ask, calls = failing(*[OSError(errno.EIO, "broken")] * 5)
    with pytest.raises(OSError, match=r"cannot read .*/key: .*broken"):
        near.asked("read", "key", ask)
    assert len(calls) == 1


def test_absent_is_asked_three_times_of_a_store_and_once_of_a_folder(far: Asking, near: Asking) -> None:
    for asking, times in ((far, 3), (near, 1)):
        ask, calls = failing(*[FileNotFoundError("absent")] * 9)
        with pytest.raises(KeyError, match=r"key"):
            asking.found("read", "key", ask)
        assert len(calls) == times
    ask, calls = failing(FileNotFoundError("absent"), FileNotFoundError("absent"))
    assert far.found("read", "key", ask) == "found"
    assert len(calls) == 3


def test_an_absent_bucket_is_no_absent_key(far: Asking) -> None:
    ask, _ = failing(*[FileNotFoundError("<Code>NoSuchBucket</Code>")] * 9)
    with pytest.raises(NoBucketError, match=r"there is no bucket 'bucket': make the bucket first"):
        far.found("read", "key", ask)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_full(near: Asking, number: int) -> None:
    said = os.strerror(number)
    for error in (OSError(number, said), GenericError(f"generic: {said} (os error {number})")):
        with pytest.raises(StorageFullError, match=r"no room to write .*free some"), near.translating("write", "key"):
            raise error


def test_errors_of_the_folder_keep_their_class(near: Asking) -> None:
    with pytest.raises(PermissionError, match=r"not allowed to write .*/key: .*; check the folder's owner"):  # noqa: SIM117
        with near.translating("write", "key"):
            raise PermissionError(errno.EACCES, "no")
    with pytest.raises(FileNotFoundError, match=r"cannot list "), near.translating("list", ""):
        raise FileNotFoundError(errno.ENOENT, "gone")
    with pytest.raises(FileExistsError, match=r"^taken$"), near.translating("write", "k", passing=(FileExistsError,)):
        raise FileExistsError("taken")


def test_an_answer_renews_the_patience(far: Asking) -> None:
    assert not far.retries.answered
    with pytest.raises(FileExistsError):
        far.asked("write", "key", failing(FileExistsError("taken"))[0], passing=(FileExistsError,))
    assert far.retries.answered
