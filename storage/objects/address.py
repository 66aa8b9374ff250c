"""Addresses of runs and tables: a local folder, or a bucket and a prefix of its keys. Parsed here, once.

    scene.run   ~/runs/scene   file:///data/scene%201          a local folder
    s3://bucket/runs/scene   gs://...   az://container/...     below a bucket

Names are literal: ``#``, ``?``, ``%``, ``+``, ``&``, ``;`` and spaces are letters like any other, as they are to the
shell and to the ``aws`` command. Only a ``file://`` URL is decoded, as RFC 8089 says: there ``%20`` is a space.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from storage.home import expand_home
from storage.links import followed

EXPECTED = "a path or s3://, gs://, az:// or file://"
_SCHEMES = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "az": "az", "azure": "az", "adl": "az", "abfs": "az", "abfss": "az",
}  # fmt: skip
"""what people write: what it is"""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_ONE_SLASH = re.compile(rf"({'|'.join(_SCHEMES)}|file):(?!//)", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_CONTAINER = re.compile(r"\$root|\$web|\$logs|(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_ACCOUNT = re.compile(r"([a-z0-9]{3,24})\.dfs\.core\.windows\.net")
_LONGEST_PREFIX = 800
"""bytes; a key has 1024 on every store, and a run's own part of it takes up to 200"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a run or a table is kept; make one with :meth:`parse`. ``str`` of it parses to the same address."""

    kind: str
    """file, s3, gs or az"""
    path: str
    """of a local folder, absolute; else the keys' prefix, without slashes at its ends, "" for the whole bucket"""
    bucket: str = ""
    """or Azure's container"""
    account: str = ""
    """Azure's storage account, where the address names it"""

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | Address) -> Address:
        """Read what a user gave. Raises ValueError, one line that never repeats what may be a password."""
        if isinstance(text, Address):
            return text
        text = os.fspath(text)
        if not text.strip():
            raise ValueError(f"an address is empty: expected {EXPECTED}")
        _check_characters(text)
        url = _URL.fullmatch(text)
        if url is None:
            return _local_path(text)
        scheme, rest = url[1].lower(), url[2]
        if scheme == "file":
            return _file_url(text, rest)
        if scheme not in _SCHEMES:
            raise ValueError(f"expected {EXPECTED}, got an address that begins with {scheme}://")
        return _in_bucket(scheme, rest)

    @classmethod
    def local(cls, path: str | os.PathLike[str]) -> Address:
        """A folder by its plain path, whatever it looks like: for paths that were made here of a file's.

        Raises ValueError for a name that is no UTF-8: no store's key can hold it.
        """
        if any(unicodedata.category(letter) == "Cs" for letter in str(path)):
            raise ValueError(
                f"{path}: its name is not UTF-8, which the name of a run must be: rename it, or give --run"
            )
        return _folder(Path(path))

    @property
    def folder(self) -> Path | None:
        """The local folder; None for an object store."""
        return Path(self.path) if self.kind == "file" else None

    @property
    def url(self) -> str:
        """As people write it: an absolute path for a local folder."""
        if self.kind == "file":
            return self.path
        host = f"abfss://{self.bucket}@{self.account}.dfs.core.windows.net" if self.account else self._host()
        return f"{host}/{self.path}" if self.path else host

    def _host(self) -> str:
        return f"{self.kind}://{self.bucket}"

    def __str__(self) -> str:
        return self.url

    def child(self, name: str) -> Address:
        """The folder ``name`` in this one."""
        assert name not in ("", ".", "..")
        assert "/" not in name
        path = f"{self.path.rstrip('/')}/{name}" if self.path else name
        return Address(kind=self.kind, path=path, bucket=self.bucket, account=self.account)


def _check_characters(text: str) -> None:
    """Refuse what a terminal or a store's key cannot hold."""
    for place, letter in enumerate(text):
        if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(
                f"an address has the character U+{ord(letter):04X} at place {place + 1}: expected printable UTF-8"
            )


def _local_path(text: str) -> Address:
    if _WINDOWS.match(text):
        raise ValueError(f"{text!r} is a path of Windows: expected {EXPECTED}")
    if match := _ONE_SLASH.match(text):
        scheme = match[1].lower()
        mend = "file:///folder" if scheme == "file" else f"{scheme}://bucket/folder"
        raise ValueError(f"expected {mend}, got an address that begins with {match[0]} (a folder of that name: ./...)")
    return _folder(expand_home(text))


def _folder(path: Path) -> Address:
    """``..`` means what the system takes it for, also behind a link."""
    whole = followed(path) if ".." in path.parts else path.absolute()
    return Address(kind="file", path=str(whole))


def _file_url(text: str, rest: str) -> Address:
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise ValueError("a file:// address names another host or no whole path: expected file:///folder/of/the/run")
    if stray := re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise ValueError(
            f"{text!r}: a % at place {text.index(path) + stray.start() + 1} is written %25 in a file:// URL"
        )
    if "%2f" in path.lower():
        raise ValueError(f"{text!r}: %2F is a slash within a name, which no folder can have")
    try:
        path = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{text!r}: what %.. stands for is not UTF-8") from None
    _check_characters(path)
    if {".", ".."} & set(path.split("/")):
        raise ValueError(f"{text!r}: an address has no . or .. in it: write the folder itself")
    return _folder(Path(f"/{path.lstrip('/')}"))


def _in_bucket(scheme: str, rest: str) -> Address:
    kind = _SCHEMES[scheme]
    bucket, _, path = rest.partition("/")
    container, at, host = bucket.partition("@")
    account = _ACCOUNT.fullmatch(host) if at and scheme in ("abfs", "abfss") else None
    if account is not None:
        bucket = container
    # what stands before an @ or behind a : may be a password: it is not repeated
    if "@" in bucket or ":" in bucket:
        raise ValueError(
            f"an address that begins with {scheme}:// has a name, a password or a port before its first slash: "
            f"expected {scheme}://bucket/folder alone; credentials are read from the environment"
        )
    pattern = _CONTAINER if kind == "az" else _BUCKET
    if not pattern.fullmatch(bucket) or ".." in bucket:
        raise ValueError(
            f"{scheme}:// is followed by {bucket!r}, which is no bucket's name: expected {scheme}://bucket/folder"
        )
    path = path.rstrip("/")
    parts = path.split("/") if path else []
    if {"", ".", ".."} & set(parts):
        raise ValueError(
            f"{scheme}://{rest}: an address has no empty part and no . or .. in it: write the folder itself"
        )
    if len(path.encode()) > _LONGEST_PREFIX:
        raise ValueError(
            f"{scheme}://{bucket}: the folder's name has {len(path.encode())} bytes, at most {_LONGEST_PREFIX}"
        )
    return Address(kind=kind, path=path, bucket=bucket, account=account[1] if account else "")
