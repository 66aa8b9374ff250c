"""What is tried again without what stands in its way, and what is not. Damaged JPEGs: see test_splice.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.images.consent import Consent
from storage.images.layout import ALL
from storage.images.mending import mended
from storage.images.place import find_place
from tests.storage.images.files import picture, pillow


def test_stray_bytes_are_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pillow(picture(16, 16)).save(tmp_path / "plain.jpg", quality=95)
    data = (tmp_path / "plain.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:20] + b"stray" + data[20:])
    found, plain = (
        mended(Consent(place=find_place(str(tmp_path / name)), drivers=("JPEG",)), data[:4], ALL)
        for name in ("a.jpg", "plain.jpg")
    )
    assert plain is None, "nothing is in its way"
    assert found is not None
    with found:
        assert found.read(found.info.canvas).shape == (3, 16, 16)
    assert "5 stray bytes" in caplog.text


@pytest.mark.parametrize(
    ("head", "drivers"), [(b"\x89PNG", ("JPEG",)), (b"\xff\xd8\xff", ("PNG",)), (b"\xff\xd8\xff", None)]
)
def test_what_is_no_jpeg_is_not_tried(tmp_path: Path, head: bytes, drivers: tuple[str, ...] | None) -> None:
    (tmp_path / "a.jpg").write_bytes(head)
    assert mended(Consent(place=find_place(str(tmp_path / "a.jpg")), drivers=drivers), head, ALL) is None
