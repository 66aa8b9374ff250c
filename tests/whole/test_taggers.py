"""Other taggers through the engine: the plain loop's numbers, whatever is done with the tags, stopped or not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import COARSE, GLOBAL_TAGS_BLOB, PROMPTS_ARRAY, latent_name
from actors.artifacts.prompts import read_prompt
from actors.drive import StoppedError
from actors.work.building import build_worker
from pipeline.prompts.vocabulary import Vocabulary
from pipeline.tasks.prompt_table import read_block
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, serial, sit
from tests.support.tiny import write_stable_diffusion
from tests.support.tiny_taggers import write_tagger

WORDS = Vocabulary(phrases=("water", "roof", "sand", "road"), degradations=("noise", "blur"))
SMALL: dict[str, Any] = {
    "window": 16,
    "overlap": 6,
    "region": 32,
    "batch": 2,
    "steps": 2,
    "keep_steps": 2,
    "guidance": 2.0,
    "prompt": "a",
    "negative_prompt": "x",
    "prompts": "local",
    "tag_threshold": 0.5,
    "most_tags": 1,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_stable_diffusion(tmp_path_factory.mktemp("model") / "sd"))


@pytest.fixture(scope="module")
def taggers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("taggers")
    return {kind: str(write_tagger(root / kind, kind)) for kind in ("siglip", "clip", "florence2")}


def prompts_of(case: Case, store: RunStore) -> list[tuple[str, str | None]]:
    """Prompt and negative prompt of every tile, whole, region by region."""
    found: list[tuple[str, str | None]] = []
    for region in sorted(store.open_array(PROMPTS_ARRAY).regions()):
        for key, negative in read_block(case.plan, region, store.open_array(PROMPTS_ARRAY).read_region(region)):
            records = [read_prompt(store, one) if one else None for one in (key, negative)]
            assert records[0] is not None
            found.append((records[0].text, None if records[1] is None else records[1].text))
    return found


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        ("siglip", {"negative_prompt": "x, blur"}),
        ("clip", {"degradations": "negative"}),
        (
            "siglip",
            {"degradations": "negative", "parents": 2, "least_confidence": 0.505, "tag_threshold": 0.0, "most_tags": 2},
        ),
        ("florence2", {"tag_threshold": 0.0, "most_tags": 0, "least_confidence": 0.2}),
    ],
)
def test_equals_a_plain_loop(
    tmp_path: Path, model: str, taggers: dict[str, str], kind: str, recipe: dict[str, Any]
) -> None:
    vocabulary = None if kind == "florence2" else WORDS
    # one region: the group norms of this autoencoder see all that is encoded at once
    recipe = {"region": 64, **recipe}
    case = make_case(model, height=70, width=90, tagger=taggers[kind], vocabulary=vocabulary, **{**SMALL, **recipe})
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    found, expected = store.open_array(latent_name(2)).read(case.plan.regions.canvas), serial(case)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-4
    said = prompts_of(case, store)
    assert len(said) == case.plan.tiles.num_tiles
    assert len({prompt for prompt, _ in said}) > 1
    if recipe.get("negative_prompt"):
        assert {"a, noise"} <= {prompt for prompt, _ in said}
        assert not any("blur" in prompt for prompt, _ in said)
    if recipe.get("degradations") == "negative":
        aways = {away for _, away in said}
        assert aways <= {"x, noise", "x, blur", "x, noise, blur", "x, blur, noise", None}
        assert len(aways) > 1
        assert not any(word in prompt for prompt, _ in said for word in WORDS.degradations)


def test_stopped_and_resumed(tmp_path: Path, model: str, taggers: dict[str, str]) -> None:
    """Every prompt lost in between, the table damaged and the tags of the whole image cut short: the same bytes."""
    recipe = {"degradations": "negative", "parents": 1, "least_confidence": 0.52, "tag_threshold": 0.48}
    case = make_case(model, height=70, width=90, tagger=taggers["siglip"], vocabulary=WORDS, **{**SMALL, **recipe})
    whole = case.begin(str(tmp_path / "whole"))
    sit(case, whole)
    store = case.begin(str(tmp_path / "run"))
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: any(store.open_array(latent_name(1)).regions()))
    folder = Path(store.url) / "blobs" / "cond"
    for blob in (folder / "prompts").iterdir():
        blob.unlink()
    tags = Path(store.url) / "blobs" / GLOBAL_TAGS_BLOB
    tags.write_bytes(tags.read_bytes()[:10])
    for chunk in (Path(store.url) / PROMPTS_ARRAY).glob("c/0/*/*"):
        chunk.write_bytes(b"\x00" + chunk.read_bytes()[1:])
    sit(case, store)
    assert digest(case, store) == digest(case, whole)
    assert prompts_of(case, store) == prompts_of(case, whole)


def test_another_copy_of_the_tagger_is_refused(tmp_path: Path, model: str, taggers: dict[str, str]) -> None:
    case = make_case(model, height=40, width=40, tagger=taggers["siglip"], vocabulary=WORDS, **SMALL)
    store = case.begin(str(tmp_path / "run"))
    other = write_tagger(tmp_path / "other", "siglip", seed=1)
    with pytest.raises(ValueError, match=r"tagger .* has fingerprint .*put the same files on every node"):
        build_worker(dataclasses.replace(case.setup(store), tagger=str(other)))


def test_the_tagger_is_loaded_by_workers_that_tag_alone(tmp_path: Path, model: str, taggers: dict[str, str]) -> None:
    """A worker that comes when all is prepared never holds it."""
    case = make_case(model, height=40, width=40, tagger=taggers["siglip"], vocabulary=WORDS, **SMALL)
    store = case.begin(str(tmp_path / "run"))
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: bool(store.open_array(COARSE).regions()))

    def refuse(*_words: Any, **_options: Any) -> Any:
        raise AssertionError("loaded")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actors.artifacts.tagging.load_tagger", refuse)
        sit(case, store)
        fresh = case.begin(str(tmp_path / "fresh"))
        with pytest.raises(AssertionError, match="loaded"):
            sit(case, fresh)
