"""tests/support/tiny.py by its old name: scripts that are kept beside the repository find it by that."""

from __future__ import annotations

import sys

from tests.support import tiny

sys.modules[__name__] = tiny
