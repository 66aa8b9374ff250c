"""Weight files: which files of a part are read, its shapes and its tensors; pickles only where they are allowed."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import torch

from .configs import read_config

PICKLES = (".bin", ".ckpt", ".pt", ".pth")
"""suffixes of files that torch.load reads: pickles, which can run code of whoever made them"""
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


def weight_file(part: Path, name: str, *, allow_pickle: bool = False) -> Path:
    """The one file of weights of a part that is never sharded; else as ``weight_files``."""
    return weight_files(part, name, allow_pickle=allow_pickle)[0]


def weight_files(part: Path, name: str, *, allow_pickle: bool = False) -> list[Path]:
    """The weights of one part of the model ``name``: one file, or an index and the shards that it lists.

    Safetensors if there are any, half precision preferred. Raises FileNotFoundError naming the part or the shard that
    is not there, ValueError where there is but a pickle and none is allowed, or both a file and shards.
    """
    for suffix in (".safetensors", ".bin"):
        for stem in STEMS:
            for kind in (".fp16", ""):
                path, index = part / f"{stem}{kind}{suffix}", part / f"{stem}{suffix}.index{kind}.json"
                if path.is_file() and index.is_file():
                    raise ValueError(
                        f"model {name}: {part.name}/ has both {path.name} and {index.name}, which lists shards: "
                        "remove one of them"
                    )
                if path.is_file():
                    return [check_pickle(path, name, allow_pickle=allow_pickle)]
                if index.is_file():
                    shards = _shards(index, name)
                    return [index, *(check_pickle(shard, name, allow_pickle=allow_pickle) for shard in shards)]
    raise FileNotFoundError(f"model {name}: no .safetensors weights in {part.name}/; convert the model to safetensors")


def _shards(index: Path, name: str) -> list[Path]:
    """The files that an index lists, by name."""
    table = read_config(index, name).get("weight_map")
    if not isinstance(table, dict) or not table or not all(isinstance(shard, str) for shard in table.values()):
        raise ValueError(f"model {name}: {index.parent.name}/{index.name} lists no shards; copy the model again")
    found = sorted(set(table.values()))
    for shard in found:
        # a name, not a path: nothing outside of the part is read
        if Path(shard).name != shard or not (index.parent / shard).is_file():
            raise FileNotFoundError(
                f"model {name}: lacks {index.parent.name}/{shard}, which {index.name} lists; copy the model again"
            )
    return [index.parent / shard for shard in found]


def check_pickle(path: Path, name: str, *, allow_pickle: bool) -> Path:
    """The same path. Raises ValueError, one line, for a pickle where none is allowed."""
    if path.suffix in PICKLES and not allow_pickle:
        raise ValueError(
            f"model {name}: {path.parent.name}/{path.name} is a pickle, which can run code of whoever made it: "
            "convert it to .safetensors, or trust it and add --allow-pickle"
        )
    return path


def variant(part: Path) -> str | None:
    """``fp16`` where a part's weights, those that ``weight_files`` gives, are in half precision."""
    first = weight_files(part, part.name, allow_pickle=True)[0]
    return "fp16" if first.name.split(".")[-2] == "fp16" else None


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by tensor, without reading the tensors. Raises ValueError, one line, for a damaged file."""
    if path.suffix in PICKLES:
        return {key: tuple(tensor.shape) for key, tensor in _unpickle(path, "meta").items()}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as tensors:
            return {key: tuple(tensors.get_slice(key).get_shape()) for key in tensors.keys()}  # noqa: SIM118 - a handle
    except SafetensorError as e:
        raise ValueError(_damaged(path, e)) from e


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a file, on the CPU. Raises ValueError, one line, for a damaged file."""
    if path.suffix in PICKLES:
        return _unpickle(path, "cpu")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except SafetensorError as e:
        raise ValueError(_damaged(path, e)) from e
    return tensors


def _unpickle(path: Path, device: str) -> dict[str, torch.Tensor]:
    """Even an allowed pickle may hold tensors only: torch refuses everything else."""
    try:
        table: Any = torch.load(path, map_location=device, weights_only=True)
    except Exception as e:
        raise ValueError(_damaged(path, e)) from e
    table = table.get("state_dict", table) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        raise ValueError(f"model weights {path.parent.name}/{path.name} are no table of tensors: give another file")
    # an IP-Adapter's has its two parts as tables of their own
    inner = {part: one for part, one in table.items() if isinstance(one, dict)}
    table = table | {f"{part}.{key}": value for part, one in inner.items() for key, value in one.items()}
    return {key: value for key, value in table.items() if isinstance(value, torch.Tensor)}


def _damaged(path: Path, error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"model weights {path.parent.name}/{path.name} are damaged ({reason}); copy the model again"


def read_whole(kind: Any, folder: Path, what: str, **options: Any) -> Any:
    """A network of diffusers' or transformers' class ``kind`` with every weight from its folder.

    Raises ValueError, beginning with ``what``, where some are not there: the libraries would make them up.
    """
    network, info = kind.from_pretrained(folder, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{what}: its weights lack {missing[0]} and {len(missing) - 1} more: copy it again")
    return network


def num_parameters(path: Path) -> int:
    """Numbers in a weight file; none in an index of shards."""
    return 0 if path.suffix == ".json" else sum(math.prod(shape) for shape in read_shapes(path).values())


def fingerprint_files(files: dict[str, Path]) -> str:
    """sha256 over files, each with the name that it counts under."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
