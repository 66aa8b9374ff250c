"""Inputs in stores and on the web: read by ranges, pinned, asked for again, and known without being fetched."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import obstore
import pytest
from PIL import Image

from storage.box import Box
from storage.errors import ImageError
from storage.images import open_image
from storage.images.remote import BLOCK, MOST_BLOCKS, Remote
from storage.objects.address import Address
from storage.objects.opening import open_bucket, options_from_environment
from storage.objects.retrying import Retries
from tests.storage.images.files import picture, write_raster
from tests.support.s3 import s3_server, s3_url
from tests.support.web import Web, serving

__all__ = ["s3_server", "s3_url"]

PIXELS = picture(90, 70)


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", PIXELS, tiled=True, blockxsize=16, blockysize=16)


@pytest.fixture
def web(tiff: Path) -> Iterator[Web]:
    with serving(Web(tiff.read_bytes())) as server:
        yield server


def quick() -> Retries:
    """Asks again at once, some ten times, by a clock that only waiting moves."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Retries(first_seconds=9.0, seconds=9.0, clock=lambda: now[0], sleep=sleep, jitter=lambda: 0.0)


def read(name: str) -> np.ndarray:
    with open_image(name) as source:
        return source.read(source.info.canvas)


@pytest.mark.parametrize("name", ["{url}/a/scene.tif", "/vsicurl/{url}/scene.tif", "{url}/scene.tif?sig=a%2Fb#part"])
def test_the_pixels_of_a_file_on_the_web(web: Web, name: str) -> None:
    np.testing.assert_array_equal(read(name.format(url=web.url)), PIXELS)
    assert all("bytes=" in asked for asked in web.asked), "nothing is fetched whole"
    assert all(("?sig=a%2Fb" in asked) == ("sig" in name) for asked in web.asked)


def test_only_what_is_named_is_asked_for(web: Web) -> None:
    """No mask, no world file, no listing: each would be a request that the user knows nothing of."""
    read(f"{web.url}/scene.tif")
    assert {asked.split()[0] for asked in web.asked} == {"/scene.tif"}


def test_threads_share_a_file(web: Web) -> None:
    boxes = [Box(top=top, left=0, height=10, width=70) for top in range(0, 90, 10)]
    with open_image(f"{web.url}/scene.tif") as source, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(source.read, boxes))
    np.testing.assert_array_equal(np.concatenate(found, 1), PIXELS)


def test_every_kind_that_is_read_elsewhere(tmp_path: Path, web: Web) -> None:
    import tifffile

    for name in ("a.png", "a.gif", "a.bmp"):
        Image.fromarray(PIXELS[0]).save(tmp_path / name)
        web.data = (tmp_path / name).read_bytes()
        np.testing.assert_array_equal(read(f"{web.url}/{name}")[0], PIXELS[0])
    tifffile.imwrite(tmp_path / "two.tif", np.stack([PIXELS[0], PIXELS[1]]), photometric="minisblack")
    web.data = (tmp_path / "two.tif").read_bytes()
    with open_image(f"{web.url}/two.tif", page=2) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas)[0], PIXELS[1])
    np.testing.assert_array_equal(read(f"GTIFF_DIR:2:{web.url}/two.tif")[0], PIXELS[1])


def test_what_names_other_files_is_not_read(web: Web) -> None:
    web.data = b'<VRTDataset rasterXSize="8" rasterYSize="8"></VRTDataset>'
    with pytest.raises(ImageError, match="needs other files: download them all first"):
        open_image(f"{web.url}/m.vrt")


