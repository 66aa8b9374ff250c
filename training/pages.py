"""Drawn pages: lines of text in several scripts and sizes on paper, in grey, in colour or in two tones, as scans are.

Fonts are those of this machine, which stay here: what is learnt of them is how letters look when they are small.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts")
SCRIPTS = {
    "Latin": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:-()äöüßéèçñø",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψωΑΒΓΔΘΛΞΠΣΦΨΩ",
    "Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЖИЛПФЦЧШЩЭЮЯ",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "Armenian": "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփք",
}
SHARES = (0.6, 0.1, 0.15, 0.1, 0.05)
TWO_TONES, COLOURED, INVERTED, RULED = 0.2, 0.25, 0.1, 0.2
"""shares of the pages that are black and white alone, whose paper has a colour, that are light on dark, with lines"""


@lru_cache(maxsize=1)
def find_fonts() -> tuple[Path, ...]:
    """Every TrueType font of this machine; none where it has none."""
    found = (path for folder in FONTS if Path(folder).is_dir() for path in sorted(Path(folder).rglob("*.tt[fc]")))
    return tuple(path for path in found if "Math" not in path.name)


@lru_cache(maxsize=64)
def _font(path: Path | None, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size) if path is None else ImageFont.truetype(str(path), size)


def draw_page(rng: np.random.Generator, side: int) -> np.ndarray:
    """A part of a page ``[side, side, 3]`` float32 in [0, 1]."""
    paper, ink = _tones(rng)
    page = Image.new("L", (side, side), 0)
    pen, size = ImageDraw.Draw(page), int(np.exp(rng.uniform(np.log(14), np.log(72))))
    fonts = find_fonts()
    font = _font(fonts[rng.integers(len(fonts))] if fonts else None, size)
    letters = SCRIPTS[str(rng.choice(list(SCRIPTS), p=SHARES))] if fonts else SCRIPTS["Latin"][:62]
    step = max(1, round(size * rng.uniform(1.15, 1.7)))
    for line in range(-int(rng.integers(0, step)), side, step):
        pen.text((-int(rng.integers(0, 2 * size)), line), _line(letters, rng, side, size), fill=255, font=font)
    if rng.random() < RULED:
        for _ in range(int(rng.integers(1, 5))):
            place, width = int(rng.integers(0, side)), int(rng.integers(1, 6))
            pen.line([(0, place), (side, place)] if rng.random() < 0.5 else [(place, 0), (place, side)], 255, width)
    share = np.asarray(page).astype(np.float32)[..., None] / 255
    if rng.random() < TWO_TONES:
        share, paper, ink = (share > 0.5).astype(np.float32), np.ones(3), np.zeros(3)
    if rng.random() < INVERTED:
        paper, ink = ink, paper
    return (paper * (1 - share) + ink * share).astype(np.float32)


def _tones(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of paper, light and nearly grey, and of ink, dark."""
    light, dark = rng.uniform(0.75, 1.0), rng.uniform(0.0, 0.35)
    tint = rng.uniform(-0.12, 0.05, 3) if rng.random() < COLOURED else np.zeros(3)
    hue = rng.uniform(0, 0.4, 3) if rng.random() < COLOURED else np.zeros(3)
    return np.clip(light + tint, 0, 1), np.clip(dark + hue, 0, 1)


def _line(letters: str, rng: np.random.Generator, side: int, size: int) -> str:
    """Words of two to nine letters, as many as fill a line."""
    words, length = [], 0
    while length < 3 * side // size + 8:
        count = int(rng.integers(2, 10))
        words.append("".join(letters[rng.integers(len(letters))] for _ in range(count)))
        length += count + 1
    return " ".join(words)
