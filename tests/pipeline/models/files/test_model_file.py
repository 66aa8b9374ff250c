"""Model files: what they say, and every way in which they or what they name can be wrong, in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.models.files.model_file import Control, ImageAdapter, Lora, read_model_file
from pipeline.models.registry import describe_model
from tests.support.composite import write_composite, write_control
from tests.support.tiny import write_stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_composite(tmp_path_factory.mktemp("models") / "sd").parent


def describe(folder: Path, text: str) -> object:
    (folder / "mine.toml").write_text(text)
    return describe_model(str(folder / "mine.toml"))


def test_a_name_is_its_own_base() -> None:
    file = read_model_file("owner/name", allow_pickle=True)
    assert (file.base, file.allow_pickle, file.controls) == ("owner/name", True, ())


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    for name in ("base", "control", "encoder"):
        (tmp_path / name).mkdir()
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "model.toml").write_text(
        'base = "base"\n[[controls]]\nmodel = "control"\nsees = "edges"\n'
        '[[controls]]\nmodel = "owner/tile"\nscale = 2\n'
        '[[loras]]\nmodel = "a.safetensors"\nscale = 0.7\n'
        '[image_adapter]\nmodel = "b.safetensors"\nencoder = "encoder"\n'
    )
    home, file = tmp_path.resolve(), read_model_file(str(tmp_path / "model.toml"))
    assert file.base == str(home / "base")
    assert file.controls == (
        Control(model=str(home / "control"), sees="edges"),
        Control(model="owner/tile", scale=2.0),
    )
    assert file.loras == (Lora(model=str(home / "a.safetensors"), scale=0.7),)
    assert file.image_adapter == ImageAdapter(model=str(home / "b.safetensors"), encoder=str(home / "encoder"))


def test_steps_at_which_a_control_acts() -> None:
    """Those that lie wholly between its shares; without a step it always does."""
    net = Control(model="x", start=0.25, end=0.75)
    assert [net.acts_at((step, 4)) for step in range(4)] == [False, True, True, False]
    assert [net.acts_at((step, 3)) for step in range(3)] == [False, True, False]
    assert net.acts_at(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the key 'base'"),
        ("base = 3", "base must be a string"),
        ("base = 'base'\ncontrol = []", "unknown key 'control'; did you mean controls"),
        ("base = 'base'\ncontrols = 'canny'", r"controls must be tables, each begun by \[\[controls\]\]"),
        ("base = 'base'\n[[controls]]\nsees = 'edges'", "lacks the key 'controls.model'"),
        ("base = 'base'\n[[controls]]\nmodle = 'canny'", "unknown key 'controls.modle'; did you mean model"),
        ("base = 'base'\n[[controls]]\nmodel = 'canny'\nsees = 'depth'", "controls.sees must be one of image, edges"),
        ("base = 'base'\n[[controls]]\nmodel = 'canny'\nscale = 'big'", "controls.scale must be a number, got 'big'"),
        ("base = 'base'\n[[controls]]\nmodel = 'canny'\nscale = nan", "the number nan is not finite"),
        ("base = 'base'\n[[controls]]\nmodel = 'canny'\nend = 'late'", "controls.end must be a number, got 'late'"),
        ("base = 'base'\n[[controls]]\nmodel = 'canny'\nstart = 1", "must rise between 0 and 1, got 1 and 1"),
        ("base = 'base'\n[[controls]]\nmodel = 'canny'\nend = 1.5", "must rise between 0 and 1, got 0 and 1.5"),
        ("base = 'model.toml'", r"model\.toml is no file of weights; expected \.safetensors"),
        ("base = 'base'\n[[controls]]\nmodel = 'nowhere'", "controls.model = 'nowhere': no such file or folder"),
        ("base = 'base'\n[image_adapter]\nmodel = 'canny'", "lacks the key 'image_adapter.encoder'"),
        ("base = 'base'\nimage_adapter = 'x'", r"must be a table, begun by \[image_adapter\]"),
        ("base = 'base'\nallow_pickle = 1", "allow_pickle must be true or false"),
        ("base = = 1", "not a TOML file"),
    ],
)
def test_mistakes_are_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        describe(folder, text)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"model nowhere\.toml: no such file"):
        describe_model("nowhere.toml")


def test_attachments_need_a_stable_diffusion(folder: Path) -> None:
    with pytest.raises(ValueError, match="attachments need a Stable Diffusion or FLUX base, not embedded"):
        describe(
            folder, f"base = '{Path('pipeline/models/embedded/weights').resolve()}'\n[[controls]]\nmodel = 'canny'"
        )


def test_the_card_says_what_is_attached(folder: Path) -> None:
    card, base = describe_model(str(folder / "model.toml")), describe_model(str(folder / "base"))
    assert (card.geometry.inputs.structures, card.defaults.structure) == (("image", "edges"), "both")
    assert (base.geometry.inputs.structures, base.defaults.structure) == ((), "none")
    assert card.geometry.cost.parameters > base.geometry.cost.parameters
    assert describe(folder, "base = 'base'") == describe_model(str(folder / "mine.toml"))


def test_the_fingerprint_sees_every_attachment_and_number(folder: Path, tmp_path: Path) -> None:
    texts = [
        "base = 'base'",
        "base = 'base'\n[[controls]]\nmodel = 'canny'",
        "base = 'base'\n[[controls]]\nmodel = 'tile'",
        "base = 'base'\n[[controls]]\nmodel = 'canny'\nscale = 0.5",
        "base = 'base'\n[[controls]]\nmodel = 'canny'\nend = 0.5",
        "base = 'base'\n[[controls]]\nmodel = 'canny'\nsees = 'edges'",
        "base = 'base'\n[[controls]]\nmodel = 'canny'\n[[controls]]\nmodel = 'tile'",
        "base = 'base'\n[[controls]]\nmodel = 'tile'\n[[controls]]\nmodel = 'canny'",
    ]
    prints = {describe(folder, text).fingerprint for text in texts}  # type: ignore[attr-defined]
    assert len(prints) == len(texts)
    elsewhere = write_composite(tmp_path / "copy").parent
    moved = describe(elsewhere, texts[1]).fingerprint  # type: ignore[attr-defined]
    assert moved == describe(folder, texts[1]).fingerprint  # type: ignore[attr-defined]


def test_a_control_of_another_family_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_stable_diffusion(tmp_path / "xl", xl=True)
    control = write_control(tmp_path / "control", other, seed=0)
    with pytest.raises(ValueError, match=r"ControlNet control does not fit the base: cross_attention_dim is 32, .* 16"):
        describe(folder, f"base = 'base'\n[[controls]]\nmodel = '{control}'")
    config = json.loads((folder / "canny" / "config.json").read_text())
    for change, message in (
        ({"_class_name": "ControlNetUnionModel"}, "it is a ControlNetUnionModel"),
        ({"conditioning_channels": 1}, "pictures of 3 channels and shrink them by 8"),
        ({"global_pool_conditions": True}, "pools its picture"),
    ):
        (control / "config.json").write_text(json.dumps({**config, **change}))
        with pytest.raises(ValueError, match=message):
            describe(folder, f"base = 'base'\n[[controls]]\nmodel = '{control}'")
    (control / "config.json").write_text("no JSON")
    with pytest.raises(ValueError, match=r"config\.json: not JSON"):
        describe(folder, f"base = 'base'\n[[controls]]\nmodel = '{control}'")
    (control / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"the ControlNet control lacks config\.json"):
        describe(folder, f"base = 'base'\n[[controls]]\nmodel = '{control}'")


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (
            "unet",
            {"in_channels": 9},
            "reads 9 channels and its autoencoder makes latents of 4: it is an inpainting model",
        ),
        ("unet", {"in_channels": 7}, "it is the x4 upscaler"),
        ("vae", {"latent_channels": 16}, "makes latents of 16: the parts are of different models"),
        ("text_encoder", {"hidden_size": 24}, "reads text of width 16 and its text encoders make 24"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, part: str, change: dict[str, int], message: str) -> None:
    path = write_stable_diffusion(tmp_path / "sd") / part / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        describe_model(str(tmp_path / "sd"))


def test_hub_ids(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base and attachments through the hub's cache; pickles are fetched where they are allowed alone."""
    asked: dict[str, list[str]] = {}

    def give(name: str, *, allow_patterns: list[str]) -> str:
        asked[name] = allow_patterns
        return str(folder / name.partition("/")[2])

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    (tmp_path / "model.toml").write_text("base = 'owner/base'\n[[controls]]\nmodel = 'owner/canny'\n")
    card = describe_model(str(tmp_path / "model.toml"))
    assert card.fingerprint == describe(folder, "base = 'base'\n[[controls]]\nmodel = 'canny'").fingerprint  # type: ignore[attr-defined]
    assert asked.keys() == {"owner/base", "owner/canny"}
    assert {"unet/*.safetensors", "text_encoder/*.safetensors"} < {*asked["owner/base"]}
    assert "*.safetensors" not in asked["owner/base"], "not the authors' single file beside the parts"
    assert "*.safetensors" in asked["owner/canny"]
    assert "unet/*.bin" not in asked["owner/base"]
    describe_model(str(tmp_path / "model.toml"), allow_pickle=True)
    assert "unet/*.bin" in asked["owner/base"]