class TestIdentity:
    def test_a_strong_etag_stands_for_the_bytes(self, web: Web) -> None:
        with open_image(f"{web.url}/scene.tif") as source:
            before, asked = source.fingerprint(), len(web.asked)
            assert source.fingerprint() == before
        assert web.asked[asked:] == ["/scene.tif bytes=0-0"]
        with open_image(f"{web.url}/scene.tif?other=signature") as source:
            assert source.fingerprint() == before
        web.etag = '"two"'
        with open_image(f"{web.url}/scene.tif") as source:
            assert source.fingerprint() != before

    @pytest.mark.parametrize("etag", ["", 'W/"weak"'])
    def test_without_one_all_bytes_are_read(
        self, web: Web, tiff: Path, etag: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        web.etag = etag
        with open_image(f"{web.url}/scene.tif") as source:
            assert source.fingerprint() == hashlib.sha256(tiff.read_bytes()).hexdigest()
        assert "no strong ETag" in caplog.text

    def test_a_page_is_another_picture(self, web: Web) -> None:
        with open_image(f"{web.url}/scene.tif") as one, open_image(f"GTIFF_DIR:1:{web.url}/scene.tif") as page:
            assert one.fingerprint() != page.fingerprint()


class TestTrouble:
    def test_it_changes_while_it_is_read(self, web: Web, tiff: Path) -> None:
        web.data = tiff.read_bytes() + bytes(3 * BLOCK)
        remote = Remote(f"{web.url}/scene.tif", retries=quick())
        remote.read_at(0, 10)
        web.etag = '"two"'
        with pytest.raises(ImageError, match="changed while it was read"):
            remote.read_at(2 * BLOCK, 10)
        with pytest.raises(ImageError, match="changed while it was read"):
            remote.fingerprint()

    def test_without_an_etag_its_size_tells(self, web: Web) -> None:
        web.etag, web.data = "", bytes(3 * BLOCK)
        remote = Remote(f"{web.url}/scene.tif", retries=quick())
        remote.read_at(0, 10)
        web.data = bytes(4 * BLOCK)
        with pytest.raises(ImageError, match="changed while it was read"):
            remote.read_at(2 * BLOCK, 10)

    def test_what_fails_in_the_middle_is_told_by_its_name(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not as a damaged file, which is what GDAL sees."""
        monkeypatch.setattr("storage.images.remote.BLOCK", 4096)
        with open_image(f"{web.url}/scene.tif") as source:
            web.failures = [403] * 100
            with pytest.raises(ImageError, match=r"scene\.tif cannot be read: the store answered 403"):
                source.read(source.info.canvas)

    def test_what_passes_is_waited_out(self, web: Web) -> None:
        web.failures = [503, 429, 500]
        remote = Remote(f"{web.url}/scene.tif", retries=quick())
        assert remote.read_at(0, 4) == web.data[:4]
        assert len(web.asked) == 4

    def test_but_not_for_ever(self, web: Web) -> None:
        web.failures = [503] * 1000
        with pytest.raises(ImageError, match="the store answered 503"):
            Remote(f"{web.url}/scene.tif", retries=quick()).read_at(0, 4)
        assert len(web.asked) < 20

    def test_a_server_without_ranges(self, web: Web) -> None:
        web.has_ranges = False
        with pytest.raises(ImageError, match=r"does not give parts of a file .* download it"):
            open_image(f"{web.url}/scene.tif")

    def test_absent(self, web: Web) -> None:
        with pytest.raises(FileNotFoundError, match=r"no file http://.*/absent\.tif; expected an image"):
            open_image(f"{web.url}/absent.tif?sig=secret")
        assert len(web.asked) == 1

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("https://", "expected the URL of an image"),
            ("https://host", "expected the URL of an image"),
            ("https://ho st/a.tif", "expected the URL of an image"),
            ("s3://bucket", "is a bucket: expected an image in it"),
            ("s3:///a.tif", "no bucket's name"),
            ("/vsicurl/a.tif", "write the URL itself"),
            ("/vsimem/a.tif", "expected a file, a URL"),
            ("/vsistdin/", "expected a file, a URL"),
        ],
    )
    def test_what_is_no_url(self, url: str, words: str) -> None:
        with pytest.raises(ImageError, match=words):
            open_image(url)

    def test_no_secret_is_told(self, web: Web, caplog: pytest.LogCaptureFixture) -> None:
        host = web.url.removeprefix("http://")
        with pytest.raises(ImageError) as caught:
            open_image(f"http://me:hunter2@{host}/a.tif")
        assert "hunter2" not in str(caught.value)
        web.failures = [403] * 9
        with pytest.raises(ImageError) as caught:
            open_image(f"{web.url}/a.tif?sig=hunter2")
        assert "hunter2" not in str(caught.value)
        web.failures = []
        with caplog.at_level(logging.DEBUG), open_image(f"{web.url}/a.tif?sig=hunter2") as source:
            source.fingerprint()
            assert "hunter2" not in repr(source.info)
        assert "hunter2" not in caplog.text


def test_memory_is_bounded(web: Web) -> None:
    web.data = bytes((MOST_BLOCKS + 8) * BLOCK)
    remote = Remote(f"{web.url}/a.bin")
    for number in range(MOST_BLOCKS + 8):
        remote.read_at(number * BLOCK, 1)
    assert len(remote._blocks) == MOST_BLOCKS
    assert remote.read_at(len(web.data) - 2, 9) == bytes(2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["{url}/scene 1.tif", "/vsis3/{bare}/scene 1.tif"])
def test_a_store_as_the_run_store_is_reached(s3_url: str, tiff: Path, name: str) -> None:
    address = Address.parse(s3_url)
    store = open_bucket(address, options_from_environment("s3"))
    obstore.put(store, "scene 1.tif", tiff.read_bytes())
    given = name.format(url=s3_url, bare=s3_url.removeprefix("s3://"))
    with open_image(given) as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS)
        assert source.info.path == f"{s3_url}/scene 1.tif"
        before = source.fingerprint()
    obstore.put(store, "scene 1.tif", tiff.read_bytes() + b"\0")
    with open_image(given) as source:
        assert source.fingerprint() != before
    with pytest.raises(FileNotFoundError, match="no file s3://"):
        open_image(f"{s3_url}/other.tif")
