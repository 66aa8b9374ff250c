"""Where a model is: folders as they are, and a hub that is a function of the test's own."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from pipeline.models.files.hub import locate

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}
FILES = (
    "model_index.json",
    "merges.txt",
    "spiece.model",
    "whole.safetensors",
    "whole.bin",
    "README.md",
    "unet/weights.safetensors",
    "unet/weights.bin",
    "vae/weights.safetensors",
    "safety_checker/weights.safetensors",
    "unet/code.py",
)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives files of FILES into a folder; keeps what was asked."""
    folder, asked, files = tmp_path / "cache", [], list(FILES)

    def give(name: str, *, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        for file in files:
            if any(fnmatch(file, pattern) for pattern in allow_patterns):
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(json.dumps(INDEX) if file == "model_index.json" else "{}")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    monkeypatch.chdir(tmp_path)
    give.asked, give.folder, give.files = asked, folder, files  # type: ignore[attr-defined]
    return give


def given(hub: Any) -> set[str]:
    return {str(path.relative_to(hub.folder)) for path in hub.folder.rglob("*") if path.is_file()}


CONFIGS = {"model_index.json", "merges.txt", "spiece.model"}


def test_what_is_on_this_machine_is_asked_of_nobody(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are followed, and ~ is the home directory; a folder wins over a hub id of its name."""
    there = tmp_path / "owner" / "name"
    there.mkdir(parents=True)
    (tmp_path / "link").symlink_to(there)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("owner/name", "link", str(there), "~/owner/name"):
        assert locate(name, "m") == there
    assert hub.asked == []


def test_of_a_pipeline_come_its_parts_weights(hub: Any) -> None:
    """Not its authors' single file, nor a part that its index leaves out, nor a pickle, nor code."""
    assert locate("owner/name", "m") == hub.folder
    assert given(hub) == CONFIGS | {"unet/weights.safetensors", "vae/weights.safetensors"}
    assert {name for name, _ in hub.asked} == {"owner/name"}


def test_pickles_where_they_are_allowed(hub: Any) -> None:
    locate("owner/name", "m", allow_pickle=True)
    expected = {"unet/weights.safetensors", "vae/weights.safetensors", "unet/weights.bin"}
    assert given(hub) == CONFIGS | expected


def test_configs_alone(hub: Any) -> None:
    assert locate("owner/name", "m", configs_only=True) == hub.folder
    assert given(hub) == CONFIGS
    assert len(hub.asked) == 1


def test_of_anything_else_all_weights(hub: Any) -> None:
    hub.files.remove("model_index.json")
    locate("owner/name", "m")
    weights = {name for name in FILES if name.endswith(".safetensors")}
    assert given(hub) == CONFIGS - {"model_index.json"} | weights


@pytest.mark.parametrize(
    ("name", "model", "what", "message"),
    [
        ("./gone", "./gone", "model", "model ./gone: no such folder; give embedded, a folder or a hub id"),
        ("./gone", "m.toml", "model", "model m.toml: no such folder: ./gone; give embedded, a folder"),
        ("./gone", "./gone", "tagger", "tagger ./gone: no such folder; give embedded, a folder"),
        ("./gone", "./gone", "vision transformer", "vision transformer ./gone: no such folder; give a folder or"),
    ],
)
def test_no_folder_and_no_hub_id(hub: Any, name: str, model: str, what: str, message: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        locate(name, model, what=what)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("a hub id such as owner/name")
    assert hub.asked == []


@pytest.mark.parametrize(("error", "reason"), [(OSError("no route\nto it"), "no route"), (OSError(""), "OSError")])
def test_a_hub_that_does_not_give_it(error: OSError, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(FileNotFoundError) as caught:
        locate("owner/absent", "m.toml", what="tagger")
    said = str(caught.value)
    assert said.startswith(f"tagger owner/absent: no folder of that name, and the hub did not give it ({reason}); ")
    assert "\n" not in said
