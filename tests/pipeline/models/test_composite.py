"""A base with attachments has one card: what it is told apart by, and what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pipeline.models.registry import describe_model
from tests.support.composite import write_composite
from tests.support.tiny_transformers import write_flux


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_composite(tmp_path_factory.mktemp("models"))


def rewritten(model: Path, old: str, new: str) -> Path:
    """The same model file beside it with one thing said otherwise."""
    text = model.read_text()
    assert old in text
    other = model.with_name(f"other-{abs(hash((old, new)))}.toml")
    other.write_text(text.replace(old, new))
    return other


def test_its_card_is_the_bases_and_what_controls_add(model: Path) -> None:
    base, card = describe_model(str(model.parent / "base")), describe_model(str(model))
    added = sum(
        tensor.numel()
        for name in ("canny", "tile")
        for tensor in load_file(model.parent / name / "diffusion_pytorch_model.safetensors").values()
    )
    assert card.geometry.cost.parameters == base.geometry.cost.parameters + added
    assert card.geometry.inputs.structures == ("image", "edges")
    assert card.defaults.structure == "both"
    assert base.geometry.inputs.structures == ()
    assert card.location == base.location


@pytest.mark.parametrize(
    ("old", "new"),
    [("scale = 0.8", "scale = 0.81"), ('sees = "edges"', 'sees = "image"'), ('model = "canny"', 'model = "tile"')],
)
def test_another_number_or_file_is_another_model(model: Path, old: str, new: str) -> None:
    assert describe_model(str(rewritten(model, old, new))).fingerprint != describe_model(str(model)).fingerprint


def test_one_control_that_sees_edges_is_shown_edges(model: Path) -> None:
    card = describe_model(str(rewritten(model, 'sees = "image"', 'sees = "edges"')))
    assert (card.geometry.inputs.structures, card.defaults.structure) == (("edges",), "edges")


def test_where_it_lies_does_not_matter(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model.parent, tmp_path / "elsewhere")
    assert (
        describe_model(str(tmp_path / "elsewhere" / model.name)).fingerprint == describe_model(str(model)).fingerprint
    )


def test_nothing_attached_is_the_base_itself(model: Path) -> None:
    plain = model.with_name("plain.toml")
    plain.write_text('base = "base"\n')
    base = describe_model(str(model.parent / "base"))
    assert describe_model(str(plain)).fingerprint == base.fingerprint


def test_what_a_family_cannot_take_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    write_flux(tmp_path / "base")
    shutil.copytree(model.parent / "canny", tmp_path / "canny")
    (tmp_path / "model.toml").write_text('base = "base"\n[[controls]]\nmodel = "canny"\n')
    with pytest.raises(ValueError, match=r"ControlNets and IP-Adapters need a Stable Diffusion .* is flux"):
        describe_model(str(tmp_path / "model.toml"))
