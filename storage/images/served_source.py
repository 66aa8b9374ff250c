"""An image file whose bytes come through Python, read by GDAL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from storage.box import Box

from .consent import Consent
from .gdal_source import GdalSource
from .identity import with_words, words_of
from .layout import Choice
from .served import Served, failures_of

T = TypeVar("T")


class ServedSource(GdalSource):
    """See ImageSource: what went wrong in Python is told, not what GDAL makes of it.

    All is done in one thread: rasterio keeps what is open in variables of the thread that opened it.
    """

    def __init__(self, consent: Consent, choice: Choice) -> None:
        assert consent.served is not None
        self._served: Served = consent.served
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="served")
        try:
            self._there(super().__init__, consent, choice)
        except BaseException:
            self._thread.shutdown()
            raise

    def fingerprint(self) -> str:
        remote, place = self._consent.place.remote, self._consent.place
        return super().fingerprint() if remote is None else with_words(remote.fingerprint(), words_of(place))

    def look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        return self._there(super().look, box)

    def alpha(self, box: Box) -> np.ndarray | None:
        return self._there(super().alpha, box)

    def close(self) -> None:
        if self._is_there:  # what was opened so far, since the rest cannot be
            super().close()
        else:
            self._thread.submit(super().close).result()
            self._thread.shutdown()

    @property
    def _is_there(self) -> bool:
        return threading.current_thread().name.startswith("served")

    def _there(self, call: Callable[..., T], *given: Any) -> T:
        """What ``call`` returns in the source's own thread."""
        if self._is_there:
            return call(*given)
        with failures_of(self._served):
            return self._thread.submit(call, *given).result()
