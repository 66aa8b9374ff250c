from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from storage.images.chunks import insert_chunks, read_chunks, text_chunk, text_of
from tests.storage.images.files import decoded, picture, pillow


def test_nothing_but_the_chunks_is_added(tmp_path: Path) -> None:
    """Byte by byte: the header, the chunks with their checksums, and all that was there."""
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (700, 900), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    before = path.read_bytes()
    assert len(before) > 1 << 19
    insert_chunks(path, [(b"gAMA", (100000).to_bytes(4, "big"))])
    chunk = b"gAMA" + (100000).to_bytes(4, "big")
    stamp = (4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert path.read_bytes() == before[:33] + stamp + before[33:]
    insert_chunks(path, [])
    assert path.read_bytes() == before[:33] + stamp + before[33:]
    np.testing.assert_array_equal(decoded(path)[0], noise)
    assert [one.name for one in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("text", ["plain", "Caf\u00e9", "\u5199\u771f", ""])
def test_pillow_reads_the_texts(tmp_path: Path, text: str) -> None:
    pillow(picture(4, 4)).save(tmp_path / "a.png")
    insert_chunks(tmp_path / "a.png", [text_chunk("Title", text)])
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info["Title"] == text


@pytest.mark.parametrize("kind", ["text", "ztext", "itext", "zitext"])
def test_the_texts_of_pillow_are_read(tmp_path: Path, kind: str) -> None:
    words, info = "Caf\u00e9 " * 9, PngInfo()
    if "i" in kind:
        info.add_itxt("Comment", words, zip="z" in kind)
    else:
        info.add_text("Comment", words, zip="z" in kind)
    pillow(picture(4, 4)).save(tmp_path / "a.png", pnginfo=info)
    with (tmp_path / "a.png").open("rb") as file:
        assert [text_of(*chunk) for chunk in read_chunks(file)] == [("Comment", words)]


def test_what_stands_behind_the_pixels_is_read_and_what_is_damaged_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pillow(picture(4, 4)).save(path)
    whole = path.read_bytes()
    good, bad = text_chunk("A", "good"), text_chunk("B", "bad")
    late = b"".join(
        len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body + extra).to_bytes(4, "big")
        for (name, body), extra in ((good, b""), (bad, b"!"))
    )
    file = io.BytesIO(whole[:-12] + late + whole[-12:])
    assert [text_of(*chunk) for chunk in read_chunks(file)] == [("A", "good")]
    assert text_of(b"zTXt", b"A\0\0no deflate") is None
    assert text_of(b"iTXt", b"A\0\0") is None
    assert text_of(b"tEXt", b"no end of the keyword") is None
    bomb = b"A\0\0" + zlib.compress(bytes(20 << 20))
    assert text_of(b"zTXt", bomb) is None
