"""Words of tiles from maps whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from transformers import AutoTokenizer

from pipeline.models.registry import EMBEDDED
from pipeline.prompts.words import (
    Word,
    WordMasks,
    find_masks,
    keep_words,
    mask_words,
    open_mask,
    split_words,
    word_shares,
)
from storage.box import Box
from tests.support.tiny import write_tokenizer


def box(top: int, left: int, height: int, width: int) -> Box:
    return Box(top=top, left=left, height=height, width=width)


def blob(rows: int, cols: int, *, top: float, left: float, width: float) -> np.ndarray:
    y, x = np.mgrid[:rows, :cols]
    return np.exp(-(((y - top) / width) ** 2) - ((x - left) / width) ** 2).astype(np.float32)


def test_two_blobs_are_two_words() -> None:
    """In the corners of a wide map: each tile says what lies in it, and the tile between says all."""
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED / "tokenizer")
    maps = np.zeros((5, 32, 64), dtype=np.float32)
    maps[1], maps[3] = blob(32, 64, top=16, left=12, width=14), blob(32, 64, top=16, left=52, width=14)
    prompt = "water, vegetation"
    masks = mask_words(prompt, split_words(prompt, tokenizer, 24), maps)
    canvas = box(0, 0, 256, 512)
    said = [masks.prompt_of(box(64, left, 128, 128), canvas, 0.3) for left in (40, 350, 200)]
    assert said == ["water", "vegetation", "water, vegetation"]
    assert masks.prompt_of(box(0, 250, 12, 12), canvas, 0.3) == "water, vegetation"
    assert word_shares(masks.masks, box(0, 250, 12, 12), canvas).tolist() == [0, 0]


def test_the_threshold_itself_keeps_a_word() -> None:
    """Three of ten columns hold: a share of 0.3 is kept and one of 0.31 is not."""
    mask = np.zeros((1, 10, 10), dtype=bool)
    mask[0, :, :3] = True
    masks = WordMasks(prompt="water, grey", words=(Word("water", 0, (1,)),), masks=mask)
    canvas = box(0, 0, 40, 40)
    assert masks.prompt_of(canvas, canvas, 0.3) == "water"
    assert masks.prompt_of(canvas, canvas, 0.31) == "water, grey"


def test_shares_are_those_of_nearest_enlargement() -> None:
    """On a canvas that is not square and no multiple of the map, for tiles anywhere, beyond the edge among them."""
    rng = np.random.default_rng(0)
    masks, canvas = rng.random((3, 6, 10)) > 0.5, box(0, 0, 50, 84)
    ys, xs = (((np.arange(side) + 0.5) / side * count).astype(int) for side, count in ((50, 6), (84, 10)))
    whole = masks[:, ys][:, :, xs]
    for _ in range(20):
        top, left = rng.integers(-8, 40), rng.integers(-8, 70)
        part = whole[:, max(0, top) : top + 24, max(0, left) : left + 24]
        found = word_shares(masks, box(int(top), int(left), 24, 24), canvas)
        np.testing.assert_allclose(found, part.mean((1, 2)))


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_an_opening_is_repeated_erosion_and_dilation(radius: int) -> None:
    """scipy's, by squares of three, with borders that do nothing."""
    mask = np.random.default_rng(1).random((40, 24)) > 0.12
    ones = np.ones((3, 3))
    shrunk = ndimage.binary_erosion(mask, ones, iterations=radius, border_value=1)
    expected = ndimage.binary_dilation(shrunk, ones, iterations=radius, border_value=0)
    assert expected.any()
    assert (open_mask(mask, radius) == expected).all()
    assert (open_mask(mask, 0) == mask).all()


def test_specks_do_not_hold() -> None:
    """On a map of 32 positions a side, squares of four fall and squares of five stay."""
    maps = np.zeros((2, 32, 48), dtype=np.float32)
    maps[1, 4:8, 4:8], maps[1, 20:25, 30:35] = 1, 1
    (mask,) = find_masks(maps, [Word("water", 0, (1,))])
    expected = np.zeros((32, 48), dtype=bool)
    expected[20:25, 30:35] = True
    assert (mask == expected).all()
    assert not find_masks(np.full((2, 8, 8), 0.1, dtype=np.float32), [Word("water", 0, (1,))]).any()


def test_pieces_of_a_word_are_one(tmp_path: Path) -> None:
    """A tokenizer of single letters: a word's map is its pieces' mean, and small words are not looked for."""
    write_tokenizer(tmp_path / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    words = split_words("a dog, on the sea", tokenizer, 16)
    assert [(word.text, word.phrase, len(word.tokens)) for word in words] == [
        ("a", 0, 1),
        ("dog", 0, 3),
        ("on", 1, 2),
        ("the", 1, 3),
        ("sea", 1, 3),
    ]
    assert [word.is_content for word in words] == [False, True, False, False, True]
    assert words[1].tokens == (2, 3, 4)
    maps = np.zeros((16, 8, 8), dtype=np.float32)
    # two pieces say left, weakly, and one says right: the mean is right
    maps[2, :, :4], maps[3, :, :4], maps[4, :, 4:] = 0.2, 0.2, 0.9
    masks = find_masks(maps, words)
    assert masks[1, :, 4:].all()
    assert masks.sum() == 32


def test_words_that_are_not_read_hold_nowhere(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    words = split_words("abcdef ghijkl mnopqr", tokenizer, 8)
    assert [word.tokens for word in words] == [(1, 2, 3, 4, 5, 6), (), ()]
    masks = find_masks(np.random.default_rng(0).random((8, 16, 16)).astype(np.float32), words)
    assert masks[0].any()
    assert not masks[1:].any()


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("corgi lawn red ball", "corgi on the lawn, a red ball"),
        ("cute", "a cute"),
        ("lawn ball", "the lawn, ball"),
        ("", ""),
    ],
)
def test_small_words_follow_their_neighbours(kept: str, said: str) -> None:
    phrases = ("a cute corgi on the lawn", "a red ball")
    texts = [(text, number) for number, phrase in enumerate(phrases) for text in phrase.split()]
    words = [Word(text, phrase, (place,)) for place, (text, phrase) in enumerate(texts)]
    assert keep_words(words, [word.text in kept.split() for word in words]) == said
