"""The training scripts as modules, and a picture to train on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.training.toy import COMMON, PARTS

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "training"


@pytest.fixture(scope="session")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The scripts import each other by bare names, as they do when run; the path is put back afterwards."""
    names = [path.stem for path in SCRIPTS.glob("*.py")]
    sys.path.insert(0, str(SCRIPTS))
    found = {name: importlib.import_module(name) for name in names}
    # crops of half the side do for toys, and take a quarter of the time
    found["train_generator"].POOL_SIDE = 32  # type: ignore[attr-defined]
    yield found
    sys.path.remove(str(SCRIPTS))
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0).integers(0, 255, (60, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((640, 560)).save(folder / "one.png")
    return folder


@pytest.fixture(scope="session")
def trained(scripts: dict[str, ModuleType], pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every part, three steps old."""
    out = tmp_path_factory.mktemp("trained")
    for name, options in PARTS.items():
        scripts[name].train(pictures, out, steps=3, **COMMON, **options)
    return out
