"""A Zarr, of version 2 or 3, in a local folder or a bucket: its groups and arrays, before any pixel of it is read.

scene.zarr/zarr.json, 0/zarr.json, 0/c/0/0        version 3
scene.zarr/.zgroup .zattrs, 0/.zarray, 0/0.0      version 2
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import obstore

from storage.errors import ImageError
from storage.objects.address import Address
from storage.objects.root import ObjectRoot

from .folders import files_in
from .opened import stamp_of
from .place import Place

_MARKERS = ("zarr.json", ".zarray", ".zgroup")
_DOCUMENTS = (*_MARKERS, ".zattrs")
_PIECE = 1 << 20
_MEMBER = re.compile(r'"?(?::/?(?P<path>[^:]*))?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A group or an array."""

    path: str
    """from the hierarchy's top, "" for that itself"""
    is_array: bool
    format: int
    """2 or 3"""
    document: Mapping[str, Any]
    attributes: Mapping[str, Any]

    @property
    def ome(self) -> Mapping[str, Any]:
        """OME's attributes: since version 0.5 they have a table of their own."""
        found = self.attributes.get("ome", self.attributes)
        return found if isinstance(found, dict) else {}

    @property
    def is_picture(self) -> bool:
        """Whether it is a group of the levels of one picture."""
        return not self.is_array and isinstance(self.ome.get("multiscales"), list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """See the module; paths are those of keys, with slashes, from the top on."""

    root: ObjectRoot

    def where(self, path: str) -> str:
        """A name of the node that can be given."""
        return f"{self.root.url}/{path}" if path else self.root.url

    def node(self, path: str) -> Node | None:
        """What is at ``path``; None for nothing. Raises ImageError, one line, for a damaged document."""
        if path and {"", ".", ".."} & set(path.split("/")):
            return None
        if (found := self._document(path, "zarr.json")) is not None:
            given = found.get("attributes")
            attributes = given if isinstance(given, dict) else {}
            is_array = found.get("node_type") == "array"
            return Node(path=path, is_array=is_array, format=3, document=found, attributes=attributes)
        for name in (".zarray", ".zgroup"):
            if (found := self._document(path, name)) is not None:
                attributes = self._document(path, ".zattrs") or {}
                return Node(path=path, is_array=name == ".zarray", format=2, document=found, attributes=attributes)
        return None

    def children(self, path: str) -> list[Node]:
        """Groups and arrays directly in a group, in the order of their names, numbers by their values."""
        if self.root.path is not None:
            names = [one.name for one in (self.root.path / path).iterdir() if one.is_dir()]
        else:
            ask = lambda: obstore.list_with_delimiter(self.root.store, f"{path}/" if path else None)  # noqa: E731
            prefixes = self.root.asked("list", path, ask)["common_prefixes"]
            names = [prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in prefixes]
        names.sort(key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
        found = (self.node(f"{path}/{name}" if path else name) for name in names)
        return [node for node in found if node is not None]

    def fingerprint(self, groups: Sequence[str], array: str) -> str:
        """The sha256 of the documents of ``groups`` and of all objects of ``array``, by their keys in order.

        Local ones by their bytes; those in a store by their strong ETag and size, or by their bytes where it has none.
        """
        digest = hashlib.sha256(b"zarr\n")
        for path in groups:
            for name in _DOCUMENTS:
                key = f"{path}/{name}" if path else name
                if (data := self._get(key)) is not None:
                    digest.update(f"{key} {hashlib.sha256(data).hexdigest()}\n".encode())
        for line in self._local(array) if self.root.path is not None else self._remote(array):
            digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _local(self, array: str) -> Iterable[str]:
        assert self.root.path is not None
        files = {file.relative_to(self.root.path).as_posix(): file for file in files_in(self.root.path / array)}
        for key in sorted(files):
            digest = hashlib.sha256()
            with files[key].open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
            yield f"{key} {digest.hexdigest()}"

    def _listed(self, array: str) -> list[tuple[str, str, int]]:
        """Key, ETag and size of all objects of an array in a store."""

        def ask() -> list[tuple[str, str, int]]:
            pages = obstore.list(self.root.store, f"{array}/" if array else None)
            return [(meta["path"], meta["e_tag"] or "", meta["size"]) for page in pages for meta in page]

        return sorted(self.root.asked("list", array, ask))

    def _remote(self, array: str) -> Iterable[str]:
        for key, etag, size in self._listed(array):
            is_strong = etag and not etag.startswith("W/")
            yield f"{key} {etag if is_strong else hashlib.sha256(self._get(key) or b'').hexdigest()} {size}"

    def stamp(self, array: str) -> str:
        """What tells, without reading them, that the objects of ``array`` are what they were."""
        if self.root.path is not None:
            text = stamp_of(sorted(files_in(self.root.path / array)))
        else:
            text = "\n".join(f"{key} {etag} {size}" for key, etag, size in self._listed(array))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def _document(self, path: str, name: str) -> dict[str, Any] | None:
        key = f"{path}/{name}" if path else name
        data = self._get(key)
        if data is None:
            return None
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ImageError(f"{self.where(key)} is damaged: {error}; get it again, or repair it") from error
        if not isinstance(found, dict):
            raise ImageError(f"{self.where(key)} is no table of JSON, as Zarr has; get it again, or repair it")
        return found

    def _get(self, key: str) -> bytes | None:
        try:
            return self.root.get(key)
        except KeyError:
            return None


def find_hierarchy(place: Place) -> tuple[Hierarchy, str] | None:
    """The Zarr at ``place`` and the path in it that was named; None where there is none.

    On this machine a folder is one by what is in it; in a bucket by a name that ends with .zarr.
    """
    inner = _member(place)
    if inner is None or place.kind:
        return None
    if place.remote is not None:
        return _in_bucket(place.remote.url, inner)
    folder, path = place.file, inner
    if not folder.is_dir() or not is_zarr(folder):
        return None
    while folder.parent != folder and is_zarr(folder.parent):
        folder, path = folder.parent, f"{folder.name}/{path}".rstrip("/")
    return Hierarchy(root=ObjectRoot.open(Address.local(folder), create=False)), path


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a group or an array."""
    return any((folder / name).is_file() for name in _MARKERS)


def _member(place: Place) -> str | None:
    """The path in ``ZARR:"scene.zarr":/path``; "" for no such name, None for a name of something else."""
    if not place.before:
        return ""
    found = _MEMBER.fullmatch(place.behind)
    return (found["path"] or "").strip("/") if found and place.before.upper().startswith("ZARR:") else None


def _in_bucket(url: str, inner: str) -> tuple[Hierarchy, str] | None:
    parts = url.rstrip("/").split("/")
    ends = [count for count, part in enumerate(parts[3:], 4) if part.lower().endswith(".zarr")]
    if not ends:
        return None
    if url.lower().startswith("http"):
        raise ImageError(
            f"{url}: a Zarr is read from a folder or a store, not from the web: name its s3://, gs:// or az:// "
            "address, or download it"
        )
    address = Address.parse(url)
    top = "/".join(parts[3 : ends[0]])
    path = "/".join([*parts[ends[0] :], inner]).strip("/")
    return Hierarchy(root=ObjectRoot.open(replace(address, path=top), create=False)), path
