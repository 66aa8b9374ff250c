"""Whatever is damaged in a run's store, at whatever moment: the same bytes, or an error of one line. Never others."""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.artifacts.blobs import Blobs, crc_of
from actors.artifacts.layout import (
    COARSE,
    DIFFICULTY,
    GLOBAL_TAGS_BLOB,
    OUT,
    PROMPT_BLOB,
    PROMPTS_ARRAY,
    image_prompt_blob,
    statistics_blob,
)
from actors.drive import GOLDEN_BLOB, StoppedError
from actors.work import building
from storage.errors import CorruptRegionError, FencedError, MissingRegionError, RegionConflictError
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, sit

REFUSALS = (ValueError, OSError, CorruptRegionError, MissingRegionError, RegionConflictError, FencedError)
"""what cluster.console.ending turns into one line"""
ALL = bool(os.environ.get("GIGATILE_ALL_DAMAGE"))
"""every damage to every class of files; a few of each otherwise"""
RECIPE = {
    "prompts": "local",
    "least_confidence": 0.999,
    "parents": 1,
    "activity": "mask",
    "difficulty": "gradient",
    "start": "image",
    "colour": "adain",
    "solver": "unipc",
    "region": 16,
    "window": 16,
    "overlap": 4,
    "steps": 2,
}


def flip(at: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(at * (len(data) - 1))] ^= 1 << (len(data) % 8)
        path.write_bytes(bytes(data))

    return damage


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def swap(path: Path) -> None:
    """Take the bytes of another of its kind, or of another blob where there is none."""
    folders = [path.parent, path.parent.parent, path.parent.parent.parent.parent]
    others = [p for folder in folders for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix == path.suffix]
    path.write_bytes(next(p for p in others if p.read_bytes() != path.read_bytes()).read_bytes())


DAMAGES: dict[str, Callable[[Path], None]] = {
    "first bit": flip(0.0),
    "early bit": flip(0.1),
    "middle bit": flip(0.5),
    "last bit": flip(1.0),
    "zeros": zero,
    "half": halve,
    "empty": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
    "another's": swap,
}
CLASSES = {
    "own prompts": f"blobs/{PROMPT_BLOB}",
    "prompt record": "blobs/cond/prompts/*.npz",
    "global tags": f"blobs/{GLOBAL_TAGS_BLOB}",
    "statistics": f"blobs/{statistics_blob(0)}",
    "golden": f"blobs/{GOLDEN_BLOB}",
    "prompt table": f"{PROMPTS_ARRAY}/c/0/*/*",
    "coarse": f"{COARSE}/c/0/*/*",
    "difficulty": f"{DIFFICULTY}/c/0/*/*",
    "latents": "z/0/*/c/0/*/*",
    "history": "history/0/*/c/0/*/*",
    "out": f"{OUT}/c/0/*/*",
}


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """One model for all sittings: most of the time would go to loading it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("describe_model", "load_text_limit"):
            patch.setattr(building, name, functools.cache(getattr(building, name)))
        load, loaded = building.load_backbone, list[Any]()

        def once(*words: Any, **options: Any) -> Any:
            if not loaded:
                loaded.append(load(*words, **options))
            return loaded[0]

        patch.setattr(building, "load_backbone", once)
        yield


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case("embedded", height=16, width=44, **RECIPE)


@pytest.fixture(scope="module")
def phases(case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], str]:
    """Runs at rest, by when they were stopped; and the digest of a whole one."""
    folder = tmp_path_factory.mktemp("phases")
    part, whole = case.begin(str(folder / "part")), case.begin(str(folder / "whole"))
    with pytest.raises(StoppedError):
        sit(case, part, should_stop=lambda: len(part.open_array("z/0/s0001").regions()) > 1)
    sit(case, whole)
    return {"part": folder / "part", "whole": folder / "whole"}, digest(case, whole)


def trials() -> Iterator[tuple[str, str, str]]:
    chance = random.Random(13)
    for kind in CLASSES:
        names = list(DAMAGES) if ALL else chance.sample(list(DAMAGES), 1)
        steering = ("prompt record", "global tags", "own prompts")
        for name in names if ALL or kind not in steering else [*dict.fromkeys([*names, "another's"])]:
            for phase in ("part", "whole") if ALL else ("part" if kind not in ("out", "statistics") else "whole",):
                yield kind, name, phase


@pytest.mark.parametrize(("kind", "name", "phase"), list(trials()))
def test_damage_gives_the_same_bytes_or_one_line(
    case: Case, phases: tuple[dict[str, Path], str], tmp_path: Path, kind: str, name: str, phase: str
) -> None:
    places, expected = phases
    shutil.copytree(places[phase], tmp_path / "run")
    files = sorted((tmp_path / "run").glob(CLASSES[kind]))
    if not files:
        pytest.skip(f"there is no {kind} in a run in this phase")
    DAMAGES[name](files[random.Random(len(files)).randrange(len(files))])
    store = RunStore.open(str(tmp_path / "run"))
    try:
        sit(case, store)
    except REFUSALS as e:
        assert "\n" not in str(e).strip()  # noqa: PT017
    else:
        assert digest(case, store) == expected


def resumed(case: Case, source: Path, to: Path, damage: Callable[[Path], None]) -> str:
    shutil.copytree(source, to)
    damage(to)
    store = RunStore.open(str(to))
    sit(case, store)
    return digest(case, store)


@pytest.mark.parametrize("said", ["null", '[["castle", 0.9]]', "digit"])
def test_other_words_for_the_whole_image_are_not_believed(
    case: Case, phases: tuple[dict[str, Path], str], tmp_path: Path, said: str
) -> None:
    """Tags that read well and are others: each was another picture, or an error at every resume."""

    def damage(run: Path) -> None:
        path = run / "blobs" / GLOBAL_TAGS_BLOB
        tags = json.loads(path.read_text())
        path.write_text(json.dumps([[word, sure / 2] for word, sure in tags]) if said == "digit" else said)

    places, expected = phases
    assert resumed(case, places["part"], tmp_path / "run", damage) == expected


def test_every_prompt_replaced_by_another(case: Case, phases: tuple[dict[str, Path], str], tmp_path: Path) -> None:
    def damage(run: Path) -> None:
        files = sorted((run / "blobs/cond/prompts").iterdir())
        assert len(files) > 1
        before = [file.read_bytes() for file in files]
        for file, data in zip(files, before[1:] + before[:1], strict=True):
            file.write_bytes(data)

    places, expected = phases
    assert resumed(case, places["part"], tmp_path / "run", damage) == expected


def test_what_the_journal_does_not_say_is_not_given_out(tmp_path: Path) -> None:
    store = RunStore.open(str(tmp_path / "run"))
    blobs = Blobs(store)
    crc = blobs.put("a.npz", b"one")
    assert (crc, blobs.get("a.npz"), blobs.sum("a.npz")) == (crc_of(b"one"), b"one", crc)
    store.put_blob("a.npz", b"two")
    assert blobs.get("a.npz") is None
    assert Blobs(store).get("a.npz") == b"two", "nobody has told of it"
    told = Blobs(store)
    told.expect({"a.npz": crc, image_prompt_blob(1): 5})
    assert told.get("a.npz") is None
    assert told.get(image_prompt_blob(1)) is None
    told.put("a.npz", b"one")
    assert told.get("a.npz") == b"one"
    with pytest.raises(CorruptRegionError, match="not the same when it is made again"):
        told.put("a.npz", b"three")
