"""Text encoders of the transformer families: CLIP for a vector of a whole prompt, T5 for a sequence of its tokens.

Each encoder is given the whole prompt and reads as much as it has tokens: CLIP the first 77, T5 up to 512. So what
falls off a prompt (pipeline/prompts/text_limit.py) is what the longest reader, T5, does not read; what CLIP's vector
misses is still in the sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from pipeline.models.files.configs import read_config
from pipeline.models.files.networks import read_network
from pipeline.prompts.tokenizer import read_tokenizer

KINDS = {"clip": CLIPTextModel, "projected": CLIPTextModelWithProjection, "sequence": T5EncoderModel}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoder:
    """A tokenizer with its network, on one device."""

    tokenizer: Any
    network: Any
    tokens: int
    """that it reads of a prompt, the marks at both ends included; shorter ones are filled up"""

    def run(self, prompts: list[str], **options: Any) -> Any:
        """The network's own output for every prompt."""
        settings = {"padding": "max_length", "max_length": self.tokens, "truncation": True, "return_tensors": "pt"}
        tokens = self.tokenizer(prompts, **settings).input_ids
        return self.network(tokens.to(self.network.device), **options)

    def sequence(self, prompts: list[str]) -> torch.Tensor:
        """[prompts, tokens, width]: the last layer of T5."""
        states: torch.Tensor = self.run(prompts).last_hidden_state
        return states.float().cpu()


def folders(number: int) -> tuple[str, str]:
    """Of the tokenizer and the network of a pipeline's text encoder, by its number.

    >>> folders(1), folders(3)
    (('tokenizer', 'text_encoder'), ('tokenizer_3', 'text_encoder_3'))
    """
    end = "" if number == 1 else f"_{number}"
    return f"tokenizer{end}", f"text_encoder{end}"


def config_files(number: int) -> list[str]:
    """Configs that must be there for it, relative to the model's folder."""
    tokenizer, encoder = folders(number)
    return [f"{tokenizer}/tokenizer_config.json", f"{encoder}/config.json"]


def num_tokens(folder: Path, number: int, most: int) -> int:
    """What its tokenizer says that it reads, ``most`` at most."""
    length = read_config(folder / folders(number)[0] / "tokenizer_config.json", folder.name).get("model_max_length")
    return min(most, length) if isinstance(length, int) else most


def read_text_encoder(
    folder: Path, number: int, kind: str, tokens: int, dtype: torch.dtype, *, strict: bool = True
) -> TextEncoder:
    """The pipeline's text encoder of that number, on the CPU. Raises ValueError, one line, where weights lack."""
    tokenizer, encoder = folders(number)
    return TextEncoder(
        tokenizer=read_tokenizer(folder / tokenizer),
        network=read_network(KINDS[kind], folder / encoder, strict=strict, dtype=dtype),
        tokens=tokens,
    )
