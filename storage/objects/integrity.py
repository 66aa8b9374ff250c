"""Whether an object arrived as it is kept: most stores' entity tags are the MD5 of what they hold."""

from __future__ import annotations

import hashlib
import re

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class DamagedOnTheWayError(OSError):
    """An answer that cannot be true of what the store holds; asked again, it will be another."""


class Integrity:
    """Compares bytes with the tags of one store. Threads may share one.

    A bucket with keys of its own for encryption has tags of 32 hexadecimal digits that are no MD5: the same bytes under
    the same tag, read twice in a row, show it. From then on this store's tags say nothing.
    """

    def __init__(self) -> None:
        self._says_md5 = True
        self._doubted: dict[str, tuple[str, bytes]] = {}

    def matches(self, data: bytes, e_tag: str | None) -> bool:
        """Whether nothing speaks against ``data`` being what has this tag."""
        md5 = _MD5.fullmatch(e_tag or "")
        return md5 is None or not self._says_md5 or hashlib.md5(data, usedforsecurity=False).hexdigest() == md5[1]

    def check(self, key: str, data: bytes, e_tag: str | None, size: int) -> None:
        """Raise DamagedOnTheWayError where ``data`` is not what the store holds at ``key``."""
        if len(data) != size:
            raise DamagedOnTheWayError(f"{len(data)} of {size} bytes arrived")
        if self.matches(data, e_tag):
            self._doubted.pop(key, None)
            return
        answer = (str(e_tag), hashlib.sha256(data).digest())
        if self._doubted.pop(key, None) == answer:
            self._says_md5 = False
            return
        self._doubted[key] = answer
        raise DamagedOnTheWayError("other bytes arrived than the store has a checksum of")
