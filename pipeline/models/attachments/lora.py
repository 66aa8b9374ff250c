"""Low-rank adaptation (arXiv 2106.09685) merged into the weights: W + scale * alpha / rank * up @ down.

Files name their layers in several dialects: diffusers' (``unet.mid_block.attentions.0.proj_in.lora_A.weight``, with
or without ``processor``), kohya's (``lora_unet_mid_block_attentions_0_proj_in.lora_down.weight``) and, of SDXL, kohya's
over the original layout (``lora_unet_middle_block_1_proj_in...``). With dots and underscores made alike, all of them
are paths of a network's modules, so a layer is found by comparing paths. Nothing is ever unmerged, so peft, which
diffusers' own loader needs, has nothing to do here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers as map_original_blocks
from torch import nn

from pipeline.imaging.finite import TOO_STRONG, finite
from pipeline.models.card import ModelCard
from pipeline.models.files.configs import read_config
from pipeline.models.files.weights import PICKLES, check_pickle, read_tensors
from storage.documents import parse_json

_ROLE = re.compile(r"[._](?:lora(?:_linear_layer)?[._])(down|up|A|B)(?:\.default)?(?:\.weight)$|\.(alpha)$")
"""what a tensor is to its layer: ``down`` or ``A``, ``up`` or ``B``, or the layer's ``alpha``"""
OTHER_KINDS = ("use_dora", "use_rslora", "lora_bias", "modules_to_save", "fan_in_fan_out")
"""settings of peft under which a change is not alpha / rank * up @ down"""
PEFT = "adapter_config.json"
_NETWORKS = {
    "lora_unet_": "unet",
    "unet_": "unet",
    "lora_te3_": "text_encoder_3",
    "text_encoder_3_": "text_encoder_3",
    "lora_te2_": "text_encoder_2",
    "text_encoder_2_": "text_encoder_2",
    "lora_te1_": "text_encoder",
    "lora_te_": "text_encoder",
    "text_encoder_": "text_encoder",
}
"""how layers' names begin -> the network; longer ones come before what they begin with"""
_AUTHORS = ("double_blocks", "single_blocks", "joint_blocks")
"""blocks of a transformer as its authors name them, with queries, keys and values in one"""
_ORIGINAL = {
    "input_blocks_0_0": "conv_in",
    "out_2": "conv_out",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
}
"""layers outside of the blocks: names in the original layout -> diffusers'"""
_BLOCKS = {"input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks"}
_PARTS = {
    "_in_layers_2": "_conv1",
    "_out_layers_3": "_conv2",
    "_emb_layers_1": "_time_emb_proj",
    "_skip_connection": "_conv_shortcut",
    "_op": "_conv",
}
"""layers inside of a block: how names end in the original layout -> in diffusers'"""
_OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The change of one layer."""

    network: str
    path: str
    """the module's path in the network"""
    down: torch.Tensor
    """[rank, in] or, of a convolution, [rank, in, y, x]"""
    up: torch.Tensor
    """[out, rank], with sides of one for a convolution"""
    strength: float
    """alpha / rank, or 1 where the file has no alpha"""

    def delta(self, like: torch.Tensor) -> torch.Tensor:
        """The change in float32, of the shape of the weight ``like``."""
        return (self.strength * self.up.float().flatten(1) @ self.down.float().flatten(1)).view(like.shape)


def lora_file(where: Path, name: str, *, allow_pickle: bool) -> Path:
    """The one weight file at ``where``, a file or a folder. Raises FileNotFoundError or ValueError, one line."""
    if where.is_file():
        return check_pickle(where, name, allow_pickle=allow_pickle)
    paths = sorted(where.glob("*.safetensors")) or sorted(p for p in where.iterdir() if p.suffix in PICKLES)
    if len(paths) != 1:
        raise FileNotFoundError(
            f"model {name}: the LoRA {where.name} must hold one weight file, found {len(paths)}: give the file itself"
        )
    return check_pickle(paths[0], name, allow_pickle=allow_pickle)


