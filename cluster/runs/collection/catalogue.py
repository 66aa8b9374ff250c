"""What is written beside the results of a collection: a STAC catalogue of them, or one mosaic as a VRT."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from cluster.collection import Collection
from storage.errors import ImageError
from storage.home import expand_home
from storage.images import catalogue as stac
from storage.images import mosaic as vrt
from storage.images.delivery import address_of
from storage.objects.address import Address
from storage.objects.root import ObjectRoot

log = logging.getLogger(__name__)

FILES = {"stac": "catalog.json", "vrt": "mosaic.vrt"}
"""what it is called in OUTPUT, by --catalogue"""
_MARKS = {"stac": stac.MARK, "vrt": vrt.MARK}
_SHOWN = 3


def check_catalogue(job: Collection) -> None:
    """Raise ValueError or FileExistsError, one line, where the catalogue could not be written in the end."""
    kind = job.catalogue
    if kind == "none":
        return
    if kind not in FILES:
        raise ValueError(f"--catalogue must be one of none, {', '.join(FILES)}; got {kind!r}")
    if kind == "vrt" and address_of(job.output) is not None:
        raise ValueError("--catalogue vrt reads the results again, from a folder on this machine: give such an OUTPUT")
    there = _found(job, FILES[kind])
    if there is not None and _MARKS[kind].encode() not in there and not job.overwrite:
        raise FileExistsError(
            f"{job.output}/{FILES[kind]} is there, and none of gigatile's: move it, or allow overwriting (--overwrite)"
        )


def write_catalogue(job: Collection, names: Sequence[str]) -> str | None:
    """Write what --catalogue asks for, of the results that are there; returns where, None where nothing is asked for.

    What cannot be in it is told in a line. Raises ImageError where there is nothing that can, or no mosaic is possible.
    """
    if job.catalogue == "none":
        return None
    place, name = _root(job), FILES[job.catalogue]
    found = [one for one in names if job.catalogue == "vrt" or place.exists(stac.item_name(one))]
    left = [one for one in names if one not in found]
    if left:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        log.warning("%s: left out, since they lie nowhere on the ground: %s%s", name, ", ".join(left[:_SHOWN]), more)
    if not found:
        raise ImageError(f"--catalogue {job.catalogue}: no result can be in it; the results themselves are written")
    if job.catalogue == "vrt":
        place.put(name, vrt.mosaic(Path(expand_home(job.output)), found))
    else:
        place.put(name, stac.catalogue(Path(job.output).name or "results", found))
    return f"{job.output}/{name}"


def _root(job: Collection) -> ObjectRoot:
    """OUTPUT, a folder or in a store. Raises FileNotFoundError for a folder that is not there."""
    address = address_of(job.output) or Address.local(expand_home(job.output))
    return ObjectRoot.open(address, create=False)


def _found(job: Collection, name: str) -> bytes | None:
    try:
        return _root(job).get(name)
    except (KeyError, FileNotFoundError):
        return None
