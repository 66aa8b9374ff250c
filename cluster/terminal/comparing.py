"""What `gigatile compare` prints."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from storage.images.distinct import MOST

from .printing import out, print_warnings

if TYPE_CHECKING:
    from cluster.pictures.consistency import Consistency
    from cluster.pictures.satellite import Satellite

_BAND = {
    "bias": "bias",
    "mae": "MAE",
    "rmse": "RMSE",
    "p999": "p99.9",
    "levels_result": "levels",
    "levels_input": "levels of INPUT",
}
"""heads of columns by names of figures"""


def show_likeness(figures: Mapping[str, float | None], as_json: bool) -> None:
    """Two pictures of one size."""
    if as_json:
        _print_json(figures)
        return
    _print_table(figures)


def show_consistency(found: Consistency, as_json: bool) -> None:
    """A picture and its enlargement."""
    print_warnings(found.warnings)
    figures = found.figures
    if as_json:
        bands = [{"band": name, **_numbers(band)} for name, band in zip(found.names, figures.bands, strict=True)]
        _print_json({"scale": float(found.ratio), **_numbers(figures), "bands": bands})
        return
    table = Table("band", *_BAND.values(), title=f"{_ratio(found)} times as large; averaged over INPUT's pixels:")
    for index, band in enumerate(figures.bands):
        name = found.names[index] or ""
        table.add_row(f"{index + 1} {name}".strip(), *(_cell(key, getattr(band, key)) for key in _BAND))
    out.print(table)
    out.print(f"pixels compared: {figures.pixels}")
    for count, where in ((figures.only_input, "INPUT"), (figures.only_result, "the result")):
        if count:
            out.print(f"pixels that are data in {where} only: {count}")
    if figures.angle is not None:
        out.print(f"spectral angle to INPUT: {figures.angle:.4f} degrees")
    if figures.angle_to_bicubic is not None:
        out.print(f"spectral angle of the result to INPUT enlarged by bicubic: {figures.angle_to_bicubic:.4f} degrees")


def show_satellite(found: Satellite, as_json: bool) -> None:
    """A result, the truth, and what the result was made from."""
    print_warnings(found.warnings)
    figures = _numbers(found.figures)
    if as_json:
        _print_json({"scale": found.scale, "chips": found.chips, "chips_left_out": found.left_out, **figures})
        return
    _print_table(figures)
    left_out = f"; {found.left_out} are mostly no data and were left out" if found.left_out else ""
    out.print(f"chips measured: {found.chips}{left_out}")


def _print_table(figures: Mapping[str, float | None]) -> None:
    table = Table("measure", "value")
    for name, value in figures.items():
        table.add_row(name, "-" if value is None or math.isnan(value) else f"{value:.4f}")
    out.print(table)


def _cell(name: str, value: float | None) -> str:
    if name.startswith("levels"):
        return f"> {MOST}" if value is None else f"{value}"
    return "-" if value is None else f"{value:.4g}"


def _ratio(found: Consistency) -> str:
    whole = found.ratio.denominator == 1
    return f"{found.ratio.numerator}" if whole else f"{found.ratio.numerator}/{found.ratio.denominator}"


def _numbers(figures: object) -> dict[str, float | None]:
    """The fields that are single numbers."""
    table = {one.name: getattr(figures, one.name) for one in dataclasses.fields(figures)}  # type: ignore[arg-type]
    return {name: value for name, value in table.items() if not isinstance(value, tuple)}


def _print_json(table: Mapping[str, object]) -> None:
    """JSON has neither infinity nor NaN: equal images have no PSNR."""
    print(json.dumps({name: value if _is_number(value) else None for name, value in table.items()}))


def _is_number(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
