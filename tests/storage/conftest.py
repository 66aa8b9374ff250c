"""Fixtures of the storage tests: a fresh place to store at, on the local disk and on S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.objects.root import ObjectRoot
from storage.run import RunStore


@pytest.fixture(params=["local", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh URL, once of each kind of store."""
    return str(tmp_path / "run") if request.param == "local" else request.getfixturevalue("s3_url")


@pytest.fixture
def root(url: str) -> ObjectRoot:
    return ObjectRoot.open(url)


@pytest.fixture
def store(url: str) -> RunStore:
    return RunStore.open(url)
