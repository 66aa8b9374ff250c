"""From a tagger's name to its card and to the tagger: embedded, a folder in transformers' format, or a hub id."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from ..backbones.configs import read_config
from ..backbones.hub import locate
from ..backbones.weights import fingerprint_files, num_parameters
from ..tagger import KINDS, ZERO_SHOT, Tagger, TaggerCard, Tagging
from . import embedded
from .captioner import load_captioner
from .zero_shot import load_zero_shot

SUFFIXES = (".json", ".txt", ".model", ".safetensors")
"""of the files that a tagger is made of"""


def describe_tagger(name: str) -> TaggerCard:
    """The card of a tagger; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where it is missing, damaged or of another kind.
    """
    if name == embedded.NAME:
        return embedded.describe_embedded()
    folder = locate(name, name, what="tagger")
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
        raise FileNotFoundError(f"tagger {name}: no .safetensors weights in it; convert the model to safetensors")
    _check_tokenizer(folder, name)
    return TaggerCard(
        name=name,
        kind=kind,
        location=str(folder),
        fingerprint=fingerprint_files({path.name: path for path in files}),
        parameters=sum(num_parameters(path) for path in weights),
    )


def _check_tokenizer(folder: Path, name: str) -> None:
    try:
        AutoTokenizer.from_pretrained(folder)
    except Exception as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ValueError(f"tagger {name}: its tokenizer cannot be read ({reason}); copy the whole model") from e


def load_tagger(card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
    """The tagger itself on ``device`` (cpu or cuda), in float32: half precision rounds slight differences away.

    ``captions``: ``short`` or ``detailed``, for captioners that know both.
    """
    transformers_logging.disable_progress_bar()
    if card.kind == "embedded":
        return embedded.EmbeddedTagger(Path(card.location), device)
    if card.kind in ZERO_SHOT:
        return load_zero_shot(Path(card.location), tagging, device=device)
    return load_captioner(Path(card.location), card.kind, device=device, captions=captions)
