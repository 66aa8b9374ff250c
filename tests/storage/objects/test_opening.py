"""Handles of stores, and what the environment says of them; nothing here is asked over a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from storage.objects.address import Address
from storage.objects.opening import make_folder, open_bucket, open_folder, options_from_environment

SECRET = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "aws_region": "r"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.lower().startswith(("aws_", "google_", "azure_")):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("kind", "given", "options"),
    [
        ("s3", {}, {"aws_region": "us-east-1"}),
        ("s3", {"AWS_DEFAULT_REGION": "x"}, {"aws_default_region": "x"}),
        ("s3", {"AWS_REGION": "x", "AWS_PROFILE": "p"}, {"aws_region": "x"}),
        ("s3", {"aws_session_token": "t", "AWS_REGION": ""}, {"aws_session_token": "t", "aws_region": "us-east-1"}),
        ("gs", {"GOOGLE_SERVICE_ACCOUNT": "f", "AWS_REGION": "x"}, {"google_service_account": "f"}),
        ("az", {"AZURE_STORAGE_SAS_KEY": "s", "AZURE_OTHER": "x"}, {"azure_storage_sas_key": "s"}),
    ],
)
def test_what_the_environment_says(
    environment: pytest.MonkeyPatch, kind: str, given: dict[str, str], options: dict[str, str]
) -> None:
    for name, value in given.items():
        environment.setenv(name, value)
    assert options_from_environment(kind) == options


@pytest.mark.parametrize(
    ("url", "options", "handle"),
    [
        ("s3://bucket/a/b", SECRET, S3Store),
        ("gs://bucket/a", {"google_skip_signature": "true"}, GCSStore),
        ("az://bucket/a", {"azure_storage_account_name": "me", "azure_skip_signature": "true"}, AzureStore),
    ],
)
def test_buckets(url: str, options: dict[str, str], handle: type[Any]) -> None:
    assert isinstance(open_bucket(Address.parse(url), options), handle)


def test_a_bucket_is_asked_once_by_the_library() -> None:
    """Asking again is done where it is known what a lost answer may have done."""
    store = open_bucket(Address.parse("s3://bucket/a/b"), {**SECRET, "aws_endpoint_url": "http://127.0.0.1:9"})
    assert isinstance(store, S3Store)
    assert store.retry_config is not None
    assert store.retry_config["max_retries"] == 0
    assert store.client_options is not None
    assert str(store.client_options["allow_http"]).lower() == "true"
    assert store.prefix == "a/b"


@pytest.mark.parametrize("endpoint", ["http://me:secret@host", "ftp://host", "http://host?x=1", "host:9000"])
@pytest.mark.parametrize("name", ["aws_endpoint_url", "aws_endpoint_url_s3"])
def test_a_strange_endpoint_is_refused_and_not_repeated(endpoint: str, name: str) -> None:
    with pytest.raises(ValueError, match="AWS_ENDPOINT_URL must be") as caught:
        open_bucket(Address.parse("s3://bucket"), {**SECRET, name: endpoint})
    assert endpoint not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["http://localhost:9000", "https://[::1]:9000/path", "HTTPS://minio.example.org"])
def test_endpoints(endpoint: str) -> None:
    assert isinstance(open_bucket(Address.parse("s3://bucket"), {**SECRET, "aws_endpoint_url": endpoint}), S3Store)


def test_folders(tmp_path: Path) -> None:
    assert isinstance(open_folder(Address.parse(tmp_path)), LocalStore)
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent on this machine; a run on several machines"):
        open_folder(Address.parse(tmp_path / "absent"))
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"^cannot make the folder .*file.c: ") as caught:
        make_folder(tmp_path / "file" / "c")
    assert isinstance(caught.value, NotADirectoryError | FileExistsError)
