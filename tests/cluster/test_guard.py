"""Another package of one of our four names is named, with its path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cluster.guard import check_packages

ROOT = Path(__file__).resolve().parent.parent.parent


def test_ours_share_one_folder() -> None:
    check_packages()


def test_a_shadowing_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "__init__.py").touch()
    code = "import importlib.util; import cluster.guard as g; g.check_packages()"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"another package called storage at {tmp_path / 'storage'}" in done.stderr.splitlines()[-1]
