from __future__ import annotations

from xml.etree import ElementTree

import pytest

from storage.images.provenance import Provenance
from storage.images.xmp import OURS, PREFIXES, RDF, packet

MADE = Provenance(software="gigatile 1", model="m", recipe="r", plan="p", seed=7, scale=4, source="a&b.tif")
TIFF = "http://ns.adobe.com/tiff/1.0/"
GIVEN = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">
<rdf:Description rdf:about="" xmlns:tiff="{TIFF}" xmlns:xmp="{PREFIXES["xmp"]}" xmlns:own="urn:own#"
  tiff:Orientation="6" tiff:Make="Nikon" own:kept="yes" xmp:CreatorTool="Darkroom 2">
 <tiff:XResolution>300/1</tiff:XResolution>
 <Iptc4xmpExt:DigitalSourceType xmlns:Iptc4xmpExt="{PREFIXES["Iptc4xmpExt"]}">of a scan</Iptc4xmpExt:DigitalSourceType>
 <own:list><rdf:Bag><rdf:li>one</rdf:li><rdf:li>two</rdf:li></rdf:Bag></own:list>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def properties(text: str | None) -> dict[str, list[str]]:
    """Every property of a packet by its full name, as another reader of XML finds it; each may come once."""
    assert text is not None
    found: dict[str, list[str]] = {}
    for one in ElementTree.fromstring(text).iter(f"{{{RDF}}}Description"):
        for name, value in one.attrib.items():
            if name != f"{{{RDF}}}about":
                found.setdefault(name, []).append(value)
        for node in one:
            found.setdefault(node.tag, []).append("|".join(part.strip() for part in node.itertext() if part.strip()))
    return found


def test_a_packet_says_where_the_picture_comes_from() -> None:
    found = properties(packet(None, MADE))
    assert {name.removeprefix(f"{{{OURS}}}"): values for name, values in found.items() if OURS in name} == {
        "Software": ["gigatile 1"],
        "Model": ["m"],
        "Recipe": ["r"],
        "Plan": ["p"],
        "Seed": ["7"],
        "Scale": ["4"],
        "Source": ["a&b.tif"],
    }
    (kind,) = found[f"{{{PREFIXES['Iptc4xmpExt']}}}DigitalSourceType"]
    assert kind == "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


def test_what_a_packet_says_stays_but_what_is_no_longer_true() -> None:
    found = properties(packet(GIVEN.encode(), MADE))
    assert found[f"{{{TIFF}}}Make"] == ["Nikon"]
    assert found["{urn:own#}kept"] == ["yes"]
    assert found["{urn:own#}list"] == ["one|two"]
    assert found[f"{{{PREFIXES['xmp']}}}CreatorTool"] == ["Darkroom 2"]
    assert f"{{{TIFF}}}Orientation" not in found, "a viewer would turn what is upright"
    assert f"{{{TIFF}}}XResolution" not in found
    assert all(len(values) == 1 for values in found.values()), "a property comes once"


def test_a_result_of_a_result_tells_of_the_last_one() -> None:
    first = packet(GIVEN.encode(), MADE)
    assert first is not None
    found = properties(
        packet(first.encode(), Provenance(software="gigatile 2", model="n", recipe="r", plan="q", seed=1, scale=2))
    )
    assert found[f"{{{OURS}}}Software"] == ["gigatile 2"]
    assert f"{{{OURS}}}Source" not in found
    assert found["{urn:own#}kept"] == ["yes"]


def test_older_words_where_there_is_no_place_for_them() -> None:
    city = bytes((0x1C, 2, 90, 0, 4)) + b"Oslo"
    assert properties(packet(None, None, iptc=city)) == {f"{{{PREFIXES['photoshop']}}}City": ["Oslo"]}
    title = bytes((0x1C, 2, 5, 0, 5)) + b"A < B"
    text = packet(None, None, iptc=title)
    assert properties(text) == {f"{{{PREFIXES['dc']}}}title": ["A < B"]}
    again = packet((text or "").encode(), None, iptc=bytes((0x1C, 2, 5, 0, 5)) + b"Other")
    assert properties(again) == {f"{{{PREFIXES['dc']}}}title": ["A < B"]}


def test_nothing_to_say() -> None:
    assert packet(None, None) is None


@pytest.mark.parametrize(
    "given",
    [b"<x:xmpmeta", b"\xff\xfe\x00", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]>' + GIVEN.encode()],
)
def test_a_damaged_packet_is_left_out_with_a_word(given: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert properties(packet(given, MADE, where="a.tif")) == properties(packet(None, MADE))
    assert "a.tif: its XMP is damaged" in caplog.text
