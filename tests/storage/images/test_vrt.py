"""What a VRT names, and what is refused in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import ImageError
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
