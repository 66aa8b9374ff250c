"""Arrays by name in one small file (NumPy's .npz), read so that a damaged byte is an error and never another array.

``np.load`` reads no further than an array's last value, so it never comes to compare the member's checksum, and it
evaluates the text of a header that nobody has checked. Here each member is read to its end first.
"""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

_SUFFIX = ".npy"


def archive_to_bytes(arrays: Mapping[str, Any]) -> bytes:
    """The same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def archive_from_bytes(data: bytes) -> dict[str, np.ndarray]:
    """What ``archive_to_bytes`` was given. Raises ValueError, one line, where the bytes are damaged.

    >>> archive_from_bytes(archive_to_bytes({"a": np.arange(2)}))
    {'a': array([0, 1])}
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {name.removesuffix(_SUFFIX): _array(archive.read(name)) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, SyntaxError) as e:
        raise ValueError(f"damaged: {e}") from e
    # an encrypted member, a version or a compression that was never written, a header that is no Python
    except (RuntimeError, NotImplementedError, tokenize.TokenError) as e:
        raise ValueError(f"damaged: {e}") from e
    if archive_to_bytes(arrays) != data:  # a wrong length in the directory hides the members after it
        raise ValueError("damaged: its directory is not that of its arrays")
    return arrays


def _array(member: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
