"""Handles of stores: where they are, and what the environment says of credentials and endpoints."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from .address import Address

_PREFIXES = {"s3": "aws_", "gs": "google_", "az": "azure_"}
_OPTIONS = {
    "aws_": """access_key_id secret_access_key session_token region default_region endpoint_url endpoint_url_s3
        skip_signature virtual_hosted_style_request""",
    "google_": "service_account service_account_key application_credentials skip_signature",
    "azure_": """storage_account_name storage_account_key storage_sas_key storage_client_id storage_client_secret
        storage_tenant_id storage_endpoint skip_signature""",
}
"""environment variables by their prefix, in lower case; they reach the processes that a root is sent to"""
_ENDPOINT = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[\w./~-]*)?", re.IGNORECASE | re.ASCII)


def open_folder(address: Address) -> ObjectStore:
    """The obstore handle of a local folder; FileNotFoundError where it is absent."""
    if address.folder is None or not address.folder.is_dir():
        raise FileNotFoundError(
            f"no folder {address.url} on this machine; a run on several machines needs a shared folder or s3://"
        )
    return LocalStore(address.folder, automatic_cleanup=True)


def open_bucket(address: Address, options: dict[str, str]) -> ObjectStore:
    """The obstore handle of an object store; ValueError for an endpoint that is none."""
    endpoint = options.get("aws_endpoint_url_s3") or options.get("aws_endpoint_url") or ""
    _check_endpoint(endpoint)
    is_plain = endpoint.lower().startswith("http://")
    client: Any = {"allow_http": is_plain, "connect_timeout": "10s", "timeout": "300s"}
    # asking again is done here (storage.objects.retrying), where it is known what a lost answer may have done
    common: Any = {
        "client_options": client,
        "retry_config": {"max_retries": 0, "retry_timeout": timedelta(seconds=0)},
    }
    config: Any = options
    bucket, prefix = address.bucket, address.path or None
    if address.kind == "s3":
        return S3Store(bucket, prefix=prefix, config=config, **common)
    if address.kind == "gs":
        return GCSStore(bucket, prefix=prefix, config=config, **common)
    if address.account:
        config = {**options, "azure_storage_account_name": address.account}
    return AzureStore(bucket, prefix=prefix, config=config, **common)


def options_from_environment(kind: str) -> dict[str, str]:
    """What the environment says to a kind of store, by lower-case names."""
    prefix = _PREFIXES[kind]
    variables = ((name.lower(), value) for name, value in os.environ.items() if value)
    known = {prefix + name for name in _OPTIONS[prefix].split()}
    options = {name: value for name, value in variables if name in known}
    if prefix == "aws_" and not options.keys() & {"aws_region", "aws_default_region"}:
        options["aws_region"] = "us-east-1"
    return options


def _check_endpoint(endpoint: str) -> None:
    """Raises ValueError that does not repeat it: it may hold a password."""
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise ValueError(
            "AWS_ENDPOINT_URL must be http://host:port or https://host, without a name or a password in it"
        )


def make_folder(path: Path) -> None:
    """Make a folder and those above it; OSError, of the system's kind, names it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"cannot make the folder {path}: {error.strerror or error}") from error
