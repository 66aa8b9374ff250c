"""A run, looked at from anywhere that can read its store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.pictures.exporting import Input, export_run
from cluster.pictures.preview import decode_step
from cluster.runs.cleaning import clean
from cluster.runs.following import follow, look_once
from cluster.runs.prompts import TilePrompts, open_prompts, tile_prompts
from storage.objects.address import Address


@dataclass(frozen=True, slots=True)
class Run:
    """A run, or a series of them, by its folder or URL. Nothing here writes to it but ``clean``."""

    url: str

    def __post_init__(self) -> None:
        """Raises ValueError for what is no address."""
        _ = Address.parse(self.url)

    def status(self) -> dict[str, Any]:
        """How far it is, and whether anybody is at work on it. Raises FileNotFoundError where no run is."""
        table, _ = next(look_once(self.url))
        return table

    def follow(self) -> Iterator[dict[str, Any]]:
        """The status every two seconds, until the run ends or nobody is at work on it."""
        for table, _ in follow(self.url):
            yield table

    def clean(self, *, keep_pixels: bool = False) -> int:
        """Remove what a finished run no longer needs; returns the bytes of it.

        ``keep_pixels``: but the decoded ones, from which ``export`` writes the picture again.
        """
        return clean(self.url, keep_pixels=keep_pixels).size

    def prompts(self) -> Iterator[TilePrompts]:
        """What each tile was told to be, row by row."""
        return tile_prompts(*open_prompts(self.url))

    def preview(self, step: int, output: str | Path, *, model: str = "embedded", overwrite: bool = False) -> int:
        """Write the latents of a step, decoded as far as they are there; returns how many regions are."""
        return decode_step(self.url, step, str(output), model=model, overwrite=overwrite).decoded

    def export(
        self,
        output: str | Path,
        *,
        image: str | Path | Sequence[str | Path] | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> str:
        """Write the picture of a run whose regions are all decoded; returns the sha256 of its pixels.

        ``image``: the run's input, for the georeference, the transparency, the colour profile and the resolution;
        ``options``: ``bands``, ``alpha``, ``page`` and ``trust``, as the run was given them.
        """
        if image is None:
            return export_run(self.url, str(output), overwrite=overwrite).sha256
        names = [image] if isinstance(image, (str, Path)) else image
        given = Input.of([str(name) for name in names], **options)
        return export_run(self.url, str(output), given, overwrite=overwrite).sha256
