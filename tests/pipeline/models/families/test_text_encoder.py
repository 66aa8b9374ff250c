"""Text encoders: what is read of a prompt, and in which number format it is answered."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.models.families.text_encoder import (
    TextEncoder,
    config_files,
    folders,
    num_tokens,
    read_text_encoder,
)
from tests.support.tiny_transformers import T5_TOKENS, T5_WIDTH, write_flux


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_flux(tmp_path_factory.mktemp("model") / "flux")


def test_names_by_number() -> None:
    assert folders(2) == ("tokenizer_2", "text_encoder_2")
    assert config_files(1) == ["tokenizer/tokenizer_config.json", "text_encoder/config.json"]


def test_tokens_are_what_the_tokenizer_says_within_bounds(flux: Path) -> None:
    assert num_tokens(flux, 2, 512) == T5_TOKENS
    assert num_tokens(flux, 2, 10) == 10


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_words_are_float32_whatever_the_network_is(flux: Path, dtype: torch.dtype) -> None:
    encoder = read_text_encoder(flux, 2, "sequence", T5_TOKENS, dtype)
    assert {one.dtype for one in encoder.network.parameters()} == {dtype}
    with torch.no_grad():
        found = encoder.sequence(["a, b", "c"])
    assert (found.dtype, found.shape) == (torch.float32, (2, T5_TOKENS, T5_WIDTH))


def test_prompts_are_filled_up_and_cut() -> None:
    asked: list[dict[str, Any]] = []

    def tokenize(prompts: list[str], **options: Any) -> Any:
        asked.append({"prompts": prompts, **options})
        return SimpleNamespace(input_ids=torch.zeros(len(prompts), 7, dtype=torch.int64))

    class Network:
        device = torch.device("cpu")

        def __call__(self, tokens: torch.Tensor, **options: Any) -> Any:
            return tokens.shape, options

    found = TextEncoder(tokenizer=tokenize, network=Network(), tokens=7).run(["a", "b"], output_hidden_states=True)
    assert found == ((2, 7), {"output_hidden_states": True})
    assert asked == [
        {"prompts": ["a", "b"], "padding": "max_length", "max_length": 7, "truncation": True, "return_tensors": "pt"}
    ]