def read_changes(path: Path, networks: dict[str, nn.Module], name: str) -> list[Change]:
    """The changes in a file to ``networks``, which may be on the meta device: unet or transformer, and text_encoder,
    text_encoder_2 and text_encoder_3 where the base has them.

    Raises ValueError, one line, for another kind of adaptation, an unknown layer, and shapes that do not fit.
    """

    def refuse(why: str) -> ValueError:
        return ValueError(f"model {name}: the LoRA {path.name} {why}")

    main = "unet" if "unet" in networks else "transformer"
    layers = _by_layer(_named_as_diffusers(path, networks[main], main, refuse), refuse)
    alphas = _alphas(path, refuse)
    places = {
        network: {_flat(path): path for path, _ in module.named_modules()} for network, module in networks.items()
    }
    changes = []
    for layer, parts in layers.items():
        network, flat = _address(layer, main)
        place = places.get(network, {}).get(flat)
        if place is None or not {"down", "up"} <= parts.keys():
            raise refuse(f"changes {layer}, which the base does not have: it is for another family")
        down, up = parts["down"], parts["up"]
        alpha = float(parts["alpha"]) if "alpha" in parts else alphas(network, place)
        strength = 1.0 if alpha is None else alpha / len(down)
        change = Change(network=network, path=place, down=down, up=up, strength=strength)
        weight: Any = networks[network].get_submodule(place).weight
        if not _fits(change, tuple(weight.shape)):
            sizes = f"{tuple(up.shape)} times {tuple(down.shape)}, the weight is {tuple(weight.shape)}"
            raise refuse(f"does not fit {layer}: {sizes}; it is for another family")
        changes.append(change)
    return changes


def _named_as_diffusers(
    path: Path, network: nn.Module, main: str, refuse: Callable[[str], ValueError]
) -> dict[str, torch.Tensor]:
    """A file's tensors, their layers called as diffusers calls them."""
    tensors = read_tensors(path)
    if main == "transformer" and any(block in key for key in tensors for block in _AUTHORS):
        raise refuse("names its layers in its authors' layout: convert it to diffusers' names")
    if main == "unet" and any(key.startswith("lora_unet_") for key in tensors):
        config: Any = network.config
        try:
            return map_original_blocks(tensors, config)
        except (KeyError, ValueError, IndexError) as e:
            raise refuse(f"names its layers in a layout that is not read ({e})") from e
    return tensors


def _by_layer(
    tensors: dict[str, torch.Tensor], refuse: Callable[[str], ValueError]
) -> dict[str, dict[str, torch.Tensor]]:
    """A file's tensors by layer and by what they are to it; ``refuse`` makes the error for what is no plain LoRA."""
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        role = _ROLE.search(key)
        if role is None:
            raise refuse(f"holds {key}, which is no plain LoRA (DoRA, LoHa, LoKr and biases cannot be merged)")
        kind = {"A": "down", "B": "up", None: "alpha"}.get(role[1], role[1])
        held = layers.setdefault(key[: role.start()], {})
        if kind in held:
            raise refuse(f"changes {key[: role.start()]} twice: it holds more than one adaptation")
        held[kind] = tensor
    return layers


def _flat(path: str) -> str:
    return path.removeprefix("text_model.").replace(".", "_")


