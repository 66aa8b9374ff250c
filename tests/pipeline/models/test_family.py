"""Families: found by the class in model_index.json, the built-in ones and those of other packages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pipeline.models.family import CONTROLS, IMAGE_ADAPTER, Family
from pipeline.models.registry import FAMILIES, describe_model, find_family, load_backbone
from tests.support.outside import install
from tests.support.tiny import write_stable_diffusion

MODULE = """
import dataclasses
from pipeline.models.families.analytic import CARD, load
from pipeline.models.family import Family

FAMILY = Family(name="alone", card=dataclasses.replace(CARD, name="alone", family="alone"), load=load)
CLASS = Family
"""


def test_built_in_families_answer_to_one_name_each() -> None:
    names = [name for family in FAMILIES.built_in for name in family.names]
    assert len(names) == len(set(names))
    assert len({family.name for family in FAMILIES.built_in}) == len(FAMILIES.built_in)
    for family in FAMILIES.built_in:
        assert all(FAMILIES.find(name) is family for name in family.names)
        assert FAMILIES.packages(family.names[0]) == {}


def test_what_can_be_attached_to_which() -> None:
    """ControlNets and IP-Adapters to U-Nets of Stable Diffusion; LoRAs to all whose networks can be compared."""
    found = {family.name: (family.networks is not None, family.attaches) for family in FAMILIES.built_in}
    nothing: frozenset[str] = frozenset()
    assert found == {
        "embedded": (False, nothing),
        "stable_diffusion": (True, {CONTROLS, IMAGE_ADAPTER}),
        "stable_diffusion_3": (True, nothing),
        "flux": (True, nothing),
        "analytic": (False, nothing),
    }


def test_a_family_without_files_of_another_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries = {"gigatile.models": {"alone": "alone_family:FAMILY"}}
    install(monkeypatch, tmp_path, entries, name="alone-model", version="0.9", files={"alone_family.py": MODULE})
    card = describe_model("alone")
    assert (card.name, card.family, card.packages) == ("alone", "alone", {"alone-model": "0.9"})
    family, folder = find_family("alone")
    assert (family.name, folder) == ("alone", Path())
    assert load_backbone(card, device="cpu", dtype="float32").geometry == card.geometry
    assert describe_model("analytic").packages == {}


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("nowhere_at_all:FAMILY", r"model family 'NewPipeline' of the package broken 1\.0 cannot be loaded"),
        ("alone_family:CLASS", r"alone_family:CLASS is a type, expected a Family of pipeline\.models\.family"),
        ("alone_family:FAMILY", "says of itself that it is alone: call its entry point alike"),
    ],
)
def test_a_broken_one_is_one_line_for_its_models_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, match: str
) -> None:
    entries = {"gigatile.models": {"NewPipeline": value, "StableDiffusionPipeline": value}}
    install(monkeypatch, tmp_path / "site", entries, name="broken", files={"alone_family.py": MODULE})
    folder = write_stable_diffusion(tmp_path / "sd")
    assert describe_model(str(folder)).family == "stable_diffusion"
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "NewPipeline"}))
    with pytest.raises(ValueError, match=match):
        describe_model(str(folder))


def test_a_family_that_reads_no_folder_says_so(tmp_path: Path) -> None:
    family = Family(name="alone", load=FAMILIES.built_in[-1].load)
    assert (family.parts({}), family.weighted_parts({}), family.kinds(tmp_path, {})) == ([], [], {})
    with pytest.raises(ValueError, match="its family reads no folders"):
        family.read_geometry(tmp_path / "model", {})


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("parts=lambda index: ['model_index.json']", "its family reads no folders"),
        (
            "parts=lambda index: [], read_geometry=lambda folder, index: index.nothing",
            r"model family 'NewPipeline' of the package new 1\.0 failed \(AttributeError: .*'nothing'\): mend",
        ),
    ],
)
def test_one_that_fails_while_it_describes_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, match: str
) -> None:
    monkeypatch.delitem(sys.modules, "new_family", raising=False)
    text = f"""
from pipeline.models.families.analytic import load
from pipeline.models.family import Family
FAMILY = Family(name="new", class_names=("NewPipeline",), load=load, {given})
"""
    entries = {"gigatile.models": {"NewPipeline": "new_family:FAMILY"}}
    install(monkeypatch, tmp_path / "site", entries, name="new", files={"new_family.py": text})
    folder = write_stable_diffusion(tmp_path / "sd")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "NewPipeline"}))
    with pytest.raises(ValueError, match=match):
        describe_model(str(folder))
