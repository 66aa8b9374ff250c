"""Results that go to an object store: made on this machine's disk, then brought there, what names the others last.

A file is one object, which is there whole or not at all. Of a folder, each file is one: until its marker is there,
the last of them, it is nothing to any reader, and an object called ``.gigatile-unfinished`` says whose the others are.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from storage.objects.uploading import look_below, look_up, upload, upload_all

from .folders import files_in
from .limits import Format
from .staging import private_folder
from .target import SIDECARS, real_target

UNFINISHED = ".gigatile-unfinished"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OLDER = (*SIDECARS, ".ovr", ".msk")
"""endings of what readers take for a file's own"""


def address_of(output: str | os.PathLike[str]) -> Address | None:
    """Where in a store a result is to go; None for one that is to be a local file or folder.

    Raises ValueError for a URL that is none of a store.
    """
    if not _URL.match(os.fspath(output)):
        return None
    address = Address.parse(output)
    return None if address.folder is not None else address


def lies_in(inner: Address, outer: Address) -> bool:
    """Whether one address is the other, or below it."""
    if replace(inner, path="") != replace(outer, path=""):
        return False
    return inner.path == outer.path or not outer.path or inner.path.startswith(f"{outer.path}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One result that goes to a store."""

    address: Address
    wanted: Format

    @property
    def name(self) -> str:
        return self.address.path.rpartition("/")[2]

    @property
    def below(self) -> str | None:
        """The folder of the result's objects, below ``root``; None for a format of one file."""
        if self.wanted.is_folder:
            return self.name
        return f"{Path(self.name).stem}{self.wanted.beside}" if self.wanted.beside else None

    @property
    def marker(self) -> str:
        """The object that comes last."""
        return f"{self.name}/{self.wanted.marker}" if self.wanted.is_folder else self.name

    @property
    def place(self) -> Path:
        """What stands for the result on this machine: a name beside which it is made; nothing has that name itself."""
        return Path(tempfile.gettempdir()) / hashlib.sha256(str(self.address).encode()).hexdigest()

    def root(self) -> ObjectRoot:
        """The folder above, opened."""
        return ObjectRoot.open(replace(self.address, path=self.address.path.rpartition("/")[0]))

    def check(self, *, overwrite: bool, inputs: Iterable[str | os.PathLike[str] | None]) -> None:
        """Raise what check_output raises where it cannot be brought there."""
        if not self.name:
            raise ValueError(f"OUTPUT {self.address} is a whole bucket: name an object in it")
        real_target(Path(tempfile.gettempdir()) / self.name)
        self._check_apart(inputs)
        root = self.root()
        self._check_absent(root, overwrite=overwrite)
        probe = f"{self.name}.gigatile-{uuid.uuid4().hex}"
        root.put(probe, b"")
        root.delete(probe)

    def _check_apart(self, inputs: Iterable[str | os.PathLike[str] | None]) -> None:
        for given in inputs:
            source = None if given is None else address_of(given)
            if source is not None and lies_in(source, self.address):
                raise ValueError(
                    f"OUTPUT {self.address} is or holds {source}, which this command reads: it would be replaced; "
                    "choose another name"
                )

    def _check_absent(self, root: ObjectRoot, *, overwrite: bool) -> None:
        there = set() if self.below is None else {key for key, _, _ in look_below(root, self.below)}
        is_there = self.marker in there if self.wanted.is_folder else root.exists(self.name)
        if there and not is_there and f"{self.below}/{UNFINISHED}" not in there:
            raise FileExistsError(
                f"cannot write {self.address}: {root.url}/{self.below} holds other things; choose another name"
            )
        older = [] if self.below or is_there else [ending for ending in _OLDER if root.exists(f"{self.name}{ending}")]
        if (is_there or older) and not overwrite:
            name = f"{self.address}{older[0] if older else ''}"
            raise FileExistsError(f"{name} exists; choose another name, or allow overwriting (--overwrite)")

    @contextmanager
    def made_here(self, *, overwrite: bool) -> Iterator[Path]:
        """A local name to write the result to; what is there at the end is brought to the store, on an error nothing.

        Raises FileExistsError where somebody else has put something there meanwhile.
        """
        with private_folder(self.place) as folder:
            path = folder / self.name
            yield path
            root = self.root()
            self._check_absent(root, overwrite=overwrite)
            self._bring(root, path)

    def _bring(self, root: ObjectRoot, made: Path) -> None:
        files = {self._key(made, path): path for path in files_in(made.parent)}
        last = files.pop(self.marker)
        if self.below is None:
            for ending in set(_OLDER) - {key.removeprefix(self.name) for key in files}:
                root.delete(f"{self.name}{ending}")
            upload_all(root, files.items())
            upload(root, self.marker, last)
            return
        root.delete(self.marker)
        root.put(f"{self.below}/{UNFINISHED}", b"")
        try:
            older = [key for key, _, _ in look_below(root, self.below)]
            root.delete_all(key for key in older if key != f"{self.below}/{UNFINISHED}")
            upload_all(root, files.items())
        except BaseException:
            with suppress(OSError):
                root.delete_all(key for key, _, _ in look_below(root, self.below))
            raise
        upload(root, self.marker, last)
        root.delete(f"{self.below}/{UNFINISHED}")

    @staticmethod
    def _key(made: Path, path: Path) -> str:
        return path.relative_to(made.parent).as_posix()

    def look(self) -> tuple[int, str] | None:
        """Bytes of what is there, and a sha256 of the store's tags of it; None where it is not there."""
        root = self.root()
        main = look_up(root, self.marker)
        if main is None:
            return None
        found = [(self.marker, *main)] if self.below is None else look_below(root, self.below)
        if self.below and not self.wanted.is_folder:
            found.append((self.marker, *main))
        lines = "\n".join(f"{key} {size} {tag}" for key, size, tag in found)
        return sum(size for _, size, _ in found), hashlib.sha256(lines.encode()).hexdigest()
