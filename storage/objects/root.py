"""Bytes at keys below one URL: local folders and object stores through one code path.

A key is a relative path with ``/`` between its parts. The two promises that the run store is built on:

* ``put_new`` creates a key for exactly one of any number of racing callers, on every store;
* a key either holds all the bytes of one put, or does not exist. A killed writer leaves at most a staging file, which
  is no key.
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore

from .address import Address
from .asking import Asking
from .durable import create_durably, staging_files
from .integrity import DamagedOnTheWayError, Integrity
from .listing import walk
from .opening import make_folder, open_bucket, open_folder, options_from_environment
from .retrying import Retries
from .traffic import Traffic

T = TypeVar("T")
TAKEN = (AlreadyExistsError, PreconditionError)
"""what obstore raises where a key that was to be created exists"""
_NUM_DELETERS = 16
_NUM_CHUNK_THREADS = 32
_MOST_UNLISTED = 1000


class ObjectRoot:
    """Bytes at keys below ``url``; open with :meth:`open`.

    Pickles as its address and the options taken from the environment (credentials travel with it), and opens itself
    again in the process that receives it. It must not be used across a fork: obstore's threads do not survive one.
    """

    def __init__(self, address: Address, options: dict[str, str], *, answered: bool = False) -> None:
        self.address = address
        self._options = options
        self._asking = Asking(address, options)
        if answered:
            self.retries.note_answer()
        self._integrity = Integrity()
        self.traffic = Traffic()
        self._store: ObjectStore | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @classmethod
    def open(cls, address: str | os.PathLike[str] | Address, *, create: bool = True) -> ObjectRoot:
        """Open an address; see :class:`storage.objects.address.Address` for how it is written.

        A local folder is made where it is absent and ``create`` is true. Raises ValueError for what is no address,
        FileNotFoundError for an absent folder, and OSError for one that cannot be made.
        """
        address = Address.parse(address)
        if address.folder is None:
            root = cls(address, options_from_environment(address.kind))
        else:
            if create:
                make_folder(address.folder)
            root = cls(address, {})
        _ = root.store
        return root

    @property
    def url(self) -> str:
        """As people write the address: an absolute path for a local folder."""
        return self.address.url

    @property
    def retries(self) -> Retries:
        """How long the store is asked again; a local folder is not."""
        return self._asking.retries

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(ObjectRoot, answered=self.retries.answered), (self.address, self._options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectRoot) and (self.address, self._options) == (other.address, other._options)

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return f"ObjectRoot({self.url!r})"

    @property
    def path(self) -> Path | None:
        """The local folder; None for an object store."""
        return self.address.folder

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
            return open_folder(self.address)
        with self._asking.translating("open", ""):
            return open_bucket(self.address, self._options)

    @cached_property
    def pool(self) -> ThreadPoolExecutor:
        """Threads for those who wait for many keys at a time."""
        return ThreadPoolExecutor(_NUM_CHUNK_THREADS, thread_name_prefix="gigatile-store")

    def asked(self, doing: str, key: str, ask: Callable[[], T]) -> T:
        """What ``ask`` returns, with this store's patience and words for its errors; see Asking.asked."""
        return self._asking.asked(doing, key, ask)

    def get(self, key: str) -> bytes:
        """All bytes at ``key``; KeyError where it is absent.

        Bytes that are not those the store has a checksum of, or fewer, are read again.
        """
        store = self.store

        def ask() -> bytes:
            answer = obstore.get(store, key)
            data = bytes(answer.bytes())
            if self.path is None:
                self._integrity.check(key, data, answer.meta["e_tag"], answer.meta["size"])
            return data

        return self.traffic.note_read(self._asking.found("read", key, ask))

    def holds(self, key: str, data: bytes) -> bool:
        """Whether exactly these bytes are at ``key``: whether a put was this caller's, where they are unique."""
        try:
            return self.get(key) == data or (self.path is None and self.get(key) == data)
        except KeyError:
            return False

    def put_new(self, key: str, data: bytes, *, durable: bool = False) -> bool:
        """Create ``key``; False, and nothing changed, where it exists.

        ``durable`` makes the bytes and the name survive a power cut before it returns (an object store's puts always
        do). Over a network a put whose answer got lost may return False although it was this caller's: callers to whom
        that matters put something only they know into ``data`` and ask :meth:`holds`.
        """
        self.traffic.note_written(len(data))
        if self.path is None:
            return self._create(key, data)
        try:
            with self._asking.translating("write", key, passing=TAKEN):
                if durable:
                    return create_durably(self.path / key, data)
                obstore.put(self.store, key, data, mode="create", use_multipart=False)
                return True
        except TAKEN:
            return False

    def _create(self, key: str, data: bytes) -> bool:
        store, lost = self.store, False

        def ask() -> bool:
            nonlocal lost
            try:
                made = obstore.put(store, key, data, mode="create", use_multipart=False)
            except TAKEN as error:
                # a rival's put in flight (409), or a wrong answer, leaves nothing there
                if not self.exists(key):
                    raise DamagedOnTheWayError(f"said to exist, and it does not: {error}") from error
                return lost and self.holds(key, data)
            except (BaseError, OSError):
                lost = True
                raise
            self._mend_upload(key, data, made["e_tag"])
            return True

        return self._asking.asked("write", key, ask)

    def _mend_upload(self, key: str, data: bytes, e_tag: str | None) -> None:
        """Write a key anew that holds other bytes than were sent; only whoever wrote it may ask."""
        if self.path is None and not self._integrity.matches(data, e_tag) and not self.holds(key, data):
            self._asking.asked("write", key, partial(obstore.put, self.store, key, data, use_multipart=False))

    def put(self, key: str, data: bytes) -> None:
        """Write ``key``, over whatever is there, in one piece."""
        store = self.store
        self.traffic.note_written(len(data))
        made = self._asking.asked("write", key, partial(obstore.put, store, key, data, use_multipart=False))
        self._mend_upload(key, data, made["e_tag"])

    def delete(self, key: str) -> None:
        """Remove ``key``; an absent key is fine."""
        try:
            self._asking.found("delete", key, partial(obstore.delete, self.store, key))
        except KeyError:
            return

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove many keys, several at a time; absent ones are fine."""
        with ThreadPoolExecutor(_NUM_DELETERS) as pool:
            for _ in pool.map(self.delete, keys):
                pass

    def list(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Keys below the folder ``prefix`` ("" for all), in no order; behind the key ``after``, and maybe others."""
        return (key for key, _ in self.entries(prefix, after=after))

    def entries(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        """Keys below the folder ``prefix`` and their bytes, likewise."""
        with self._asking.translating("list", prefix):
            store = self.store
        yield from walk(store, prefix, partial(self._asking.asked, "list", prefix), after=after)

    def exists(self, key: str) -> bool:
        try:
            self._asking.found("look up", key, partial(obstore.head, self.store, key))
        except KeyError:
            return False
        return True

    def size(self, prefix: str) -> int:
        """Bytes held by the keys below the folder ``prefix``."""
        return sum(size for _, size in self.entries(prefix))

    def sizes(self) -> dict[str, int]:
        """Bytes by the first part of the key."""
        totals: dict[str, int] = {}
        for key, size in self.entries(""):
            folder = key.split("/", 1)[0]
            totals[folder] = totals.get(folder, 0) + size
        return totals

    def first_free(self, key_of: Callable[[int], str], number: int) -> int:
        """The first number from ``number`` on whose key is absent, where keys are numbered without a gap.

        A listing of an object store may have lost its end. Raises OSError for a store that has every key.
        """
        if self.path is not None:
            return number
        for later in range(number, number + _MOST_UNLISTED):
            if not self.exists(key_of(later)):
                return later
        raise OSError(f"{self.url} has keys that it does not list, without an end: it cannot hold a run")

    def probe(self) -> None:
        """Check that keys can be created here, and that a second creation is refused.

        The first creation goes through the system rather than obstore, which tries for ever to write to a folder such
        as ``/proc``. Raises OSError with one line naming the store: not writable, not reachable, no such bucket, or a
        store that ignores conditional puts (a second writer could damage a run there without anybody noticing).
        """
        key, first = f"probe-{uuid.uuid4().hex}", uuid.uuid4().bytes
        if not self.put_new(key, first, durable=True) and not self.holds(key, first):
            raise OSError(f"{self.url} claims that the fresh key {key} exists: this store cannot hold a run")
        refused = not self.put_new(key, uuid.uuid4().bytes) and self.holds(key, first)
        self.delete(key)
        if not refused:
            raise OSError(f"{self.url} lets a second writer replace a key that exists; use a store that refuses it")

    def free_bytes(self) -> int | None:
        """Free space of the local disk; None for an object store, which has no such bound."""
        return None if self.path is None else shutil.disk_usage(self.path).free

    def children(self) -> set[str]:
        """Names directly below the root, folders and files alike."""
        if self.path is not None:
            with self._asking.translating("list", ""):
                return set(os.listdir(self.path))
        listing = self._asking.asked("list", "", partial(obstore.list_with_delimiter, self.store))
        names = [*listing["common_prefixes"], *(meta["path"] for meta in listing["objects"])]
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
