"""Home directories in paths, whatever the environment lacks."""

from __future__ import annotations

import os
from pathlib import Path


def expand_home(path: str | os.PathLike[str]) -> Path:
    """``path`` with the home directory that a leading ~ or ~somebody means; as it is where it begins otherwise.

    A name that begins with ~ and is nobody's is a name. Raises FileNotFoundError where this user's own home is meant
    and unknown: no HOME, and a user id without a name, as containers have.
    """
    expanded = Path(os.path.expanduser(path))
    if expanded.parts[:1] == ("~",):
        raise FileNotFoundError(
            f"{path}: ~ is the home directory, and neither HOME nor the user's entry says where that is: write the "
            "folder in full"
        )
    return expanded
