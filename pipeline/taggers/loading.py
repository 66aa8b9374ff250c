"""From a tagger's name to its card and to the tagger: embedded, a folder in transformers' format, or a hub id."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from transformers import BlipForConditionalGeneration, CLIPModel, Florence2ForConditionalGeneration, SiglipModel

from pipeline.models.files.configs import read_config
from pipeline.models.files.hub import locate
from pipeline.models.files.model_file import CHECKPOINTS
from pipeline.models.files.strictness import Unread, settle, unread_of_part
from pipeline.models.files.weights import fingerprint_files, num_parameters, weight_files
from pipeline.prompts.tagging import MANNERS, Tagger, TaggerCard, Tagging
from pipeline.prompts.tokenizer import read_tokenizer
from storage.registry import Registry

from . import embedded
from .captioner import load_captioner
from .kind import Load, TaggerKind
from .zero_shot import load_zero_shot

SUFFIXES = (".json", ".txt", ".model", ".safetensors")
"""of the files that a tagger is made of"""


def _load_embedded(card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
    return embedded.EmbeddedTagger(Path(card.location), device)


def _load_zero_shot(card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
    return load_zero_shot(Path(card.location), tagging, device=device)


def _load_captioner(card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
    return load_captioner(Path(card.location), card.kind, device=device, captions=captions, strict=card.strict)


def _kind(name: str, load: Load, network: Any) -> TaggerKind:
    return TaggerKind(name=name, load=load, network=network, manner=MANNERS[name])


TAGGERS: Registry[TaggerKind] = Registry(
    what="tagger",
    group="gigatile.taggers",
    kind=TaggerKind,
    built_in=(
        TaggerKind(name=embedded.NAME, load=_load_embedded, describe=embedded.describe_embedded),
        _kind("siglip", _load_zero_shot, SiglipModel),
        _kind("clip", _load_zero_shot, CLIPModel),
        _kind("blip", _load_captioner, BlipForConditionalGeneration),
        _kind("florence2", _load_captioner, Florence2ForConditionalGeneration),
    ),
    names_of=lambda kind: (kind.name,),
)
"""by ``model_type``, or by the name of one that needs no files"""


def describe_tagger(name: str, *, allow_pickle: bool = False, strict: bool = True) -> TaggerCard:
    """The card of a tagger; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where it is missing, damaged or of another kind;
    where ``strict`` holds, also for weights and settings that nothing here reads.
    """
    alone = TAGGERS.find(name)
    if alone is not None and alone.describe is not None:
        with TAGGERS.blaming(name):
            return dataclasses.replace(alone.describe(), manner=alone.manner, packages=TAGGERS.packages(name))
    folder = locate(name, name, allow_pickle=allow_pickle, what="tagger")
    if folder.is_file():
        raise ValueError(f"tagger {name}: {_what_file(folder)}")
    odd = sorted(path.name for path in folder.iterdir() if path.suffix in CHECKPOINTS and _is_ram(path.name))
    if odd and not (folder / "config.json").is_file():
        raise ValueError(f"tagger {name}: {_what_file(folder / odd[0])}")
    model_type, kind = _kind_of(folder, name)
    if kind.network is not None:
        _check_processor(folder, name)
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    weights = [path for path in files if path.name.startswith("model") and path.suffix == ".safetensors"]
    if not weights:
        weights = _pickles(folder, name, allow_pickle=allow_pickle)
        files = sorted([*files, *weights])
    left = list[Unread]()
    if kind.network is not None:
        _check_tokenizer(folder, name)
        left = unread_of_part(kind.network, folder, weights, f"tagger {name}", what="the tagger")
    parameters = sum(num_parameters(path) for path in weights)
    return TaggerCard(
        name=name,
        kind=model_type,
        location=str(folder),
        fingerprint=fingerprint_files({path.name: path for path in files}),
        parameters=parameters,
        dropped=settle(left, f"tagger {name}", strict=strict),
        manner=kind.manner,
        packages=TAGGERS.packages(model_type),
    )


def _kind_of(folder: Path, name: str) -> tuple[str, TaggerKind]:
    """What a folder's config says that it is, and its kind."""
    config = read_config(folder / "config.json", name, what="tagger")
    model_type = str(config.get("model_type"))
    kind = TAGGERS.find(model_type)
    if kind is None or kind.describe is not None:
        raise ValueError(f"tagger {name}: no tagger for models of type {model_type!r}; there is one for {_types()}")
    if model_type == "florence2" and "auto_map" in config:
        raise ValueError(
            f"tagger {name}: Florence-2 as its authors first wrote it, with code of its own; expected it converted for "
            "transformers, such as florence-community/Florence-2-base"
        )
    return model_type, kind


def _types() -> str:
    alone = [kind.name for kind in TAGGERS.known() if kind.describe is not None]
    return ", ".join(name for name in TAGGERS.names() if name not in alone)


def _pickles(folder: Path, name: str, *, allow_pickle: bool) -> list[Path]:
    """Weights of a tagger that has no safetensors. Raises FileNotFoundError, one line, where none are allowed."""
    if allow_pickle and any(folder.glob("*.bin")):
        return [path for path in weight_files(folder, name, allow_pickle=True) if path.suffix != ".json"]
    mend = "convert the model to safetensors"
    if any(folder.glob("*.bin")):
        mend += ", or trust its pickle and add --allow-pickle"
    raise FileNotFoundError(f"tagger {name}: no .safetensors weights in it; {mend}")


def _is_ram(file: str) -> bool:
    """Whether a file's name is that of the Recognize Anything Model, or of SeeSR's degradation-aware one."""
    return file.lower().startswith(("ram_", "ram.", "tag2text", "dape"))


def _what_file(path: Path) -> str:
    what = "is a single file"
    if _is_ram(path.name):
        what = "looks like RAM or DAPE (Recognize Anything), which is not read"
    return f"{path.name} {what}; expected a folder in transformers' format of one of {_types()}"


def _check_processor(folder: Path, name: str) -> None:
    if not any((folder / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")):
        raise FileNotFoundError(f"tagger {name}: lacks preprocessor_config.json; copy the whole model")


def _check_tokenizer(folder: Path, name: str) -> None:
    try:
        read_tokenizer(folder)
    except Exception as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ValueError(f"tagger {name}: its tokenizer cannot be read ({reason}); copy the whole model") from e


def load_tagger(card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
    """The tagger itself on ``device`` (cpu or cuda), in float32: half precision rounds slight differences away.

    ``captions``: ``short`` or ``detailed``, for captioners that know both.
    """
    kind = TAGGERS.find(card.kind)
    assert kind is not None, "it was described"
    with TAGGERS.blaming(card.kind):
        return kind.load(card, tagging, device=device, captions=captions)
