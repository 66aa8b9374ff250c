"""Bytes at keys below one URL: local folders and object stores through one code path.

A key is a relative path with ``/`` between its parts. The two promises that the run store is built on:

* ``put_new`` creates a key for exactly one of any number of racing callers, on every store;
* a key either holds all the bytes of one put, or does not exist. A killed writer leaves at most a staging file, which
  is no key.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, ObjectStore, from_url

from storage.durable import create_durably, staging_files
from storage.errors import FULL, StorageFullError

_SCHEMES = {"s3": "aws_", "s3a": "aws_", "gs": "google_", "az": "azure_", "azure": "azure_", "abfs": "azure_"}
_OPTIONS = {
    "aws_": """access_key_id secret_access_key session_token region default_region endpoint_url endpoint_url_s3
        skip_signature virtual_hosted_style_request""",
    "google_": "service_account service_account_key application_credentials skip_signature",
    "azure_": """storage_account_name storage_account_key storage_sas_key storage_client_id storage_client_secret
        storage_tenant_id storage_endpoint skip_signature""",
}
"""environment variables by their prefix, in lower case; they reach the processes that a root is sent to"""
TAKEN = (AlreadyExistsError, PreconditionError)
"""what obstore raises where a key that was to be created exists"""
_LIST_CHUNK = 1000
_NUM_DELETERS = 16


class ObjectRoot:
    """Bytes at keys below ``url``; open with :meth:`open`.

    Pickles as its URL and the options taken from the environment (credentials travel with it), and opens itself again
    in the process that receives it. It must not be used across a fork: obstore's threads do not survive one.
    """

    def __init__(self, url: str, options: dict[str, str]) -> None:
        self.url = url
        """a normalised URL, or an absolute path for a local folder"""
        self._options = options
        self._store: ObjectStore | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> ObjectRoot:
        """Open ``url``: a plain path, ``file://``, ``s3://``, ``gs://`` or ``az://``.

        A local folder is made where it is absent and ``create`` is true. Raises ValueError for a scheme that is not
        known, FileNotFoundError for an absent folder, and OSError for one that cannot be made.
        """
        scheme = urlsplit(url).scheme if "://" in url else ""
        if scheme in ("", "file"):
            path = Path(unquote(urlsplit(url).path) if scheme else url).expanduser().absolute()
            if create:
                _make_folder(path)
            root = cls(str(path), {})
        elif scheme in _SCHEMES:
            root = cls(url.rstrip("/"), _options_from_environment(_SCHEMES[scheme]))
        else:
            raise ValueError(f"expected a path or s3://, gs:// or az://, got {url!r}")
        _ = root.store
        return root

    def __reduce__(self) -> tuple[Any, ...]:
        return ObjectRoot, (self.url, self._options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRoot) and (self.url, self._options) == (other.url, other._options)

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        return f"ObjectRoot({self.url!r})"

    @property
    def path(self) -> Path | None:
        """The local folder; None for an object store."""
        return None if "://" in self.url else Path(self.url)

    @property
    def store(self) -> ObjectStore:
        """The obstore handle of this process, opened at first use."""
        if self._pid != os.getpid():
            raise RuntimeError(f"{self!r} was opened before a fork; start processes with 'spawn' instead")
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store

    def _open_store(self) -> ObjectStore:
        if self.path is not None:
            if not self.path.is_dir():
                raise FileNotFoundError(
                    f"no folder {self.url} on this machine; a run on several machines needs a shared folder or s3://"
                )
            return LocalStore(self.path, automatic_cleanup=True)
        endpoint = self._options.get("aws_endpoint_url_s3") or self._options.get("aws_endpoint_url") or ""
        client: Any = {"allow_http": endpoint.startswith("http://"), "connect_timeout": "10s", "timeout": "300s"}
        retry: Any = {"max_retries": 8, "retry_timeout": timedelta(seconds=60)}
        options: Any = self._options
        with self.translating("open", ""):
            return from_url(self.url, config=options, client_options=client, retry_config=retry)

    @contextmanager
    def translating(self, doing: str, key: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Turn what obstore and the system raise into one clear error naming the key; ``passing`` stay as they are."""
        try:
            yield
        except passing:
            raise
        except (BaseError, OSError) as error:
            raise self._translated(error, doing, key) from error

    def _translated(self, error: Exception, doing: str, key: str) -> Exception:
        where = f"{self.url}/{key}" if key else self.url
        reason = str(error).strip().split("\n", 1)[0]
        number = _system_error(error)
        if number in FULL:
            mend = "free some space or choose another place, then start the same command again: it resumes"
            return StorageFullError(number, f"no room to {doing} ({os.strerror(number)}); {mend}", where)
        if isinstance(error, (UnauthenticatedError, PermissionDeniedError)) or number in (errno.EACCES, errno.EPERM):
            mend = (
                "check the folder's owner" if self.path is not None else "check the credentials and the bucket's policy"
            )
            return PermissionError(f"not allowed to {doing} {where}: {reason}; {mend}")
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(f"cannot {doing} {where}: {reason}")
        return OSError(f"cannot {doing} {where}: {reason}")

    def get(self, key: str) -> bytes:
        """All bytes at ``key``; KeyError where it is absent."""
        store = self.store
        try:
            with self.translating("read", key):
                return bytes(obstore.get(store, key).bytes())
        except FileNotFoundError as error:
            raise KeyError(key) from error

    def put_new(self, key: str, data: bytes, *, durable: bool = False) -> bool:
        """Create ``key``; False, and nothing changed, where it exists.

        ``durable`` makes the bytes and the name survive a power cut before it returns (an object store's puts always
        do). Over a network a put whose answer got lost may return False although it was this caller's: callers to whom
        that matters put something only they know into ``data`` and compare.
        """
        try:
            with self.translating("write", key, passing=TAKEN):
                if durable and self.path is not None:
                    return create_durably(self.path / key, data)
                obstore.put(self.store, key, data, mode="create", use_multipart=False)
                return True
        except TAKEN:
            return False

    def put(self, key: str, data: bytes) -> None:
        """Write ``key``, over whatever is there, in one piece."""
        with self.translating("write", key):
            obstore.put(self.store, key, data, use_multipart=False)

    def delete(self, key: str) -> None:
        """Remove ``key``; an absent key is fine."""
        store = self.store
        with self.translating("delete", key):
            try:
                obstore.delete(store, key)
            except FileNotFoundError:
                return

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove many keys, several at a time; absent ones are fine."""
        with ThreadPoolExecutor(_NUM_DELETERS) as pool:
            for _ in pool.map(self.delete, keys):
                pass

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below the folder ``prefix`` ("" for all), in no order."""
        return (key for key, _ in self._sizes(prefix))

    def _sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        with self.translating("list", prefix):
            for batch in obstore.list(self.store, prefix or None, chunk_size=_LIST_CHUNK):
                for meta in batch:
                    yield meta["path"], meta["size"]

    def exists(self, key: str) -> bool:
        store = self.store
        try:
            with self.translating("look up", key):
                obstore.head(store, key)
        except FileNotFoundError:
            return False
        return True

    def size(self, prefix: str) -> int:
        """Bytes held by the keys below the folder ``prefix``."""
        return sum(size for _, size in self._sizes(prefix))

    def sizes(self) -> dict[str, int]:
        """Bytes by the first part of the key."""
        totals: dict[str, int] = {}
        for key, size in self._sizes(""):
            part = key.split("/", 1)[0]
            totals[part] = totals.get(part, 0) + size
        return totals

    def probe(self) -> None:
        """Check that keys can be created here, and that a second creation is refused.

        The first creation goes through the system rather than obstore, which tries for ever to write to a folder such
        as ``/proc``. Raises OSError with one line naming the store: not writable, not reachable, no such bucket, or a
        store that ignores conditional puts (a second writer could damage a run there without anybody noticing).
        """
        key = f"probe-{uuid.uuid4().hex}"
        if not self.put_new(key, b"first", durable=True):
            raise OSError(f"{self.url} claims that the fresh key {key} exists: this store cannot hold a run")
        refused = not self.put_new(key, b"second")
        self.delete(key)
        if not refused:
            raise OSError(f"{self.url} lets a second writer replace a key that exists; use a store that refuses it")

    def free_bytes(self) -> int | None:
        """Free space of the local disk; None for an object store, which has no such bound."""
        return None if self.path is None else shutil.disk_usage(self.path).free

    def children(self) -> set[str]:
        """Names directly below the root, folders and files alike."""
        with self.translating("list", ""):
            if self.path is not None:
                return set(os.listdir(self.path))
            found = obstore.list_with_delimiter(self.store)
            names = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
            return {name.rstrip("/").rsplit("/", 1)[-1] for name in names}

    def sweep(self, is_aside: Callable[[str], bool]) -> int:
        """Remove what killed writers left half-written; returns how many files. Nothing to do on an object store.

        ``is_aside`` says of a relative path whether it is that of something of ours: a folder may hold other things.
        """
        if self.path is None:
            return 0
        num_removed = 0
        for path in staging_files(self.path):
            if is_aside(path.relative_to(self.path).as_posix()):
                path.unlink(missing_ok=True)
                num_removed += 1
        return num_removed


def _options_from_environment(prefix: str) -> dict[str, str]:
    found = ((name.lower(), value) for name, value in os.environ.items() if value)
    known = {prefix + name for name in _OPTIONS[prefix].split()}
    options = {name: value for name, value in found if name in known}
    if prefix == "aws_" and not options.keys() & {"aws_region", "aws_default_region"}:
        options["aws_region"] = "us-east-1"
    return options


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"cannot make the folder {path}: {error.strerror or error}") from error


def _system_error(error: Exception) -> int | None:
    """The errno behind an error; obstore only spells it in its message."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    _, found, tail = str(error).partition("(os error ")
    return int(tail.split(")", 1)[0]) if found else None
