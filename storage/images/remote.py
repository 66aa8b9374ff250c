"""A file in a store or on the web, read by ranges: pinned to what it was when it was opened, asked for again where the
trouble passes, and known by what the server says of it.

What it is (see ``fingerprint``) is told by its strong ETag, size and date, so that nobody fetches 100 GB to learn that
they are the same. A server that gives no strong ETag gives no such word: there all bytes are fetched, and hashed.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import obstore
from obstore.exceptions import BaseError, NotSupportedError, PreconditionError
from obstore.store import HTTPStore

from storage.errors import ImageError
from storage.objects.address import Address
from storage.objects.opening import open_bucket, options_from_environment
from storage.objects.refusals import Refusal, without_secrets
from storage.objects.retrying import Retries

from .served import Served

log = logging.getLogger(__name__)

T = TypeVar("T")
BLOCK = 1 << 20
"""bytes of one request"""
MOST_BLOCKS = 32
"""kept in memory"""
_HASHED_AT_ONCE = 8 * BLOCK
_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHANGED = "changed while it was read: start the same command again, which reads what is there now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a server says of a file."""

    size: int
    etag: str = ""
    """"" where it gives none"""
    modified: datetime | None = None

    @property
    def is_strong(self) -> bool:
        """Whether the ETag stands for the very bytes (RFC 9110, 8.8.1)."""
        return bool(self.etag) and not self.etag.startswith("W/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a file is asked for."""

    url: str
    """as it may be shown: without a query, which may hold a signature"""
    store: Any
    """obstore's"""
    key: str
    options: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def to(cls, url: str) -> Link:
        """Raises ImageError, one line without a secret, for what is no URL of a file."""
        if url.lower().startswith(("http://", "https://")):
            return _web(url)
        try:
            address = Address.parse(url)
            options = options_from_environment(address.kind)
            store = open_bucket(replace(address, path=""), options)
        except (ValueError, BaseError) as error:
            raise ImageError(f"{url.split('://')[0]}:// input: {' '.join(str(error).split())}") from error
        if not address.path:
            raise ImageError(f"{address.url} is a bucket: expected an image in it, such as {address.url}/scene.tif")
        return cls(url=address.url, store=store, key=address.path, options=options)


def _web(url: str) -> Link:
    parts = urlsplit(url)
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    if "@" in parts.netloc:
        raise ImageError(
            f"{shown}: a name or a password is in the URL: expected one without; use a signed URL, or s3://"
        )
    if not _HOST.fullmatch(parts.netloc) or not parts.path.strip("/"):
        raise ImageError(f"{shown}: expected the URL of an image, such as https://host/scene.tif")
    client: Any = {"allow_http": parts.scheme.lower() == "http", "connect_timeout": "10s", "timeout": "300s"}
    retrying: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=0)}
    whole = urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))
    try:
        store = HTTPStore.from_url(whole, client_options=client, retry_config=retrying)
    except (ValueError, BaseError) as error:
        raise ImageError(f"{shown}: expected the URL of an image, such as https://host/scene.tif") from error
    return Link(url=shown, store=store, key="")


class Remote(Served):
    """See Served; ``retries`` say how long it is asked again."""

    def __init__(self, url: str, *, retries: Retries | None = None) -> None:
        """Nothing is asked yet. Raises ImageError for what is no URL of a file."""
        self._link = Link.to(url)
        self.url = self._link.url
        self.name = unquote(self.url.rsplit("/", 1)[-1]) or "image"
        self._retries = retries or Retries()
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._facts: Facts | None = None

    @property
    def facts(self) -> Facts:
        """What the server said when it was first asked. Raises FileNotFoundError or ImageError."""
        if self._facts is None:
            with self._lock:
                if self._facts is None:
                    found, self._blocks[0] = self._ask(0, BLOCK, None)
                    self._facts = found
        return self._facts

    @property
    def size(self) -> int:
        return self.facts.size

    def read_at(self, start: int, count: int) -> bytes:
        stop = min(start + count, self.size)
        pieces = []
        while start < stop:
            block, within = divmod(start, BLOCK)
            piece = self._block(block)[within : within + stop - start]
            if not piece:
                raise ImageError(f"{self.url} {_CHANGED}")
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def fingerprint(self) -> str:
        """What tells the file from any other, asked for anew. Raises ImageError where it is no longer what was opened.

        With a strong ETag: the sha256 of the URL, the ETag, the size and the date; else that of all bytes.
        """
        now, _ = self._ask(0, 1, None)
        if now != self.facts:
            raise ImageError(f"{self.url} {_CHANGED}")
        if now.is_strong:
            modified = now.modified.isoformat() if now.modified else ""
            text = "\n".join([self.url, now.etag, str(now.size), modified])
            return hashlib.sha256(text.encode()).hexdigest()
        log.warning(
            "%s: its server gives no strong ETag, so all its %d bytes are fetched to know it", self.url, now.size
        )
        digest = hashlib.sha256()
        for start in range(0, now.size, _HASHED_AT_ONCE):
            digest.update(self._ask(start, min(start + _HASHED_AT_ONCE, now.size), now)[1])
        return digest.hexdigest()

    def _block(self, number: int) -> bytes:
        with self._lock:
            if (kept := self._blocks.get(number)) is not None:
                self._blocks.move_to_end(number)
                return kept
        facts = self.facts
        found = self._ask(number * BLOCK, min((number + 1) * BLOCK, facts.size), facts)[1]
        with self._lock:
            self._blocks[number] = found
            while len(self._blocks) > MOST_BLOCKS:
                self._blocks.popitem(last=False)
        return found

    def _ask(self, start: int, stop: int, pinned: Facts | None) -> tuple[Facts, bytes]:
        options: dict[str, Any] = {"range": (start, stop)}
        if pinned is not None and pinned.is_strong:
            options["if_match"] = pinned.etag
        elif pinned is not None and pinned.modified is not None:
            options["if_unmodified_since"] = pinned.modified
        link = self._link

        def get() -> tuple[Facts, bytes]:
            found = obstore.get(link.store, link.key, options=options)  # type: ignore[arg-type]
            meta, data = found.meta, bytes(found.bytes())
            modified = meta["last_modified"]
            facts = Facts(
                size=meta["size"], etag=meta["e_tag"] or "", modified=modified if modified != _EPOCH else None
            )
            return facts, data

        facts, data = self._asked(get)
        if pinned is not None and (facts != pinned or len(data) != stop - start):
            raise ImageError(f"{self.url} {_CHANGED}")
        return facts, data

    def _asked(self, ask: Callable[[], T]) -> T:
        attempts = self._retries.begin()
        while True:
            try:
                found = ask()
            except (BaseError, OSError) as error:
                passes = not isinstance(error, (FileNotFoundError, PreconditionError)) and Refusal.of(error).passes
                if not (passes and attempts.wait(error)):
                    raise self._told(attempts.first or error) from error
            else:
                self._retries.note_answer()
                return found

    def _told(self, error: Exception) -> Exception:
        """One line, in which there is no secret."""
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(f"no file {self.url}; expected an image")
        if isinstance(error, PreconditionError):
            return ImageError(f"{self.url} {_CHANGED}")
        if isinstance(error, NotSupportedError) and "ange" in str(error):
            return ImageError(
                f"{self.url}: its server does not give parts of a file (HTTP ranges): download it, and name the copy"
            )
        refusal = Refusal.of(error)
        mend = refusal.mend() if self._link.key else "check the URL, and whether it has expired"
        said = f"{refusal.reason()}{f'; {mend}' if mend else ''}"
        return ImageError(f"{self.url} cannot be read: {without_secrets(said, self._link.options)}")
