"""An input may make GDAL read itself and pictures beside it: no URL, no raw bytes, no file elsewhere."""

from __future__ import annotations

import http.server
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.errors import ImageError
from storage.images import open_image
from tests.storage.images.files import picture, write_raster

SECRET = bytes(range(65, 65 + 64))
"""stands for a file that is none of the picture's business"""


class Listener(http.server.ThreadingHTTPServer):
    """A loopback server that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(404)
        self.end_headers()

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def band(source: str, *, relative: int = 1, kind: str = "", extra: str = "") -> str:
    return (
        f'<VRTRasterBand dataType="Byte" band="1"{kind}>{extra}<SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
    )


def vrt(body: str, attributes: str = "") -> str:
    return f'<VRTDataset rasterXSize="8" rasterYSize="8"{attributes}>{body}</VRTDataset>'


def raw(path: object) -> str:
    return (
        '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
        f'<SourceFilename relativeToVRT="0">{path}</SourceFilename><ImageOffset>0</ImageOffset>'
        "<PixelOffset>1</PixelOffset><LineOffset>8</LineOffset></VRTRasterBand>"
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a picture of 8 x 8 in it, beside a secret."""
    (tmp_path / "secret").write_bytes(SECRET)
    write_raster(tmp_path / "outside.tif", picture(8, 8, 1, seed=1))
    folder = tmp_path / "home"
    folder.mkdir()
    write_raster(folder / "in.tif", picture(8, 8, 1))
    return folder


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ImageError) as caught, open_image(path):
        pass
    text = str(caught.value)
    assert "\n" not in text
    for word in (path.name, *words):
        assert word in text, text


URLS = (
    "/vsicurl/http://{at}/a.tif",
    "/vsicurl_streaming/http://{at}/a.tif",
    "/vsicurl?url=http://{at}/b.tif",
    "/vsizip//vsicurl/http://{at}/a.zip/x.tif",
    "/vsizip/{{/vsicurl/http://{at}/c.zip}}/x.tif",
    "/vsiwebhdfs/http://{at}/a.tif",
    "/vsis3/bucket/a.tif",
    "http://{at}/a.tif",
    "WMS:http://{at}/?service=wms",
    "WCS:http://{at}/?service=wcs",
    "WMTS:http://{at}/",
    "GeoJSON:http://{at}/",
    "DAAS:http://{at}/",
    "GTI:http://{at}/",
    "vrt://http://{at}/a.tif?bands=1",
    "&lt;GDAL_WMS&gt;&lt;Service name=&quot;TMS&quot;&gt;&lt;ServerUrl&gt;http://{at}/${{z}}&lt;/ServerUrl&gt;",
)


@pytest.mark.parametrize("relative", [0, 1])
@pytest.mark.parametrize("url", URLS)
def test_no_url_is_fetched(home: Path, listener: Listener, url: str, relative: int) -> None:
    path = home / "m.vrt"
    path.write_text(vrt(band(url.format(at=listener.address), relative=relative)))
    refused(path, "--trust-input")
    assert listener.asked == []


