"""How many bytes a store was asked for and given, for people."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Bytes of one store and process; its threads share it."""

    read: int = 0
    written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note_read(self, data: bytes) -> bytes:
        """Count what was read, and hand it on."""
        with self._lock:
            self.read += len(data)
        return data

    def note_written(self, num: int) -> None:
        with self._lock:
            self.written += num
