"""`gigatile recipes`: presets with their papers, and every setting."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cluster.cli import app
from pipeline.plan import presets
from pipeline.plan.recipe import SETTINGS


def listed(*words: str) -> str:
    result = CliRunner().invoke(app, ["recipes", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_presets_are_listed_with_their_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    lines = listed().splitlines()
    for name, one in presets.PRESETS.items():
        assert any(f" {name} " in line and (one.paper or "ours") in line for line in lines)


def test_every_setting_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    text = listed("--settings")
    assert all(f" {name} " in text for name in SETTINGS)


def test_presets_as_json() -> None:
    table = {one["name"]: one for one in json.loads(listed("--json"))}
    assert list(table) == list(presets.PRESETS)
    assert table["scalediff-flux"]["preset"] == "scalediff"
    assert table["scalediff-flux"]["settings"]["sampling.restart"] == 0.6
    assert CliRunner().invoke(app, ["recipes", "--json", "--settings"]).exit_code == 2
