"""The XMP packet of a result: the input's, less what is no longer true, and where the result comes from.

A packet is RDF in XML (ISO 16684-1). It is changed in place, so that what is not understood stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from xml.dom.minidom import Document, Element, parseString
from xml.parsers.expat import ExpatError

from .iptc import xmp_of_iptc
from .provenance import Provenance

log = logging.getLogger(__name__)

OURS = "urn:gigatile:provenance#"
"""namespace of the facts of a Provenance"""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XML = "http://www.w3.org/XML/1998/namespace"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_META = "adobe:ns:meta/"
_XMP, _TIFF, _EXIF = (f"http://ns.adobe.com/{name}/1.0/" for name in ("xap", "tiff", "exif"))
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PREFIXES = {
    "gigatile": OURS,
    "xmp": _XMP,
    "Iptc4xmpExt": _IPTC_EXT,
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}
_UNTRUE = {
    _XMP: ("Thumbnails",),
    _TIFF: ("Orientation", "ImageWidth", "ImageLength", "XResolution", "YResolution", "ResolutionUnit"),
    _EXIF: ("PixelXDimension", "PixelYDimension"),
}
"""properties that tell of the input's grid"""
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'
_EMPTY = f'<x:xmpmeta xmlns:x="{_META}"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'


def packet(
    given: bytes | None, provenance: Provenance | None, *, iptc: bytes | None = None, where: str = ""
) -> str | None:
    """The result's packet; None where there is nothing to say.

    ``given``: the input's. ``iptc``: its older kind of words, for a format that has no place for them; what the packet
    says already is left as it is. ``where`` names the input in the warning that says that its packet is damaged.
    """
    document, rdf = _parsed(given, where)
    for namespace, names in _UNTRUE.items():
        _remove(rdf, namespace, names.__contains__)
    says = any(isinstance(node, Element) for node in rdf.childNodes)
    if iptc:
        says |= _add(document, rdf, {key: text for key, text in xmp_of_iptc(iptc).items() if not _has(rdf, *key)})
    if provenance is not None:
        _remove(rdf, OURS, lambda name: True)
        _remove(rdf, _IPTC_EXT, "DigitalSourceType".__eq__)
        facts: dict[tuple[str, str], str | list[str]] = {(OURS, name): text for name, text in provenance.facts.items()}
        facts[_IPTC_EXT, "DigitalSourceType"] = provenance.digital_source_type
        if not _has(rdf, _XMP, "CreatorTool"):
            facts[_XMP, "CreatorTool"] = provenance.software
        says |= _add(document, rdf, facts)
    if not says:
        return None
    assert document.documentElement is not None
    return f"{_BEGIN}{document.documentElement.toxml()}{_END}"


def _parsed(given: bytes | None, where: str) -> tuple[Document, Element]:
    if given:
        try:
            document = parseString(given.strip(b"\0 \t\r\n"))
            found = document.getElementsByTagNameNS(RDF, "RDF")
            if found and b"<!DOCTYPE" not in given:
                return document, found[0]
            reason = "it holds no RDF"
        except (ExpatError, ValueError, LookupError) as error:
            reason = str(error)
        log.warning("%s: its XMP is damaged (%s), so it is left out", where, reason)
    document = parseString(_EMPTY)
    return document, document.getElementsByTagNameNS(RDF, "RDF")[0]


def _descriptions(rdf: Element) -> Iterable[Element]:
    return [node for node in rdf.childNodes if isinstance(node, Element)]


def _has(rdf: Element, namespace: str, name: str) -> bool:
    return any(
        one.hasAttributeNS(namespace, name)
        or any((node.namespaceURI, node.localName) == (namespace, name) for node in one.childNodes)
        for one in _descriptions(rdf)
    )


def _remove(rdf: Element, namespace: str, is_wanted: Callable[[str], bool]) -> None:
    """Take properties out, which are attributes or elements of a description."""
    for one in _descriptions(rdf):
        names = [name for (space, name), _ in one.attributes.itemsNS() if space == namespace and is_wanted(name)]
        for name in names:
            one.removeAttributeNS(namespace, name)
        for node in list(one.childNodes):
            if node.namespaceURI == namespace and is_wanted(node.localName):
                one.removeChild(node)


def _add(document: Document, rdf: Element, facts: Mapping[tuple[str, str], str | list[str]]) -> bool:
    """A description of its own with ``facts`` by namespace and name; a list is a bag. Whether there were any."""
    if not facts:
        return False
    prefix_of = {space: prefix for prefix, space in PREFIXES.items()}
    one = document.createElementNS(RDF, "rdf:Description")
    one.setAttributeNS(_XMLNS, "xmlns:rdf", RDF)
    one.setAttributeNS(RDF, "rdf:about", _about(rdf))
    for space in dict.fromkeys(space for space, _ in facts):
        one.setAttributeNS(_XMLNS, f"xmlns:{prefix_of[space]}", space)
    for (space, name), text in facts.items():
        node = document.createElementNS(space, f"{prefix_of[space]}:{name}")
        _fill(document, node, text, name)
        one.appendChild(node)
    rdf.appendChild(one)
    return True


_CONTAINERS = {"subject": "Bag", "creator": "Seq", "title": "Alt", "description": "Alt", "rights": "Alt"}


def _fill(document: Document, node: Element, text: str | list[str], name: str) -> None:
    container = _CONTAINERS.get(name)
    if container is None:
        assert isinstance(text, str)
        node.appendChild(document.createTextNode(text))
        return
    inner = document.createElementNS(RDF, f"rdf:{container}")
    for item in [text] if isinstance(text, str) else text:
        entry = document.createElementNS(RDF, "rdf:li")
        if container == "Alt":
            entry.setAttributeNS(_XML, "xml:lang", "x-default")
        entry.appendChild(document.createTextNode(item))
        inner.appendChild(entry)
    node.appendChild(inner)


def _about(rdf: Element) -> str:
    """All descriptions of a packet are about one thing."""
    return next((one.getAttributeNS(RDF, "about") for one in _descriptions(rdf)), "")
