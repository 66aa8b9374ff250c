"""What a VRT names, and what is refused in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from storage.errors import ImageError
from storage.images import vrt
from storage.images.vrt import Named, check_side_text, named_sources, resolved

PLAIN = """<VRTDataset rasterXSize="4" rasterYSize="3"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"""


def sources(name: str, relative: str = "1") -> list[Named]:
    return named_sources(PLAIN.format(name=name, relative=relative).encode(), "a.vrt")


def test_sources_by_name() -> None:
    assert sources("b/c.tif") == [Named("b/c.tif", True)]
    assert sources("/b/c.tif", "0") == [Named("/b/c.tif", False)]
    declared = b'<?xml version="1.0"?>' + PLAIN.format(name="a.tif", relative=" 1 ").encode()
    assert named_sources(declared, "a.vrt") == [Named("a.tif", True)]


def test_where_a_source_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    vrt = tmp_path / "a.vrt"
    assert resolved(Named("b/c.tif", True), vrt) == tmp_path.resolve() / "b" / "c.tif"
    assert resolved(Named("b/c.tif", False), vrt) == Path("/b/c.tif")


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://x/a.tif", "http://x/a.tif", "NETCDF:a.nc", "", " a.tif", "&lt;VRTDataset/&gt;"]
)
def test_sources_that_are_no_plain_files(name: str) -> None:
    with pytest.raises(ImageError, match="which is no plain file: copy it there, or, if you trust it, say"):
        sources(name)


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("<VRTDataset><PixelFunctionCode/></VRTDataset>", "<PixelFunctionCode>"),
        ("<VRTDataset><SRS href='x'/></VRTDataset>", "href="),
        ("<VRTDataset subClass='VRTPansharpenedDataset'/>", "subClass=VRTPansharpenedDataset"),
        ("<VRTDataset><Metadata domain='xml:VRT'/></VRTDataset>", "metadata of the domain xml:vrt"),
        ("<VRTDataset><Metadata domain='Overviews'/></VRTDataset>", "metadata of the domain overviews"),
        ("<VRTDataset><Option name='CUTLINE_DSNAME'>x</Option></VRTDataset>", "the option CUTLINE_DSNAME"),
    ],
)
def test_what_is_not_known_is_refused(text: str, strange: str) -> None:
    with pytest.raises(ImageError, match=f"a.vrt holds {strange}, which may read other than"):
        named_sources(text.encode(), "a.vrt")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<VRTDataset><!-- x --></VRTDataset>", "has comments or declarations in it"),
        ("<!DOCTYPE a><VRTDataset/>", "has comments or declarations in it"),
        ("<VRTDataset><?x y?></VRTDataset>", "has comments or declarations in it"),
        ("<VRTDataset>", "is no XML that can be read"),
        ("<a>" * 100_000, "no XML that can be read|nested too deep"),
    ],
)
def test_what_is_no_plain_xml_is_refused(text: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        named_sources(text.encode(), "a.vrt")


@pytest.mark.parametrize(
    "element",
    ["<Metadata domain='Overviews'/>", "<MDI key='OVERVIEW_FILE'>x</MDI>", "<MDI KEY='Mask_File'/>"],
)
def test_a_side_file_that_names_others_is_refused(element: str) -> None:
    with pytest.raises(ImageError, match=r"a.aux.xml names other files to open: remove it"):
        check_side_text(f"<PAMDataset>{element}</PAMDataset>".encode(), "a.aux.xml")
    check_side_text(b"<PAMDataset><Metadata domain='IMAGE'/><MDI key='AREA'>1</MDI></PAMDataset>", "a.aux.xml")


WHERE = "in.vrt"
SRS = '<SRS dataAxisToSRSAxisMapping="2,1">EPSG:4326</SRS>'
BAND = '<VRTRasterBand dataType="Byte" band="1">{}</VRTRasterBand>'


def text(body: str, *, size: str = 'rasterXSize="7" rasterYSize="5"') -> bytes:
    return f"<VRTDataset {size}>{SRS}{body}</VRTDataset>".encode()


def source(name: str, attributes: str = 'relativeToVRT="1"') -> str:
    return BAND.format(
        f"<SimpleSource><SourceFilename {attributes}>{name}</SourceFilename><SourceBand>1</SourceBand>"
        '<SrcRect xOff="0" yOff="0" xSize="7" ySize="5"/></SimpleSource>'
    )


def test_sources_in_their_order() -> None:
    body = source("a b.tif") + source("/data/c.tif", 'relativeToVRT="0"') + source("d.tif", "")
    expected = [Named("a b.tif", True), Named("/data/c.tif", False), Named("d.tif", False)]
    assert named_sources(text(body), WHERE) == expected
    assert named_sources(text(""), WHERE) == []


def test_whatever_the_case_of_its_names() -> None:
    """As GDAL reads them; a mark for the order of bytes and a declaration may come first."""
    body = source("a.tif", 'RELATIVETOVRT=" 1 "').replace("SourceFilename", "sourcefilename").encode()
    declared = b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<vrtdataset rasterXSize="1">%s</vrtdataset>'
    assert named_sources(declared % body, WHERE) == [Named("a.tif", True)]
    warped = b'<VRTDataset subClass="VRTWarpedDataset"><GDALWarpOptions><SourceDataset relativeToVRT="1">w.tif'
    warped += b'</SourceDataset><Option name="INIT_DEST">0</Option></GDALWarpOptions></VRTDataset>'
    assert named_sources(warped, WHERE) == [Named("w.tif", True)]


@pytest.mark.parametrize(
    ("body", "strange"),
    [
        ("<PixelFunctionCode>x</PixelFunctionCode>", "<PixelFunctionCode>"),
        ("<OGRSQL>x</OGRSQL>", "<OGRSQL>"),
        ('<Metadata evil="1"/>', "evil="),
        ('<VRTRasterBand subClass="VRTRawRasterBand"/>', "subClass=VRTRawRasterBand"),
        ('<Metadata domain="xml:VRT"/>', "metadata of the domain xml:vrt"),
        ('<Metadata domain="Overviews"/>', "metadata of the domain overviews"),
        ('<Metadata domain="new_vrt_sources"/>', "metadata of the domain new_vrt_sources"),
        ('<Option name="CUTLINE">x</Option>', "the option CUTLINE"),
        ("<Option>x</Option>", "the option None"),
    ],
)
def test_what_is_not_known_is_refused_too(body: str, strange: str) -> None:
    message = f"in.vrt holds {strange}, which may read other than pictures in its folder"
    with pytest.raises(ImageError, match=re.escape(message)):
        named_sources(text(body), WHERE)


@pytest.mark.parametrize(
    "body",
    [
        '<VRTRasterBand subClass="VRTSourcedRasterBand"/>',
        '<Metadata domain="IMAGE_STRUCTURE"><MDI key="INTERLEAVE">PIXEL</MDI></Metadata>',
        '<Option name="num_threads">2</Option>',
    ],
)
def test_what_is_known_passes(body: str) -> None:
    assert named_sources(text(body), WHERE) == []


@pytest.mark.parametrize(
    "name",
    [
        "/vsicurl/http://a/b.tif",
        "/vsimem/a",
        "http://a/b.tif",
        "WMS:x",
        "NETCDF:a.nc",
        "c:/a.tif",
        " a.tif",
        "a.tif\n",
        "",
        "&lt;a&gt;",
    ],
)
def test_names_that_are_no_plain_file(name: str) -> None:
    with pytest.raises(ImageError, match=r"in\.vrt names the source .*, which is no plain file"):
        named_sources(text(source(name)), WHERE)


def test_a_name_with_something_inside_it() -> None:
    with pytest.raises(ImageError, match="no plain file"):
        named_sources(text(source("a.tif<SRS/>")), WHERE)


@pytest.mark.parametrize("name", ["a.tif", "1:2.tif", "deep/er/a.tif", "../a.tif", "vsi/a.tif", "é ü.tif"])
def test_names_that_are(name: str) -> None:
    assert named_sources(text(source(name)), WHERE)[0].text == name


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<VRTDataset><!-- a --></VRTDataset>", "has comments or declarations in it"),
        (b'<?xml version="1.0"?><?evil?><VRTDataset/>', "has comments or declarations in it"),
        (b"<!DOCTYPE a><VRTDataset/>", "has comments or declarations in it"),
        (b"<VRTDataset>", "is no XML that can be read"),
        (b"\xff\xfe", "is no XML that can be read"),
        (b"", "is no XML that can be read"),
    ],
)
def test_what_two_parsers_may_read_in_two_ways(data: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=f"^in.vrt {says}.*--trust-input"):
        named_sources(data, WHERE)


def test_texts_may_be_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    data = text("")
    monkeypatch.setattr(vrt, "_MOST_BYTES", len(data))
    named_sources(data, WHERE)
    with pytest.raises(ImageError, match=f"a text of {len(data) + 1} bytes; expected {len(data)} at most"):
        named_sources(data + b"\n", WHERE)


@pytest.mark.parametrize(
    "inner",
    [
        '<Metadata domain="OVERVIEWS"/>',
        '<Metadata domain="subdatasets"/>',
        '<Metadata><MDI key="OVERVIEW_FILE">a.tif</MDI></Metadata>',
        '<Metadata><MDI KEY="mask_file">a.tif</MDI></Metadata>',
    ],
)
def test_what_lies_beside_names_no_files(inner: str) -> None:
    with pytest.raises(ImageError, match=r"^in.tif.aux.xml names other files to open: remove it, or"):
        check_side_text(f"<PAMDataset>{inner}</PAMDataset>".encode(), "in.tif.aux.xml")


def test_statistics_beside_a_picture_pass() -> None:
    """Elements that no VRT has: here only what names files matters."""
    inner = '<Metadata domain=""><MDI key="STATISTICS_MEAN">3</MDI></Metadata><Histograms/><Odd/>'
    check_side_text(f"<PAMDataset>{inner}</PAMDataset>".encode(), "a")
    with pytest.raises(ImageError, match="no XML"):
        check_side_text(b"<PAMDataset>", "a")


def test_a_packet_of_xmp_beside_a_picture_passes() -> None:
    """As GDAL writes one; between its marks is text like any other, and other marks are none."""
    begin, end = '<?xpacket begin="&#xFEFF;" id="W5M0"?>', '<?xpacket end="w"?>'
    inner = '<PAMDataset><Metadata domain="xml:XMP" format="xml">{}</Metadata></PAMDataset>'
    check_side_text(inner.format(f"{begin}<a/>{end}").encode(), "a")
    check_side_text(inner.format(f'<?xpacket begin="\ufeff"?><a/>{end}').encode(), "a")
    with pytest.raises(ImageError, match="names other files to open"):
        check_side_text(inner.format(f"{begin}<MDI key='MASK_FILE'>a</MDI>{end}").encode(), "a")
    for strange in ("<?xpacket?>", '<?xpacket end="<a>"?>', "<!-- a -->", "<?x end='w'?>"):
        with pytest.raises(ImageError, match="comments or declarations"):
            check_side_text(inner.format(strange).encode(), "a")


def test_where_a_source_is_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the VRT's folder where it says so, else to the current one; links are followed."""
    folder, here = tmp_path / "data", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    (folder / "real.tif").touch()
    (folder / "link.tif").symlink_to("real.tif")
    monkeypatch.chdir(here)
    at = folder / "in.vrt"
    assert resolved(Named("link.tif", True), at) == folder / "real.tif"
    assert resolved(Named("../data/real.tif", True), at) == folder / "real.tif"
    assert resolved(Named("link.tif", False), at) == here / "link.tif"
    assert resolved(Named(str(folder / "link.tif"), False), at) == folder / "real.tif"
    assert resolved(Named(str(folder / "link.tif"), True), at) == folder / "real.tif"
