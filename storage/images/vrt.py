"""Reading what a VRT names, without GDAL: a text of GDAL's that builds a picture of other files.

A VRT can name any file or URL, read files as raw bytes, and run code. What is taken here is the part of it that
``gdalbuildvrt``, ``gdal_translate`` and ``gdalwarp`` write: sources that are files. GDAL's own parser is laxer than
any other (names in any case, attributes for elements, text after comments), so all that is not known is refused, not
passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from storage.errors import ImageError
from storage.links import followed

TRUST = "or, if you trust it, say --trust-input"
_MOST_BYTES = 256 << 20
_PACKET = re.compile(rb"<\?xpacket (?:begin|end)=[^<>?]*\?>")
"""of plain words alone, so no parser can take more of the text, or less, for one"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTS = _words(
    """vrtdataset srs geotransform metadata mdi vrtrasterband nodatavalue hidenodatavalue colorinterp colortable entry
    description unittype offset scale categorynames category simplesource complexsource averagedsource
    kernelfilteredsource nodatafrommasksource sourcefilename sourceband sourceproperties srcrect dstrect scaleoffset
    scaleratio colortablecomponent exponent srcmin srcmax dstmin dstmax clamp lut nodata kernel size coefs usemaskband
    maskband gcplist gcp histograms histitem histmin histmax bucketcount includeoutofrange approximate histcounts
    overviewlist overview blockxsize blockysize pixelfunctiontype pixelfunctionarguments sourcetransfertype
    maskvaluethreshold remappedvalue skipnoncontributingsources
    gdalwarpoptions warpmemorylimit resamplealg workingdatatype option sourcedataset transformer approxtransformer
    options maxerror basetransformer genimgprojtransformer srcgeotransform srcinvgeotransform dstgeotransform
    dstinvgeotransform reprojecttransformer reprojectiontransformer sourcesrs targetsrs bandlist bandmapping
    srcnodatareal srcnodataimag dstnodatareal dstnodataimag srcalphaband dstalphaband"""
)
_ATTRIBUTES = _words(
    """rasterxsize rasterysize subclass datatype band blockxsize blockysize relativetovrt shared xoff yoff xsize ysize
    resampling domain format key c1 c2 c3 c4 name normalized dataaxistosrsaxismapping coordinateepoch projection id
    pixel line x y z info src dst mask"""
)
_CLASSES = _words(
    "vrtdataset vrtwarpeddataset vrtrasterband vrtsourcedrasterband vrtwarpedrasterband vrtderivedrasterband"
)
_DOMAINS = _words("overviews vrt_sources new_vrt_sources geolocation subdatasets")
_NAMES_FILES = ("sourcefilename", "sourcedataset")
_WARP_OPTIONS = _words(
    """init_dest unified_src_nodata num_threads source_extra sample_grid sample_steps skip_nosource write_flush
    area_of_interest optimize_size stream_output dst_density_epsilon error_out_if_empty_source_window"""
)


@dataclass(frozen=True, slots=True)
class Named:
    """A source as a VRT names it."""

    text: str
    is_relative: bool
    """to the VRT's folder, not to the current one"""


def named_sources(data: bytes, where: str) -> list[Named]:
    """The sources that a VRT's text names. Raises ImageError for what is not plain XML of known elements."""
    sources = []
    for element in parsed(data, where).iter():
        name = _known(element, where)
        if name in _NAMES_FILES:
            relative = {key.lower(): value for key, value in element.attrib.items()}.get("relativetovrt", "0")
            sources.append(Named(_file_name(element, where), relative.strip() == "1"))
    return sources


def check_side_text(data: bytes, where: str) -> None:
    """Raise ImageError where the text of an .aux.xml names other files to open.

    GDAL puts XMP in it as it stands, between two lines that say where a packet begins and ends: those are no text.
    """
    for element in parsed(_PACKET.sub(b"", data), where).iter():
        values = {key.lower(): value.lower() for key, value in element.attrib.items()}
        if values.get("domain") in _DOMAINS or values.get("key") in ("overview_file", "mask_file"):
            raise ImageError(f"{where} names other files to open: remove it, {TRUST}")


def parsed(data: bytes, where: str) -> ElementTree.Element:
    """XML of one meaning to all parsers. Raises ImageError for any other text."""
    if len(data) > _MOST_BYTES:
        raise ImageError(f"{where} is a text of {len(data)} bytes; expected {_MOST_BYTES} at most")
    try:
        text = data.decode("utf-8-sig").lstrip()
        # with a declaration or a comment in it, two parsers may see two texts
        if "<!" in text or "<?" in re.sub(r"\A<\?xml [^<>]*\?>", "", text):
            raise ImageError(f"{where} has comments or declarations in it: remove them, {TRUST}")
        return ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise ImageError(f"{where} is no XML that can be read: {error}; make it again, {TRUST}") from error
    except RecursionError as error:
        raise ImageError(f"{where} is nested too deep; make it again") from error


def _known(element: ElementTree.Element, where: str) -> str:
    """The element's name in lower case; raises ImageError where it, or an attribute, is not on the lists."""
    name = element.tag.lower()
    values = {key.lower(): value.strip().lower() for key, value in element.attrib.items()}
    strange = [] if name in _ELEMENTS else [f"<{element.tag}>"]
    strange += [f"{key}=" for key in values if key not in _ATTRIBUTES]
    if values.get("subclass", "vrtdataset") not in _CLASSES:
        strange.append(f"subClass={element.get('subClass', '')}")
    if values.get("domain", "").startswith("xml:") or values.get("domain") in _DOMAINS:
        strange.append(f"metadata of the domain {values['domain']}")
    if name == "option" and values.get("name", values.get("key")) not in _WARP_OPTIONS:
        strange.append(f"the option {element.get('name')}")
    if strange:
        raise ImageError(
            f"{where} holds {strange[0]}, which may read other than pictures in its folder: convert it to a TIFF where "
            f"it was made, {TRUST}"
        )
    return name


def _file_name(element: ElementTree.Element, where: str) -> str:
    text = element.text or ""
    is_plain = text and not len(element) and text == text.strip() and "<" not in text and "\0" not in text
    if not is_plain or text.startswith("/vsi") or re.match(r"[A-Za-z][A-Za-z0-9_+.-]*:", text):
        raise ImageError(f"{where} names the source {text[:200]!r}, which is no plain file: copy it there, {TRUST}")
    return text


def resolved(named: Named, vrt: Path) -> Path:
    """Where a source is, links followed; ``vrt``: the real path of the VRT that names it."""
    return followed(vrt.parent / named.text if named.is_relative else named.text)
