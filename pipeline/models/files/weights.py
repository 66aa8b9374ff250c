"""Weight files: which files of a part are read, its shapes and its tensors; pickles only where they are allowed."""

from __future__ import annotations

import hashlib
import math
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from .configs import read_config
from .hearing import hearing
from .leftovers import is_harmless

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
"""suffixes of files that torch.load reads: pickles, which can run code of whoever made them"""
OTHERS = (".gguf", ".msgpack", ".onnx", ".h5")
"""suffixes of weights of other libraries, which are named where they are all that is there"""
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


def weight_file(folder: Path, name: str, *, allow_pickle: bool = False) -> Path:
    """The one file of weights of a part that is never sharded; else as ``weight_files``."""
    return weight_files(folder, name, allow_pickle=allow_pickle)[0]


def weight_files(folder: Path, name: str, *, allow_pickle: bool = False) -> list[Path]:
    """The weights of one part of the model ``name``: one file, or an index and the shards that it lists.

    Safetensors if there are any, half precision preferred. Raises FileNotFoundError naming the part or the shard that
    is not there, ValueError where there is but a pickle and none is allowed, or both a file and shards.
    """
    for suffix in (".safetensors", ".bin"):
        for stem in STEMS:
            for kind in (".fp16", ""):
                path, index = folder / f"{stem}{kind}{suffix}", folder / f"{stem}{suffix}.index{kind}.json"
                if path.is_file() and index.is_file():
                    raise ValueError(
                        f"model {name}: {folder.name}/ has both {path.name} and {index.name}, which lists shards: "
                        "remove one of them"
                    )
                if path.is_file():
                    return [check_pickle(path, name, allow_pickle=allow_pickle)]
                if index.is_file():
                    shards = _shards(index, name)
                    return [index, *(check_pickle(shard, name, allow_pickle=allow_pickle) for shard in shards)]
    others = sorted(path.name for path in folder.iterdir() if path.suffix in (*OTHERS, ".safetensors", *PICKLES))
    hint = f" (there is {others[0]}, which is not read)" if others else ""
    mend = "convert the model to safetensors"
    if others and ".non_ema." in others[0]:
        mend = "those are the weights before averaging: give a model with diffusion_pytorch_model.safetensors"
    raise FileNotFoundError(f"model {name}: no .safetensors weights in {folder.name}/{hint}; {mend}")


def _shards(index: Path, name: str) -> list[Path]:
    """The files that an index lists, by name."""
    table = read_config(index, name).get("weight_map")
    if not isinstance(table, dict) or not table or not all(isinstance(shard, str) for shard in table.values()):
        raise ValueError(f"model {name}: {index.parent.name}/{index.name} lists no shards; copy the model again")
    shards = sorted(set(table.values()))
    for shard in shards:
        # a name, not a path: nothing outside of the part is read
        if Path(shard).name != shard or not (index.parent / shard).is_file():
            raise FileNotFoundError(
                f"model {name}: lacks {index.parent.name}/{shard}, which {index.name} lists; copy the model again"
            )
    return [index.parent / shard for shard in shards]


def check_pickle(path: Path, name: str, *, allow_pickle: bool) -> Path:
    """The same path. Raises ValueError, one line, for a pickle where none is allowed."""
    if path.suffix in PICKLES and not allow_pickle:
        raise ValueError(
            f"model {name}: {path.parent.name}/{path.name} is a pickle, which can run code of whoever made it: "
            "convert it to .safetensors, or trust it and add --allow-pickle"
        )
    return path


def variant(folder: Path) -> str | None:
    """``fp16`` where a part's weights, those that ``weight_files`` gives, are in half precision."""
    first = weight_files(folder, folder.name, allow_pickle=True)[0]
    return "fp16" if first.name.split(".")[-2] == "fp16" else None


def _are_pickles(folder: Path) -> bool:
    """Whether the weights that ``weight_files`` gives are pickles."""
    return any(path.suffix in PICKLES for path in weight_files(folder, folder.name, allow_pickle=True))


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


def num_formats(path: Path) -> dict[str, str]:
    """Number formats by tensor, such as F16 and I8, of a .safetensors file."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as tensors:
        return {key: str(tensors.get_slice(key).get_dtype()) for key in tensors.keys()}  # noqa: SIM118 - a handle


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
    except pickle.UnpicklingError as e:
        raise ValueError(_not_tensors(path, e)) from e
    except Exception as e:
        raise ValueError(_damaged(path, e)) from e
    table = table.get("state_dict", table) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        raise ValueError(f"model weights {path.parent.name}/{path.name} are no table of tensors: give another file")
    # an IP-Adapter's has its two parts as tables of their own
    inner = {prefix: values for prefix, values in table.items() if isinstance(values, dict)}
    table = table | {f"{prefix}.{key}": value for prefix, values in inner.items() for key, value in values.items()}
    return {key: value for key, value in table.items() if isinstance(value, torch.Tensor)}


def _not_tensors(path: Path, error: Exception) -> str:
    """The line for a pickle that torch's reader of tensors refuses: it holds objects of some program, or is none."""
    wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
    if wanted is None:
        return f"model weights {path.parent.name}/{path.name} are damaged or no pickle of tensors; give another file"
    return (
        f"model weights {path.parent.name}/{path.name} hold more than tensors ({wanted[1]}), which is never loaded, "
        "not with --allow-pickle either: save their state_dict alone, best as .safetensors"
    )


def _damaged(path: Path, error: Exception) -> str:
    reason = re.sub(r"\x1b\[[0-9;]*m", "", (str(error).strip() or type(error).__name__).splitlines()[0])
    return f"model weights {path.parent.name}/{path.name} are damaged ({reason}); copy the model again"


def read_whole(kind: Any, folder: Path, what: str, *, strict: bool = True, **options: Any) -> Any:
    """A network of diffusers' or transformers' class ``kind`` with every weight from its folder.

    Raises ValueError, beginning with ``what``, where some are not there, which the libraries would make up, and, where
    ``strict`` holds, for weights that the network does not have, which they would drop.
    """
    if not hasattr(kind, "load_config"):
        options["trust_remote_code"] = False
    # said, for diffusers looks for shards that are pickles only then, and nothing falls back to them
    options["use_safetensors"] = not _are_pickles(folder)
    with hearing() as left_out:
        network, info = kind.from_pretrained(folder, output_loading_info=True, **options)
        odd = sorted(key for key in info["unexpected_keys"] if not is_harmless(key, kind.__name__))
        if not odd and not info["missing_keys"]:
            # of harmless leftovers there is nothing to tell
            left_out.tensors.clear()
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{what}: its weights lack {missing[0]} and {len(missing) - 1} more: copy it again")
    if odd and strict:
        raise ValueError(f"{what}: it has {odd[0]} and {len(odd) - 1} more weights that nothing here reads")
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
