"""Contact sheets: the same detail of every picture, by every method, to look at."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.methods import to_picture

SIDE = 256
"""pixels a side of a detail, shown one to one"""
LINE = 20


def busiest(truth: torch.Tensor) -> tuple[int, int]:
    """Top and left of the detail whose texture is most uneven: flat parts and edges in one view."""
    height, width = truth.shape[1:]
    side = min(SIDE, height, width)
    change = truth.mean(0).diff(dim=1).abs()[None, None]
    activity = torch.nn.functional.avg_pool2d(change, 16, stride=16)[0, 0]
    cells = activity.unfold(0, side // 16, 4).unfold(1, max(1, (side - 1) // 16), 4)
    place = int(cells.flatten(2).std(2).argmax()) if cells.numel() else 0
    row, col = divmod(place, cells.shape[1])
    return min(row * 64, height - side), min(col * 64, width - side)


def write_sheet(path: Path, names: list[str], rows: list[list[torch.Tensor]]) -> Path:
    """A column for each of ``names``, a row for each picture; the first image of a row chooses the detail."""
    sheet = Image.new("RGB", (len(names) * (SIDE + 4), LINE + len(rows) * (SIDE + 4)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for column, name in enumerate(names):
        pen.text((column * (SIDE + 4) + 4, 2), name, fill="black", font=font)
    for number, images in enumerate(rows):
        top, left = busiest(images[0])
        for column, image in enumerate(images):
            detail = to_picture(image[:, top : top + SIDE, left : left + SIDE])
            sheet.paste(detail, (column * (SIDE + 4), LINE + number * (SIDE + 4)))
    sheet.save(path)
    return path
