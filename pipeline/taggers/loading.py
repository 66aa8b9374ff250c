"""From a tagger's name to its card and to the tagger: embedded, a folder in transformers' format, or a hub id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import BlipForConditionalGeneration, CLIPModel, Florence2ForConditionalGeneration, SiglipModel

from pipeline.models.files.configs import read_config
from pipeline.models.files.hub import locate
from pipeline.models.files.model_file import CHECKPOINTS
from pipeline.models.files.strictness import settle, unread_of_part
from pipeline.models.files.weights import fingerprint_files, num_parameters, weight_files
from pipeline.prompts.tagging import KINDS, ZERO_SHOT, Tagger, TaggerCard, Tagging
from pipeline.prompts.tokenizer import read_tokenizer

from . import embedded
from .captioner import load_captioner
from .zero_shot import load_zero_shot

SUFFIXES = (".json", ".txt", ".model", ".safetensors")
"""of the files that a tagger is made of"""


CLASSES: dict[str, Any] = {
    "siglip": SiglipModel,
    "clip": CLIPModel,
    "blip": BlipForConditionalGeneration,
    "florence2": Florence2ForConditionalGeneration,
}
"""kind -> the class of its network"""


def describe_tagger(name: str, *, allow_pickle: bool = False, strict: bool = True) -> TaggerCard:
    """The card of a tagger; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where it is missing, damaged or of another kind;
    where ``strict`` holds, also for weights and settings that nothing here reads.
    """
    if name == embedded.NAME:
        return embedded.describe_embedded()
    folder = locate(name, name, allow_pickle=allow_pickle, what="tagger")
    if folder.is_file():
        raise ValueError(f"tagger {name}: {_what_file(folder)}")
    odd = sorted(path.name for path in folder.iterdir() if path.suffix in CHECKPOINTS and _is_ram(path.name))
    if odd and not (folder / "config.json").is_file():
        raise ValueError(f"tagger {name}: {_what_file(folder / odd[0])}")
    config = read_config(folder / "config.json", name, what="tagger")
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise ValueError(f"tagger {name}: no tagger for models of type {kind!r}; there is one for {', '.join(KINDS)}")
    if kind == "florence2" and "auto_map" in config:
        raise ValueError(
            f"tagger {name}: Florence-2 as its authors first wrote it, with code of its own; expected it converted for "
            "transformers, such as florence-community/Florence-2-base"
        )
    if not any((folder / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")):
        raise FileNotFoundError(f"tagger {name}: lacks preprocessor_config.json; copy the whole model")
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    weights = [path for path in files if path.name.startswith("model") and path.suffix == ".safetensors"]
    if not weights:
        weights = _pickles(folder, name, allow_pickle=allow_pickle)
        files = sorted([*files, *weights])
    _check_tokenizer(folder, name)
    parameters = sum(num_parameters(path) for path in weights)
    left = unread_of_part(CLASSES[kind], folder, weights, f"tagger {name}", what="the tagger")
    return TaggerCard(
        name=name,
        kind=kind,
        location=str(folder),
        fingerprint=fingerprint_files({path.name: path for path in files}),
        parameters=parameters,
        dropped=settle(left, f"tagger {name}", strict=strict),
    )


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
    found = "is a single file"
    if _is_ram(path.name):
        found = "looks like RAM or DAPE (Recognize Anything), which is not read"
    return f"{path.name} {found}; expected a folder in transformers' format of one of {', '.join(KINDS)}"


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
    if card.kind == "embedded":
        return embedded.EmbeddedTagger(Path(card.location), device)
    if card.kind in ZERO_SHOT:
        return load_zero_shot(Path(card.location), tagging, device=device)
    return load_captioner(Path(card.location), card.kind, device=device, captions=captions, strict=card.strict)
