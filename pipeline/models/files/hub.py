"""Where a model's parts are on this machine: local paths as they are, hub ids through the hub's cache."""

from __future__ import annotations

from pathlib import Path

from storage.home import expand_home
from storage.links import followed

from .configs import read_config
from .model_file import is_hub_id

CONFIGS = ("*.json", "*.txt", "*.model")
WEIGHTS = ("*.safetensors",)
PICKLED = ("*.bin",)


def locate(
    name: str, model: str, *, allow_pickle: bool = False, configs_only: bool = False, what: str = "model"
) -> Path:
    """The folder or file called ``name``, a path or a hub id, of the model ``model`` (or whatever ``what`` says it is).

    From the hub come configs and, unless ``configs_only``, weights, as pickles too where they are allowed. Of a whole
    pipeline only the weights of its parts: its authors' single file, which may lie beside them, is as large again.

    Raises FileNotFoundError, one line with the mend.
    """
    path = expand_home(name)
    if path.exists():
        return followed(path)
    if not is_hub_id(name):
        raise FileNotFoundError(
            f"{what} {model}: no such folder{'' if name == model else f': {name}'}; "
            f"give {'embedded, ' if what in ('model', 'tagger') else ''}a folder or a hub id such as owner/name"
        )
    from huggingface_hub import snapshot_download

    patterns = [*WEIGHTS, *(PICKLED if allow_pickle else ())]
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*CONFIGS]))
        if configs_only:
            return folder
        wanted = [f"{part}{pattern}" for part in _parts(folder) for pattern in patterns]
        return Path(snapshot_download(name, allow_patterns=[*CONFIGS, *wanted]))
    except Exception as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise FileNotFoundError(
            f"{what} {name}: no folder of that name, and the hub did not give it ({reason}); "
            "download it where the hub can be reached and give the folder"
        ) from e


def _parts(folder: Path) -> list[str]:
    """How the names of a pipeline's parts begin, from its index; of anything else everything counts."""
    index = folder / "model_index.json"
    if not index.is_file():
        return [""]
    table = read_config(index, folder.name)
    return [f"{part}/" for part, kind in table.items() if isinstance(kind, list) and any(kind)]
