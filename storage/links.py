"""Where a name leads, links followed, whatever the links do."""

from __future__ import annotations

import os
from pathlib import Path


def followed(path: str | os.PathLike[str]) -> Path:
    """The absolute path with its links followed, also where it leads to nothing yet.

    Links that lead to each other stay as they are, and opening them fails as the system says it:
    ``pathlib.Path.resolve`` raises a RuntimeError there, which is no OSError, and which Python versions differ on.
    """
    return Path(os.path.realpath(path))
