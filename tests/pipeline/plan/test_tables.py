"""The tables of docs/recipes.md are today's, and say what stands beside the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.plan.presets import PRESETS as SHIPPED
from pipeline.plan.recipe import SETTINGS
from pipeline.plan.tables import END, MARK, TABLES, main, needs, refusals_table, renewed, settings_table, values

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "recipes.md"


def test_the_document_is_current() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert renewed(text) == text, "run `make docs`"


def test_what_stands_between_the_markers_is_replaced_and_nothing_else() -> None:
    marked = [f"{MARK.format(name=name)}\nold\n{END.format(name=name)}" for name in TABLES]
    found = renewed("before\n" + "\nbetween\n".join(marked) + "\nafter\n")
    assert found.startswith("before\n")
    assert found.endswith("\nafter\n")
    assert (found.count("\nbetween\n"), found.count("old\n")) == (2, 0)
    assert renewed(found) == found
    with pytest.raises(ValueError, match=r"expected one .*presets"):
        renewed("nothing here")


def test_every_preset_and_setting_has_its_row() -> None:
    assert all(f"| `{name}` | {one.paper or 'ours'} |" in TABLES["presets"]() for name, one in SHIPPED.items())
    rows = [line for line in settings_table().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [one.field for one in SETTINGS.values()]
    # no cell is cut in two by what it holds
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}


def test_refusals_are_the_settings_own() -> None:
    table = refusals_table()
    assert "| `difficulty.group_steps` without `difficulty.activity = 'groups'` | nobody would read it |" in table
    assert (
        "| `sampling.strength` with `difficulty.activity = 'groups'` | groups lay the timesteps themselves |" in table
    )
    assert table.count("\n") - 1 == sum(len(one.about.needs + one.about.excludes) for one in SETTINGS.values())


def test_words_for_values_and_needs() -> None:
    assert values(SETTINGS["codec.value_range"]) == "2 numbers"
    assert values(SETTINGS["model.compile"]) == "true, false"
    assert values(SETTINGS["difficulty.power"]) == "above 0 and at most 16"
    assert (
        needs(SETTINGS["tiles.attention_jitter"]) == "`tiles.attend = 'neighbourhood'`; later stages, or the only one"
    )
    assert needs(SETTINGS["sampling.steps"]) == ""


@pytest.mark.parametrize("name", sorted(TABLES))
def test_each_marker_stands_there_once(name: str) -> None:
    begin, end = MARK.format(name=name), END.format(name=name)
    text = "\n".join(f"{MARK.format(name=one)}\n{END.format(name=one)}" for one in TABLES)
    for damaged in (text.replace(begin, ""), text.replace(end, ""), f"{text}\n{begin}", f"{text}\n{end}"):
        with pytest.raises(ValueError, match=f"expected one .*{name}"):
            renewed(damaged)


def test_documents_that_are_named_are_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = DOCUMENT.read_text(encoding="utf-8").replace("| `blend` |", "| `blending` |")
    paths = [tmp_path / "a.md", tmp_path / "b.md"]
    for path in paths:
        path.write_text(stale, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["tables", *map(str, paths)])
    main()
    assert {path.read_text(encoding="utf-8") for path in paths} == {DOCUMENT.read_text(encoding="utf-8")}
