"""How pages of text come out: ``python -m benchmarks.pages --model embedded --scales 2 4``.

Draws pages in a font that training does not draw (Pillow's own), in letters of several heights, shrinks them by
antialiased bicubic, and enlarges them by bicubic and by the model's restoration module, with the words that its tagger
finds. Prints the PSNR of both, and the correlation of letters: of each letter's box with the same box of the page as it
was drawn, which falls where letters are blurred, broken or taken for others.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.likeness import psnr
from pipeline.models.registry import describe_model, load_backbone

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SIDE = 384
HEIGHTS = (6, 8, 10, 14)
"""of a line's letters in pixels of the small page"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it was drawn, and where its letters are."""

    pixels: torch.Tensor
    """[3, y, x] in [0, 1]"""
    boxes: tuple[tuple[int, int, int, int], ...]
    """left, top, right and bottom of each letter"""


def draw(rng: np.random.Generator, size: int) -> Page:
    """Lines of words, dark on light paper, of letters ``size`` pixels high."""
    paper, ink = int(rng.integers(225, 256)), int(rng.integers(0, 60))
    page, boxes = Image.new("L", (SIDE, SIDE), paper), []
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for top in range(size // 2, SIDE - 2 * size, round(1.5 * size)):
        left = float(size)
        while left < SIDE - 2 * size:
            letter = LETTERS[rng.integers(len(LETTERS))]
            if rng.random() < 0.85:
                pen.text((left, top), letter, fill=ink, font=font)
                box = pen.textbbox((left, top), letter, font=font)
                boxes.append((int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))))
            left += font.getlength(letter) + size / 12
    grey = torch.from_numpy(np.asarray(page).astype(np.float32) / 255)
    return Page(pixels=grey.expand(3, -1, -1).contiguous(), boxes=tuple(boxes))


def correlation(found: torch.Tensor, page: Page) -> float:
    """The mean over all letters."""
    kept = []
    for left, top, right, bottom in page.boxes:
        ours, theirs = (image[:, top:bottom, left:right].flatten() for image in (found, page.pixels))
        kept.append(float(torch.corrcoef(torch.stack([ours, theirs]))[0, 1]))
    return float(np.mean(kept))


def restored(backbone: Any, low: torch.Tensor, scale: int) -> torch.Tensor:
    words = backbone.steering([dict(backbone.tag(low[None])[0])])[:, :, None, None]
    found: torch.Tensor = backbone.restore(low[None], words, scale)[0][0]
    return found


def measure(backbone: Any, scale: int, pages: int) -> list[str]:
    """A line of the table for each height of letters."""
    lines = []
    for height in HEIGHTS:
        rng, rows = np.random.default_rng(height), []
        for _ in range(pages):
            page = draw(rng, height * scale)
            small = torch.nn.functional.interpolate(
                page.pixels[None], scale_factor=1 / scale, mode="bicubic", antialias=True
            )[0].clamp(0, 1)
            small = (small * 255).round() / 255
            plain = torch.nn.functional.interpolate(small[None], scale_factor=scale, mode="bicubic")[0]
            ours = restored(backbone, small, scale)
            rows.append(
                [
                    figure
                    for image in (plain, ours)
                    for figure in (psnr(image.clamp(0, 1), page.pixels), correlation(image, page))
                ]
            )
        one, two, three, four = np.mean(rows, axis=0)
        lines.append(f"| x{scale} | {height} | {one:.2f} | {three:.2f} | {three - one:+.2f} | {two:.3f} | {four:.3f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--pages", type=int, default=4, help="of each height")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    card = describe_model(options.model)
    backbone = load_backbone(card, device="cpu", dtype="float32")
    print("| scale | letters, px | bicubic, dB | model, dB | gain | letters kept, bicubic | model |")
    print("|---|---|---|---|---|---|---|")
    for scale in options.scales:
        if scale in card.geometry.scales:
            print("\n".join(measure(backbone, scale, options.pages)))


if __name__ == "__main__":
    main()
