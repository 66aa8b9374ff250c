"""Which modules faults are put into, by room, and which tests mirror a module.

The globs name the rooms of today and the flat files they were before: whatever of them is there counts.
"""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path

PACKAGES = ("storage", "pipeline", "actors", "cluster", "gigatile")
"""the product"""


def _flat(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.py" for name in names.split())


SCOPE = {
    "storage": ("storage/*.py", "storage/images/*.py", "storage/images/*/*.py"),
    "plan": (
        "pipeline/plan/*.py",
        *_flat("pipeline", "recipe recipe_checks presets plan binding checks prompt_checks series price device speed"),
        "pipeline/estimate.py",
    ),
    "geometry": ("pipeline/geometry/*.py", *_flat("pipeline", "tiling blend jitter dilation interaction noise")),
    "imaging": (
        "pipeline/imaging/*.py",
        *_flat("pipeline", "pixels frequency colour edges moments shrunk cubic metrics"),
        "pipeline/backbones/structure.py",
    ),
    "sampling": (
        "pipeline/sampling/*.py",
        *_flat("pipeline", "solver flow groups progress difficulty guide schedulers"),
    ),
    "tasks": (
        "pipeline/tasks/*.py",
        *_flat(
            "pipeline", "prepare local_prompts image_prompts prompt_table denoise contribution exchange merge combine"
        ),
        *_flat("pipeline", "codec activity rest word_sums compat reduction crops anchor"),
    ),
    "schedule": ("actors/schedule/*.py", *_flat("actors", "task graph items workload patience coordinator")),
    "runs": ("cluster/runs/*.py", *_flat("cluster", "binding session series sitting estimating prompts progress")),
}
"""globs of paths by room; a star does not cross a folder"""


def modules(root: Path, only: str = "*") -> list[str]:
    """Paths in scope below ``root``, sorted; ``only`` is a glob of paths or the name of a room."""
    globs = SCOPE.get(only) or [one for room in SCOPE.values() for one in room]
    found = {str(path.relative_to(root)) for one in globs for path in root.glob(one) if path.name != "__init__.py"}
    return sorted(path for path in found if only in SCOPE or fnmatch.fnmatchcase(path, only))


def room_of(path: str) -> str:
    """The room whose globs hold a module; its package where none does."""
    for room, globs in SCOPE.items():
        if any(Path(path).match(one) and path.count("/") == one.count("/") for one in globs):
            return room
    return path.partition("/")[0]


def product_files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for one in PACKAGES for path in (root / one).rglob("*.py"))


def fingerprint(root: Path) -> str:
    """sha256 of the product and of its tests."""
    digest = hashlib.sha256()
    for path in (*product_files(root), *sorted(str(one.relative_to(root)) for one in (root / "tests").rglob("*.py"))):
        if not path.startswith("tests/benchmarks"):
            digest.update(path.encode() + b"\0" + (root / path).read_bytes() + b"\0")
    return digest.hexdigest()


def mirror(root: Path, path: str) -> str | None:
    """The tests of a module: tests/<its folder>/test_<module>.py, or the like above it; else its own doctests.

    None where there is neither.
    """
    folder, name = Path(path).parent, f"test_{Path(path).stem}.py"
    for above in (folder, *folder.parents):
        if above != Path(".") and (root / "tests" / above / name).exists():
            return str(Path("tests") / above / name)
    return path if ">>>" in (root / path).read_text() else None
