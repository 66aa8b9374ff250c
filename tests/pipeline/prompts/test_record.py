"""How a distinct prompt is kept."""

from __future__ import annotations

import torch

from pipeline.prompts.record import PromptRecord, prompt_key, prompt_record_from_bytes


def test_bytes() -> None:
    embeddings = {"text": torch.randn(3, 4), "pooled": torch.randn(5)}
    record = PromptRecord(text="water, é, x", kept="water", dropped=("é", "x"), embeddings=embeddings)
    again = prompt_record_from_bytes(record.to_bytes())
    assert again is not None
    assert (again.text, again.kept, again.dropped) == (record.text, record.kept, record.dropped)
    assert all(torch.equal(again.embeddings[name], values) for name, values in embeddings.items())
    assert again.to_bytes() == record.to_bytes()


def test_damage_is_seen() -> None:
    data = PromptRecord(text="a", kept="a", dropped=(), embeddings={"text": torch.randn(30, 40)}).to_bytes()
    assert prompt_record_from_bytes(b"") is None
    assert prompt_record_from_bytes(data[: len(data) // 2]) is None
    middle = len(data) // 2
    assert prompt_record_from_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]) is None


def test_keys_tell_prompts_apart() -> None:
    keys = {prompt_key(text) for text in ("", "a", "a, b", "b, a", "A")}
    assert len(keys) == 5
    assert all(0 < key < 2**64 for key in keys)
