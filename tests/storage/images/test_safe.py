"""Sentinel-2 products: their images by name, in a folder or a zip, and nothing but what is theirs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.transform import Affine

from storage.errors import ImageError
from storage.images import open_image
from storage.images.layout import Choice
from tests.storage.images.files import picture, write_raster

_SCHEMA = "https://psd-14.sentinel2.eo.esa.int/PSD"
_GRANULE = "L1C_T31TCJ_A1_20200101T000000"
_IDENTIFIER = "S2A_OPER_MSI_L1C_TL_SGS__20200101T000000_A000001_T31TCJ_N02.08"
BANDS = ("B02", "B03", "B04", "B08")
PIXELS = picture(64, 64, 4, "uint16") // 8
PLACE: dict[str, Any] = {"crs": "EPSG:32631", "transform": Affine(10, 0, 3e5, 0, -10, 4.9e6)}


def image_name(band: str) -> str:
    return f"GRANULE/{_GRANULE}/IMG_DATA/T31TCJ_20200101T000000_{band}"


def metadata(names: list[str]) -> str:
    files = "".join(f"<IMAGE_FILE>{name}</IMAGE_FILE>" for name in names)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<n1:Level-1C_User_Product xmlns:n1="{_SCHEMA}/User_Product_Level-1C.xsd">'
        "<n1:General_Info><Product_Info><PRODUCT_TYPE>S2MSI1C</PRODUCT_TYPE><Query_Options>"
        "<PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT></Query_Options><Product_Organisation><Granule_List>"
        f'<Granule granuleIdentifier="{_IDENTIFIER}" imageFormat="JPEG2000">{files}</Granule></Granule_List>'
        "</Product_Organisation></Product_Info></n1:General_Info></n1:Level-1C_User_Product>"
    )


_TILE = (
    f'<?xml version="1.0"?>\n<n1:Level-1C_Tile_ID xmlns:n1="{_SCHEMA}/S2_PDI_Level-1C_Tile_Metadata.xsd">'
    "<n1:Geometric_Info><Tile_Geocoding><HORIZONTAL_CS_NAME>WGS84 / UTM zone 31N</HORIZONTAL_CS_NAME>"
    '<HORIZONTAL_CS_CODE>EPSG:32631</HORIZONTAL_CS_CODE><Size resolution="10"><NROWS>64</NROWS><NCOLS>64</NCOLS></Size>'
    '<Geoposition resolution="10"><ULX>300000</ULX><ULY>4900000</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>'
    "</Tile_Geocoding></n1:Geometric_Info></n1:Level-1C_Tile_ID>"
)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    folder = tmp_path / "S2A_MSIL1C_20200101.SAFE"
    (folder / image_name("")).parent.mkdir(parents=True)
    for number, band in enumerate(BANDS):
        path = folder / f"{image_name(band)}.jp2"
        write_raster(path, PIXELS[number : number + 1], driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES", **PLACE)
    (folder / "MTD_MSIL1C.xml").write_text(metadata([image_name(band) for band in BANDS]))
    (folder / "GRANULE" / _GRANULE / "MTD_TL.xml").write_text(_TILE)
    (tmp_path / "secret").write_bytes(bytes(range(64)))
    return folder


def zipped(product: Path) -> Path:
    path = product.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(product.rglob("*")):
            archive.write(file, file.relative_to(product.parent))
    return path


@pytest.mark.parametrize("is_zip", [False, True])
def test_its_images_by_the_names_that_are_listed(product: Path, is_zip: bool) -> None:
    named = zipped(product) if is_zip else product
    with pytest.raises(ImageError, match="is a collection of 4 images; expected one image: name the one") as caught:
        open_image(named)
    assert "\n" not in str(caught.value)
    ten_metres = str(caught.value).split("one of: ")[1].split(", ")[0]
    assert ten_metres.startswith("SENTINEL2_L1C:/")
    assert ten_metres.endswith("MTD_MSIL1C.xml:10m:EPSG_32631")
    with open_image(ten_metres, choice=Choice(only=(1, 2, 3))) as source:
        # GDAL's order: red, green, blue
        np.testing.assert_array_equal(source.read(source.info.canvas), PIXELS[[2, 1, 0]])
        assert source.info.transform == (10, 0, 3e5, 0, -10, 4.9e6)
        before = source.fingerprint()
    if not is_zip:
        write_raster(product / f"{image_name('B03')}.jp2", PIXELS[3:], driver="JP2OpenJPEG", **PLACE)
        with open_image(ten_metres, choice=Choice(only=(1, 2, 3))) as source:
            assert source.fingerprint() != before


VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
    '<SourceFilename relativeToVRT="0">{secret}</SourceFilename></VRTRasterBand></VRTDataset>'
)


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("band", ["B03", "B99"])
def test_what_is_called_jp2_is_jpeg_2000(product: Path, band: str, is_zip: bool) -> None:
    (product / f"{image_name(band)}.jp2").write_text(VRT.format(secret=product.parent / "secret"))
    with pytest.raises(ImageError, match=r"is no JPEG 2000: get the product again"):
        open_image(zipped(product) if is_zip else product)


@pytest.mark.parametrize("name", ["../secret", "GRANULE/../../secret", "/etc/passwd", "/vsicurl/http://127.0.0.1/a"])
def test_names_stay_in_the_product(product: Path, name: str) -> None:
    (product / "MTD_MSIL1C.xml").write_text(metadata([image_name("B02"), name]))
    with pytest.raises(ImageError, match="which is no file of the product"):
        open_image(product)


def test_links_stay_in_the_product(product: Path) -> None:
    path = product / f"{image_name('B03')}.jp2"
    path.rename(product.parent / "B03.jp2")
    path.symlink_to(product.parent / "B03.jp2")
    with pytest.raises(ImageError, match="is a link out of the product's folder"):
        open_image(product)


@pytest.mark.parametrize("ending", [".msk", ".ovr"])
def test_what_lies_beside_its_images_is_a_picture(product: Path, ending: str) -> None:
    (product / f"{image_name('B03')}.jp2{ending}").write_text(VRT.format(secret=product.parent / "secret"))
    with pytest.raises(ImageError, match=r"beside T31TCJ_20200101T000000_B03\.jp2, is no TIFF"):
        open_image(product)