@pytest.mark.parametrize("url", URLS)
def test_nor_where_the_input_is_trusted(
    home: Path, listener: Listener, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust is for files: what is on the network, the user names."""
    monkeypatch.setenv("AWS_S3_ENDPOINT", listener.address)
    monkeypatch.setenv("AWS_HTTPS", "NO")
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    path = home / "m.vrt"
    path.write_text(vrt(band(url.format(at=listener.address), relative=0)))
    with pytest.raises(ImageError), open_image(path, trust=True) as source:
        source.read(source.info.canvas)
    assert listener.asked == []


TEXTS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>http://{at}/${{z}}</ServerUrl></Service></GDAL_WMS>',
    "<WCS_GDAL><ServiceURL>http://{at}/?</ServiceURL><CoverageName>a</CoverageName></WCS_GDAL>",
    "<GDAL_WMTS><GetCapabilitiesUrl>http://{at}/</GetCapabilitiesUrl></GDAL_WMTS>",
    "<MRF_META><CachedSource><Source>/vsicurl/http://{at}/a.tif</Source></CachedSource></MRF_META>",
    '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>http://{at}/</SrcDataSource></OGRVRTLayer>'
    "</OGRVRTDataSource>",
    "<GDALTileIndexDataset><IndexDataset>http://{at}/</IndexDataset></GDALTileIndexDataset>",
    '{{"type": "FeatureCollection", "stac_version": "1.0.0", "features": [{{"assets": '
    '{{"a": {{"href": "http://{at}/a"}}}}}}]}}',
    "%PDF-1.4 http://{at}/",
    '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://{at}/a.png"/></svg>',
    "WMS:http://{at}/",
)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".vrt", ".xml", ".json", ".mrf", ".gti"])
@pytest.mark.parametrize("text", TEXTS)
def test_no_text_that_tells_what_to_read(home: Path, listener: Listener, text: str, suffix: str) -> None:
    path = home / f"in{suffix}"
    path.write_text(text.format(at=listener.address))
    refused(path, "--trust-input")
    with pytest.raises(ImageError), open_image(path, trust=True) as source:
        source.read(source.info.canvas)
    assert listener.asked == []


@pytest.mark.parametrize("name", ["in.tif", "in.png", "in", "in.vrt.tif"])
def test_a_vrt_is_one_by_name_and_content(home: Path, name: str) -> None:
    path = home / name
    path.write_text(vrt(band("in.tif")))
    refused(path, "VRT", "--trust-input")
    path.write_text("\n  " + vrt(raw(home.parent / "secret")))
    refused(path)


STRANGE = {
    "raw": raw("in.tif"),
    "raw by an element": band("in.tif", extra="<subClass>VRTRawRasterBand</subClass>"),
    "raw in other letters": raw("in.tif").replace("subClass", "SUBCLASS").replace("RawRaster", "rawraster"),
    "source as an attribute": '<VRTRasterBand band="1"><SimpleSource SourceFilename="in.tif"/></VRTRasterBand>',
    "code": band("in.tif", kind=' subClass="VRTDerivedRasterBand"').replace(
        "<SimpleSource>", "<PixelFunctionLanguage>Python</PixelFunctionLanguage><SimpleSource>"
    ),
    "options": band("in.tif").replace(
        "</SimpleSource>", '<OpenOptions><OOI key="A">b</OOI></OpenOptions></SimpleSource>'
    ),
    "inline": band("&lt;VRTDataset/&gt;"),
    "comment": band("<!-- -->in.tif"),
    "entity": band("&in;"),
    "processed": "<Input><SourceFilename>in.tif</SourceFilename></Input>",
    "pansharpened": '<VRTRasterBand subClass="VRTPansharpenedRasterBand"/>',
    "overview by name": '<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">x</MDI></Metadata>' + band("in.tif"),
    "sources by metadata": '<Metadata domain="vrt_sources"><MDI key="source_0">x</MDI></Metadata>' + band("in.tif"),
    "member of an archive": band("/vsizip/in.zip/a.tif", relative=0),
    "page": band("GTIFF_DIR:1:in.tif"),
    "standard input": band("/vsistdin/", relative=0),
    "memory": band("/vsimem/a.tif", relative=0),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_strange_in_a_vrt_is_refused(home: Path, kind: str) -> None:
    (home / "m.vrt").write_text(vrt(STRANGE[kind]))
    refused(home / "m.vrt")


@pytest.mark.parametrize("how", ["absolute", "up", "link", "linked folder", "nested", "of the current folder"])
def test_sources_lie_below_the_vrt(home: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, relative = "../outside.tif", 1
    if how == "absolute":
        outside, relative = str(home.parent / "outside.tif"), 0
    elif how == "link":
        (home / "a.tif").symlink_to("../outside.tif")
        outside = "a.tif"
    elif how == "linked folder":
        (home / "a").symlink_to(home.parent)
        outside = "a/outside.tif"
    elif how == "nested":
        (home / "a.vrt").write_text(vrt(band(outside)))
        outside = "a.vrt"
    elif how == "of the current folder":
        monkeypatch.chdir(home.parent)
        outside, relative = "outside.tif", 0
    path = home / "m.vrt"
    path.write_text(vrt(band(outside, relative=relative)))
    if how == "nested":
        with pytest.raises(ImageError, match="outside of"), open_image(path):
            pass
    else:
        refused(path, "outside of", "--trust-input")
    with open_image(path, trust=True) as source, open_image(home.parent / "outside.tif") as other:
        np.testing.assert_array_equal(source.read(source.info.canvas), other.read(other.info.canvas))


def test_a_source_that_is_no_picture(home: Path) -> None:
    (home / "a.tif").write_text(vrt(raw(home.parent / "secret")))
    (home / "m.vrt").write_text(vrt(band("a.tif")))
    refused(home / "m.vrt", "a.tif")
    (home / "m.vrt").write_text(vrt(band("gone.tif")))
    refused(home / "m.vrt", "gone.tif")


def test_a_good_vrt_opens_from_everywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "deep").mkdir()
    (home / "deep/b.vrt").write_text('<?xml version="1.0"?>\n' + vrt(band("../in.tif"), ' subClass="VRTDataset"'))
    (home / "m.vrt").write_text("\ufeff" + vrt(band("deep/b.vrt")), encoding="utf-8")
    (home.parent / "link.vrt").symlink_to("home/m.vrt")
    monkeypatch.chdir(home.parent)
    expected = picture(8, 8, 1)
    for name in ("home/m.vrt", "link.vrt", str(home / "m.vrt")):
        with open_image(name) as source:
            np.testing.assert_array_equal(source.read(source.info.canvas), expected)


def test_a_warped_vrt_opens(home: Path) -> None:
    from rasterio.crs import CRS
    from rasterio.shutil import copy
    from rasterio.transform import Affine
    from rasterio.vrt import WarpedVRT

    from storage.images.gdal import gdal, open_raster

    place = {"crs": CRS.from_epsg(32631), "transform": Affine(10, 0, 5e5, 0, -10, 4e6)}
    write_raster(home / "geo.tif", picture(8, 8, 1), **place)
    with gdal(), open_raster(str(home / "geo.tif")) as raster, WarpedVRT(raster, crs="EPSG:32632") as warped:
        copy(warped, str(home / "warped.vrt"), driver="VRT")
    with open_image(home / "warped.vrt") as source:
        assert source.read(source.info.canvas).any()
        assert str(home / "geo.tif") in source.info.files


@pytest.mark.parametrize("name", ["in.tif.msk", "in.tif.ovr", "in.tif.MSK", "in.ovr", "in.aux", "in.tif.msk.ovr"])
def test_what_lies_beside_a_picture_is_a_picture(home: Path, name: str) -> None:
    (home / name).write_text(vrt(raw(home.parent / "secret")))
    with pytest.raises(ImageError, match=r"beside in\.tif"), open_image(home / "in.tif"):
        pass
    (home / "m.vrt").write_text(vrt(band("in.tif")))
    with pytest.raises(ImageError, match=r"beside in\.tif"), open_image(home / "m.vrt"):
        pass


@pytest.mark.parametrize(
    "text",
    [
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{url}</MDI></Metadata></PAMDataset>',
        '<PAMDataset><Metadata domain="overviews"><mdi KEY="overview_file">{url}</mdi></Metadata></PAMDataset>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "{url}">]><PAMDataset>&b;</PAMDataset>',
        "{url}",
    ],
)
def test_what_an_aux_xml_names(home: Path, listener: Listener, text: str) -> None:
    (home / "in.tif.aux.xml").write_text(text.format(url=f"/vsicurl/http://{listener.address}/a.tif"))
    with pytest.raises(ImageError, match=r"in\.tif\.aux\.xml"), open_image(home / "in.tif"):
        pass
    assert listener.asked == []


def test_raw_bytes_are_read_of_a_file_in_its_folder(home: Path) -> None:
    header = "ENVI\nsamples = 8\nlines = 8\nbands = 1\ndata type = 1\ninterleave = bsq\nbyte order = 0\n"
    (home / "scene.hdr").write_text(header)
    (home / "scene.dat").symlink_to(home.parent / "secret")
    refused(home / "scene.dat", "link")
    (home / "scene.dat").unlink()
    (home / "scene.dat").write_bytes(SECRET)
    with open_image(home / "scene.dat") as source:
        assert source.read(source.info.canvas).tobytes() == SECRET
        assert str(home / "scene.hdr") in source.info.files


def test_a_bomb_in_the_text(home: Path) -> None:
    deep = "<Metadata>" * 50_000 + "</Metadata>" * 50_000
    (home / "m.vrt").write_text(vrt(deep + band("in.tif")))
    refused(home / "m.vrt")


def test_settings_of_the_environment_that_read_otherwise(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GDAL_PAM_ENABLED": "NO",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GTIFF_IGNORE_READ_ERRORS": "YES",
        "GTIFF_FORCE_RGBA": "YES",
        "GDAL_VRT_ENABLE_PYTHON": "YES",
    }.items():
        monkeypatch.setenv(name, value)
    (home / "in.tif.aux.xml").write_text(
        "<PAMDataset><GeoTransform>1, 2, 0, 4, 0, -2</GeoTransform></PAMDataset>", encoding="utf-8"
    )
    with open_image(home / "in.tif") as source:
        assert source.info.transform == (2.0, 0.0, 1.0, 0.0, -2.0, 4.0)
        assert source.info.num_bands == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_no_image(home: Path) -> None:
    os.mkfifo(home / "pipe.tif")
    with pytest.raises((ImageError, FileNotFoundError)), open_image(home / "pipe.tif"):
        pass


def test_pictures_open_whatever_their_name(home: Path) -> None:
    """As before: what a picture is, its content says."""
    Image.fromarray(picture(8, 8, 1)[0]).save(home / "in.gif")
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "TIFF"):
        Image.fromarray(picture(8, 8).transpose(1, 2, 0)).save(home / "picture.dat", kind)
        with open_image(home / "picture.dat") as source:
            assert source.info.num_bands == 3
    with open_image(home / "in.gif") as source:
        assert source.info.height == 8


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["in.tif.aux.xml", "in.tif.msk", "in.tfw", "in.tif.ovr"])
def test_no_pipe_beside_a_picture_is_waited_for(home: Path, name: str) -> None:
    os.mkfifo(home / name)
    with pytest.raises(ImageError, match="a pipe or a device"), open_image(home / "in.tif"):
        pass
    (home / "m.vrt").write_text(vrt(band(name)))
    refused(home / "m.vrt", "no file")


def test_a_vrt_whose_source_is_a_link_to_itself(home: Path) -> None:
    (home / "round.tif").symlink_to("round.tif")
    (home / "m.vrt").write_text(vrt(band("round.tif")))
    refused(home / "m.vrt", "round")


def test_a_vrt_in_an_archive_is_taken_out_first(home: Path) -> None:
    """What it names would be looked for in the archive, and nobody has looked at that."""
    with zipfile.ZipFile(home / "scene.zip", "w") as archive:
        archive.write(home / "in.tif", "in.tif")
        archive.writestr("in.vrt", vrt(band("in.tif")))
    with pytest.raises(ImageError, match="needs other files: take it out of the archive first"):
        open_image(f"/vsizip/{home}/scene.zip/in.vrt")
    with open_image(f"/vsizip/{home}/scene.zip/in.tif") as source:
        assert source.info.height > 0
