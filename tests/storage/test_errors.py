from __future__ import annotations

import pickle

import pytest

from storage import errors


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error")])
def test_every_error_travels_between_processes(name: str) -> None:
    error = getattr(errors, name)("region 3 of z/0/s0001")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_storage_full_keeps_its_number_and_path() -> None:
    error = pickle.loads(pickle.dumps(errors.StorageFullError(28, "no room", "/run")))
    assert (error.errno, error.filename) == (28, "/run")
