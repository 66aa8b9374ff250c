"""Removing what the runs of a collection's finished pictures no longer need."""

from __future__ import annotations

from cluster.runs.cleaning import Cleaned, clean
from storage.objects.address import Address
from storage.run import RunStore

from .entries import PICTURES
from .ledger import DONE, fates_of, names_in


def clean_pictures(run: str, *, keep_pixels: bool) -> Cleaned | None:
    """Clean the run of each picture that is done, see cleaning.clean; None where ``run`` is no collection."""
    if names_in(run) is None:
        return None
    fates = fates_of(RunStore.open(run, create=False))
    folder = f"{Address.parse(run)}".rstrip("/")
    done = [
        clean(f"{folder}/{PICTURES}/{name}", keep_pixels=keep_pixels)
        for name, fate in fates.items()
        if fate.state == DONE
    ]
    return Cleaned(size=sum(one.size for one in done), num_keys=sum(one.num_keys for one in done))