def _address(layer: str, main: str) -> tuple[str, str]:
    """A layer's network and its path there with underscores for dots; an unknown beginning is that of ``main``."""
    plain = layer.removeprefix("base_model.model.")
    flat = (plain.removeprefix("transformer.") if main == "transformer" else plain).replace(".", "_")
    begins = next((start for start in _NETWORKS if flat.startswith(start)), "")
    network, flat = _NETWORKS.get(begins, main), flat.removeprefix(begins)
    if network == "transformer":
        return network, flat + "_0" if flat.endswith("_to_out") else flat
    if network != "unet":
        flat = flat.removeprefix("text_model_")
        old = next((end for end in _OLD_TEXT if flat.endswith(f"_self_attn_{end}")), None)
        return network, flat if old is None else flat.removesuffix(old) + _OLD_TEXT[old]
    flat = _ORIGINAL.get(flat, flat).replace("_processor", "")
    block = next((start for start in _BLOCKS if flat.startswith(start)), None)
    if block is not None:
        flat = _BLOCKS[block] + flat.removeprefix(block)
    if flat.startswith(("down_blocks", "mid_block", "up_blocks")):
        end = next((end for end in _PARTS if flat.endswith(end)), None)
        flat = flat if end is None else flat.removesuffix(end) + _PARTS[end]
    return network, flat + "_0" if flat.endswith("_to_out") else flat


def _alphas(path: Path, refuse: Callable[[str], ValueError]) -> Any:
    """A function from network and module path to alpha, by the adapter's config in the file's header or, as peft writes
    it, beside the file. ``refuse`` makes the error for an adaptation that is not read."""
    table: dict[str, Any] = {}
    if path.suffix not in PICKLES:
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            table = parse_json(
                (file.metadata() or {}).get("lora_adapter_metadata", "{}"), where=f"{path.name}'s header"
            )
    for key, value in table.items():
        # keys begin with the network's name
        if key.rpartition(".")[2] in OTHER_KINDS and value:
            raise refuse(f"says {key} = {value!r} in its header: that kind of adaptation is not read")
    if (path.parent / PEFT).is_file() and path.name.startswith("adapter_model"):
        config = read_config(path.parent / PEFT, path.parent.name)
        odd = [key for key in OTHER_KINDS if config.get(key)]
        if odd:
            raise refuse(f"says {odd[0]} = {config[odd[0]]!r} in {PEFT}: that kind of adaptation is not read")
        if config.get("lora_alpha") not in (None, config.get("r")) or config.get("alpha_pattern"):
            raise refuse(
                f"has its alpha in {PEFT} (lora_alpha = {config.get('lora_alpha')}, r = {config.get('r')}), which is "
                "not read: save it by diffusers' save_lora_adapter, which writes it into the file"
            )

    def alpha(network: str, place: str) -> float | None:
        pattern = table.get(f"{network}.alpha_pattern") or {}
        value = next((pattern[key] for key in pattern if place == key or place.endswith(f".{key}")), None)
        return table.get(f"{network}.lora_alpha") if value is None else value

    return alpha


def _fits(change: Change, shape: tuple[int, ...]) -> bool:
    """Whether up times down is of the shape: kernels are down's alone."""
    down, up = change.down, change.up
    made = (len(up), *down.shape[1:])
    plain = tuple(side for place, side in enumerate(shape) if place < 2 or side != 1)
    return up.shape[1] == len(down) and up[0, 0].numel() == 1 and made in (shape, plain, (*plain, 1, 1))


def merge_changes(networks: dict[str, nn.Module], changes: list[Change], scale: float) -> None:
    """Add the changes, times ``scale``, to the weights, in float32 and rounded once to the weights' own format."""
    with torch.no_grad():
        for change in changes:
            weight: Any = networks[change.network].get_submodule(change.path).weight
            merged = (weight.float() + scale * change.delta(weight)).to(weight.dtype)
            finite(merged, f"a LoRA of scale {scale:g}", f"in {change.network}.{change.path}", mend=TOO_STRONG)
            weight.copy_(merged)


def merge_all(networks: dict[str, nn.Module], card: ModelCard) -> None:
    """Merge every LoRA of a model file into loaded networks; without any nothing changes."""
    for lora in card.file.loras if card.file is not None else ():
        merge_changes(networks, read_changes(Path(lora.model), networks, card.name), lora.scale)
