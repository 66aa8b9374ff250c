"""The closed vocabulary, its tokenizer and the text encoder's shape."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from pipeline.models.embedded.tagger import DEGRADATIONS

STATES = ("clean", *DEGRADATIONS)
CONTENT = (
    "aerial",
    "satellite",
    "photograph",
    "drawn",
    "text",
    "vegetation",
    "water",
    "smooth",
    "detailed",
    "dark",
    "bright",
    "grey",
    "blue",
    "green",
    "red",
    "brown",
)
PHRASES = STATES + CONTENT
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
TOKENS = 24
"""tokens of a prompt, start and end included"""
KEEP = 0.8
"""share of the phrases that a training prompt keeps"""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Whole words, lower case; commas part the phrases; what is not in the vocabulary is <unknown>."""
    words = sorted({word for phrase in PHRASES for word in phrase.split()})
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, ",", *words))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    core.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unknown>",
        model_max_length=TOKENS,
    )


def build_text_encoder(width: int = 96, layers: int = 2) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(build_tokenizer()),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            projection_dim=width,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


def spoken(phrases: list[list[str]], rng: np.random.Generator, silent: float) -> torch.Tensor:
    """[n, PHRASES, 1, 1]: 1 where a phrase is said; some are left out, and a share ``silent`` of the rows says nothing.

    >>> spoken([["water"], []], np.random.default_rng(0), 1.0).sum((1, 2, 3)).tolist()
    [0.0, 0.0]
    """
    said = torch.zeros(len(phrases), len(PHRASES), 1, 1)
    for row, words in zip(said, phrases, strict=True):
        if rng.random() >= silent:
            row[[PHRASES.index(phrase) for phrase in keep_some(words, rng)]] = 1
    return said


def write_prompt(phrases: list[str], rng: np.random.Generator) -> str:
    """Some of the phrases in any order, as people and taggers leave some out."""
    return ", ".join(str(phrase) for phrase in rng.permutation(keep_some(phrases, rng)))


def keep_some(phrases: list[str], rng: np.random.Generator) -> list[str]:
    """Each phrase with the chance KEEP."""
    return [phrase for phrase in phrases if rng.random() < KEEP]
