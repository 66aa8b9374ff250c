"""What several files of one scene say of themselves, as what one picture says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .embedded import Embedded
from .info import ImageInfo
from .metadata import BandMetadata, Metadata

Tags = Mapping[str, str]


def join_metadata(infos: Sequence[ImageInfo], names: Sequence[str]) -> tuple[Metadata, tuple[str, ...]]:
    """Of a picture that has one band of each file, and what is to be said of what is left out, a line each.

    What all of them say alike, the picture says; what they say otherwise, their bands say.
    """
    parts = [info.metadata for info in infos]
    tags = _common([part.tags for part in parts])
    spaces = {name for part in parts for name in part.namespaces}
    shared = {space: _common([part.namespaces.get(space, {}) for part in parts]) for space in spaces}
    first = parts[0].embedded
    differ = [name for part, name in zip(parts, names, strict=True) if part.embedded != first]
    joined = Metadata(
        tags=tags,
        namespaces={space: found for space, found in sorted(shared.items()) if found},
        bands=tuple(_band(part, tags, shared) for part in parts),
        is_premultiplied=parts[0].is_premultiplied,
        has_mask=all(info.metadata.has_mask for info in infos if info.has_alpha) and any(i.has_alpha for i in infos),
        embedded=Embedded() if differ else first,
    )
    said = (f"EXIF, XMP and the like of INPUT are left out: they differ in {', '.join(differ)}",)
    return joined, said if differ else ()


def _common(all_tags: Sequence[Tags]) -> dict[str, str]:
    """What all of them have with one value."""
    first, *others = all_tags
    return {name: text for name, text in first.items() if all(tags.get(name) == text for tags in others)}


def _band(part: Metadata, tags: Tags, shared: Mapping[str, Tags]) -> BandMetadata:
    """A file's band, with what the file says of itself alone; the band's own words are the stronger."""
    band = part.bands[0] if part.bands else BandMetadata()
    # every file of one band calls it gray, which is not what it shows of the scene
    colour = "undefined" if band.colour == "gray" else band.colour
    own = {name: text for name, text in part.tags.items() if name not in tags}
    spaces = {
        space: {name: text for name, text in found.items() if name not in shared[space]}
        | dict(band.namespaces.get(space, {}))
        for space, found in part.namespaces.items()
    }
    kept = {space: found for space, found in spaces.items() if found}
    return replace(band, colour=colour, tags=own | dict(band.tags), namespaces=dict(band.namespaces) | kept)
